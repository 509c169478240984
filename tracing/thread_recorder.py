"""Write the rows, on a thread of its own: whoever traces hands over and goes on.

A thread and a connection of its own also keep a trace out of its caller's transaction: when the
traced work is rolled back, the evidence stays.
"""

import logging
import queue
import sys
import threading
import time
from collections.abc import Iterator

from django.db import (
    InterfaceError,
    OperationalError,
    close_old_connections,
    connections,
    models,
    transaction,
)
from django.utils import timezone

from tracing import conf, outbox, privacy
from tracing.forking import no_fork
from tracing.observations import Trace
from tracing.pace import Pace
from tracing.recorder import SHUTDOWN_SECONDS, Recorder
from tracing.rows import observation_row, score_row, trace_row

logger = logging.getLogger(__name__)


class ThreadRecorder(Recorder):
    """Writes rows in batches, one transaction each; tries again while the database is away."""

    BATCH = 50
    # What comes next is often the same turn's: rows are written together, and the thread does not
    # ask for the interpreter in the middle of whoever handed the first one over.
    GATHER_SECONDS = 0.05
    MAX_WAITING = 20_000  # entries kept while the database is away; beyond, the oldest are dropped

    def __init__(self):
        self._queue: queue.SimpleQueue = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._start_lock = threading.Lock()
        self._closing = threading.Event()
        self._hurry = threading.Event()

    def started(self, trace):
        self._put(("started", trace))

    def finished(self, trace):
        self._put(("finished", trace))

    def scored(self, score):
        self._put(("score", score))

    def drain(self, timeout_seconds: float = SHUTDOWN_SECONDS) -> bool:
        if self._thread is None:
            return True
        done = threading.Event()
        self._queue.put(("flush", done))
        self._hurry.set()
        return done.wait(timeout_seconds)

    def close(self, timeout_seconds: float = SHUTDOWN_SECONDS) -> bool:
        thread = self._thread
        if thread is None:
            return True
        self._closing.set()
        self._queue.put(("close", None))
        self._hurry.set()
        thread.join(timeout_seconds)
        self._thread = None
        return not thread.is_alive()

    def _put(self, entry: tuple) -> None:
        self._queue.put(entry)
        if self._thread is None:
            with self._start_lock:
                if self._thread is None:
                    self._closing.clear()
                    self._thread = threading.Thread(
                        target=self._run, name="tracing-recorder", daemon=True
                    )
                    self._thread.start()
                    # Now, not when the first row is written: from Python 3.12 on a process that
                    # is ending starts no thread any more.
                    _wake_outbox()

    def _run(self) -> None:
        _share_the_interpreter()
        try:
            while self._write_next():
                pass
        finally:
            connections.close_all()

    def _write_next(self) -> bool:
        # A call of its own: while the thread waits for more, nothing here holds the last traces.
        entries = self._next_entries()
        self._write_until_written([e for e in entries if e[0] not in ("flush", "close")])
        for kind, entry in entries:
            if kind == "finished":
                # Written: trace and steps hold each other, and a prompt may be large.
                entry.observations.clear()
            elif kind == "flush":
                entry.set()
        return ("close", None) not in entries

    def _next_entries(self) -> list[tuple]:
        entries = [self._queue.get()]
        self._hurry.wait(self.GATHER_SECONDS)
        self._hurry.clear()
        try:
            while len(entries) < self.BATCH:
                entries.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return entries

    def _write_until_written(self, entries: list[tuple]) -> None:
        rows = _rows(entries)
        write = _write
        pause = 0.1
        while rows:
            try:
                with no_fork():
                    close_old_connections()
                    write(rows)
                break
            except (OperationalError, InterfaceError) as error:
                # Locked, full, restarting: trying again can help.
                if self._closing.is_set():
                    logger.error("the database is away at shutdown: %d trace rows lost", len(rows))
                    return
                logger.warning("the database is away (%s); traces wait for it", error)
                self._drop_what_is_too_much()
                time.sleep(pause)
                pause = min(pause * 2, 5.0)
            except Exception:
                # One row that the database will not take: write the others, set that one aside.
                if len(entries) > 1:
                    for entry in entries:
                        self._write_until_written([entry])
                    return
                if write is _write_what_can_be:
                    logger.exception("a trace could not be written and is lost")
                    return
                write = _write_what_can_be
        if rows:
            _wake_outbox()

    def _drop_what_is_too_much(self) -> None:
        dropped = 0
        while self._queue.qsize() > self.MAX_WAITING:
            kind, entry = self._queue.get()
            if kind in ("flush", "close"):
                self._queue.put((kind, entry))
            else:
                dropped += 1
        if dropped:
            logger.error("the database has been away for too long: %d trace entries lost", dropped)


def _share_the_interpreter() -> None:
    """Have the interpreter change threads more often than every 5 ms, its default.

    So long would an event loop that wakes up wait for a thread of this app.
    """
    wanted = conf.get("SWITCH_INTERVAL_SECONDS")
    if wanted and wanted < sys.getswitchinterval():
        sys.setswitchinterval(wanted)


def _rows(entries: list[tuple]) -> list[models.Model]:
    """Return the rows of a batch, observations after their trace.

    A trace that began and ended within one batch is one row: it is the same object, seen once.
    """
    built: list[models.Model] = []
    pace = Pace()
    for kind, entry in {entry.id: (kind, entry) for kind, entry in entries}.values():
        pace.rest()
        try:
            if kind == "score":
                built.append(score_row(entry, now=timezone.now()))
                continue
            row = trace_row(entry)
            if kind == "finished":
                built += [row, *_step_rows(entry)]
            elif row.ended_at is None:
                # Still running: without its steps. Had it ended while it was read here, its end
                # would follow and write it whole; half of it must not be sent.
                built.append(row)
        except Exception:
            logger.exception("no row could be made of %s %s", kind, entry.id)
    return built


def _step_rows(trace: Trace) -> Iterator[models.Model]:
    for place, step in enumerate(list(trace.observations)):
        try:
            yield observation_row(step, trace, place)
        except Exception:
            # A bad step must not cost its trace.
            logger.exception("no row could be made of %s of %s", step.name, trace.id)


def _write(rows: list[models.Model]) -> None:
    by_model: dict[type[models.Model], list] = {}
    for row in rows:
        by_model.setdefault(type(row), []).append(row)
    with transaction.atomic():
        privacy.keep_removed(rows)
        for model, group in by_model.items():
            _upsert(model, group)


def _write_what_can_be(rows: list[models.Model]) -> None:
    """Write the rows of one entry one by one: a bad step must not cost its trace."""
    with transaction.atomic():
        privacy.keep_removed(rows)
        for row in rows:
            try:
                with transaction.atomic():
                    _upsert(type(row), [row])
            except (OperationalError, InterfaceError):
                raise
            except Exception:
                logger.exception("%r could not be written and is lost", row)
                if row is rows[0]:
                    return  # without their trace the steps have nowhere to go


def _upsert(model: type[models.Model], rows: list[models.Model]) -> None:
    fields = [field.name for field in model._meta.concrete_fields if not field.primary_key]
    model.objects.bulk_create(
        rows, batch_size=500, update_conflicts=True, unique_fields=["id"], update_fields=fields
    )


def _wake_outbox() -> None:
    try:
        outbox.wake()
    except Exception:
        # An exporter that cannot be built must not end the thread that writes.
        logger.exception("the outbox does not start; traces wait in the database")
