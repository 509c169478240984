"""What is alive while it happens: a Trace with its Spans and Generations.

Opened with `with` or `async with`, closed on every way out, and then handed to the
recorder as a whole. Nothing here touches the database, the network or the event loop, so a block
costs microseconds wherever it stands.

    async with trace("ai_chat", session_id=…, user_id=…, input=question) as turn:
        with span("retrieve", input=question) as found:
            found.output = passages
        with generation("llm_call", model="gpt-4o-mini", input=messages) as answer:
            ...
            answer.usage = Usage(input=1941, output=384)
        turn.output = text

Never `yield` inside a block: a suspended generator leaks its context variables into its consumer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from tracing import attribution, conf, recorder
from tracing.blocks import Block, Status, current_place, harmless


class Kind(StrEnum):
    SPAN = "SPAN"
    GENERATION = "GENERATION"


_COUNTS = {
    **{"input": "input", "input_tokens": "input", "prompt_tokens": "input"},
    **{"output": "output", "output_tokens": "output", "completion_tokens": "output"},
    **{"total": "total", "total_tokens": "total"},
}


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a model read and wrote. `is_estimate` where the provider did not count them."""

    input: int | None = None
    output: int | None = None
    total: int | None = None
    is_estimate: bool = False

    def __post_init__(self):
        if self.total is None and (self.input is not None or self.output is not None):
            object.__setattr__(self, "total", (self.input or 0) + (self.output or 0))

    @classmethod
    def of(cls, counted: Any) -> Usage | None:
        """Read what a provider counted, whatever it calls it; None when it counted nothing.

        Takes a mapping or an object with `input_tokens` or `prompt_tokens`, and the like.
        """
        if counted is None or isinstance(counted, cls):
            return counted
        if not isinstance(counted, Mapping):
            counted = {name: getattr(counted, name, None) for name in _COUNTS}
        found = {
            _COUNTS[name]: count
            for name, count in counted.items()
            if name in _COUNTS and isinstance(count, int)
        }
        return cls(**found) if found else None


class Trace(Block):
    """One piece of work seen from outside: a chat turn, a reindex, a job.

    Who it is for (`user_id`, `session_id`) comes from the middleware unless it is given. With
    `capture_content=False` only its times and counts are kept, whatever the settings say; with
    `recorded=False` nothing is, neither of it nor of a trace inside it.
    """

    def __init__(
        self,
        name: str,
        *,
        input: Any = None,
        user_id: str = "",
        session_id: str = "",
        tags: list[str] | tuple[str, ...] = (),
        metadata: dict | None = None,
        capture_content: bool = True,
        recorded: bool = True,
    ):
        super().__init__(name, input=input, metadata=metadata)
        self.capture_content = capture_content
        self.is_recorded = recorded
        self.user_id = user_id
        self.session_id = session_id
        self.request_id = ""
        self.release = ""
        self.tags = [tags] if isinstance(tags, str) else list(tags or ())
        self.observations: list[Observation] = []

    @property
    def trace(self) -> Trace:
        return self

    @property
    def whose(self) -> dict[str, Any]:
        """Whose work it is, and whether their words, or anything at all, are kept."""
        return {
            "user_id": self.user_id,
            "session_id": self.session_id,
            "capture_content": self.capture_content,
            "is_recorded": self.is_recorded,
        }

    def now(self) -> datetime:
        """The wall clock as of the beginning plus the monotonic time since: it never jumps back."""
        return self.started_at + timedelta(seconds=time.perf_counter() - self._clock)

    @harmless
    def _enter(self) -> None:
        self._clock = time.perf_counter()
        self.started_at = datetime.now(UTC)
        outer = current_place.get()
        self._token = current_place.set(self.place)
        if outer is not None:
            # A trace inside a trace, or in a task that outlived one: the same person's work.
            whose = outer.whose if outer.block is None else outer.block.trace.whose
            self.capture_content = self.capture_content and whose["capture_content"]
            self.is_recorded = self.is_recorded and whose["is_recorded"]
            self.user_id = self.user_id or whose["user_id"]
            self.session_id = self.session_id or whose["session_id"]
        who = attribution.current()
        self.user_id = self.user_id or who.user_id
        self.session_id = self.session_id or who.session_id
        self.request_id = who.request_id
        self.release = conf.get("RELEASE")
        if self.is_recorded:
            recorder.get_recorder().started(self)

    @harmless
    def _exit(self, error: BaseException | None) -> None:
        self.leave_context()
        self._settle(error)
        self.ended_at = self.now()
        for observation in self.observations:
            observation._end_with(self)
        for block in (self, *self.observations):
            block.place.vacate(self.whose)
        if self.is_recorded:
            recorder.get_recorder().finished(self)


