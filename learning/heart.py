"""What beats beside a running job: says every second that it lives, and notices that it is to stop.

    with Heart(job) as heart:
        heart.check()            # raises Stopped
        heart.on_stop = cancel   # called as soon as it is to stop, in another thread

A worker that is told to end calls `interrupt_all`: the jobs of its process stop as well.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from enum import Enum

from django.db import connections
from django.utils import timezone

from learning import jobs
from learning.models import Job

logger = logging.getLogger(__name__)

BEAT_SECONDS = 1.0


class Why(Enum):
    CANCELLED = "cancelled"
    TAKEN = "another worker has taken it over"
    ENDING = "the worker was told to end"


class Stopped(BaseException):
    """A job is not to go on here."""

    def __init__(self, why: Why):
        super().__init__(why.value)
        self.why = why


class Heart(contextlib.AbstractContextManager):
    """The sign of life of one job, for as long as this process works at it."""

    def __init__(self, job: Job):
        self.job = job
        self.why: Why | None = None  # it is to stop
        self.on_stop: Callable[[], object] | None = None
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="job-heart", daemon=True)

    def __enter__(self) -> "Heart":
        _beating.add(self)
        if _is_ending.is_set():
            self.stop(Why.ENDING)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._has_ended.set()
        self._thread.join()
        _beating.discard(self)

    def check(self) -> None:
        """Raise Stopped where the job is to stop; asks the database."""
        self._look()
        self.check_again()

    def check_again(self) -> None:
        """The same by what is known already, where there must be no query: in an event loop."""
        if self.why:
            raise Stopped(self.why)

    def rest(self, seconds: float) -> None:
        """Sleep for so long, unless the job is to stop."""
        until = time.monotonic() + seconds
        while self.why is None and time.monotonic() < until:
            time.sleep(0.05)

    def stop(self, why: Why) -> None:
        self.why = self.why or why
        if on_stop := self.on_stop:
            on_stop()

    def _beat(self) -> None:
        try:
            while not self._has_ended.wait(BEAT_SECONDS):
                try:
                    self._look()
                except Exception:  # a database that is away for a moment is no reason to stop
                    logger.exception("the job %s could not say that it lives", self.job.pk)
        finally:
            connections.close_all()

    def _look(self) -> None:
        if self.why:
            return
        if jobs.held(self.job).filter(is_cancel_wanted=False).update(alive_at=timezone.now()):
            return
        row = type(self.job).objects.filter(pk=self.job.pk)
        # A course that is deleted takes its jobs along.
        is_cancelled = jobs.held(self.job).exists() or not row.exists()
        self.stop(Why.CANCELLED if is_cancelled else Why.TAKEN)


_beating: set[Heart] = set()
_is_ending = threading.Event()


def interrupt_all() -> None:
    """Have all jobs of this process stop and be given back; a signal handler may call it."""
    _is_ending.set()
    for heart in list(_beating):
        heart.stop(Why.ENDING)


def running() -> list[Job]:
    """The jobs that this process works at."""
    return [heart.job for heart in list(_beating)]
