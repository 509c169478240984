"""Turn what was alive into rows: content made storable, times and tokens summed up."""

import json
import os
import socket
import time
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tracing import conf, content
from tracing.blocks import Status, as_metadata
from tracing.models import (
    ContentState,
    ExportState,
    ObservationRecord,
    Outcome,
    ScoreRecord,
    TraceRecord,
)
from tracing.observations import Generation, Observation, Trace, Usage
from tracing.prices import Cost, cost_of, sum_of
from tracing.scores import Score

MAX_TAGS = 50
LARGEST_COUNT = 2**31 - 1  # of PostgreSQL's integer

_HOST = socket.gethostname()[:60]
_STARTED = int(time.time())


def this_process() -> str:
    """Return a name of this process that no later one has: host, process id, start."""
    return f"{_HOST}:{os.getpid()}:{_STARTED}"


def trace_row(trace: Trace) -> TraceRecord:
    """Return the row of a trace as it stands: RUNNING, or ended with its totals."""
    answering = answering_generation(trace)
    return TraceRecord(
        id=trace.id,
        user_id=content.identifier(trace.user_id, longest=100),
        session_id=content.identifier(trace.session_id, longest=100),
        request_id=content.identifier(trace.request_id, longest=64),
        release=content.identifier(trace.release, longest=100),
        tags=[content.label(tag, longest=200) for tag in trace.tags[:MAX_TAGS]],
        group=_group(trace.tags),
        content_state=ContentState.KEPT if keeps_content(trace) else ContentState.NOT_RECORDED,
        process=this_process(),
        model=content.label(answering.model, longest=200) if answering else "",
        first_token_ms=_first_token_ms(answering, since=trace.started_at),
        cost=_total_cost(trace, answering),
        **_export(due_at=trace.ended_at),
        **_recorded(trace, keeps_content(trace), metadata={"status": _status(trace)}),
        **_tokens(_total_usage(trace, answering)),
    )


def observation_row(observation: Observation, trace: Trace, position: int) -> ObservationRecord:
    """Return the row of a step; `position` is its place in the order of beginning."""
    model, parameters, usage, first_token_ms, metadata = "", {}, None, None, {}
    keeps = keeps_content(trace)
    if isinstance(observation, Generation):
        model = content.label(observation.model, longest=200)
        parameters = _flat(content.storable(observation.model_parameters)) if keeps else {}
        usage = observation.usage
        first_token_ms = _first_token_ms(observation, since=observation.started_at)
        metadata = {"duration_ms": observation.duration_ms}
        if usage is not None and usage.is_estimate:
            metadata["usage_is_estimate"] = True
    return ObservationRecord(
        id=observation.id,
        trace_id=trace.id,
        parent_id=observation.parent_id or "",
        position=position,
        kind=observation.kind.value,
        model=model,
        model_parameters=parameters,
        first_token_ms=first_token_ms,
        **_recorded(observation, keeps, metadata=metadata),
        **_tokens(usage),
        **_costs(_cost(observation)),
    )


def score_row(score: Score, *, now: datetime) -> ScoreRecord:
    return ScoreRecord(
        id=score.id,
        trace_id=score.trace_id,
        name=content.label(score.name, longest=100),
        value=score.value,
        comment=content.text(score.comment) if conf.get("CAPTURE_CONTENT") else "",
        updated_at=now,
        **_export(due_at=now),
    )


def answering_generation(trace: Trace) -> Generation | None:
    """Return the generation that the trace is about: the last that wrote, else the last of all.

    An embedding reads and writes nothing; summing its tokens into those of the answer would make
    a number that no provider bills.
    """
    generations = [step for step in trace.observations if isinstance(step, Generation)]
    writing = [
        step for step in generations if step.first_token_at or (step.usage and step.usage.output)
    ]
    return (writing or generations or [None])[-1]


