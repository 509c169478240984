"""Look whether traces reach Langfuse, step by step, as somebody would who is asked why not.

A wrong public key passes every check of the SDK, and a server may accept a trace and show nothing
of it: so the last steps send a trace and, with the public key alone, a score, and read both back.
"""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.utils import timezone

from tracing import conf, recorder
from tracing.exporters.base import ExportError, ExportForbidden
from tracing.exporters.langfuse import LangfuseExporter
from tracing.models import ExportHealth, ExportState, ScoreRecord, TraceRecord
from tracing.observations import Usage, generation, trace

READ_BACK_SECONDS = 20.0
CLOCK_TOLERANCE = timedelta(seconds=60)
OVERDUE = timedelta(hours=1)
NAME = "tracing_doctor"  # of the probe, its model (free in prices.py) and its score
PROBE_USAGE = Usage(input=3, output=2)

SETTINGS = ("LANGFUSE_HOST", "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY")


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


def examine(*, patience_seconds: float = READ_BACK_SECONDS) -> Iterator[Finding]:
    """Yield what is found, in the order in which things can fail, as far as that makes sense.

    `patience_seconds` is how long the probe may take to appear on the server.
    """
    given = _settings()
    yield given
    if given.ok:
        exporter = LangfuseExporter()
        try:
            for finding in _connection(exporter):
                yield finding
                if not finding.ok and finding.check in ("host", "secret key"):
                    break
            else:
                yield from probe(exporter, patience_seconds)
        finally:
            exporter.close()
    yield backlog()


def _settings() -> Finding:
    host, public_key, secret_key = (conf.get(name) for name in SETTINGS)
    missing = [name for name in SETTINGS if not conf.get(name)]
    where = "Langfuse shows them under project settings."
    if missing:
        message = f"not set: {', '.join(missing)}; traces are kept here only"
        return Finding(
            "settings", False, message, f"Set them in the environment or in .env; {where}"
        )
    if not _is_url(host):
        message = f"LANGFUSE_HOST={host!r} is no URL"
        return Finding("settings", False, message, "Give it as https://langfuse.example:3000.")
    for name, key in (("LANGFUSE_PUBLIC_KEY", public_key), ("LANGFUSE_SECRET_KEY", secret_key)):
        if not (key.isascii() and key.isprintable()) or " " in key:
            message = f"{name} holds a character that no key has"
            return Finding("settings", False, message, f"Copy it again; {where}")
    if public_key.startswith("sk-") and secret_key.startswith("pk-"):
        message = "LANGFUSE_PUBLIC_KEY begins with sk-, LANGFUSE_SECRET_KEY with pk-"
        return Finding("settings", False, message, "Exchange the two keys.")
    if not conf.get("EXPORTER"):
        message = "host and both keys are set, but TRACING['EXPORTER'] is not"
        advice = "Set it to 'tracing.exporters.langfuse.LangfuseExporter'."
        return Finding("settings", False, message, advice)
    return Finding("settings", True, f"host and both keys are set, for {host}")


def _is_url(host: str) -> bool:
    try:
        parts = urlsplit(host)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _connection(exporter: LangfuseExporter) -> Iterator[Finding]:
    try:
        version, server_time = exporter.server_health()
    except (ExportError, ValueError) as error:
        yield Finding("host", False, str(error), _advice_about_host(str(error)))
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
        advice = "Compare both keys with those in the project's settings."
        yield Finding("secret key", False, str(error), advice)
        return
    yield Finding("secret key", True, f"accepted, for project {name} ({project_id})")
    configured = conf.get("LANGFUSE_PROJECT_ID")
    if configured and configured != project_id:
        yield Finding(
            "project",
            False,
            f"LANGFUSE_PROJECT_ID is {configured}, the keys belong to {project_id}",
            "Links from the admin lead to the wrong project: correct it or leave it empty.",
        )


def _advice_about_host(error: str) -> str:
    kind = error.partition(":")[0]
    if kind == "ConnectError":
        return "Are name and port right, is Langfuse running, and can this machine reach it?"
    if kind.endswith("Timeout"):
        return "It does not answer: look at its log, its database, and what stands in between."
    return "Something else than Langfuse answers: is the address right, and what stands in between?"


def probe(exporter: LangfuseExporter, patience_seconds: float) -> Iterator[Finding]:
    """Send a trace with both keys and a score with the public one, and read both back."""
    advice = "Look at the server's log; `manage.py resend_traces` sends again what is missing."
    row = _recorded_probe()
    if row is None:
        yield Finding("probe", False, "its row is not in the database", "Look at the database.")
        return
    try:
        receipt = exporter.send([row])
    except ExportError as error:
        yield Finding("probe", False, str(error), advice)
        return
    if row.pk not in receipt.accepted:
        reason = receipt.rejected.get(row.pk, "no answer")
        yield Finding("probe", False, f"refused: {reason}", advice)
        return
    # The sender need not send it a second time.
    TraceRecord.objects.filter(pk=row.pk).update(
        export_state=ExportState.CONFIRMED, exported_at=timezone.now(), export_after=None
    )
    score, refusal = _scored(exporter, row)
    try:
        shown = _read_back(exporter, row.pk, None if refusal else score.id, patience_seconds)
    except ExportError as error:
        yield Finding("probe", False, str(error), advice)
        shown = None
    else:
        yield _verdict(shown, advice)
    yield refusal or _public_key(shown, score)


