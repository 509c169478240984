"""What every block has in common: a beginning, an end on every way out, a place in the context.

`observations` makes traces, spans and generations of it. A fault in here never becomes
one of the traced code.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import random
from collections.abc import Mapping
from contextvars import ContextVar, Token
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from tracing import conf

logger = logging.getLogger(__name__)


class Status(StrEnum):
    """How a trace or an observation ended. RUNNING has not, or its process died unnoticed.

    WARNING went on to its end, but somebody should know: a deadline passed, a fallback stood in.
    """

    RUNNING = "running"
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class Place:
    """Where a block stands in the context.

    Contexts are copied, and a timer or a connection may keep its copy for long. It keeps this,
    which lets go of the block when the trace has ended and remembers only whose work it was.
    """

    __slots__ = ("block", "whose")

    def __init__(self, block: Block):
        self.block: Block | None = block
        self.whose: dict[str, Any] = {}

    @property
    def has_ended(self) -> bool:
        return self.block is None or self.block.ended_at is not None

    def vacate(self, whose: dict[str, Any]) -> None:
        self.block, self.whose = None, whose


# The place of the innermost open block of the running code.
current_place: ContextVar[Place | None] = ContextVar("tracing_current", default=None)


def harmless(function):
    """Keep a fault of ours out of the caller's way: logged in production, raised under test."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except Exception:
            if conf.get("RAISE_ERRORS"):
                raise
            logger.exception("tracing failed in %s; the traced code goes on", function.__qualname__)
            return None

    return wrapper


class Block:
    """What traces and observations share: content, a beginning, and an end on every way out."""

    def __init__(self, name: str, *, input: Any = None, metadata: dict | None = None):
        self.id = _new_id()
        self.name = name
        self.input = input
        self.output: Any = None
        self.metadata: dict[str, Any] = as_metadata(metadata)
        self.status = Status.RUNNING
        self.status_message = ""
        self.error_type = ""
        self.started_at: datetime | None = None
        self.ended_at: datetime | None = None
        self.place = Place(self)
        self._token: Token | None = None

    @property
    def duration_ms(self) -> float | None:
        if self.started_at is None or self.ended_at is None:
            return None
        return round((self.ended_at - self.started_at) / timedelta(milliseconds=1), 3)

    def warn(self, words: str) -> None:
        """Say what somebody should know where the work goes on; it ends as WARNING, unless worse.

        Traces with such a step are counted by the step's name and can be listed.
        """
        if self.status in (Status.RUNNING, Status.WARNING):
            self.status, self.status_message = Status.WARNING, words

    def fail(self, error: BaseException | str) -> None:
        """Mark as failed where the code goes on: the error was caught and answered in words."""
        self.status = Status.ERROR
        self.status_message = _describe(error)
        self.error_type = "" if isinstance(error, str) else type(error).__name__

    def _settle(self, error: BaseException | None) -> None:
        """Set the status from the way the block was left; one that was set by hand stays."""
        if self.status not in (Status.RUNNING, Status.WARNING):
            return
        if error is None:
            if self.status == Status.RUNNING:
                self.status = Status.OK
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            self.status, self.status_message = Status.CANCELLED, "stopped"
        elif isinstance(error, KeyboardInterrupt | SystemExit):
            self.status, self.status_message = Status.INTERRUPTED, type(error).__name__
        else:
            self.fail(error)

    def leave_context(self) -> None:
        """Stop being the innermost block, without ending."""
        token, self._token = self._token, None
        if token is None:
            return
        outer = token.old_value
        if isinstance(outer, Place) and outer.has_ended and current_place.get() is not self.place:
            return  # left after the block round it, which has put things back already
        try:
            current_place.reset(token)
        except ValueError:
            # Left in another context than it was entered in: nothing of ours is there to undo.
            pass

    def __enter__(self) -> Self:
        self._enter()
        return self

    def __exit__(self, kind, error, traceback) -> None:
        self._exit(error)

    # Keeping books suspends nowhere: both forms do the same, whichever reads better.

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind, error, traceback) -> None:
        self.__exit__(kind, error, traceback)


# Guards nothing, so an id need not cost a call of the system. Not the module's own generator: a
# program that seeds that one would give the same ids twice.
_ids = random.Random()  # noqa: S311
os.register_at_fork(after_in_child=_ids.seed)


def _new_id() -> str:
    return f"{_ids.getrandbits(128):032x}"


def as_metadata(value: Any) -> dict[str, Any]:
    """Return a copy of metadata; what is no mapping, given by mistake, gets a name."""
    if value is None:
        return {}
    return dict(value) if isinstance(value, Mapping) else {"metadata": value}


def _describe(error: BaseException | str) -> str:
    if isinstance(error, str):
        return error
    try:
        words = str(error).strip()
    except Exception:
        words = ""  # an error that cannot say what it is
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
