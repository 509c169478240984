"""Settings of the app for one test, and the way to a real ingestion endpoint."""

import logging
import time

import pytest
from django.db import connections

from tests.servers.langfuse_server import LangfuseServer
from tracing import outbox
from tracing.exporters.langfuse import LangfuseExporter
from tracing.models import TraceRecord


@pytest.fixture
def tracing_settings(settings):
    """Change TRACING for one test: `tracing_settings(RAISE_ERRORS=False)`."""

    def change(**changes):
        settings.TRACING = {**settings.TRACING, **changes}

    return change


@pytest.fixture
def langfuse(tracing_settings, monkeypatch):
    """A real endpoint, and the app set to send to it; backoff is short."""
    monkeypatch.setattr(outbox, "FIRST_BACKOFF_SECONDS", 0.02)
    monkeypatch.setattr(outbox, "FORBIDDEN_SECONDS", 0.05)
    monkeypatch.setattr(outbox, "GATHER_SECONDS", 0.01)
    # Its warnings about the faults we make are not the test's.
    logging.getLogger("tracing").setLevel(logging.CRITICAL)
    with LangfuseServer() as server:
        tracing_settings(
            EXPORTER="tracing.exporters.langfuse.LangfuseExporter",
            LANGFUSE_HOST=server.url,
            LANGFUSE_PUBLIC_KEY=server.public_key,
            LANGFUSE_SECRET_KEY=server.secret_key,
            LANGFUSE_TIMEOUT_SECONDS=2,
        )
        yield server
        server.recovers()
        outbox.stop()
    logging.getLogger("tracing").setLevel(logging.NOTSET)


@pytest.fixture
def exporter(langfuse):
    """The exporter, for tests that send by hand; no sender runs beside it."""
    exporter = LangfuseExporter()
    yield exporter
    exporter.close()


@pytest.fixture
def by_hand(monkeypatch):
    """Let no sender start: the test calls `outbox.send_once` itself."""
    monkeypatch.setattr(outbox, "wake", lambda: None)


@pytest.fixture
def impatient_database():
    """Connections opened from now on give up on a lock after a tenth of a second."""
    options = connections.settings["default"].get("OPTIONS", {})
    before = options.get("timeout")
    options["timeout"] = 0.1
    yield
    options["timeout"] = before


def row_of(trace) -> TraceRecord:
    return TraceRecord.objects.get(pk=trace.id)


def eventually(condition, timeout_seconds: float = 8.0):
    """Return the first true value of `condition()`, tried until the time is up."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        if value := condition():
            return value
        assert time.monotonic() < deadline, f"not within {timeout_seconds} s"
        time.sleep(0.01)
