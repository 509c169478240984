"""A process that died leaves rows, and the next start says so on them."""

import os
import socket
import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from tracing.models import ExportState, Outcome, TraceRecord
from tracing.recovery import mark_interrupted
from tracing.rows import this_process

HOST = socket.gethostname()[:60]


def running(process, *, hours_ago=0.0):
    return TraceRecord.objects.create(
        id=process or "none",
        name="ai_chat",
        process=process,
        started_at=timezone.now() - timedelta(hours=hours_ago),
    )


def status(row):
    row.refresh_from_db()
    return row.status


@pytest.fixture
def dead_pid():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_traces_of_dead_processes_are_interrupted_and_no_others(db, dead_pid):
    dead = running(f"{HOST}:{dead_pid}:1")
    earlier = running(f"{HOST}:{os.getpid()}:1")  # it had our process id before us
    alive = [
        running(this_process()),
        running(f"{HOST}:{os.getppid()}:1"),
        running("another-host:1:1"),
        running(""),
    ]
    old = running("a-third-host:1:1", hours_ago=25)

    assert mark_interrupted() == 3
    assert {status(row) for row in (dead, earlier, old)} == {Outcome.INTERRUPTED}
    assert {status(row) for row in alive} == {Outcome.RUNNING}
    assert dead.status_message == "the process ended before the trace did"
    assert dead.export_state == ExportState.LOCAL


def test_what_was_interrupted_is_sent_where_there_is_an_exporter(db, dead_pid, tracing_settings):
    tracing_settings(EXPORTER="tracing.exporters.memory.MemoryExporter")
    row = running(f"{HOST}:{dead_pid}:1")
    mark_interrupted()

    assert (status(row), row.export_state) == (Outcome.INTERRUPTED, ExportState.NEW)
