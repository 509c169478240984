"""A day's sums are right, stay small, and outlive the traces they count."""

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.tracing.dashboard_parts import score_of, trace_on
from tracing import summaries
from tracing.models import DailySummary, ObservationRecord, Outcome, TraceRecord

DAY = date(2026, 3, 10)
NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)  # two days later


def made_for(day=DAY, **kind) -> DailySummary:
    return DailySummary.objects.get(day=day, **kind)


def test_a_day_is_summed_up_by_name_group_and_model(db):
    for cost in ("0.01", "0.02", None):
        trace_on(DAY, cost=cost and Decimal(cost), input_tokens=100, output_tokens=20,
                 total_tokens=120, group="limits", model="glm-4")  # fmt: skip
    trace_on(DAY, group="series", model="glm-4")
    trace_on(DAY, name="reindex")
    trace_on(DAY + timedelta(days=1))

    summaries.summarise(DAY)

    assert DailySummary.objects.count() == 3
    summed = made_for(name="ai_chat", group="limits", model="glm-4")
    assert (summed.traces, summed.input_tokens, summed.output_tokens) == (3, 300, 60)
    assert (summed.cost, summed.unpriced) == (Decimal("0.03"), 1)


def test_ends_are_counted_by_what_they_were_and_running_ones_not_at_all(db):
    for kind in ("TimeoutError", "TimeoutError", ""):
        trace_on(DAY, status=Outcome.ERROR, error_type=kind)
    trace_on(DAY, status=Outcome.CANCELLED)
    trace_on(DAY, status=Outcome.INTERRUPTED)
    trace_on(DAY, status=Outcome.RUNNING)

    summaries.summarise(DAY)

    summed = made_for()
    assert (summed.traces, summed.stopped, summed.interrupted) == (5, 1, 1)
    assert summed.errors == {"TimeoutError": 2, "": 1}


def step_of(trace, name, *, at=None, status=Outcome.WARNING):
    return ObservationRecord.objects.create(
        id=uuid4().hex, trace=trace, name=name, position=0, kind="SPAN", status=status,
        started_at=at or trace.started_at,
    )  # fmt: skip


def test_steps_that_ended_with_a_warning_are_counted_by_their_name(db):
    slow = trace_on(DAY, group="limits", model="glm-4")
    step_of(slow, "rerank")
    step_of(slow, "rerank")
    step_of(slow, "embedding")
    step_of(slow, "retrieve", status=Outcome.OK)
    step_of(trace_on(DAY, group="series"), "rerank")
    over_midnight = trace_on(DAY, name="reindex")
    step_of(over_midnight, "embedding", at=over_midnight.started_at + timedelta(hours=20))
    step_of(trace_on(DAY + timedelta(days=1), group="series"), "rerank")
    step_of(trace_on(DAY, status=Outcome.RUNNING, name="running"), "rerank")

    summaries.summarise(DAY)

    assert made_for(group="limits").warnings == {"rerank": 2, "embedding": 1}
    assert made_for(group="series").warnings == {"rerank": 1}
    assert made_for(name="reindex").warnings == {"embedding": 1}
    assert DailySummary.objects.count() == 3


def test_counting_warnings_reads_only_the_steps_that_warn(db):
    step_of(trace_on(DAY), "rerank")
    with CaptureQueriesContext(connection) as captured:
        summaries.summarise(DAY)
    [counted] = [query["sql"] for query in captured if "observationrecord" in query["sql"]]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {counted}")
            assert "COVERING INDEX observation_warned" in str(cursor.fetchall())


def test_thumbs_are_those_of_people_as_they_stand(db):
    for value in (1, 1, 0, None):
        score_of(trace_on(DAY), value)
    score_of(trace_on(DAY), 1, name="faithfulness")

    summaries.summarise(DAY)

    assert (made_for().thumbs_up, made_for().thumbs_down) == (2, 1)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.95, 1.0])
def test_a_percentile_is_within_five_percent(db, share):
    times = [0.3 * 1.07**number for number in range(200)]  # 0.3 ms … 60 hours
    for milliseconds in times:
        trace_on(DAY, duration_ms=milliseconds, first_token_ms=milliseconds / 2)
    summaries.summarise(DAY)
    summed = made_for()

    exact = times[math.ceil(len(times) * share) - 1]
    for buckets, true in (
        (summed.duration_buckets, exact),
        (summed.first_token_buckets, exact / 2),
    ):
        assert summaries.percentile(buckets, share) == pytest.approx(true, rel=0.05)


