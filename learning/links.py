"""Links between what the site keeps and its traces."""

from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from learning.models import Conversation
from tracing.links import langfuse_url


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


def trace_links(trace_id: str):
    """Link to a trace here and, where there is one, in Langfuse."""
    if not trace_id:
        return "–"
    here = format_html(
        '<a href="{}">{}</a>',
        reverse("admin:tracing_tracerecord_change", args=[trace_id]),
        _("trace"),
    )
    there = langfuse_url(trace_id)
    if not there:
        return here
    return format_html(
        '{} · <a href="{}" target="_blank" rel="noopener">Langfuse ↗</a>', here, there
    )


def trace_search(wanted, words):
    """Link to the list of the traces of one user or one conversation."""
    url = reverse("admin:tracing_tracerecord_changelist")
    return format_html('<a href="{}?{}">{}</a>', url, urlencode({"q": wanted}), words)
