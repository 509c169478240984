"""The doctor names the step that fails and what to do; its last steps read back what they sent."""

import json
import socket
from datetime import timedelta
from io import StringIO

import pytest
from aiohttp import web
from django.core.management import call_command
from django.utils import timezone

from tests.servers.http_server import ThreadedServer
from tracing import doctor
from tracing.models import ExportHealth, ExportState, ScoreRecord, TraceRecord
from tracing.recorder import use_recorder

# The doctor sends its probe itself; no sender runs beside it.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("by_hand")]


@pytest.fixture
def examine(recorded):
    """What the doctor finds: check → finding."""
    return lambda: {finding.check: finding for finding in doctor.examine(patience_seconds=0.2)}


def failed(findings):
    return [finding.check for finding in findings.values() if not finding.ok]


def test_all_is_well(langfuse, examine):
    found = examine()

    assert list(found) == [
        "settings", "host", "version", "clock", "secret key", "probe", "public key", "backlog",
    ]  # fmt: skip
    assert failed(found) == []
    assert {finding.advice for finding in found.values()} == {""}
    assert found["version"].message == "server 2.95.11"
    assert "project coursetrace (project-test)" in found["secret key"].message
    assert langfuse.observation("probe")["usage"]["total"] == 5


def test_it_leaves_one_trace_that_costs_nothing_and_one_score_however_often_it_runs(
    langfuse, examine
):
    examine()
    examine()

    first, second = TraceRecord.objects.order_by("started_at")
    assert [row.export_state for row in (first, second)] == [ExportState.CONFIRMED] * 2
    assert [row.cost for row in (first, second)] == [0, 0]
    [score] = langfuse.scores.values()
    assert (score["name"], score["traceId"]) == ("tracing_doctor", second.id)


def test_without_content_all_can_be_well_too(langfuse, examine, tracing_settings):
    tracing_settings(CAPTURE_CONTENT=False)

    assert failed(examine()) == []


# --- Settings -------------------------------------------------------------------------------------


def test_missing_settings_are_named(examine, tracing_settings):
    tracing_settings(LANGFUSE_HOST="http://langfuse", LANGFUSE_PUBLIC_KEY="pk")
    found = examine()

    assert list(found) == ["settings", "backlog"]
    assert failed(found) == ["settings"]
    assert found["settings"].message.startswith("not set: LANGFUSE_SECRET_KEY; ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"LANGFUSE_HOST": "langfuse:3000"}, "LANGFUSE_HOST='langfuse:3000' is no URL"),
        ({"LANGFUSE_HOST": "http://host:port"}, "LANGFUSE_HOST='http://host:port' is no URL"),
        ({"LANGFUSE_PUBLIC_KEY": "pk-lf-…"}, "LANGFUSE_PUBLIC_KEY holds a character that no key"),
        ({"LANGFUSE_SECRET_KEY": "sk lf"}, "LANGFUSE_SECRET_KEY holds a character that no key"),
        (
            {"LANGFUSE_PUBLIC_KEY": "sk-lf-test", "LANGFUSE_SECRET_KEY": "pk-lf-test"},
            "LANGFUSE_PUBLIC_KEY begins with sk-",
        ),
        ({"EXPORTER": None}, "TRACING['EXPORTER'] is not"),
    ],
)
def test_settings_that_cannot_work_are_named(changes, message, langfuse, examine, tracing_settings):
    tracing_settings(**changes)
    found = examine()

    assert list(found) == ["settings", "backlog"]
    assert message in found["settings"].message
    assert found["settings"].advice


# --- Host -----------------------------------------------------------------------------------------


class AnotherServer(ThreadedServer):
    """Answers every request, and is no Langfuse."""

    def __init__(self, **answer):
        super().__init__()
        self._answer = answer

    def build_app(self):
        async def answer(request):
            return web.Response(**self._answer)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        return app


def host_finding(examine, tracing_settings, url):
    tracing_settings(LANGFUSE_HOST=url, LANGFUSE_TIMEOUT_SECONDS=0.5)
    found = examine()
    assert list(found) == ["settings", "host", "backlog"]
    assert not found["host"].ok
    return found["host"]


def test_a_host_where_nobody_listens(langfuse, examine, tracing_settings):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        found = host_finding(examine, tracing_settings, url)

    assert "ConnectError" in found.message
    assert "is Langfuse running" in found.advice


