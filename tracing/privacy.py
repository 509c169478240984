"""Remove the words of traces that exist already, here and in Langfuse; times and counts stay.

Langfuse has no way to delete a trace, and nothing that is sent empty clears anything there. So
what can be removed is overwritten: "[removed]" takes the place of the words, under the same ids,
and the rows go into the outbox once more. What cannot be: the tags, which Langfuse unites, and
traces that were pruned here, whose ids nobody knows any more.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, models, transaction
from django.db.models import QuerySet
from django.utils import timezone

from tracing import content, outbox
from tracing.models import (
    ContentState,
    ExportState,
    ObservationRecord,
    Outcome,
    Recorded,
    ScoreRecord,
    TraceRecord,
)
from tracing.recorder import get_recorder

REMOVED = "[removed]"
IDS_AT_ONCE = 500  # in one statement: SQLite takes 32,766 values at most
BATCH = 100  # traces in one transaction: others write in between
DRAIN_SECONDS = 1.0
# What the recorder itself puts into metadata: counts, and how it ended.
COUNTS = ("status", "duration_ms", "usage_is_estimate")

ExportedRow = TraceRecord | ScoreRecord


def blank_session(session_id: str) -> int:
    """Remove the words of a session's traces; return how many had any."""
    return _blank_all_of("session_id", session_id)


def blank_user(user_id: str) -> int:
    """Remove the words of a person's traces, by pseudonym; return how many had any."""
    return _blank_all_of("user_id", user_id)


def _blank_all_of(field: str, value: str) -> int:
    value = content.identifier(value, longest=100)
    if not value:
        return 0  # nobody's: that would be all that belong to nobody
    # What has ended a moment ago is about to be written.
    get_recorder().drain(DRAIN_SECONDS)
    return blank(TraceRecord.objects.filter(**{field: value}))


def blank(traces: QuerySet[TraceRecord]) -> int:
    """Remove the words of traces, their observations and scores; return how many had any.

    A trace that still runs is written without words when it ends.
    """
    ids = list(traces.order_by("pk").values_list("pk", flat=True))
    blanked = 0
    for start in range(0, len(ids), BATCH):
        with transaction.atomic():
            blanked += _blank_batch(ids[start : start + BATCH])
            transaction.on_commit(outbox.wake)
    return blanked


def _blank_batch(ids: list[str]) -> int:
    """Blank some traces, in one transaction."""
    kept = _locked(TraceRecord.objects.filter(pk__in=ids, content_state=ContentState.KEPT))
    rows = list(kept.defer("input", "output"))
    with_words = [row.pk for row in rows]
    # Scores of all: one may have been given a comment after the words of its trace were removed.
    scores = list(_locked(ScoreRecord.objects.filter(trace_id__in=ids).exclude(comment=REMOVED)))
    steps = ObservationRecord.objects.filter(trace_id__in=with_words)
    for model in (TraceRecord.objects.filter(pk__in=with_words), steps):
        for field in ("input", "output"):
            model.filter(**{f"{field}__isnull": False}).update(**{field: REMOVED})
    talking = steps.exclude(metadata={}, status_message="", model_parameters={})
    changed = [step for step in talking.defer("input", "output") if _blank_rest(step)]
    now = timezone.now()
    for row in rows:
        _blank_rest(row)
        row.content_state = ContentState.REMOVED
        _put_into_outbox(row, now)
    scores = [score for score in scores if _blank_comment(score)]
    for score in scores:
        _put_into_outbox(score, now)
    export = ["export_state", "export_after", "export_error"]
    _update(changed, ["metadata", "status_message", "model_parameters"])
    _update(rows, ["metadata", "status_message", "content_state", *export])
    _update(scores, ["comment", *export])
    return len(rows)


