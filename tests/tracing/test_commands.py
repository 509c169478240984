"""resend_traces and prune_traces."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tracing.models import ExportState, Outcome, ScoreRecord, TraceRecord

NOW = timezone.now()


def row(name, state=ExportState.LOCAL, *, days_ago=0, status=Outcome.OK):
    return TraceRecord.objects.create(
        id=name, name=name, status=status, export_state=state,
        started_at=NOW - timedelta(days=days_ago), ended_at=NOW,
        export_after=NOW if state == ExportState.NEW else None,
    )  # fmt: skip


def run(*arguments, **options):
    out = StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue()


def test_resend_sends_what_langfuse_does_not_have(db, langfuse):
    for state in ExportState:
        row(state.value, state)
    row("running", status=Outcome.RUNNING)
    ScoreRecord.objects.create(id="s", trace_id="t", name="user_feedback", value=1, updated_at=NOW)

    assert run("resend_traces") == "5 sent, 0 refused\n"
    assert set(langfuse.traces) == {"local", "new", "sent", "rejected"}
    assert set(langfuse.scores) == {"s"}
    assert set(
        TraceRecord.objects.exclude(pk="running").values_list("export_state", flat=True)
    ) == {ExportState.CONFIRMED}


def test_resend_all_sends_the_confirmed_too_and_since_only_the_newer(db, langfuse):
    row("old", ExportState.CONFIRMED, days_ago=10)
    row("new", ExportState.CONFIRMED, days_ago=1)
    since = (NOW - timedelta(days=5)).date().isoformat()

    assert run("resend_traces") == "0 sent, 0 refused\n"
    assert run("resend_traces", "--all", since=since) == "1 sent, 0 refused\n"
    assert set(langfuse.traces) == {"new"}
    assert run("resend_traces", "--all") == "2 sent, 0 refused\n"


def test_resend_does_not_wait_for_the_backoff(db, langfuse):
    waiting = row("waiting", ExportState.NEW)
    waiting.export_after = NOW + timedelta(hours=1)
    waiting.save()

    assert run("resend_traces") == "1 sent, 0 refused\n"


def test_resend_says_what_stopped_it(db, langfuse):
    row("one")
    langfuse.refuses_keys()

    with pytest.raises(CommandError, match="0 sent, then Langfuse stopped taking them: 401"):
        run("resend_traces")
    assert TraceRecord.objects.get().export_state == ExportState.NEW


def test_resend_wants_a_langfuse_and_a_date(db, tracing_settings, langfuse):
    with pytest.raises(CommandError, match="'yesterday' is no date"):
        run("resend_traces", since="yesterday")
    tracing_settings(EXPORTER=None)
    with pytest.raises(CommandError, match="No Langfuse is configured"):
        run("resend_traces")


def test_prune_deletes_what_is_old_and_has_been_sent(db, tracing_settings):
    tracing_settings(EXPORTER="tracing.exporters.memory.MemoryExporter")
    row("young", days_ago=3)
    row("old", ExportState.CONFIRMED, days_ago=40)
    row("waiting", ExportState.NEW, days_ago=40)
    row("running", days_ago=40, status=Outcome.RUNNING)
    for trace_id in ("old", "young"):
        ScoreRecord.objects.create(id=trace_id, trace_id=trace_id, name="x", updated_at=NOW)

    said = run("prune_traces", days=30)

    assert said == "1 traces deleted, older than 30 days; 1 kept that still wait to be sent\n"
    assert set(TraceRecord.objects.values_list("pk", flat=True)) == {"young", "waiting", "running"}
    assert ScoreRecord.objects.get().pk == "young"


def test_prune_takes_the_retention_of_the_settings_and_never_all(db, tracing_settings):
    row("old", days_ago=40)
    with pytest.raises(CommandError, match="how many days"):
        run("prune_traces")
    tracing_settings(RETENTION_DAYS=30)
    run("prune_traces")

    assert not TraceRecord.objects.exists()
