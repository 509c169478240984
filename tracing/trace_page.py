"""What the trace page shows, worked out of the rows: order of steps, bars, readable content.

Makes no markup and asks no network.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import Q

from tracing.blocks import as_metadata
from tracing.models import ObservationRecord, ScoreRecord, TraceRecord
from tracing.reranking import Reranking, reranking

STEPS_SHOWN = 300
DEEPEST_INDENT = 12
LONG_TEXT = 400  # characters; longer ones are folded
ANSWER = "response"  # what the page is opened for: never folded


@dataclass
class Step:
    """One line of the timeline. Places are in percent of the trace's length."""

    row: ObservationRecord
    number: int
    depth: int
    left: float
    width: float
    first_token_at: float | None
    input: "Content"
    output: "Content"
    metadata: "Content"
    reranking: Reranking | None = None

    @property
    def indent(self) -> range:
        return range(min(self.depth, DEEPEST_INDENT))


@dataclass
class Timeline:
    """The steps from `first` to `last` of `total`, numbered from 1."""

    steps: list[Step]
    total: int
    first: int

    @property
    def last(self) -> int:
        return self.first + len(self.steps) - 1

    @property
    def next(self) -> int | None:
        return self.last + 1 if self.steps and self.last < self.total else None

    @property
    def previous(self) -> int | None:
        return max(1, self.first - STEPS_SHOWN) if self.first > 1 else None


@dataclass
class Message:
    role: str
    text: str
    rest: str  # what else it holds, e.g. calls of tools, as JSON


@dataclass
class Passage:
    title: str
    text: str
    score: float | None


@dataclass
class Content:
    """An input or an output in the form a person reads best."""

    value: Any
    messages: list[Message] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)
    fields: list[tuple[str, str, bool]] = field(default_factory=list)  # name, text, is long
    text: str = ""

    def __bool__(self) -> bool:
        return self.value not in (None, "", [], {})


def timeline(trace: TraceRecord, *, first: int = 1, with_content: bool = True) -> Timeline:
    """Return STEPS_SHOWN observations from the `first`, as a tree, each with its bar.

    The tree is made of ids alone, content is read for what is shown: two queries.
    """
    tree = list(_tree(trace.observations.order_by("position").values_list("pk", "parent_id")))
    shown = tree[first - 1 : first - 1 + STEPS_SHOWN]
    rows = trace.observations.in_bulk([pk for pk, _ in shown]) if with_content else {}
    if not with_content:
        bare = trace.observations.defer(
            "input", "output", "metadata", "model_parameters", "status_message"
        )
        rows = bare.in_bulk([pk for pk, _ in shown])
    length = max(
        [trace.duration_ms or 0.0]
        + [_offset(trace, row) + (row.duration_ms or 0.0) for row in rows.values()]
        + [1.0]
    )
    # A trace may be pruned, or its steps written anew, between the two queries.
    steps = [
        _step(trace, rows[pk], number, depth, length, with_content)
        for number, (pk, depth) in enumerate(shown, start=first)
        if pk in rows
    ]
    return Timeline(steps, total=len(tree), first=first)


def neighbours(trace: TraceRecord) -> tuple[TraceRecord | None, TraceRecord | None]:
    """Return the traces before and after this one in its session."""
    if not trace.session_id:
        return None, None
    beside = TraceRecord.objects.filter(session_id=trace.session_id).only("name", "started_at")
    began, pk = trace.started_at, trace.pk
    earlier = beside.filter(started_at__lte=began).filter(Q(started_at__lt=began) | Q(pk__lt=pk))
    later = beside.filter(started_at__gte=began).filter(Q(started_at__gt=began) | Q(pk__gt=pk))
    return earlier.order_by("-started_at", "-pk").first(), later.order_by(
        "started_at", "pk"
    ).first()


def scores(trace: TraceRecord, *, with_comment: bool) -> list[ScoreRecord]:
    """Return what people and checks said of the trace; judgements taken back are none."""
    rows = ScoreRecord.objects.filter(trace_id=trace.pk, value__isnull=False).order_by("name")
    return list(rows if with_comment else rows.defer("comment", "export_error"))


def readable(value: Any) -> Content:
    """Choose how a piece of content is shown: as messages, passages, named fields, or one text."""
    content = Content(value)
    if _is_messages(value):
        content.messages = [_message(item) for item in value]
    elif isinstance(value, dict):
        fields = dict(value)
        if _is_passages(fields.get("passages")):
            content.passages = [_passage(item) for item in fields.pop("passages")]
        if ANSWER in fields:
            fields.pop(f"{ANSWER}_preview", None)  # its beginning, for lists
        content.fields = [
            (name, *_text(item, is_open=name == ANSWER)) for name, item in fields.items()
        ]
    elif value is not None:
        content.text = _text(value)[0]
    return content


def _step(trace, row, number, depth, length, with_content) -> Step:
    begins = _offset(trace, row)
    first_token = None
    if row.first_token_ms is not None:
        first_token = _percent(begins + row.first_token_ms, length)
    left = _percent(begins, length)
    return Step(
        row=row,
        number=number,
        depth=depth,
        left=left,
        width=max(0.4, min(_percent(row.duration_ms or 0.0, length), 100.0 - left)),
        first_token_at=first_token,
        input=readable(row.input if with_content else None),
        output=readable(row.output if with_content else None),
        metadata=readable(
            {**as_metadata(row.metadata), **as_metadata(row.model_parameters)}
            if with_content
            else None
        ),
        reranking=reranking(row, trace.metadata) if with_content else None,
    )


def _tree(rows) -> Iterator[tuple[str, int]]:
    rows = list(rows)
    known = {pk for pk, _ in rows}
    children = defaultdict(list)
    for pk, parent in rows:
        children[parent if parent in known else ""].append(pk)
    # A stack, not recursion: a trace may nest as deep as its author likes.
    stack = [(pk, 0) for pk in reversed(children[""])]
    while stack:
        pk, depth = stack.pop()
        yield pk, depth
        stack.extend((child, depth + 1) for child in reversed(children[pk]))


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


def _message(item: dict) -> Message:
    rest = {name: part for name, part in item.items() if name not in ("role", "content")}
    text = "" if item["content"] is None else _text(item["content"])[0]
    return Message(str(item["role"]), text, _text(rest)[0] if rest else "")


def _is_passages(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and isinstance(item.get("text"), str) for item in value)
    )


def _passage(item: dict) -> Passage:
    path = item.get("heading_path")
    titles = [item.get("title"), *(path if isinstance(path, list) else [])]
    # The first heading is often the title again.
    named = " › ".join(dict.fromkeys(str(title) for title in titles if title))
    score = item.get("score")
    known = isinstance(score, int | float)
    return Passage(named or str(item.get("id", "")), item["text"], score if known else None)


def _text(value: Any, *, is_open: bool = False) -> tuple[str, bool]:
    """Return the text of a value, and whether it is better folded."""
    if isinstance(value, str):
        text = value
    else:
        text = json.dumps(value, ensure_ascii=False, indent=2)
    return text, not is_open and (len(text) > LONG_TEXT or text.count("\n") > 8)
