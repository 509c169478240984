"""Send what is not yet confirmed: from the rows, on a thread of its own, until Langfuse has it.

One sender per process. A process takes rows by moving their `export_after` into the future with one
UPDATE that checks the old value, so two processes never send the same row at once, and a process
that dies while sending gives its rows back by itself.
"""

import logging
import math
import os
import random
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import close_old_connections, connections
from django.db.models import Min, Q
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
from tracing.models import ExportState, ScoreRecord, TraceRecord

logger = logging.getLogger(__name__)

BATCH = 50
LEASE = timedelta(seconds=120)
IDLE_SECONDS = 15.0  # how often an idle sender looks for rows that other processes left
FIRST_BACKOFF_SECONDS = 2.0
LONGEST_BACKOFF_SECONDS = 300.0
FORBIDDEN_SECONDS = 60.0  # a wrong key does not mend itself

Row = TraceRecord | ScoreRecord


@dataclass
class Sent:
    """What one look into the outbox did."""

    confirmed: int = 0
    rejected: int = 0
    kept: int = 0
    error: str = ""

    def __bool__(self) -> bool:
        return bool(self.confirmed or self.rejected or self.kept)


def waiting(model: type[Row], *, now: datetime | None = None):
    """The rows of a model that may be sent now, oldest first."""
    now = now or timezone.now()
    order = "started_at" if model is TraceRecord else "updated_at"
    return (
        model.objects.filter(export_state=ExportState.NEW)
        .filter(Q(export_after=None) | Q(export_after__lte=now))
        .order_by(order)
    )


def send_once(exporter: Exporter, *, batch: int = BATCH) -> Sent:
    """Send one batch of what waits, and write down what became of each row."""
    sent = Sent()
    for model in (TraceRecord, ScoreRecord):
        rows = _take(model, batch)
        if not rows:
            continue
        try:
            receipt = exporter.send(rows)
        except ExportError as error:
            _keep(model, rows, error, sent)
        except Exception as error:
            # A fault of the exporter itself must not end the sender, nor lose a row.
            logger.exception("the exporter failed")
            _keep(model, rows, ExportError(f"{type(error).__name__}: {error}"), sent)
        else:
            _settle(model, rows, receipt, sent)
    return sent


def _take(model: type[Row], batch: int) -> list[Row]:
    """Lease up to `batch` rows to this process."""
    now = timezone.now()
    candidates = list(waiting(model, now=now).values_list("pk", "export_after")[:batch])
    taken = [
        pk
        for pk, seen in candidates
        if model.objects.filter(pk=pk, export_state=ExportState.NEW, export_after=seen).update(
            export_after=now + LEASE
        )
    ]
    rows = model.objects.filter(pk__in=taken)
    return list(rows.prefetch_related("observations") if model is TraceRecord else rows)


def _settle(model: type[Row], rows: list[Row], receipt: Receipt, sent: Sent) -> None:
    for row in rows:
        # A row that changed while it was on its way (a score given anew) is sent again.
        mine = model.objects.filter(pk=row.pk, export_after=row.export_after)
        if row.pk in receipt.accepted:
            mine.update(
                export_state=ExportState.CONFIRMED, exported_at=timezone.now(), export_error=""
            )
            sent.confirmed += 1
        elif row.pk in receipt.rejected:
            reason = content.text(receipt.rejected[row.pk])
            mine.update(export_state=ExportState.REJECTED, export_error=reason)
            logger.warning("Langfuse refused %s: %s", row, reason)
            sent.rejected += 1
    unanswered = [
        row for row in rows if row.pk not in receipt.accepted and row.pk not in receipt.rejected
    ]
    if unanswered:
        error = ExportUnavailable("no answer for every event of this row")
        _keep(model, unanswered, error, sent)


def _keep(model: type[Row], rows: list[Row], error: ExportError, sent: Sent) -> None:
    words = content.text(error)
    sent.kept += len(rows)
    sent.error = words
    for row in rows:
        # By its own count: what is new does not wait as long as what has failed for an hour.
        pause = backoff_seconds(row.export_attempts + 1)
        if isinstance(error, ExportForbidden):
            pause = max(pause, FORBIDDEN_SECONDS)
        model.objects.filter(pk=row.pk, export_after=row.export_after).update(
            export_attempts=row.export_attempts + 1,
            export_error=words,
            export_after=timezone.now() + timedelta(seconds=pause),
        )


def seconds_until_due() -> float:
    """Return how long until the first waiting row may be sent, at most IDLE_SECONDS."""
    due = [
        model.objects.filter(export_state=ExportState.NEW).aggregate(first=Min("export_after"))
        for model in (TraceRecord, ScoreRecord)
    ]
    pauses = [(row["first"] - timezone.now()).total_seconds() for row in due if row["first"]]
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
                self._wake.wait(pause)
                self._wake.clear()
                pause = self._send_all()
                if self._stop.is_set():
                    return
        finally:
            self.exporter.close()
            connections.close_all()

    def _send_all(self) -> float:
        """Send until nothing is due or something fails; return how long to sleep then."""
        while True:
            try:
                close_old_connections()
                sent = send_once(self.exporter)
                if not sent:
                    return seconds_until_due()
            except Exception:
                # The database is away: the rows stay where they are.
                logger.exception("the outbox could not be read")
                self._failures += 1
                return backoff_seconds(self._failures)
            if sent.error:
                if not self._failures:
                    logger.warning("traces wait for Langfuse: %s", sent.error)
                self._failures += 1
                return backoff_seconds(self._failures)
            self._failures = 0
            if time.monotonic() > self._deadline:
                return 0.0


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
