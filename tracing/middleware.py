"""Tell traces whom they belong to: one middleware for HTTP, one for websockets."""

import re
import uuid
from collections.abc import Callable

from asgiref.sync import iscoroutinefunction
from django.utils.decorators import sync_and_async_middleware

from tracing.attribution import attributed, pseudonym

REQUEST_ID = re.compile(r"[\w.:-]{8,64}", re.ASCII)


@sync_and_async_middleware
def TracingMiddleware(get_response):
    """Attribute the traces of an HTTP request to its user; answer with its `X-Request-ID`."""
    if iscoroutinefunction(get_response):

        async def middleware(request):
            user = await request.auser() if hasattr(request, "auser") else None
            request.request_id = request_id(request.headers.get("X-Request-ID", ""))
            with attributed(user_id=pseudonym(user), request_id=request.request_id):
                response = await get_response(request)
            response["X-Request-ID"] = request.request_id
            return response

    else:

        def middleware(request):
            request.request_id = request_id(request.headers.get("X-Request-ID", ""))
            user = getattr(request, "user", None)
            with attributed(user_id=pseudonym(user), request_id=request.request_id):
                response = get_response(request)
            response["X-Request-ID"] = request.request_id
            return response

    return middleware


class TracingASGIMiddleware:
    """Attribute the traces of a websocket to its user and session.

    Stands inside the authentication middleware, which fills `scope["user"]`. `session_id` reads
    the session out of the scope, for instance from the path.
    """

    def __init__(self, application, *, session_id: Callable[[dict], str] | None = None):
        self.application = application
        self.session_id = session_id

    async def __call__(self, scope, receive, send):
        headers = {name.lower(): value for name, value in scope.get("headers", [])}
        who = {
            "user_id": pseudonym(scope.get("user")),
            "session_id": self.session_id(scope) if self.session_id else "",
            "request_id": request_id(headers.get(b"x-request-id", b"").decode("latin-1")),
        }
        with attributed(**who):
            return await self.application(scope, receive, send)


def request_id(given: str) -> str:
    """Return the id a proxy gave this request where it is a sane one, else a new one."""
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
