"""The websocket's address."""

import re

from django.urls import path, re_path

from learning.consumers import ChatConsumer


async def nowhere(scope, receive, send) -> None:
    """Refuse a websocket on any other address."""
    await receive()
    await send({"type": "websocket.close"})


websocket_urlpatterns = [
    path("ws/conversations/<uuid:conversation_id>/", ChatConsumer.as_asgi()),
    re_path("", nowhere),
]

_ADDRESS = re.compile(r"^/ws/conversations/([0-9a-f-]{36})/$")


def conversation_id(scope: dict) -> str:
    """Return the conversation a websocket is opened for: the session of its traces."""
    match = _ADDRESS.match(scope.get("path", ""))
    return match[1] if match else ""
