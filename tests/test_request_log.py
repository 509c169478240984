"""The lines that a server's requests and turns leave: of one form, and leading to the trace."""

import asyncio
import json
import urllib.request
from collections.abc import Iterator

import pytest

from tests.faults.site import eventually, rows
from tests.faults.students import Student
from tests.servers.site import SERVERS, Server, running_server

SECRET_WORDS = "Why does Zanzibar have tides?"


@pytest.fixture(params=SERVERS)
def server(request, data) -> Iterator[Server]:
    settings = {"DJANGO_SETTINGS_MODULE": "tests.faults.settings", "PYTHONWARNINGS": "ignore"}
    with running_server(data, request.param, **settings) as server:
        yield server


def lines(server: Server) -> list[dict]:
    return [json.loads(line) for line in server.log.read_text().splitlines()]


def test_a_request_leaves_a_line_without_its_query(server):
    asked = urllib.request.Request(
        f"{server.url}/accounts/login/?next=/secret/", headers={"X-Request-ID": "of-the-proxy-1"}
    )
    with urllib.request.urlopen(asked) as page:
        assert page.headers.get_all("X-Request-ID") == ["of-the-proxy-1"]

    [line] = eventually(
        lambda: [line for line in lines(server) if line.get("request_id") == "of-the-proxy-1"]
    )
    assert (line["method"], line["path"], line["status"]) == ("GET", "/accounts/login/", 200)
    assert line["seconds"] >= 0
    assert "/secret/" not in server.log.read_text()


def test_probes_and_files_leave_none(server):
    for path in ("/healthz", "/readyz", "/favicon.ico", "/accounts/login/"):
        with urllib.request.urlopen(server.url + path):
            pass

    def said() -> list[dict]:
        return [line for line in lines(server) if line["logger"] == "coursetrace.requests"]

    assert [line["path"] for line in eventually(said)] == ["/accounts/login/"]


def test_a_turn_leaves_one_line_that_leads_to_its_trace_and_holds_no_word_of_it(server):
    student = Student(server.url, "student0")
    conversation = student.opens_conversation("tides")
    asyncio.run(student.asks(conversation, [SECRET_WORDS]))

    def of_turn() -> list[dict]:
        return [line for line in lines(server) if line.get("conversation") == conversation]

    [line] = eventually(of_turn)
    trace = "SELECT id, request_id FROM tracing_tracerecord WHERE name = 'ai_chat'"
    eventually(lambda: rows(server.log.parent, trace))
    assert rows(server.log.parent, trace) == [(line["trace_id"], line["request_id"])]
    assert line["event"] == "turn ended: complete"
    assert line["tokens"] > 0
    assert "Zanzibar" not in server.log.read_text()
