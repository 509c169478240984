"""Addresses of a trace in Langfuse and of its session here: built, never asked for."""

from django.utils.module_loading import import_string

from tracing import conf


def langfuse_url(trace_id: str) -> str:
    """Return where a browser finds the trace in Langfuse; "" when none is configured."""
    base = (conf.get("LANGFUSE_PUBLIC_URL") or conf.get("LANGFUSE_HOST")).rstrip("/")
    if not base:
        return ""
    project = conf.get("LANGFUSE_PROJECT_ID")
    # Without a project id Langfuse itself redirects to the right one.
    return f"{base}/project/{project}/traces/{trace_id}" if project else f"{base}/trace/{trace_id}"


def session_url(session_id: str, user) -> str:
    """Return the page of a trace's session that this user may open; "" when there is none."""
    path = conf.get("SESSION_URL")
    return import_string(path)(session_id, user) if path and session_id else ""
