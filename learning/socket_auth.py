"""Who opens a websocket: the user of the session whose cookie comes with it.

Django's own rules (password changed since, account switched off), asked in a thread of our pool:
Channels' middleware would ask in the one thread that all sockets share.
"""

from importlib import import_module

from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest

from rag import database


class SocketAuthMiddleware:
    """Fill `scope["session_key"]` and `scope["user"]`; stands inside CookieMiddleware."""

    def __init__(self, application):
        self.application = application

    async def __call__(self, scope, receive, send):
        session_key = scope["cookies"].get(settings.SESSION_COOKIE_NAME, "")
        user = await database.run(user_of, session_key)
        scope = {**scope, "session_key": session_key, "user": user}
        return await self.application(scope, receive, send)


def user_of(session_key: str):
    """Return who is logged in by this session right now, or an AnonymousUser."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key or None)
    return auth.get_user(request)
