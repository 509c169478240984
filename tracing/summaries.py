"""The sums of each day, made in the database: what the dashboard reads instead of a million rows.

Days are days of UTC. A summary outlives its traces: what was pruned stays counted. Percentiles
cannot be added up, so times are kept as histograms whose buckets grow by a tenth each.
"""

import logging
import math
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day

from django.db import transaction
from django.db.models import (
    Count,
    F,
    FloatField,
    IntegerField,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
)
from django.db.models import Value as V
from django.db.models.functions import Cast, Floor, Greatest, Ln
from django.utils import timezone

from tracing import conf
from tracing.models import DailySummary, ObservationRecord, Outcome, ScoreRecord, TraceRecord

logger = logging.getLogger(__name__)

# A bucket reaches from BASE**n to BASE**(n+1) ms; its middle is within 4.9 % of all it holds.
BASE = 1.1
SHORTEST_MS = 0.1  # what is shorter counts as this: there is no logarithm of nothing

TODAY_PAUSE = timedelta(seconds=5)
REST = 30  # … but at least so many times as long as counting it took
# Traces of a day end, or are given up, until a day after it (`recovery`): so long it is looked at
# again, every hour.
SETTLED_AFTER = timedelta(hours=25)
UNSETTLED_PAUSE = timedelta(hours=1)
LATE_SCORES = timedelta(days=2)  # how far back a look for thumbs given to older days goes
SECONDS_PER_CALL = 1.0
QUICK = timedelta(seconds=0.3)
QUICK_PAUSE, FORGOTTEN = 5.0, 120.0  # seconds between two refreshes for somebody who looks

Kind = tuple[str, str, str]  # name, group, model
KIND = ("name", "group", "model")
FIELDS = [
    field.name
    for field in DailySummary._meta.concrete_fields
    if field.name not in ("id", "day", *KIND)
]

_refreshed_at = -math.inf
_today_took = timedelta()


def refresh(now: datetime | None = None, *, seconds: float = SECONDS_PER_CALL) -> bool:
    """Summarise the days that need it, newest first; return whether none is left.

    A call ends after the day in which `seconds` have passed. Two processes that do this at once
    do the same work twice, and harm nothing.
    """
    global _refreshed_at
    deadline = time.monotonic() + seconds
    now = now or timezone.now()
    is_done = True
    for day in days_due(now):
        if not is_done and time.monotonic() >= deadline:
            return False
        summarise(day, now)
        is_done = False
    _refreshed_at = time.monotonic()
    return True


def refresh_for_a_look() -> None:
    """Refresh for somebody who looks now, if it is quick; where it is not, the upkeep does it.

    Unless nobody did for two minutes: a project may have no upkeep.
    """
    global _refreshed_at
    pause = QUICK_PAUSE if _today_took < QUICK else FORGOTTEN
    if time.monotonic() - _refreshed_at >= pause:
        _refreshed_at = time.monotonic()
        refresh()


def days_due(now: datetime) -> Iterator[date]:
    """Yield the days with traces whose summary is missing or stale, newest first."""
    today = now.astimezone(UTC).date()
    made_at = dict(
        DailySummary.objects.order_by().values_list("day").annotate(made_at=Min("summarised_at"))
    )
    late = _late_scores(now)
    day = _newest_day_before(today + timedelta(days=1))
    while day:
        if _is_due(day, made_at.get(day), late.get(day), now):
            yield day
        day -= timedelta(days=1)
        if day not in made_at:
            day = _newest_day_before(day + timedelta(days=1))


def _is_due(day: date, made_at: datetime | None, scored_at: datetime | None, now: datetime) -> bool:
    if made_at is None or (scored_at is not None and scored_at > made_at):
        return True
    if day == now.astimezone(UTC).date():
        return now - made_at >= max(TODAY_PAUSE, REST * _today_took)
    is_settled = made_at >= beginning(day + timedelta(days=1)) + SETTLED_AFTER
    return not is_settled and now - made_at >= UNSETTLED_PAUSE


def _newest_day_before(day: date) -> date | None:
    before = TraceRecord.objects.filter(started_at__lt=beginning(day)).order_by("-started_at")
    started_at = before.values_list("started_at", flat=True).first()
    return started_at and started_at.astimezone(UTC).date()


def _late_scores(now: datetime) -> dict[date, datetime]:
    """Return when older days were last given a thumb, among the thumbs of the last two days."""
    trace = TraceRecord.objects.filter(pk=OuterRef("trace_id"))
    scores = (
        ScoreRecord.objects.filter(name=conf.get("FEEDBACK_SCORE"))
        .filter(updated_at__gte=now - LATE_SCORES)
        .annotate(started_at=Subquery(trace.values("started_at")[:1]))
        .filter(started_at__lt=beginning(now.astimezone(UTC).date()))
        .order_by("updated_at")
    )
    return {
        started_at.astimezone(UTC).date(): updated_at
        for started_at, updated_at in scores.values_list("started_at", "updated_at")
    }