def test_a_host_whose_name_nobody_knows(langfuse, examine, tracing_settings):
    found = host_finding(examine, tracing_settings, "http://langfuse.invalid:3000")

    assert "ConnectError" in found.message
    assert "Are name and port right" in found.advice


@pytest.mark.parametrize(
    "answer",
    [
        {"text": "<h1>It works!</h1>", "content_type": "text/html"},
        {"text": "Not found", "status": 404},
        {"text": '{"status": "UP"}', "content_type": "application/json"},
        {"text": "[]", "content_type": "application/json"},
        {"status": 301, "headers": {"Location": "https://elsewhere.invalid/"}},
    ],
)
def test_a_host_that_is_no_langfuse(answer, langfuse, examine, tracing_settings):
    with AnotherServer(**answer) as server:
        found = host_finding(examine, tracing_settings, server.origin)

    assert "Something else than Langfuse answers" in found.advice


def test_a_host_that_hangs(langfuse, examine, tracing_settings):
    langfuse.hangs()
    found = host_finding(examine, tracing_settings, langfuse.url)

    assert "ReadTimeout" in found.message
    assert "It does not answer" in found.advice


# --- Version and clock ----------------------------------------------------------------------------


def test_a_server_of_another_version(langfuse, examine):
    langfuse.version = "3.1.0"
    found = examine()

    assert failed(found) == ["version"]
    assert found["version"].message == "server 3.1.0"
    assert "run server 2.95" in found["version"].advice


@pytest.mark.parametrize("minutes", [10, -10])
def test_a_clock_that_is_off(minutes, langfuse, examine):
    langfuse.clock_offset = timedelta(minutes=minutes)
    found = examine()

    assert failed(found) == ["clock"]
    assert found["clock"].message in [f"differs by {seconds} s" for seconds in range(598, 603)]


# --- Keys -----------------------------------------------------------------------------------------


def test_a_secret_key_that_is_wrong(langfuse, examine, tracing_settings):
    tracing_settings(LANGFUSE_SECRET_KEY="sk-lf-wrong")
    found = examine()

    assert failed(found) == ["secret key"]
    assert list(found)[-2:] == ["secret key", "backlog"]
    assert "401: Langfuse does not accept the keys" in found["secret key"].message
    assert "Compare both keys" in found["secret key"].advice


def test_a_public_key_that_is_wrong(langfuse, examine, tracing_settings):
    tracing_settings(LANGFUSE_PUBLIC_KEY="pk-lf-wrong")
    found = examine()

    assert failed(found) == ["public key"]  # all that uses both keys passes
    assert "Invalid public key" in found["public key"].message
    assert "Copy it again" in found["public key"].advice


def test_a_public_key_of_another_project(langfuse, examine, tracing_settings):
    tracing_settings(LANGFUSE_PUBLIC_KEY=langfuse.foreign_public_key)
    found = examine()

    assert failed(found) == ["public key"]
    assert "it is of another project" in found["public key"].message

    # What was left in that project is not in the way of the right key.
    tracing_settings(LANGFUSE_PUBLIC_KEY=langfuse.public_key)
    assert failed(examine()) == []


def test_a_project_that_the_keys_are_not_of(langfuse, examine, tracing_settings):
    tracing_settings(LANGFUSE_PROJECT_ID="another")
    found = examine()

    assert failed(found) == ["project"]
    assert "LANGFUSE_PROJECT_ID is another" in found["project"].message


# --- The probe ------------------------------------------------------------------------------------


def test_an_ingestion_that_answers_500(langfuse, examine):
    langfuse.fails(500)
    found = examine()

    assert failed(found) == ["probe"]
    assert found["probe"].message.startswith("500: ")
    assert "public key" not in found
    assert found["backlog"].message == "waiting: 1, refused: 0"  # the probe, to be sent later


def test_a_probe_that_is_refused(langfuse, examine):
    langfuse.rejects(lambda event: True)

    assert examine()["probe"].message.startswith("refused: 400 Invalid request data")


def test_a_server_that_accepts_and_loses(langfuse, examine):
    langfuse.loses(lambda event: True)
    found = examine()

    assert failed(found) == ["probe", "public key"]
    assert found["probe"].message == "accepted, but it cannot be read back"
    assert "of which project cannot be told" in found["public key"].message


