"""Delete old traces here, a few at a time; copies in Langfuse stay, and so do the summaries.

What still waits to be sent is kept until it is, and what still runs until it ends.
"""

import math
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from tracing import conf, summaries
from tracing.models import ObservationRecord, Outcome, ScoreRecord, TraceRecord

BATCH = 500  # of one transaction, a quarter of a second: nobody else writes to SQLite meanwhile
LONGEST_DAYS = 36_500  # further back there are no dates to subtract to
HOURLY_SECONDS = 3600.0
# What one look of the upkeep may take; the rest goes the next time.
SECONDS_PER_CALL = 20.0

_pruned_at = -math.inf


@dataclass
class Pruned:
    """What one pruning did."""

    traces: int = 0
    waiting: int = 0  # kept: they, or their scores, wait to be sent
    is_done: bool = True


def prune(days: int, *, seconds: float = math.inf) -> Pruned:
    """Delete what is older than so many days, for so many seconds at most.

    The days are summarised first: statistics outlive the traces. Two processes may prune at once.
    """
    deadline = time.monotonic() + seconds
    now = timezone.now()
    oldest = now - timedelta(days=min(days, LONGEST_DAYS))
    pruned = Pruned()
    for day in list(summaries.days_due(now)):
        if day <= oldest.date():
            summaries.summarise(day, now)
    old = TraceRecord.objects.filter(started_at__lt=oldest).exclude(status=Outcome.RUNNING)
    reached = None
    while True:
        batch, reached = _next_batch(_unsent(old), reached)
        if not batch:
            break
        began = time.monotonic()
        deleted = _delete(batch)
        if not deleted:
            break  # another process prunes these right now
        pruned.traces += deleted
        if time.monotonic() > deadline:
            pruned.is_done = False
            return pruned
        # As long as it took: whoever waits to write gets a turn.
        time.sleep(time.monotonic() - began)
    _delete_scores_without_trace(oldest)
    pruned.waiting = old.count()
    return pruned


def prune_hourly() -> Pruned | None:
    """Prune by the setting RETENTION_DAYS, if this process has not done so for an hour."""
    global _pruned_at
    days = conf.get("RETENTION_DAYS")
    if days < 1 or time.monotonic() - _pruned_at < HOURLY_SECONDS:
        return None
    pruned = prune(days, seconds=SECONDS_PER_CALL)
    if pruned.is_done:
        _pruned_at = time.monotonic()
    return pruned


def _unsent(traces: QuerySet) -> QuerySet:
    """Without those that have something to be sent, where there is somebody to send it to."""
    if not conf.get("EXPORTER"):
        return traces
    scores = ScoreRecord.objects.waiting().filter(trace_id=OuterRef("pk"))
    return traces.filter(~Exists(scores), export_after=None)


def _next_batch(traces: QuerySet, reached: datetime | None) -> tuple[list[str], datetime | None]:
    # From where the last batch ended: what is kept is not looked at again and again.
    if reached is not None:
        traces = traces.filter(started_at__gte=reached)
    batch = list(traces.order_by("started_at").values_list("pk", "started_at")[:BATCH])
    return [pk for pk, _ in batch], batch[-1][1] if batch else None


def _delete(batch: list[str]) -> int:
    with transaction.atomic():
        # Chosen outside: by now another process may have deleted or queued some.
        traces = _unsent(TraceRecord.objects.filter(pk__in=batch)).order_by()
        if connection.features.has_select_for_update_skip_locked:
            traces = traces.select_for_update(skip_locked=True)
        still = list(traces.values_list("pk", flat=True))
        ScoreRecord.objects.filter(trace_id__in=still).delete()
        # First the steps: a cascade would read the traces before it deletes them.
        ObservationRecord.objects.filter(trace_id__in=still).delete()
        TraceRecord.objects.filter(pk__in=still).only("pk").delete()
    return len(still)


def _delete_scores_without_trace(oldest: datetime) -> None:
    """Delete what was said of a trace after it was pruned, when that is old as well."""
    traces = TraceRecord.objects.filter(pk=OuterRef("trace_id"))
    scores = ScoreRecord.objects.filter(~Exists(traces), updated_at__lt=oldest, export_after=None)
    while batch := list(scores.order_by("updated_at").values_list("pk", flat=True)[:BATCH]):
        ScoreRecord.objects.filter(pk__in=batch).delete()