def summarise(day: date, at: datetime | None = None) -> None:
    """Count one day and replace its summary.

    Reads without a transaction, which on SQLite would lock out everybody who writes; what changes
    meanwhile is counted the next time.
    """
    global _today_took
    at = at or timezone.now()
    began = time.monotonic()
    ended = TraceRecord.objects.filter(
        started_at__gte=beginning(day), started_at__lt=beginning(day + timedelta(days=1))
    ).exclude(status=Outcome.RUNNING)
    summaries = _count(ended, since=beginning(day))
    _count_warnings(day, summaries)
    if day == at.astimezone(UTC).date():
        _today_took = timedelta(seconds=time.monotonic() - began)
    for summary in summaries.values():
        summary.day, summary.summarised_at = day, at
    before = DailySummary.objects.filter(day=day)
    counted = sum(summary.traces for summary in summaries.values())
    with transaction.atomic():
        is_past = day < timezone.now().astimezone(UTC).date()
        if is_past and counted < (before.aggregate(all=Sum("traces"))["all"] or 0):
            # Some were deleted since: statistics outlive the traces.
            before.update(summarised_at=at)
            return
        DailySummary.objects.bulk_create(
            # In one order: two processes that do this at once wait for each other, not in a ring.
            [summaries[kind] for kind in sorted(summaries)],
            batch_size=500,
            update_conflicts=True,
            unique_fields=["day", *KIND],
            update_fields=FIELDS,
        )
        before.filter(summarised_at__lt=at).delete()


def _count(traces: QuerySet, since: datetime) -> dict[Kind, DailySummary]:
    summaries: dict[Kind, DailySummary] = defaultdict(DailySummary)
    of_kind = traces.order_by().values(*KIND)
    for sums in of_kind.values(*KIND, "status", "error_type").annotate(
        traces=Count("pk"),
        tokens_in=Sum("input_tokens", default=0),
        tokens_out=Sum("output_tokens", default=0),
        dollars=Sum("cost", default=0),
        unpriced=Count("pk", filter=Q(cost=None, total_tokens__gt=0)),
    ):
        summary = summaries[_kind(sums)]
        summary.traces += sums["traces"]
        summary.input_tokens += sums["tokens_in"]
        summary.output_tokens += sums["tokens_out"]
        summary.cost += sums["dollars"]
        summary.unpriced += sums["unpriced"]
        match sums["status"]:
            case Outcome.ERROR:
                summary.errors[sums["error_type"]] = sums["traces"]
            case Outcome.CANCELLED:
                summary.stopped += sums["traces"]
            case Outcome.INTERRUPTED:
                summary.interrupted += sums["traces"]
    for times, buckets in (
        ("first_token_ms", "first_token_buckets"),
        ("duration_ms", "duration_buckets"),
    ):
        for line in (
            of_kind.exclude(**{times: None})
            .annotate(bucket=_bucket(times))
            .values(*KIND, "bucket")
            .annotate(traces=Count("pk"))
        ):
            getattr(summaries[_kind(line)], buckets)[str(line["bucket"])] = line["traces"]
    # Scores are looked up as a set: a subquery for each trace might take the index of their names,
    # and read all scores for every trace. None is older than its trace.
    thumbs = ScoreRecord.objects.filter(name=conf.get("FEEDBACK_SCORE"), updated_at__gte=since)
    for judged, field in (
        (thumbs.filter(value__gt=0), "thumbs_up"),
        (thumbs.filter(value__lte=0), "thumbs_down"),
    ):
        for line in of_kind.filter(pk__in=judged.order_by().values("trace_id")).annotate(
            traces=Count("pk")
        ):
            setattr(summaries[_kind(line)], field, line["traces"])
    for kind, summary in summaries.items():
        summary.name, summary.group, summary.model = kind
    return summaries


def _count_warnings(day: date, summaries: dict[Kind, DailySummary]) -> None:
    """Count, by their names, the steps of a day's traces that ended with a warning."""
    # By the steps' own times first, in an index that holds only these steps: none is older than
    # its trace, or so much younger than one that has ended.
    warned = ObservationRecord.objects.filter(
        status=Outcome.WARNING,
        started_at__gte=beginning(day),
        started_at__lt=beginning(day + timedelta(days=1)) + SETTLED_AFTER,
    )
    of_the_day = warned.filter(
        trace__started_at__gte=beginning(day),
        trace__started_at__lt=beginning(day + timedelta(days=1)),
    )
    kind = [f"trace__{field}" for field in KIND]
    for *of_kind, name, count in (
        of_the_day.order_by().values_list(*kind, "name").annotate(steps=Count("*"))
    ):
        # A trace that ended a moment ago has no summary yet: the next look counts both.
        if summary := summaries.get(tuple(of_kind)):
            summary.warnings[name] = count


def _bucket(times: str):
    milliseconds = Greatest(F(times), V(SHORTEST_MS), output_field=FloatField())
    return Cast(Floor(Ln(milliseconds) / V(math.log(BASE))), IntegerField())


def _kind(line: dict) -> Kind:
    return line["name"], line["group"], line["model"]


def add_up(histograms: Iterable[dict[str, int]]) -> dict[str, int]:
    """Return the histogram of all that the histograms hold."""
    total: dict[str, int] = {}
    for buckets in histograms:
        for bucket, count in buckets.items():
            total[bucket] = total.get(bucket, 0) + count
    return total


def percentile(buckets: dict[str, int], share: float) -> float | None:
    """Return the time, in ms, that `share` of what the buckets hold did not exceed; None: empty."""
    wanted = math.ceil(sum(buckets.values()) * share)
    for bucket in sorted(buckets, key=int):
        wanted -= buckets[bucket]
        if wanted <= 0:
            return BASE ** (int(bucket) + 0.5)
    return None


def beginning(day: date) -> datetime:
    """Return the first moment of a day of UTC."""
    return datetime.combine(day, time_of_day(), tzinfo=UTC)
