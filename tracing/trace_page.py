"""What the trace page shows, worked out of the rows: order of steps, bars, readable content.

Makes no markup and asks no network.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tracing.models import ObservationRecord, TraceRecord


@dataclass
class Step:
    """One line of the timeline. Places are in percent of the trace's length."""

    row: ObservationRecord
    depth: int
    left: float
    width: float
    first_token_at: float | None
    input: "Content"
    output: "Content"
    reranked: list[dict] = field(default_factory=list)

    @property
    def indent(self) -> range:
        return range(self.depth)


@dataclass
class Content:
    """An input or an output in the form a person reads best."""

    value: Any
    messages: list[dict] = field(default_factory=list)
    fields: list[tuple[str, str, bool]] = field(default_factory=list)  # name, text, is long
    text: str = ""

    def __bool__(self) -> bool:
        return self.value not in (None, "", [], {})


def steps(trace: TraceRecord) -> list[Step]:
    """Return the observations as a tree in the order of their beginning, each with its bar."""
    rows = list(trace.observations.all())
    length = max(
        [trace.duration_ms or 0.0]
        + [_offset(trace, row) + (row.duration_ms or 0.0) for row in rows]
        + [1.0]
    )
    found = []
    for row, depth in _tree(rows):
        begins = _offset(trace, row)
        first_token = None
        if row.first_token_ms is not None:
            first_token = _percent(begins + row.first_token_ms, length)
        found.append(
            Step(
                row=row,
                depth=depth,
                left=_percent(begins, length),
                width=max(0.4, _percent(row.duration_ms or 0.0, length)),
                first_token_at=first_token,
                input=readable(row.input),
                output=readable(row.output),
                reranked=reranked(row),
            )
        )
    return found


def readable(value: Any) -> Content:
    """Choose how a piece of content is shown: as messages, as named fields, or as one text."""
    content = Content(value)
    if _is_messages(value):
        content.messages = value
    elif isinstance(value, dict):
        content.fields = [(name, *_text(item)) for name, item in value.items()]
    elif value is not None:
        content.text = _text(value)[0]
    return content


def reranked(row: ObservationRecord) -> list[dict]:
    """Return the before/after table of a rerank step: a line per candidate, best first."""
    if not isinstance(row.input, dict) or not isinstance(row.output, dict):
        return []
    candidates, results = row.input.get("candidates"), row.output.get("results")
    if not isinstance(candidates, list) or not isinstance(results, list):
        return []
    before = {str(item.get("id")): item for item in candidates if isinstance(item, dict)}
    return [
        {**before.get(str(item.get("id")), {}), **item}
        for item in results
        if isinstance(item, dict)
    ]


def _tree(rows: list[ObservationRecord]) -> Iterator[tuple[ObservationRecord, int]]:
    known = {row.pk for row in rows}
    children = defaultdict(list)
    for row in rows:
        children[row.parent_id if row.parent_id in known else ""].append(row)
    # A stack, not recursion: a trace may nest as deep as its author likes.
    stack = [(row, 0) for row in reversed(children[""])]
    while stack:
        row, depth = stack.pop()
        yield row, depth
        stack.extend((child, depth + 1) for child in reversed(children[row.pk]))


def _offset(trace: TraceRecord, row: ObservationRecord) -> float:
    return (row.started_at - trace.started_at) / timedelta(milliseconds=1)


def _percent(milliseconds: float, length: float) -> float:
    return round(min(100.0, max(0.0, milliseconds / length * 100)), 2)


def _is_messages(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and {"role", "content"} <= set(item) for item in value)
    )


def _text(value: Any) -> tuple[str, bool]:
    if isinstance(value, str):
        text = value
    else:
        text = json.dumps(value, ensure_ascii=False, indent=2)
    return text, len(text) > 400 or text.count("\n") > 8