def test_a_step_that_is_lost(langfuse, examine):
    langfuse.loses(lambda event: event["type"] == "generation-create")

    assert examine()["probe"].message == "read back without the step, tokens, latency"


def test_usage_that_is_not_read_back(langfuse, examine):
    langfuse.hides("usage")
    found = examine()

    assert failed(found) == ["probe"]
    assert found["probe"].message == "read back without tokens"


def test_input_that_is_not_read_back(langfuse, examine):
    langfuse.hides("input")

    assert examine()["probe"].message == "read back without input"


def test_a_score_route_that_fails(langfuse, examine):
    langfuse.rejects(lambda event: event["type"] == "score-create")
    found = examine()

    assert failed(found) == ["public key"]
    assert "scripted rejection" in found["public key"].message


def test_a_database_that_does_not_take_the_probe(langfuse, examine, traces):
    before = use_recorder(traces)  # keeps no rows
    try:
        found = examine()
    finally:
        use_recorder(before)

    assert found["probe"].message == "its row is not in the database"


# --- Backlog --------------------------------------------------------------------------------------


def trace_record(number, state=ExportState.NEW, **fields):
    now = timezone.now()
    return TraceRecord.objects.create(
        id=str(number), name="ai_chat", started_at=now, export_state=state,
        **{"export_after": now if state == ExportState.NEW else None, **fields},
    )  # fmt: skip


def test_the_backlog_and_the_last_error_are_told(examine):
    trace_record(0)
    trace_record(1, export_error="500: older")
    trace_record(2, export_error="503: down")
    trace_record(3, ExportState.REJECTED, export_error="400: bad")
    ScoreRecord.objects.create(
        id="s", trace_id="0", name="user_feedback", value=1, updated_at=timezone.now(),
        export_state=ExportState.NEW, export_after=timezone.now(),
    )  # fmt: skip

    backlog = examine()["backlog"]

    assert backlog.message == "waiting: 4, refused: 1; last error: 503: down"
    assert (backlog.ok, "resend_traces" in backlog.advice) == (False, True)


def test_a_backlog_that_is_on_its_way_is_no_fault(examine):
    trace_record(0)

    backlog = examine()["backlog"]
    assert (backlog.ok, backlog.message) == (True, "waiting: 1, refused: 0")


def test_a_backlog_that_nobody_sends_is_a_fault(examine):
    trace_record(0, export_after=timezone.now() - timedelta(hours=2))

    backlog = examine()["backlog"]
    assert not backlog.ok
    assert backlog.message.endswith("due for over an hour: 1")
    assert "is the site running?" in backlog.advice


def test_what_langfuse_said_last_is_told(examine):
    trace_record(0)
    heard = timezone.now()
    ExportHealth.objects.create(
        pk=1, state="forbidden", message="401: no", since=heard, heard_at=heard
    )

    backlog = examine()["backlog"]
    assert not backlog.ok
    assert f"since {heard:%Y-%m-%d %H:%M} UTC Langfuse says: 401: no" in backlog.message

    TraceRecord.objects.all().delete()  # then it is only the past
    assert examine()["backlog"].ok


# --- The command ----------------------------------------------------------------------------------


def test_the_command_prints_lines_and_ends_with_one_when_something_failed(langfuse, recorded):
    out = StringIO()
    call_command("tracing_doctor", stdout=out)
    assert "ok     public key: accepted, for the same project" in out.getvalue()

    langfuse.refuses_keys()
    out = StringIO()
    with pytest.raises(SystemExit) as ending:
        call_command("tracing_doctor", stdout=out)
    assert ending.value.code == 1
    assert "failed secret key: 401" in out.getvalue()
    assert "Compare both keys" in out.getvalue()


def test_the_command_prints_json(langfuse, recorded):
    out = StringIO()
    call_command("tracing_doctor", "--json", stdout=out)

    findings = json.loads(out.getvalue())
    assert findings[0]["check"] == "settings"
    assert {frozenset(finding) for finding in findings} == {
        frozenset({"check", "ok", "message", "advice"})
    }


def test_the_json_of_a_failure_ends_with_one_too(recorded):
    out = StringIO()
    with pytest.raises(SystemExit) as ending:
        call_command("tracing_doctor", "--json", stdout=out)

    assert ending.value.code == 1
    assert json.loads(out.getvalue())[0]["ok"] is False
