"""The doctor names the step that fails and what to do; its last step reads a trace back."""

import json
import socket
from io import StringIO

import pytest
from aiohttp import web
from django.core.management import call_command
from django.utils import timezone

from tests.tracing.conftest import Langfuse
from tracing import doctor
from tracing.models import ExportState, TraceRecord

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def examine(recorded):
    """What the doctor finds: check → finding."""
    return lambda: {finding.check: finding for finding in doctor.examine()}


def test_all_is_well(langfuse, examine):
    found = examine()

    assert list(found) == ["settings", "host", "version", "clock", "keys", "probe", "backlog"]
    assert [finding.check for finding in found.values() if not finding.ok] == []
    assert found["version"].message == "server 2.95.11"
    assert "project coursetrace (project-test)" in found["keys"].message
    assert langfuse.observation("probe")["usage"]["total"] == 5


def test_without_content_all_can_be_well_too(langfuse, examine, tracing_settings):
    tracing_settings(CAPTURE_CONTENT=False)

    assert all(finding.ok for finding in examine().values())


def test_missing_settings_are_named(examine, tracing_settings):
    tracing_settings(LANGFUSE_HOST="http://langfuse", LANGFUSE_PUBLIC_KEY="pk")
    found = examine()

    assert list(found) == ["settings", "backlog"]
    assert not found["settings"].ok
    assert "LANGFUSE_SECRET_KEY" in found["settings"].message
    assert "LANGFUSE_HOST" not in found["settings"].message


def test_a_host_that_cannot_be_reached(langfuse, examine, tracing_settings):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        tracing_settings(LANGFUSE_HOST=f"http://127.0.0.1:{nobody.getsockname()[1]}")
        found = examine()

    assert list(found) == ["settings", "host", "backlog"]
    assert "ConnectError" in found["host"].message
    assert "Is the address right" in found["host"].advice


def test_keys_that_are_not_accepted(langfuse, examine):
    langfuse.refuses_keys()
    found = examine()

    assert list(found)[-2:] == ["keys", "backlog"]
    assert "401: Langfuse does not accept the keys" in found["keys"].message


def test_keys_of_another_project(langfuse, examine, tracing_settings):
    tracing_settings(LANGFUSE_PROJECT_ID="another")
    found = examine()

    assert "LANGFUSE_PROJECT_ID is another" in found["project"].message
    assert found["probe"].ok


class Newer(Langfuse):
    """A server 3 whose clock is wrong, and which takes what it is given without keeping it."""

    async def _health(self, request):
        headers = {"Date": "Sun, 22 Nov 2020 10:00:00 GMT"}
        return web.json_response({"status": "OK", "version": "3.1.0"}, headers=headers)

    async def _trace(self, request):
        shown = json.loads((await super()._trace(request)).body)
        shown["input"] = None
        shown["observations"][0]["usage"] = {"input": 0, "output": 0, "total": 0}
        return web.json_response(shown)


def test_another_version_a_wrong_clock_and_a_trace_that_lost_fields(
    langfuse, examine, tracing_settings
):
    with Newer() as server:
        tracing_settings(LANGFUSE_HOST=server.url)
        found = examine()

    failed = {check: finding.message for check, finding in found.items() if not finding.ok}
    assert set(failed) == {"version", "clock", "probe"}
    assert failed["version"] == "server 3.1.0"
    assert failed["probe"] == "read back without input, tokens"


def test_a_probe_that_is_refused(langfuse, examine):
    langfuse.rejects(lambda event: True)
    found = examine()

    assert found["probe"].message.startswith("refused: 400 Invalid request data")


def test_a_probe_that_does_not_appear(langfuse, examine, monkeypatch):
    monkeypatch.setattr(doctor, "READ_BACK_SECONDS", 0.1)
    langfuse._store.add = lambda event: None
    found = examine()

    assert found["probe"].message == "accepted, but it cannot be read back"


def test_a_database_that_does_not_take_the_probe(langfuse, examine, traces):
    from tracing.recorder import use_recorder

    before = use_recorder(traces)  # keeps no rows
    try:
        found = examine()
    finally:
        use_recorder(before)

    assert found["probe"].message == "its row is not in the database"


def test_the_backlog_and_the_last_error_are_told(examine):
    for number, state in enumerate((ExportState.NEW, ExportState.NEW, ExportState.REJECTED)):
        TraceRecord.objects.create(
            id=str(number), name="ai_chat", started_at=timezone.now(), export_state=state,
            export_error="503: down" if number else "",
            export_after=timezone.now() if state == ExportState.NEW else None,
        )  # fmt: skip

    backlog = examine()["backlog"]

    assert backlog.message == "waiting: 2, refused: 1; last error: 503: down"
    assert (backlog.ok, "resend_traces" in backlog.advice) == (False, True)


def test_the_command_prints_lines_and_ends_with_one_when_something_failed(langfuse, recorded):
    out = StringIO()
    call_command("tracing_doctor", stdout=out)
    assert "ok     keys: accepted" in out.getvalue()

    langfuse.refuses_keys()
    out = StringIO()
    with pytest.raises(SystemExit) as ending:
        call_command("tracing_doctor", stdout=out)
    assert ending.value.code == 1
    assert "failed keys: 401" in out.getvalue()
    assert "Compare both keys" in out.getvalue()


def test_the_command_prints_json(langfuse, recorded):
    out = StringIO()
    call_command("tracing_doctor", "--json", stdout=out)

    findings = json.loads(out.getvalue())
    assert findings[0]["check"] == "settings"
    assert set(findings[0]) == {"check", "ok", "message", "advice"}
