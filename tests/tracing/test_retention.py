"""Old traces go, in small bites; what is unsent, still runs, or was only counted stays."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.tracing.dashboard_parts import score_of, trace_on
from tracing import retention
from tracing.models import DailySummary, ExportState, ObservationRecord, ScoreRecord, TraceRecord

NOW = timezone.now()


def trace_of(days_ago, **fields):
    at = NOW - timedelta(days=days_ago)
    return trace_on(at.date(), **{"started_at": at, "ended_at": at, **fields})


def step_of(trace):
    return ObservationRecord.objects.create(
        id=f"{trace.pk}-step", trace=trace, position=0, kind="SPAN", name="s",
        started_at=trace.started_at,
    )  # fmt: skip


def test_what_is_old_goes_with_its_steps_and_scores(db):
    old, young = trace_of(31), trace_of(29)
    for trace in (old, young):
        step_of(trace)
        score_of(trace, 1, at=NOW)  # given today

    assert retention.prune(30) == retention.Pruned(traces=1)
    assert TraceRecord.objects.get() == young
    assert ObservationRecord.objects.get().trace == young
    assert ScoreRecord.objects.get().trace_id == young.pk


def test_what_waits_goes_too_where_nobody_sends_any_more(db):
    trace_of(40, export_state=ExportState.NEW, export_after=NOW)

    assert retention.prune(30).traces == 1


def test_what_waits_or_whose_score_waits_or_what_runs_stays(db, tracing_settings):
    tracing_settings(EXPORTER="tracing.exporters.memory.MemoryExporter")
    trace_of(40, export_state=ExportState.NEW, export_after=NOW)
    scored = score_of(trace_of(40), 0)
    ScoreRecord.objects.filter(pk=scored.pk).update(export_after=NOW)
    trace_of(40, status="running")
    trace_of(40)

    assert retention.prune(30) == retention.Pruned(traces=1, waiting=2)
    assert TraceRecord.objects.count() == 3
    assert ScoreRecord.objects.count() == 1


def test_a_score_without_a_trace_goes_when_it_is_old(db):
    for days_ago in (40, 1):
        trace = trace_of(days_ago)
        score_of(trace, 1)
        trace.delete()

    retention.prune(30)

    assert ScoreRecord.objects.get().updated_at > NOW - timedelta(days=2)


def test_the_days_are_summed_up_before_their_traces_go(db):
    trace_of(40)
    trace_of(45)
    retention.prune(30)

    assert not TraceRecord.objects.exists()
    assert DailySummary.objects.count() == 2


def test_many_go_in_batches_that_read_no_content(db, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 10)
    for _ in range(35):
        step_of(trace_of(40))
    with CaptureQueriesContext(connection) as captured:
        assert retention.prune(30).traces == 35

    assert sum(q["sql"].startswith('DELETE FROM "tracing_tracerecord"') for q in captured) == 4
    assert not any('"input"' in query["sql"] for query in captured)


def test_a_pruning_ends_when_its_time_is_up(db, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(5):
        trace_of(40)

    assert retention.prune(30, seconds=0) == retention.Pruned(traces=2, is_done=False)
    assert retention.prune(30).traces == 3


def test_two_processes_at_once_delete_each_trace_once(transactional_db, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 3)
    for _ in range(30):
        score_of(trace_of(40), 1)

    def prune(_):
        try:
            return retention.prune(30).traces
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(prune, range(3))) == 30
    assert not TraceRecord.objects.exists()


@pytest.fixture
def just_started(monkeypatch):
    monkeypatch.setattr(retention, "_pruned_at", float("-inf"))


def test_upkeep_prunes_by_the_setting_and_once_an_hour(db, tracing_settings, just_started):
    trace_of(40)
    tracing_settings(RETENTION_DAYS=0)
    assert retention.prune_hourly() is None
    tracing_settings(RETENTION_DAYS=30)
    assert retention.prune_hourly() == retention.Pruned(traces=1)
    trace_of(40)
    assert retention.prune_hourly() is None


def test_more_days_than_there_are_dates_delete_nothing(db):
    trace_of(40)
    assert retention.prune(10**9) == retention.Pruned()
