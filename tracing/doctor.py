"""Look whether traces reach Langfuse, step by step, as somebody would who is asked why not.

A key can be wrong while every check of the SDK passes, so the last step sends a trace and reads it
back.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tracing import conf, recorder
from tracing.exporters.base import ExportError
from tracing.exporters.langfuse import LangfuseExporter
from tracing.models import ExportState, TraceRecord
from tracing.observations import Usage, generation, trace

READ_BACK_SECONDS = 20.0
CLOCK_TOLERANCE = timedelta(seconds=60)


@dataclass
class Finding:
    """One line of the report. `advice` says what to do about what failed."""

    check: str
    ok: bool
    message: str
    advice: str = ""

    def __post_init__(self):
        if self.ok:
            self.advice = ""


def examine() -> Iterator[Finding]:
    """Yield what is found, in the order in which things can fail, as far as that makes sense."""
    missing = [
        name
        for name in ("LANGFUSE_HOST", "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY")
        if not conf.get(name)
    ]
    if missing:
        yield Finding(
            "settings",
            False,
            f"not set: {', '.join(missing)}; traces are kept here only",
            "Set them in the environment or in .env; Langfuse shows them under project settings.",
        )
        yield backlog()
        return
    yield Finding("settings", True, f"host and both keys are set, for {conf.get('LANGFUSE_HOST')}")

    exporter = LangfuseExporter()
    try:
        for finding in _connection(exporter):
            yield finding
            if not finding.ok and finding.check in ("host", "keys"):
                yield backlog()
                return
        yield probe(exporter)
    finally:
        exporter.close()
    yield backlog()


def _connection(exporter: LangfuseExporter) -> Iterator[Finding]:
    try:
        version, server_time = exporter.server_health()
    except ExportError as error:
        yield Finding(
            "host",
            False,
            str(error),
            "Is the address right, is Langfuse running, and can this machine reach it?",
        )
        return
    yield Finding("host", True, "reachable")
    yield Finding(
        "version",
        version.startswith("2."),
        f"server {version}",
        "This product speaks to Langfuse 2.x; run server 2.95.",
    )
    if server_time is not None:
        difference = abs(datetime.now(UTC) - server_time)
        yield Finding(
            "clock",
            difference < CLOCK_TOLERANCE,
            f"differs by {difference.total_seconds():.0f} s",
            "Set both clocks by NTP; times of traces are wrong otherwise.",
        )
    try:
        project_id, name = exporter.project()
    except ExportError as error:
        yield Finding(
            "keys", False, str(error), "Compare both keys with those in the project's settings."
        )
        return
    configured = conf.get("LANGFUSE_PROJECT_ID")
    yield Finding("keys", True, f"accepted, for project {name} ({project_id})")
    if configured and configured != project_id:
        yield Finding(
            "project",
            False,
            f"LANGFUSE_PROJECT_ID is {configured}, the keys belong to {project_id}",
            "Links from the admin lead to the wrong project: correct it or leave it empty.",
        )


def probe(exporter: LangfuseExporter) -> Finding:
    """Trace something small, send it, and compare what the server shows with what was sent."""
    with trace("tracing_doctor", input={"probe": "hello"}, tags=["probe"]) as traced:
        with generation("probe", model="probe", input="hello") as call:
            time.sleep(0.02)  # a latency that can be told from none
            call.output, call.usage = "hello yourself", Usage(input=3, output=2)
        traced.output = {"probe": "hello yourself"}
    advice = "Look at the server's log; `manage.py resend_traces` sends again what is missing."
    if not recorder.get_recorder().drain():
        return Finding("probe", False, "its row could not be written", "Look at the database.")
    row = TraceRecord.objects.filter(pk=traced.id).prefetch_related("observations").first()
    if row is None:
        return Finding("probe", False, "its row is not in the database", "Look at the database.")
    try:
        receipt = exporter.send([row])
        if row.pk not in receipt.accepted:
            reason = receipt.rejected.get(row.pk, "no answer")
            return Finding("probe", False, f"refused: {reason}", advice)
        shown = _read_back(exporter, row.pk)
    except ExportError as error:
        return Finding("probe", False, str(error), advice)
    if shown is None:
        return Finding("probe", False, "accepted, but it cannot be read back", advice)
    wrong = _differences(shown)
    if wrong:
        return Finding("probe", False, f"read back without {', '.join(wrong)}", advice)
    return Finding("probe", True, "sent and read back with input, output, tokens and latency")


def _read_back(exporter: LangfuseExporter, trace_id: str):
    """Ask until the server shows the trace with its observation; it may take a moment."""
    deadline = time.monotonic() + READ_BACK_SECONDS
    shown = None
    while time.monotonic() < deadline:
        shown = exporter.read_trace(trace_id)
        if shown is not None and shown.observations:
            return shown
        time.sleep(0.5)
    return shown


def _differences(shown) -> list[str]:
    usage = shown.observations[0].usage if shown.observations else None
    keeps_content = conf.get("CAPTURE_CONTENT")
    found = {
        "input": bool(shown.input) or not keeps_content,
        "output": bool(shown.output) or not keeps_content,
        "the step": bool(shown.observations),
        "tokens": usage is not None and (usage.input, usage.output, usage.total) == (3, 2, 5),
        "latency": bool(shown.latency and shown.latency > 0),
    }
    return [name for name, there in found.items() if not there]


def backlog() -> Finding:
    """Say how many traces wait, how many were refused, and the last thing Langfuse said."""
    waiting = TraceRecord.objects.waiting()
    count = waiting.count()
    rejected = TraceRecord.objects.filter(export_state=ExportState.REJECTED).count()
    failing = waiting.exclude(export_error="").order_by("-started_at").first()
    message = f"waiting: {count}, refused: {rejected}"
    if failing is not None:
        message += f"; last error: {failing.export_error}"
    return Finding(
        "backlog",
        failing is None and not rejected,
        message,
        "They are kept here. Correct what the error says; refused ones: manage.py resend_traces.",
    )
