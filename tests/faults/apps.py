"""Sites under test: as they are, only what is waited for comes sooner, and their imports later."""

import sys
import time
from datetime import timedelta
from importlib.abc import MetaPathFinder

from django.apps import AppConfig

HURRY = {
    "FIRST_BACKOFF_SECONDS": 0.1,
    "LONGEST_BACKOFF_SECONDS": 1.0,
    "FORBIDDEN_SECONDS": 0.5,
    "IDLE_SECONDS": 1.0,
}


class SlowImport(MetaPathFinder):
    """A machine with much else to do: for a second, what the exporter needs is half imported.

    Other libraries of the process look into `sys.modules` for it, the chat's among them.
    """

    def find_spec(self, name, path=None, target=None):
        if name == "httpx._api":
            time.sleep(1.0)


class SiteUnderTest(AppConfig):
    name = "tests.faults"

    def ready(self):
        from tracing import outbox

        for name, seconds in HURRY.items():
            assert hasattr(outbox, name), f"the outbox has no {name} any more"
            setattr(outbox, name, seconds)
        assert isinstance(outbox.LEASE, timedelta)
        outbox.LEASE = timedelta(seconds=4)
        sys.meta_path.insert(0, SlowImport())


class WebUnderTest(AppConfig):
    """One of several processes; one that died is noticed by the others within seconds."""

    name = "tests.faults"

    def ready(self):
        from config import lifecycle
        from learning.turns import rows

        assert lifecycle.SWEEP_SECONDS > 1.0
        lifecycle.SWEEP_SECONDS = 1.0
        assert rows.HEARTBEAT_SECONDS > 1.0
        rows.HEARTBEAT_SECONDS = 1.0
        assert isinstance(rows.DEAD_AFTER, timedelta)
        # More than a database that is locked for two seconds keeps a living one from saying so.
        rows.DEAD_AFTER = timedelta(seconds=5)


class WorkerUnderTest(AppConfig):
    """A worker that looks for what others have left every half second, and soon takes it up."""

    name = "tests.faults"

    def ready(self):
        from learning import jobs, task_workers
        from learning.management.commands import worker

        assert worker.UPKEEP_SECONDS > 0.5
        worker.UPKEEP_SECONDS = 0.5
        assert isinstance(jobs.DEAD_AFTER, timedelta)
        jobs.DEAD_AFTER = timedelta(seconds=3)
        assert isinstance(jobs.LOST_AFTER, timedelta)
        jobs.LOST_AFTER = timedelta(seconds=3)
        assert task_workers.AGAIN_SECONDS > 0.2
        task_workers.AGAIN_SECONDS = 0.2
