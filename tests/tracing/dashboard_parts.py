"""Rows for the tests of summaries, dashboard and retention."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import uuid4

from tracing.models import Outcome, ScoreRecord, TraceRecord


def trace_on(day: date, **fields) -> TraceRecord:
    """A trace that ended at noon of the day."""
    noon = datetime.combine(day, time(12), tzinfo=UTC)
    return TraceRecord.objects.create(
        **{
            "id": uuid4().hex,
            "name": "ai_chat",
            "status": Outcome.OK,
            "started_at": noon,
            "ended_at": noon + timedelta(seconds=1),
            **fields,
        }
    )


def score_of(trace: TraceRecord, value, *, name="user_feedback", at=None) -> ScoreRecord:
    return ScoreRecord.objects.create(
        id=f"{trace.pk}-{name}", trace_id=trace.pk, name=name, value=value,
        updated_at=at or trace.ended_at,
    )  # fmt: skip
