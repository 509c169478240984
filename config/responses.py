"""Middleware that does nothing but change what goes out."""

from asgiref.sync import iscoroutinefunction
from django.utils.decorators import sync_and_async_middleware


def changing_responses(change):
    """Make a middleware of `change(request, response)`, which changes the response in place."""

    @sync_and_async_middleware
    def factory(get_response):
        if iscoroutinefunction(get_response):

            async def middleware(request):
                response = await get_response(request)
                change(request, response)
                return response

        else:

            def middleware(request):
                response = get_response(request)
                change(request, response)
                return response

        return middleware

    return factory
