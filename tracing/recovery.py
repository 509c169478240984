"""Find traces whose process died, and say so on their rows."""

import os
import socket
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from tracing import conf
from tracing.blocks import as_metadata
from tracing.models import ExportState, Outcome, TraceRecord
from tracing.rows import this_process

# Beyond it a trace of another host has no process any more that could end it.
LONGEST_TRACE = timedelta(hours=24)


def mark_interrupted() -> int:
    """Mark RUNNING rows of dead processes INTERRUPTED, and return how many there were.

    Run at the start of a server. A process of this host is looked up; one of another host (another
    container) is believed alive for a day.
    """
    running = TraceRecord.objects.filter(status=Outcome.RUNNING)
    dead = [
        process
        for process in running.values_list("process", flat=True).distinct()
        if _is_dead(process)
    ]
    now = timezone.now()
    ended = running.filter(Q(process__in=dead) | Q(started_at__lt=now - LONGEST_TRACE))
    return sum(_mark(trace, now) for trace in ended.only("metadata").iterator())


def _mark(trace: TraceRecord, now: datetime) -> int:
    changes = {
        "status": Outcome.INTERRUPTED,
        "status_message": "the process ended before the trace did",
        "metadata": {**as_metadata(trace.metadata), "status": Outcome.INTERRUPTED.value},
    }
    if conf.get("EXPORTER"):
        changes |= {"export_state": ExportState.NEW, "export_after": now}
    # Another process may look after the same row at this moment.
    return TraceRecord.objects.filter(pk=trace.pk, status=Outcome.RUNNING).update(**changes)


def _is_dead(process: str) -> bool:
    host, _, rest = process.partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname()[:60] or not pid.isdigit():
        return False
    if int(pid) == os.getpid():
        return process != this_process()  # an earlier process had our number
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
