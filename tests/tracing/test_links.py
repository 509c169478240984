"""Addresses are built, never asked for."""

from tracing.links import langfuse_url, session_url


def page_of(session_id, user):
    return f"/conversations/{session_id}/"


def test_with_a_project_id_the_link_leads_straight_there(tracing_settings):
    tracing_settings(LANGFUSE_HOST="http://langfuse:3000", LANGFUSE_PROJECT_ID="p-1",
                     LANGFUSE_PUBLIC_URL="https://traces.example.org/")  # fmt: skip
    assert langfuse_url("t-1") == "https://traces.example.org/project/p-1/traces/t-1"


def test_without_one_langfuse_redirects(tracing_settings):
    tracing_settings(LANGFUSE_HOST="http://langfuse:3000", LANGFUSE_PUBLIC_URL="")
    assert langfuse_url("t-1") == "http://langfuse:3000/trace/t-1"


def test_without_langfuse_there_is_no_link(tracing_settings):
    tracing_settings(LANGFUSE_HOST="", LANGFUSE_PUBLIC_URL="")
    assert langfuse_url("t-1") == ""


def test_the_page_of_a_session_is_what_the_site_says(tracing_settings):
    tracing_settings(SESSION_URL="tests.tracing.test_links.page_of")
    assert (session_url("s-1", None), session_url("", None)) == ("/conversations/s-1/", "")


def test_without_one_there_is_none(tracing_settings):
    tracing_settings(SESSION_URL=None)
    assert session_url("s-1", None) == ""
