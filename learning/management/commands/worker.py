"""`manage.py worker`: do the work behind the pages, until told to end."""

import logging
import os
import signal
import threading
import time

from django.core.management.base import BaseCommand
from django.db import connections
from django_tasks import task_backends
from django_tasks_db import DatabaseBackend

logger = logging.getLogger(__name__)

NICENESS = 10  # students' answers come first
UPKEEP_SECONDS = 15.0
# Of the end, counted from when the process is told. What runs is asked to stop; what does not, such
# as a course of a thousand pages that is being counted, is left in the middle.
STOP_SECONDS = 1.8
TRACES_SECONDS = 2.5
END_SECONDS = 2.8
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Command(BaseCommand):
    help = "Make study artefacts and bring the search index in line, until it is told to end."

    def handle(self, **options):
        _be_modest()
        threading.Thread(target=_look_after, name="worker-upkeep", daemon=True).start()
        worker = _worker()
        has_ended = threading.Event()

        def told(number, frame):
            for name in SIGNALS:
                signal.signal(name, signal.SIG_IGN)
            _end(has_ended)
            worker.stop()

        for name in SIGNALS:
            signal.signal(name, told)
        try:
            worker.run()
        finally:
            has_ended.set()
            _write_traces(time.monotonic() + 1.0)


def _be_modest() -> None:
    """Let students' questions go first, as far as the system knows that."""
    os.nice(NICENESS)


def _worker():
    from learning.task_workers import DatabaseWorker, RedisWorker

    is_database = isinstance(task_backends["default"], DatabaseBackend)
    return DatabaseWorker() if is_database else RedisWorker()


def _look_after() -> None:
    from learning import jobs
    from learning.importing import uploads
    from tracing import recovery

    pause = threading.Event()
    while True:
        # What waits for Langfuse is sent by the web processes; a worker sends what it has traced.
        for job in (jobs.revive, recovery.mark_interrupted, uploads.discard_old):
            try:
                job()
            except Exception:  # none keeps the others from theirs
                logger.exception("%s failed; it is tried again soon", job.__qualname__)
        connections.close_all()
        pause.wait(UPKEEP_SECONDS)


def _end(has_ended: threading.Event) -> None:
    """Have the job of this process stop, and see to it that it does; return at once."""
    from learning import heart

    began = time.monotonic()
    heart.interrupt_all()

    def see_to_it():
        logger.info("the worker was told to end")
        while heart.running() and time.monotonic() < began + STOP_SECONDS:
            time.sleep(0.02)
        if left := heart.running():
            _give_back(left)
        else:
            has_ended.wait()  # a reindex is finished first
        _write_traces(began + TRACES_SECONDS)
        time.sleep(max(0.0, began + END_SECONDS - time.monotonic()))
        os._exit(0)

    threading.Thread(target=see_to_it, name="worker-end", daemon=True).start()


def _give_back(left) -> None:
    from learning import jobs

    for job in left:
        try:
            jobs.give_back(job)
        except Exception:  # it is found later, by its silence
            logger.exception("the job %s could not be given back", job.pk)


def _write_traces(deadline: float) -> None:
    """Write what was traced, and send what there is time for."""
    from tracing import outbox, recorder

    recorder.get_recorder().drain(max(0.1, deadline - time.monotonic()))
    outbox.stop(max(0.1, deadline - time.monotonic()))
