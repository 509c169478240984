"""Send what is not yet confirmed: from the rows, on a thread of its own, until Langfuse has it.

One sender per process. A process takes rows in one transaction by moving `export_after`, the time
they are due, into the future: two processes never send the same row at once, and a process that
dies while sending gives its rows back by itself.

What fails waits for longer and longer, each row by its own count; a sender that failed also tries
fewer rows at once, so that one row the server cannot digest ends up alone and holds up nobody.
"""

import logging
import math
import os
import random
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.db import close_old_connections, connection, connections, transaction
from django.db.models import Min
from django.utils import timezone
from django.utils.module_loading import import_string

from tracing import conf, content
from tracing.exporters.base import (
    Exporter,
    ExportError,
    ExportForbidden,
    ExportUnavailable,
    Receipt,
)
from tracing.forking import no_fork
from tracing.models import ExportHealth, ExportState, ScoreRecord, TraceRecord
from tracing.pace import Pace

logger = logging.getLogger(__name__)

BATCH = 20  # traces; their content is in memory while they are sent
LEASE = timedelta(seconds=120)
GATHER_SECONDS = 0.5  # after the first new row, for others to go along with it
IDLE_SECONDS = 15.0  # how often an idle sender looks for rows that other processes left
FIRST_BACKOFF_SECONDS = 2.0
LONGEST_BACKOFF_SECONDS = 60.0
FORBIDDEN_SECONDS = 60.0  # a wrong key does not mend itself
HEALTH_SECONDS = 30.0  # how often an unchanged state is written down again

Row = TraceRecord | ScoreRecord


@dataclass
class Sent:
    """What one look into the outbox did."""

    confirmed: int = 0
    rejected: int = 0
    kept: int = 0
    error: ExportError | None = None

    def __bool__(self) -> bool:
        return bool(self.confirmed or self.rejected or self.kept)


def send_once(exporter: Exporter, *, batch: int = BATCH) -> Sent:
    """Send one batch of what waits, and write down what became of each row."""
    sent = Sent()
    for model in (TraceRecord, ScoreRecord):
        with no_fork():
            rows = _take(model, batch)
        if not rows:
            continue
        failure = None
        try:
            receipt = exporter.send(rows, partial(_renew, model, rows))
        except ExportError as error:
            failure = error
        except Exception as error:
            # A fault of the exporter itself must not end the sender, nor lose a row.
            logger.exception("the exporter failed")
            failure = ExportError(f"{type(error).__name__}: {error}")
        with no_fork():
            if failure is not None:
                _keep(model, rows, failure, sent)
            else:
                _settle(model, rows, receipt, sent)
    return sent


def _take(model: type[Row], batch: int) -> list[Row]:
    """Lease up to `batch` rows to this process."""
    now = timezone.now()
    due = model.objects.due(now)
    if not due.exists():
        return []  # without the write lock that SQLite takes for a transaction
    with transaction.atomic():
        if connection.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True)
        taken = list(due.values_list("pk", flat=True)[:batch])
        model.objects.filter(pk__in=taken).update(
            export_state=ExportState.SENT, export_after=now + LEASE
        )
    return list(model.objects.filter(pk__in=taken).order_by("export_after"))


def _renew(model: type[Row], rows: list[Row]) -> None:
    """Prolong the lease of rows whose sending takes long."""
    lease, longer = rows[0].export_after, timezone.now() + LEASE
    if longer - lease < LEASE / 4:
        return
    with no_fork(), transaction.atomic():
        _as_taken(model, rows).update(export_after=longer)
        _blanked_meanwhile(model, rows).update(export_after=longer + timedelta(microseconds=1))
    for row in rows:
        row.export_after = longer


def _settle(model: type[Row], rows: list[Row], receipt: Receipt, sent: Sent) -> None:
    with transaction.atomic():
        _as_taken(model, [row for row in rows if row.pk in receipt.accepted]).update(
            export_state=ExportState.CONFIRMED,
            exported_at=timezone.now(),
            export_error="",
            export_after=None,
        )
        for row in rows:
            if row.pk in receipt.rejected:
                reason = content.text(receipt.rejected[row.pk])
                _as_taken(model, [row]).update(
                    export_state=ExportState.REJECTED, export_error=reason, export_after=None
                )
                # Not the reason: it may quote what was refused, and logs know no permissions.
                logger.warning("Langfuse refused %s; its page in the admin says why", row)
        _blanked_meanwhile(model, rows).update(export_after=timezone.now())
    sent.confirmed += len(receipt.accepted)
    sent.rejected += len(receipt.rejected)
    unanswered = [
        row for row in rows if row.pk not in receipt.accepted and row.pk not in receipt.rejected
    ]
    if unanswered:
        error = ExportUnavailable("no answer for every event of this row")
        _keep(model, unanswered, error, sent)


def _keep(model: type[Row], rows: list[Row], error: ExportError, sent: Sent) -> None:
    words = content.text(error)
    sent.kept += len(rows)
    sent.error = error
    with transaction.atomic():
        for row in rows:
            # By its own count: what is new does not wait as long as what has failed for an hour.
            pause = backoff_seconds(row.export_attempts + 1)
            if isinstance(error, ExportForbidden):
                pause = max(pause, FORBIDDEN_SECONDS)
            _as_taken(model, [row]).update(
                export_state=ExportState.NEW,
                export_attempts=row.export_attempts + 1,
                export_error=words,
                export_after=timezone.now() + timedelta(seconds=pause),
            )