def keep_removed(rows: Iterable[models.Model]) -> None:
    """Blank what is about to be written of traces whose words were removed, or never kept.

    Called by the recorder, within the transaction that writes: such a trace may have been running
    then, or be judged, in words, now.
    """
    rows = list(rows)
    traces = {row.pk: row for row in rows if isinstance(row, TraceRecord)}
    ids = {*traces, *(row.trace_id for row in rows if isinstance(row, ScoreRecord))}
    # All of them locked, not only those that lost their words already: who removes them now waits.
    stored = _locked(TraceRecord.objects.filter(pk__in=ids)).values_list("pk", "content_state")
    states = {pk: row.content_state for pk, row in traces.items()}
    states |= {pk: state for pk, state in stored if state != ContentState.KEPT}
    for row in rows:
        state = states.get(row.pk if isinstance(row, TraceRecord) else row.trace_id)
        if isinstance(row, ScoreRecord):
            if state == ContentState.REMOVED:
                _blank_comment(row)
            elif state == ContentState.NOT_RECORDED:
                row.comment = ""
        elif state == ContentState.REMOVED:
            row.input, row.output = _blanked(row.input), _blanked(row.output)
            _blank_rest(row)
            if isinstance(row, TraceRecord):
                row.content_state = ContentState.REMOVED


def _locked(rows: QuerySet) -> QuerySet:
    # In one order, always: the recorder and two who remove must not wait for each other.
    rows = rows.order_by("pk")
    return rows.select_for_update() if connection.features.has_select_for_update else rows


def _blanked(value: Any) -> str | None:
    return None if value is None else REMOVED


def _blank_rest(row: Recorded) -> bool:
    """Blank metadata, status message and parameters; return whether that changed anything."""
    parameters = getattr(row, "model_parameters", {})
    before = row.metadata, row.status_message, dict(parameters)
    for name, value in parameters.items():
        if not isinstance(value, int | float | None):
            parameters[name] = REMOVED
    if isinstance(row.metadata, dict):
        # The keys stay: Langfuse merges metadata, and what is not overwritten is still there.
        row.metadata = {
            key: value if key in COUNTS and _is_count(value) else REMOVED
            for key, value in row.metadata.items()
        }
    else:
        row.metadata = REMOVED
    row.status_message = row.status_message and REMOVED
    return (row.metadata, row.status_message, parameters) != before


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) or value in Outcome.values


def _blank_comment(score: ScoreRecord) -> bool:
    """Blank what was said with a score; return whether there was, or may have been, anything.

    A score that was given anew without a comment still has the first one in Langfuse. One that
    was taken back is deleted there.
    """
    is_nowhere_else = score.value is None or score.export_state == ExportState.LOCAL
    if not score.comment and is_nowhere_else:
        return False
    score.comment = REMOVED
    return True


def _put_into_outbox(row: ExportedRow, now: datetime) -> None:
    """Have a row sent once more, after whatever of it is on its way: the later delivery wins."""
    if row.export_state == ExportState.LOCAL:
        return
    row.export_error = ""  # it may quote what was refused
    if row.export_state == ExportState.SENT:
        # Once the lease is over. Moved by a moment, so that its sender, when it is done, sees that
        # the row is not the one it took.
        lease = max(row.export_after or now, now)
        row.export_after = lease + timedelta(microseconds=1)
    elif row.export_state == ExportState.NEW and row.export_attempts:
        # What was given up on may still be in the server's hands.
        row.export_after = max(row.export_after or now, now + outbox.LEASE)
    else:
        row.export_after = row.export_after or now
    row.export_state = ExportState.NEW


def _update(rows: list[models.Model], fields: list[str]) -> None:
    """Save some fields: one statement for all rows that get the same (bulk_update takes ten times
    as long).
    """
    alike: dict[str, list[models.Model]] = defaultdict(list)
    for row in rows:
        alike[json.dumps([getattr(row, field) for field in fields], default=str)].append(row)
    for group in alike.values():
        values = {field: getattr(group[0], field) for field in fields}
        for begin in range(0, len(group), IDS_AT_ONCE):
            ids = [row.pk for row in group[begin : begin + IDS_AT_ONCE]]
            type(group[0]).objects.filter(pk__in=ids).update(**values)
