"""The dashboard says what the rows say, leads to them, and costs the same for many as for few."""

import re
from datetime import UTC, timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.template import Context, Template
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from tests.tracing.dashboard_parts import score_of, trace_on
from tracing import dashboard, summaries
from tracing.models import (
    DailySummary,
    ExportHealth,
    ExportState,
    ObservationRecord,
    TraceRecord,
)

NOW = timezone.now()
TODAY = NOW.astimezone(UTC).date()
LIST = reverse("admin:tracing_tracerecord_changelist")


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """Nobody has summed up anything yet: the page does."""
    monkeypatch.setattr(summaries, "_refreshed_at", float("-inf"))


@pytest.fixture
def show(rf, staff):
    """Render the tag as a page of the admin does."""

    def render(*, user=staff, **parameters):
        request = rf.get("/admin/", parameters)
        request.user = user
        page = Template("{% load tracing_dashboard %}{% tracing_dashboard %}")
        return page.render(Context({"request": request}))

    return render


def words(html):
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def links(html, label):
    """The addresses of the links that say `label`."""
    found = re.findall(r'<a href="([^"]*)"[^>]*>(.*?)</a>', html, re.S)
    return [unescape(address) for address, text in found if words(text) == label]


def listed(client, address):
    page = client.get(address)
    assert page.status_code == 200
    return {trace.name + trace.error_type for trace in page.context["cl"].result_list}


def summary(days_ago=0, **fields):
    return DailySummary.objects.create(
        **{"day": TODAY - timedelta(days=days_ago), "name": "ai_chat", "traces": 1,
           "summarised_at": NOW} | fields
    )  # fmt: skip


def test_the_page_sums_up_what_was_traced(show):
    for group in ("limits", "limits", "series"):
        trace_on(TODAY, group=group, model="glm-4", input_tokens=600_000, output_tokens=400,
                 total_tokens=600_400, cost=Decimal("0.5"), duration_ms=4000,
                 first_token_ms=500)  # fmt: skip
    score_of(trace_on(TODAY, total_tokens=5, status="error", error_type="Timeout"), 0)
    said = words(show())

    for part in (
        "Traces 4", "1,800,000 → 1,200", "$1.50", "1 trace has no price", "Errors 1",
        "25.0 % of the traces", "0 up 1 down", "Timeout 1", "glm-4", "limits", "series",
    ):  # fmt: skip
        assert part in said, part
    assert "warning" not in said


def test_without_traces_it_says_so_kindly(show):
    assert "Nothing was traced in this time." in words(show())
    assert "<svg" not in show()


def test_who_may_not_view_traces_sees_nothing_and_asks_nothing(show, bob):
    trace_on(TODAY)
    bob.is_staff = True
    bob.has_perm("tracing.view_tracerecord")  # kept on the user from here on
    with CaptureQueriesContext(connection) as captured:
        assert not show(user=bob).strip()
    assert len(captured) == 0

    bob.user_permissions.add(Permission.objects.get(codename="view_tracerecord"))
    again = type(bob).objects.get(pk=bob.pk)
    again.is_staff = True
    assert "What was traced" in show(user=again)


def test_the_range_a_group_and_a_model_are_chosen_by_the_address(show):
    summary(0, group="limits", model="a", traces=3)
    summary(0, group="series", model="b", traces=40)
    summary(20, group="limits", model="b", traces=500)

    assert "Traces 43" in words(show())
    assert "Traces 543" in words(show(days="30"))
    assert "Traces 503" in words(show(days="30", group="limits"))
    assert "Traces 500" in words(show(days="30", group="limits", model="b"))
    assert "Nothing was traced here" in words(show(days="7", group="limits", model="b"))


@pytest.mark.parametrize("days", ["-1", "0", "8", "9" * 50, "٣٠", "x", "", "\0"])
@pytest.mark.parametrize("group", ["no such", "\0", "x" * 5000, ""])
def test_nonsense_in_the_address_counts_as_absent(show, days, group):
    summary(0, traces=3)
    summary(7, traces=40)
    assert "Traces 3" in words(show(days=days, group=group, model=group, name=group))


def test_what_answers_is_shown_and_jobs_by_a_click(show):
    summary(name="ai_chat", traces=5, first_token_buckets={"60": 5})
    summary(name="reindex", traces=900)

    assert "Traces ai_chat 5" in words(show())
    (address,) = set(links(show(), "reindex"))
    parameters = dict(pair.split("=") for pair in address.lstrip("?").split("&"))
    assert "Traces reindex 900" in words(show(**parameters))


def test_a_kind_of_error_leads_to_exactly_its_traces(show, client, staff):
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    trace_on(TODAY, status="error", error_type="Timeout")
    trace_on(TODAY, status="error", error_type="Refused")
    trace_on(TODAY - timedelta(days=20), name="ai_chat", status="error", error_type="Timeout")
    trace_on(TODAY, name="reindex", status="error", error_type="Timeout")
    trace_on(TODAY, status="error")
    html = show(name="ai_chat")

    assert listed(client, *links(html, "Timeout")) == {"ai_chatTimeout"}
    assert len(client.get(links(html, "Timeout")[0]).context["cl"].result_list) == 1
    assert listed(client, *links(html, "no kind given")) == {"ai_chat"}


