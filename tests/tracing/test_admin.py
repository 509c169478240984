"""Staff find a trace and read it whole: few queries, no network, nothing unescaped."""

import socket
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tracing.models import ExportState, ObservationRecord, Outcome, ScoreRecord, TraceRecord

LIST = reverse("admin:tracing_tracerecord_changelist")
NOW = timezone.now()


def page(trace_id="t-0"):
    return reverse("admin:tracing_tracerecord_change", args=[trace_id])


def make(number=0, *, steps=0, **fields):
    trace = TraceRecord.objects.create(
        id=f"t-{number}",
        started_at=NOW - timedelta(minutes=number),
        ended_at=NOW,
        duration_ms=1_320.0,
        **{"name": "ai_chat", "status": Outcome.OK} | fields,
    )
    ObservationRecord.objects.bulk_create(
        ObservationRecord(
            id=f"{trace.id}-{place}",
            trace=trace,
            position=place,
            kind="SPAN",
            name=f"step-{place}",
            parent_id=f"{trace.id}-{place - 1}" if place else "",
            started_at=trace.started_at,
            duration_ms=5.0,
            input={"query": "why?"},
        )
        for place in range(steps)
    )
    return trace


@pytest.fixture
def admin(client, staff):
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def assistant(client, bob):
    """Staff with no permission but those a test gives."""
    bob.is_staff = True
    bob.save()
    client.force_login(bob, backend="django.contrib.auth.backends.ModelBackend")

    def may(*codenames):
        bob.user_permissions.set(Permission.objects.filter(codename__in=codenames))

    client.may = may
    return client


def queries(client, url):
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def text(response):
    assert response.status_code == 200
    return response.content.decode()


def test_the_list_shows_what_tells_trouble(admin):
    make(1, status=Outcome.ERROR, model="gpt-4o-mini", total_tokens=2325, first_token_ms=640.0,
         user_id="u_0123456789abcdef", usage_is_estimate=True)  # fmt: skip
    shown = text(admin.get(LIST))

    for words in ("ai_chat", "error", "gpt-4o-mini", "≈2,325", "640 ms", "1.32 s", "u_012345678…"):
        assert words in shown


def test_the_list_takes_as_many_queries_for_many_as_for_one(admin):
    make(0)
    queries(admin, LIST)  # warms what is cached
    one = queries(admin, LIST)
    for number in range(1, 40):
        make(number, steps=2)

    assert queries(admin, LIST) == one <= 10


def test_the_list_does_not_read_content(admin):
    make(0, input={"user_message": "long"})
    with CaptureQueriesContext(connection) as captured:
        admin.get(LIST)

    selects = [q["sql"] for q in captured if '"tracing_tracerecord"."started_at"' in q["sql"]]
    assert selects
    assert not any('"tracing_tracerecord"."input"' in sql for sql in selects)


@pytest.mark.parametrize("field", ["id", "user_id", "session_id", "request_id"])
def test_a_trace_is_found_by_a_whole_id(admin, field):
    make(1)
    wanted = make(2, name="wanted", user_id="u-2", session_id="s-2", request_id="r-2")

    shown = text(admin.get(LIST, {"q": getattr(wanted, field)}))

    assert page("t-2") in shown
    assert page("t-1") not in shown


def test_the_page_shows_the_trace_whole(admin, tracing_settings):
    tracing_settings(LANGFUSE_PUBLIC_URL="https://traces.example.org", SESSION_URL=None)
    trace = make(steps=2, input={"user_message": "What is a limit?"}, tags=["assistant"],
                 output={"response": "A limit is"}, metadata={"status": "ok"},
                 input_tokens=1941, output_tokens=384, total_tokens=2325)  # fmt: skip
    ObservationRecord.objects.filter(pk="t-0-1").update(
        kind="GENERATION", name="llm_call", model="gpt-4o-mini", first_token_ms=2.0,
        input=[{"role": "system", "content": "Cite."}, {"role": "user", "content": "Why?"}],
    )  # fmt: skip
    ScoreRecord.objects.create(
        id="s", trace_id=trace.id, name="user_feedback", value=0, comment="wrong", updated_at=NOW
    )
    shown = text(admin.get(page()))

    for words in (
        "What is a limit?", "A limit is", "assistant", "2325", "1941 → 384", "step-0", "llm_call",
        "gpt-4o-mini", "<summary>system</summary>", "Cite.", "trace-first-token", "user_feedback",
        "wrong", "https://traces.example.org/trace/t-0",
    ):  # fmt: skip
        assert words in shown, words


def test_the_page_takes_as_many_queries_for_many_steps_as_for_one(admin):
    make(0, steps=1)
    make(1, steps=60)
    queries(admin, page("t-0"))

    assert queries(admin, page("t-1")) == queries(admin, page("t-0")) <= 6


def test_the_page_and_the_list_ask_no_network(admin, tracing_settings, monkeypatch):
    tracing_settings(LANGFUSE_HOST="http://langfuse.invalid:3000", LANGFUSE_PUBLIC_KEY="pk",
                     LANGFUSE_SECRET_KEY="sk", SESSION_URL=None)  # fmt: skip
    make(steps=2, export_state=ExportState.CONFIRMED)

    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    assert "http://langfuse.invalid:3000/trace/t-0" in text(admin.get(page()))
    assert "http://langfuse.invalid:3000/trace/t-0" in text(admin.get(LIST))


@pytest.mark.parametrize("place", ["name", "user_id", "session_id", "model", "status_message"])
def test_a_text_with_markup_shows_as_text(admin, place, tracing_settings):
    tracing_settings(SESSION_URL=None)
    make(**{place: "<script>x</script>"})

    for url in (LIST, page()):
        assert "<script>x" not in text(admin.get(url))


@pytest.mark.parametrize(
    "content",
    [
        "<script>x</script>",
        {"<script>x</script>": "<script>x</script>"},
        ["<script>x</script>"],
        [{"role": "<script>x</script>", "content": "<script>x</script>"}],
        {"long": "<script>x</script>" * 100},
    ],
)
def test_content_with_markup_shows_as_text(admin, content):
    trace = make(steps=1, input=content, output=content, metadata=content, tags=[str(content)])
    trace.observations.update(
        name="<script>x</script>", input=content, output=content, status_message=str(content)
    )
    ScoreRecord.objects.create(id="s", trace_id="t-0", name="<script>x", updated_at=NOW, value=1)
    shown = text(admin.get(page()))

    assert "<script>x" not in shown
    assert "&lt;script&gt;x" in shown


def test_a_trace_is_read_and_never_changed_or_added(admin):
    make()
    assert admin.get(reverse("admin:tracing_tracerecord_add")).status_code == 403
    assert admin.get(reverse("admin:tracing_scorerecord_add")).status_code == 403
    admin.post(page(), {"name": "changed"})
    assert TraceRecord.objects.get().name == "ai_chat"


def test_staff_without_the_permission_see_nothing(assistant):
    make()
    assert assistant.get(LIST).status_code == 403
    assert assistant.get(page()).status_code == 403

    assistant.may("view_tracerecord")
    assert assistant.get(LIST).status_code == 200
    assert assistant.get(page()).status_code == 200


def test_students_and_strangers_are_sent_to_log_in(client, alice):
    make()
    for _ in range(2):
        assert client.get(LIST).status_code == client.get(page()).status_code == 302
        client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")


def test_a_trace_that_is_gone_leads_back(admin):
    assert admin.get(page("no-such-trace")).status_code == 302
