"""What takes traces when they begin and end, and which one this process has.

`thread_recorder` writes rows; the one here keeps traces in memory, for tests.
"""

import atexit
import os
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from django.utils.module_loading import import_string

from tracing import conf

if TYPE_CHECKING:
    from tracing.observations import Trace
    from tracing.scores import Score

SHUTDOWN_SECONDS = 5.0


class Recorder(ABC):
    """Takes what began, what ended and what was judged. Must return at once and never raise."""

    @abstractmethod
    def started(self, trace: "Trace") -> None: ...

    @abstractmethod
    def finished(self, trace: "Trace") -> None: ...

    @abstractmethod
    def scored(self, score: "Score") -> None: ...

    def drain(self, timeout_seconds: float = SHUTDOWN_SECONDS) -> bool:
        """Wait until everything taken so far is written; False when the time was too short."""
        return True

    def close(self, timeout_seconds: float = SHUTDOWN_SECONDS) -> bool:
        """Drain, and let go of the thread and its database connection."""
        return self.drain(timeout_seconds)


class MemoryRecorder(Recorder):
    """Keeps what it is given in lists; for tests that look at traces and need no rows."""

    def __init__(self):
        self.running: list[Trace] = []
        self.traces: list[Trace] = []
        self.scores: list[Score] = []

    def started(self, trace):
        self.running.append(trace)

    def finished(self, trace):
        self.running.remove(trace)
        self.traces.append(trace)

    def scored(self, score):
        self.scores.append(score)

    @property
    def last(self) -> "Trace":
        return self.traces[-1]


_recorder: Recorder | None = None
_recorder_lock = threading.Lock()


def get_recorder() -> Recorder:
    """Return this process's recorder, built on first use and again after a fork."""
    global _recorder
    if _recorder is None:
        with _recorder_lock:
            if _recorder is None:
                _recorder = import_string(conf.get("RECORDER"))()
    return _recorder


def use_recorder(recorder: Recorder | None) -> Recorder | None:
    """Replace this process's recorder and return the one before; None: built anew when needed."""
    global _recorder
    before, _recorder = _recorder, recorder
    return before


def _after_fork() -> None:
    global _recorder_lock
    _recorder_lock = threading.Lock()
    use_recorder(None)


def shut_down() -> None:
    """Write what waits and send what there is time for; the rest goes out after the next start."""
    from tracing import outbox

    deadline = time.monotonic() + SHUTDOWN_SECONDS
    if _recorder is not None:
        _recorder.close(SHUTDOWN_SECONDS)
    outbox.stop(max(0.1, deadline - time.monotonic()))


os.register_at_fork(after_in_child=_after_fork)
atexit.register(shut_down)