def test_steps_that_warned_are_counted_and_lead_to_their_traces(show, client, staff):
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    for number in range(3):
        slow = trace_on(TODAY, error_type=f"slow-{number}")
        ObservationRecord.objects.create(
            id=slow.pk, trace=slow, name="rerank", position=0, kind="SPAN", status="warning",
            started_at=slow.started_at,
        )  # fmt: skip
    trace_on(TODAY)
    html = show()

    assert "Steps that ended with a warning rerank 3 steps" in words(html)
    assert listed(client, *links(html, "rerank")) == {f"ai_chatslow-{n}" for n in range(3)}


def test_a_line_leads_to_its_traces_and_narrows_the_dashboard(
    show, client, staff, tracing_settings
):
    tracing_settings(GROUP_TAG="course")
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    for group in ("limits & co", "limits & co", "series"):
        trace_on(TODAY, group=group)
    html = show(days="1")

    (address,) = links(html, "limits & co")
    assert "group=limits+%26+co" in address
    (to_list,) = [found for found in links(html, "2") if found.startswith(LIST)]
    assert {t.group for t in client.get(to_list).context["cl"].result_list} == {"limits & co"}
    chosen = show(days="1", group="limits & co")
    assert "Traces 2" in words(chosen)
    assert "series" in words(chosen)  # one click to the next


def test_markup_in_names_shows_as_text(show):
    evil = "<script>x</script>"
    summary(name=evil, group=evil, model=evil, errors={evil: 1})
    summary(name="other")
    for html in (show(), show(name=evil, group=evil)):
        assert evil not in html
        assert "&lt;script&gt;" in html


def test_charts_have_words_beside_them(show):
    summary(1, traces=7, errors={"Timeout": 2}, duration_buckets={"80": 7})
    html = show()

    assert html.count('<svg role="img"') == 2  # of traces and of durations; there is no more
    assert re.search(r"<title>[^<]*without error 5, with an error 2</title>", html)
    assert "Day by day, in numbers" in html
    assert "<script" not in html
    assert "NaN" not in html


def test_numbers_are_written_in_the_language_of_the_reader(show):
    summary(traces=1_234_567, input_tokens=7)
    with translation.override("de"):
        assert "1.234.567" in words(show())


def test_the_backlog_and_what_langfuse_said(show, tracing_settings):
    tracing_settings(EXPORTER="tracing.exporters.memory.MemoryExporter")
    old = NOW - timedelta(hours=3)
    for state in (ExportState.NEW, ExportState.SENT, ExportState.REJECTED):
        trace_on(TODAY, started_at=old, export_state=state,
                 export_after=None if state == ExportState.REJECTED else NOW)  # fmt: skip
    health = ExportHealth.objects.create(
        state="unavailable", message="time-out", since=old, heard_at=NOW
    )
    said = words(show())
    assert "Waiting for Langfuse 2 the oldest for 3 hours" in said
    assert "Refused by Langfuse 1" in said
    assert "not available for 3 hours" in said
    assert "time-out" in said
    assert "Traces have been waiting for Langfuse for 3 hours" in said

    health.state, health.message = "forbidden", "401: Invalid credentials"
    health.save()
    said = words(show())
    assert "Langfuse has refused the keys for 3 hours" in said
    assert "401: Invalid credentials" in said


def test_what_langfuse_said_is_for_those_who_may_read_words(show, bob, tracing_settings):
    tracing_settings(EXPORTER="tracing.exporters.memory.MemoryExporter")
    trace_on(TODAY)
    # Not NOW: that may be more than a minute ago by the time this test runs.
    just_now = timezone.now()
    ExportHealth.objects.create(
        state="unavailable", message='received "why do I fail"', since=just_now, heard_at=just_now
    )
    bob.is_staff = True
    bob.save()
    bob.user_permissions.add(Permission.objects.get(codename="view_tracerecord"))

    said = words(show(user=bob))

    assert "not available for less than a minute" in said
    assert "why do I fail" not in said and "why do I fail" in words(show())


def test_all_well_alarms_nobody(show, tracing_settings):
    tracing_settings(EXPORTER="tracing.exporters.memory.MemoryExporter")
    trace_on(TODAY, started_at=NOW, export_state=ExportState.NEW, export_after=NOW)
    ExportHealth.objects.create(state="well", since=NOW, heard_at=NOW)
    assert "td-alert" not in show()

    tracing_settings(EXPORTER=None)
    TraceRecord.objects.update(export_after=None, export_state=ExportState.LOCAL)
    assert "Langfuse" not in show()


def test_the_page_takes_as_many_queries_for_many_summaries_as_for_one(show):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            show(days="30", group="course-0", model="m-0")
        return len(captured)

    summary(group="course-0", model="m-0")
    show()  # sums up
    one = queries()
    DailySummary.objects.bulk_create(
        DailySummary(
            day=TODAY - timedelta(days=days_ago), name="ai_chat", group=f"course-{group}",
            model=f"m-{model}", traces=9, summarised_at=NOW, duration_buckets={"80": 9},
        )
        for days_ago in range(1, 30) for group in range(20) for model in range(3)
    )  # fmt: skip
    assert queries() == one <= 9


def test_counting_a_backlog_reads_no_trace(db, tracing_settings):
    trace_on(TODAY, export_state=ExportState.NEW, export_after=NOW)
    with CaptureQueriesContext(connection) as captured:
        dashboard.make({})
    (count,) = [
        query["sql"] for query in captured
        if "COUNT(*)" in query["sql"] and "export_after" in query["sql"]
    ]  # fmt: skip
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {count}")
            assert "COVERING INDEX trace_due" in str(cursor.fetchall())
