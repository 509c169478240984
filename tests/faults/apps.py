"""A site under test: as it is, only its outbox is in more of a hurry, and its imports in less."""

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
