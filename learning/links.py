"""Addresses that the tracing app asks for."""

from uuid import UUID

from django.urls import reverse


def session_url(session_id: str) -> str:
    """Return where staff see the conversation of a trace; "" when the session is none."""
    try:
        conversation = UUID(session_id)
    except ValueError:
        return ""
    return reverse("admin:learning_conversation_change", args=[conversation])
