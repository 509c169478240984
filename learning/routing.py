"""The websocket's address."""

import re

from django.urls import path

from learning.consumers import ChatConsumer

websocket_urlpatterns = [
    path("ws/conversations/<uuid:conversation_id>/", ChatConsumer.as_asgi()),
]

_ADDRESS = re.compile(r"^/ws/conversations/([0-9a-f-]{36})/$")


def conversation_id(scope: dict) -> str:
    """Return the conversation a websocket is opened for: the session of its traces."""
    match = _ADDRESS.match(scope.get("path", ""))
    return match[1] if match else ""