def test_what_takes_no_time_or_was_not_timed_harms_nothing(db):
    trace_on(DAY, duration_ms=0.0)
    trace_on(DAY, duration_ms=None)
    summaries.summarise(DAY)

    assert 0 < summaries.percentile(made_for().duration_buckets, 1.0) < 1
    assert made_for().first_token_buckets == {}
    assert summaries.percentile({}, 0.5) is None


def test_histograms_of_days_add_up_to_that_of_all(db):
    assert summaries.add_up([{"1": 2, "3": 1}, {}, {"3": 4}]) == {"1": 2, "3": 5}


def test_a_day_summed_up_again_is_replaced(db):
    trace_on(DAY, model="glm-4")
    summaries.summarise(DAY)
    TraceRecord.objects.update(model="qwen")
    trace_on(DAY, model="qwen")
    summaries.summarise(DAY)

    assert (made_for().model, made_for().traces) == ("qwen", 2)


def test_as_many_queries_for_many_traces_as_for_one(db, django_assert_num_queries):
    for number in range(30):
        trace_on(DAY, model=f"m-{number % 3}", duration_ms=number, first_token_ms=number)
    with django_assert_num_queries(11):
        summaries.summarise(DAY)


def test_a_pruned_day_keeps_its_sums(db):
    for _ in range(3):
        trace_on(DAY)
    summaries.summarise(DAY)
    TraceRecord.objects.first().delete()
    summaries.summarise(DAY)
    assert made_for().traces == 3

    TraceRecord.objects.all().delete()
    summaries.summarise(DAY)
    assert made_for().traces == 3


def test_refresh_sums_up_every_day_with_traces_newest_first(db):
    for days_ago in (0, 1, 9, 40):
        trace_on(NOON.date() - timedelta(days=days_ago))

    assert list(summaries.days_due(NOON)) == [
        NOON.date() - timedelta(days=days_ago) for days_ago in (0, 1, 9, 40)
    ]
    assert summaries.refresh(NOON)
    assert DailySummary.objects.count() == 4
    assert list(summaries.days_due(NOON)) == []


def test_a_refresh_ends_when_its_time_is_up_and_the_next_goes_on(db):
    for days_ago in (0, 1, 2):
        trace_on(NOON.date() - timedelta(days=days_ago))

    assert not summaries.refresh(NOON, seconds=0)
    assert not summaries.refresh(NOON, seconds=0)
    assert DailySummary.objects.count() == 2
    assert summaries.refresh(NOON, seconds=0)
    assert DailySummary.objects.count() == 3


def test_today_is_summed_up_again_after_seconds(db):
    trace_on(NOON.date())
    summaries.refresh(NOON)

    assert not list(summaries.days_due(NOON + timedelta(seconds=3)))
    assert list(summaries.days_due(NOON + timedelta(seconds=60))) == [NOON.date()]


def test_a_past_day_is_looked_at_hourly_until_its_last_trace_must_have_ended(db):
    trace_on(DAY)
    over = datetime(2026, 3, 11, tzinfo=UTC)

    summaries.summarise(DAY, over - timedelta(hours=3))
    assert list(summaries.days_due(over + timedelta(days=5))) == [DAY]
    summaries.summarise(DAY, over + timedelta(hours=3))
    assert not list(summaries.days_due(over + timedelta(hours=3, minutes=59)))
    assert list(summaries.days_due(over + timedelta(hours=4))) == [DAY]
    summaries.summarise(DAY, over + summaries.SETTLED_AFTER)
    assert not list(summaries.days_due(over + timedelta(days=5)))


def test_a_thumb_given_to_an_old_answer_is_counted(db):
    trace = trace_on(DAY)
    summaries.refresh(NOON)
    score_of(trace, 0, at=NOON + timedelta(hours=1))

    assert list(summaries.days_due(NOON + timedelta(hours=2))) == [DAY]
    summaries.refresh(NOON + timedelta(hours=2))
    assert made_for().thumbs_down == 1
    assert not list(summaries.days_due(NOON + timedelta(hours=3)))


def test_two_processes_at_once_leave_one_summary_of_each_kind(transactional_db):
    for model in "abc":
        trace_on(DAY, model=model)

    def summarise(_):
        summaries.summarise(DAY)
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(summarise, range(12)))

    assert sorted(DailySummary.objects.values_list("model", "traces")) == [
        ("a", 1), ("b", 1), ("c", 1),
    ]  # fmt: skip
