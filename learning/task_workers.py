"""The workers of both task backends, each told to end in the same way.

DatabaseWorker is django-tasks-db's, RedisWorker is RQ's; `stop` lets one end as soon as its task
has, at once where it has none. It is for signal handlers.
"""

import logging
import sys
import time

from django.db import close_old_connections
from django.utils.crypto import get_random_string
from django_rq.workers import get_worker
from django_tasks_db.management.commands.db_worker import Worker
from django_tasks_rq import Job
from redis.exceptions import RedisError
from rq.worker import SimpleWorker, WorkerStatus

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 2.0


class DatabaseWorker(Worker):
    def __init__(self):
        super().__init__(
            queue_names=["*"],
            interval=1.0,
            batch=False,
            backend_name="default",
            startup_delay=False,
            max_tasks=None,
            worker_id=get_random_string(32),
            excluded_queue_names=[],
        )

    def stop(self) -> None:
        self.running = False
        if not self.running_task:
            sys.exit(0)


class RedisWorker:
    """One worker of RQ's after the other: one ends itself when Redis is away at a bad moment."""

    def __init__(self):
        self._worker: _RQWorker | None = None
        self._is_to_end = False

    def run(self) -> None:
        while not self._is_to_end:
            try:
                self._worker = get_worker(job_class=Job, worker_class=_RQWorker)
                self._worker.work(logging_level="WARNING")
            except RedisError as error:
                logger.warning("Redis is away (%s); the worker waits for it", error)
            if not self._is_to_end:
                time.sleep(AGAIN_SECONDS)

    def stop(self) -> None:
        self._is_to_end = True
        if self._worker is None or self._worker.get_state() != WorkerStatus.BUSY:
            sys.exit(0)
        self._worker._stop_requested = True


class _RQWorker(SimpleWorker):
    """In this process, as the other: models stay loaded, and traces are written to the end.

    RQ's usual one forks for every task.
    """

    def execute_job(self, job, queue):
        close_old_connections()
        try:
            super().execute_job(job, queue)
        finally:
            close_old_connections()

    def _install_signal_handlers(self):
        """They are installed already."""