class Observation(Block):
    """A step inside a trace. Outside of one it opens a trace of its own, under its own name."""

    kind: Kind

    def __init__(self, name: str, *, input: Any = None, metadata: dict | None = None):
        super().__init__(name, input=input, metadata=metadata)
        self.parent_id: str | None = None
        self.trace: Trace | None = None
        self._own_trace: Trace | None = None

    @harmless
    def _enter(self) -> None:
        place = current_place.get()
        parent = place.block if place is not None else None
        if parent is None or parent.trace.ended_at is not None:
            parent = self._own_trace = Trace(self.name, input=self.input).__enter__()
        self.trace = parent.trace
        self.parent_id = None if parent is self.trace else parent.id
        self.started_at = self.trace.now()
        self.trace.observations.append(self)
        self._token = current_place.set(self.place)

    @harmless
    def _exit(self, error: BaseException | None) -> None:
        self.leave_context()
        self._settle(error)
        if self.trace is not None and self.ended_at is None:
            self.ended_at = self.trace.now()
        if self._own_trace is not None:
            self._own_trace.output = self.output
            self._own_trace.status = self.status
            self._own_trace.status_message = self.status_message
            self._own_trace.error_type = self.error_type
            self._own_trace._exit(error)

    def leave_context(self) -> None:
        super().leave_context()
        if self._own_trace is not None:
            self._own_trace.leave_context()

    @contextmanager
    def innermost(self):
        """Be the innermost block again for a moment, e.g. for one step of a generator."""
        token = current_place.set(self.place)
        try:
            yield
        finally:
            current_place.reset(token)

    def _end_with(self, trace: Trace) -> None:
        """End with the trace when left open: by a task that outlived it, or a fault of ours."""
        if self.ended_at is None:
            self.ended_at = trace.ended_at
            self.status, self.status_message = Status.INTERRUPTED, "the trace ended first"


class Span(Observation):
    """A step that is no model call: retrieve, rerank."""

    kind = Kind.SPAN


class Generation(Observation):
    """A model call: what it read, what it wrote, how many tokens, when the first one came."""

    kind = Kind.GENERATION

    def __init__(
        self,
        name: str,
        *,
        model: str = "",
        input: Any = None,
        model_parameters: dict[str, str | int | float | bool | None] | None = None,
        metadata: dict | None = None,
    ):
        super().__init__(name, input=input, metadata=metadata)
        self.model = model
        self.model_parameters = dict(model_parameters or {})
        self._usage: Usage | None = None
        self.first_token_at: datetime | None = None

    @property
    def usage(self) -> Usage | None:
        return self._usage

    @usage.setter
    def usage(self, counted: Any) -> None:
        self._usage = Usage.of(counted)

    def chunk_received(self) -> None:
        """Say that a chunk came: the first one stamps the time to the first token."""
        if self.first_token_at is None and self.trace is not None:
            self.first_token_at = self.trace.now()


trace = Trace
span = Span
generation = Generation


def current_trace() -> Trace | None:
    """Return the trace that the running code belongs to; None outside of one, or after its end."""
    place = current_place.get()
    return None if place is None or place.block is None else place.block.trace
