"""Addresses that the tracing app asks for."""

from uuid import UUID

from django.urls import reverse

from learning.models import Conversation


def session_url(session_id: str, user) -> str:
    """Return where this member of staff sees the conversation of a trace.

    "" when the session is none, is deleted, or is not theirs to see.
    """
    if not user.has_perm("learning.view_conversation"):
        return ""
    try:
        conversation = UUID(session_id)
    except ValueError:
        return ""
    if not Conversation.objects.filter(pk=conversation).exists():
        return ""
    return reverse("admin:learning_conversation_change", args=[conversation])