def _total_usage(trace: Trace, answering: Generation | None) -> Usage | None:
    """The tokens of every generation by the answering model."""
    if answering is None:
        return None
    usages = [
        step.usage
        for step in trace.observations
        if isinstance(step, Generation) and step.model == answering.model and step.usage
    ]
    if not usages:
        return None
    return Usage(
        input=sum(_count(usage.input) or 0 for usage in usages),
        output=sum(_count(usage.output) or 0 for usage in usages),
        total=sum(_count(usage.total) or 0 for usage in usages),
        is_estimate=any(usage.is_estimate for usage in usages),
    )


def _total_cost(trace: Trace, answering: Generation | None) -> Decimal | None:
    """The cost of every generation that has a price.

    None when the answering model's is not known: a free embedding alone would make an answer of
    unknown price look free.
    """
    if answering is None or _cost(answering) is None:
        return None
    costs = (_cost(step) for step in trace.observations)
    return sum_of([cost for cost in costs if cost is not None])


def _cost(observation: Observation) -> Cost | None:
    if not isinstance(observation, Generation):
        return None
    return cost_of(content.label(observation.model, longest=200), observation.usage)


def keeps_content(trace: Trace) -> bool:
    """Whether the words of a trace are kept: the site and the person must both allow it."""
    return bool(trace.capture_content and conf.get("CAPTURE_CONTENT"))


def _group(tags: list[str]) -> str:
    """Return what the grouping tag says: "calculus" of "course:calculus"."""
    prefix = conf.get("GROUP_TAG")
    named = (str(tag) for tag in tags if prefix and str(tag).startswith(f"{prefix}:"))
    return content.label(next(named, "")[len(prefix) + 1 :], longest=200)


def _recorded(timed: Trace | Observation, keeps: bool, *, metadata: dict) -> dict[str, Any]:
    return {
        "name": content.label(timed.name, longest=200),
        "status": _status(timed),
        "status_message": content.text(timed.status_message) if keeps else "",
        "error_type": content.label(timed.error_type, longest=100),
        "input": content.storable(timed.input) if keeps else None,
        "output": content.storable(timed.output) if keeps else None,
        "metadata": _metadata(timed, metadata) if keeps else metadata,
        "started_at": timed.started_at,
        "ended_at": timed.ended_at,
        "duration_ms": timed.duration_ms,
    }


def _status(timed: Trace | Observation) -> str:
    return str(timed.status) if timed.status in Outcome.values else Status.ERROR.value


def _metadata(timed: Trace | Observation, ours: dict) -> dict[str, Any]:
    stored = content.storable({**as_metadata(timed.metadata), **ours})
    # Too many small things become one text; what we say of it ourselves is found by name.
    return stored if isinstance(stored, dict) else {"metadata": stored, **ours}


def _tokens(usage: Usage | None) -> dict[str, Any]:
    usage = usage or Usage()
    return {
        "input_tokens": _count(usage.input),
        "output_tokens": _count(usage.output),
        "total_tokens": _count(usage.total),
        "usage_is_estimate": usage.is_estimate,
    }


def _costs(cost: Cost | None) -> dict[str, Decimal | None]:
    read, written, total = cost or (None, None, None)
    return {"input_cost": read, "output_cost": written, "cost": total}


def _count(tokens: int | None) -> int | None:
    # A provider's nonsense, -1 for "unknown" say, must not cost the row.
    return tokens if isinstance(tokens, int) and 0 <= tokens <= LARGEST_COUNT else None


def _flat(parameters: Any) -> dict[str, Any]:
    """Langfuse takes no parameter that holds others: those become text."""
    if not isinstance(parameters, dict):
        return {"parameters": str(parameters)}
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
        for name, value in parameters.items()
    }


def _first_token_ms(generation: Generation | None, *, since: datetime | None) -> float | None:
    if generation is None or generation.first_token_at is None or since is None:
        return None
    return round((generation.first_token_at - since) / timedelta(milliseconds=1), 3)


def _export(*, due_at: datetime | None) -> dict[str, Any]:
    # A running trace is sent once, when it is final: a later event without usage would overwrite
    # the counts that were sent.
    if due_at is None or not conf.get("EXPORTER"):
        return {"export_state": ExportState.LOCAL, "export_after": None}
    return {"export_state": ExportState.NEW, "export_after": due_at}