def _recorded_probe() -> TraceRecord | None:
    with trace(NAME, input={"probe": "hello"}, tags=["probe"]) as traced:
        with generation("probe", model=NAME, input="hello") as call:
            time.sleep(0.02)  # a latency that can be told from none
            call.output, call.usage = "hello yourself", PROBE_USAGE
        traced.output = {"probe": "hello yourself"}
    if not recorder.get_recorder().drain():
        return None
    return TraceRecord.objects.filter(pk=traced.id).first()


def _scored(exporter: LangfuseExporter, row: TraceRecord) -> tuple[ScoreRecord, Finding | None]:
    """Score the probe with the public key alone; return the score, and what is wrong if refused."""
    # Fixed, so that the next run replaces it; made from the key, because the server refuses an id
    # that another project has, and the key before this one may have been of another.
    digest = hashlib.sha256(conf.get("LANGFUSE_PUBLIC_KEY").encode()).hexdigest()[:16]
    score = ScoreRecord(
        id=f"{NAME}-{digest}", trace_id=row.pk, name=NAME, value=1, updated_at=timezone.now()
    )
    try:
        exporter.score_with_public_key(score)
    except ExportForbidden as error:
        advice = "Copy it again from the project's settings; nothing else notices a wrong one."
        return score, Finding("public key", False, str(error), advice)
    except ExportError as error:
        return score, Finding("public key", False, str(error), "Look at the server's log.")
    return score, None


def _read_back(
    exporter: LangfuseExporter, trace_id: str, score_id: str | None, patience_seconds: float
) -> Any:
    """Ask until the server shows the trace with its observation and its score, or time is up."""
    deadline = time.monotonic() + patience_seconds
    while True:
        shown = exporter.read_trace(trace_id)
        if shown is not None and shown.observations and (not score_id or _has(shown, score_id)):
            return shown
        if time.monotonic() > deadline:
            return shown
        time.sleep(min(0.5, patience_seconds / 4))


def _has(shown: Any, score_id: str) -> bool:
    return any(score.id == score_id for score in shown.scores)


def _verdict(shown: Any, advice: str) -> Finding:
    if shown is None:
        return Finding("probe", False, "accepted, but it cannot be read back", advice)
    wrong = _differences(shown)
    if wrong:
        return Finding("probe", False, f"read back without {', '.join(wrong)}", advice)
    return Finding("probe", True, "sent and read back with input, output, tokens and latency")


def _differences(shown: Any) -> list[str]:
    usage = shown.observations[0].usage if shown.observations else None
    sent = (PROBE_USAGE.input, PROBE_USAGE.output, PROBE_USAGE.total)
    keeps_content = conf.get("CAPTURE_CONTENT")
    found = {
        "input": bool(shown.input) or not keeps_content,
        "output": bool(shown.output) or not keeps_content,
        "the step": bool(shown.observations),
        "tokens": usage is not None and (usage.input, usage.output, usage.total) == sent,
        "latency": bool(shown.latency and shown.latency > 0),
    }
    return [name for name, there in found.items() if not there]


def _public_key(shown: Any, score: ScoreRecord) -> Finding:
    if shown is None:
        message = "accepted, but of which project cannot be told without the probe"
        return Finding("public key", False, message, "Mend what the probe says first.")
    if not _has(shown, score.id):
        message = "a score sent with it is not on the probe: it is of another project"
        advice = "Take both keys from one pair in the project's settings."
        return Finding("public key", False, message, advice)
    return Finding("public key", True, "accepted, for the same project")


def backlog() -> Finding:
    """Say how much waits, how much was refused, and the last thing Langfuse said."""
    kinds = (TraceRecord.objects, ScoreRecord.objects)
    waiting = sum(rows.waiting().count() for rows in kinds)
    refused = sum(rows.filter(export_state=ExportState.REJECTED).count() for rows in kinds)
    overdue = sum(rows.due(timezone.now() - OVERDUE).count() for rows in kinds)
    failing = [rows.waiting().exclude(export_error="").first() for rows in kinds]
    errors = [row.export_error for row in failing if row is not None]
    health = ExportHealth.objects.exclude(state=ExportHealth.State.WELL).first()
    message = f"waiting: {waiting}, refused: {refused}"
    advice = (
        "They are kept here. Correct what the error says; refused ones: manage.py resend_traces."
    )
    if errors:
        message += f"; last error: {errors[0]}"
    if health is not None:
        message += f"; since {health.since:%Y-%m-%d %H:%M} UTC Langfuse says: {health.message}"
    if overdue:
        message += f"; due for over an hour: {overdue}"
        advice = "No process sends them: is the site running? " + advice
    is_well = not (errors or refused or overdue or (health is not None and waiting))
    return Finding("backlog", is_well, message, advice)