def _blanked_meanwhile(model: type[Row], rows: list[Row]):
    """The rows that lost their words on their way (see privacy).

    They wait for the end of the lease, lest the older copy arrive after the blanked one.
    """
    lease = rows[0].export_after
    return model.objects.filter(
        pk__in=[row.pk for row in rows],
        export_after__gt=lease,
        export_after__lt=lease + timedelta(milliseconds=1),
    )


def _as_taken(model: type[Row], rows: list[Row]):
    """The rows as they were taken: one that changed on its way, a new score say, is sent again."""
    lease = rows[0].export_after if rows else None
    return model.objects.filter(pk__in=[row.pk for row in rows], export_after=lease)


def seconds_until_due() -> float:
    """Return how long until the first waiting row may be sent, at most IDLE_SECONDS."""
    due = [
        model.objects.waiting().aggregate(first=Min("export_after"))["first"]
        for model in (TraceRecord, ScoreRecord)
    ]
    pauses = [(first - timezone.now()).total_seconds() for first in due if first]
    return max(0.0, min([*pauses, IDLE_SECONDS]))


def backoff_seconds(attempts: int) -> float:
    """Return how long to wait after the n-th failure: doubling, bounded, with jitter."""
    longest = min(FIRST_BACKOFF_SECONDS * 2 ** min(attempts - 1, 16), LONGEST_BACKOFF_SECONDS)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads processes, guards nothing


class Sender:
    """The thread that empties the outbox of this process."""

    def __init__(self, exporter: Exporter):
        self.exporter = exporter
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._deadline = math.inf
        self._failures = 0
        self._batch = BATCH
        self._health = _Health()
        self._thread = threading.Thread(target=self._run, name="tracing-outbox", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def stop(self, timeout_seconds: float) -> None:
        """End after what is being sent, within the time: the rest stays in the rows."""
        self._deadline = time.monotonic() + timeout_seconds
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        pause = IDLE_SECONDS
        try:
            while True:
                if self._failures:
                    self._stop.wait(pause)  # new traces do not hurry a server that is away
                elif self._wake.wait(pause):
                    self._stop.wait(GATHER_SECONDS)
                self._wake.clear()
                pause = self._send_all()
                if self._stop.is_set():
                    return
        finally:
            self.exporter.close()
            connections.close_all()

    def _send_all(self) -> float:
        """Send until nothing is due or something fails; return how long to sleep then."""
        pace = Pace()
        while True:
            pace.rest()
            try:
                close_old_connections()
                sent = send_once(self.exporter, batch=self._batch)
                with no_fork():
                    if sent:
                        self._health.note(sent.error)
                    else:
                        self._failures = 0
                        return seconds_until_due()
            except Exception:
                # The database is away: the rows stay where they are.
                logger.exception("the outbox could not be read or written")
                self._failures += 1
                return backoff_seconds(self._failures)
            if sent.error:
                self._failures += 1
                self._batch = max(1, self._batch // 2)
                return backoff_seconds(self._failures)
            self._failures = 0
            self._batch = min(BATCH, self._batch * 2)
            if time.monotonic() > self._deadline:
                return 0.0


class _Health:
    """Writes down what the other side says: when it changes, and now and then that it has not."""

    def __init__(self):
        self._state = ""
        self._written_at = -math.inf

    def note(self, error: ExportError | None) -> None:
        state = ExportHealth.State.WELL
        if isinstance(error, ExportForbidden):
            state = ExportHealth.State.FORBIDDEN
        elif error is not None:
            state = ExportHealth.State.UNAVAILABLE
        has_changed = state != self._state
        if not has_changed and time.monotonic() - self._written_at < HEALTH_SECONDS:
            return
        if has_changed and error is not None:
            level = logging.ERROR if state == ExportHealth.State.FORBIDDEN else logging.WARNING
            logger.log(level, "traces wait for Langfuse: %s", error)
        self._state, self._written_at = state, time.monotonic()
        now = timezone.now()
        before = ExportHealth.objects.filter(pk=1).first()
        since = before.since if before is not None and before.state == state else now
        ExportHealth.objects.update_or_create(
            pk=1,
            defaults={
                "state": state,
                "message": content.text(error) if error else "",
                "since": since,
                "heard_at": now,
            },
        )


_sender: Sender | None = None
_lock = threading.Lock()


def get_exporter() -> Exporter | None:
    """Return a new exporter as the settings name it, or None: traces are kept here only."""
    path = conf.get("EXPORTER")
    return import_string(path)() if path else None


def wake() -> None:
    """Say that rows wait. Starts this process's sender on the first call; costs microseconds."""
    global _sender
    if _sender is None:
        with _lock:
            if _sender is None:
                exporter = get_exporter()
                if exporter is None:
                    return
                _sender = Sender(exporter)
    _sender.wake()


def stop(timeout_seconds: float = 5.0) -> None:
    """End this process's sender; what it has not sent goes out after the next start."""
    global _sender
    sender, _sender = _sender, None
    if sender is not None:
        sender.stop(timeout_seconds)


def _after_fork() -> None:
    global _sender, _lock
    _sender, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
