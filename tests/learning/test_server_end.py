"""A server that is told to end, or is killed, in the middle of answers: real processes and rows."""

import json
import re
import shutil
import sqlite3
import subprocess
import time
import urllib.parse
import urllib.request
from contextlib import ExitStack, suppress
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.servers.langfuse_server import LangfuseServer
from tests.servers.openai_script import WAIT
from tests.servers.openai_server import OpenAIServer
from tests.servers.site import prepare_site, running_site

COURSE = Path(__file__).resolve().parent.parent / "browser" / "course"
STUDENTS = 3
ENROL = f"""
from learning.models import Course, Enrolment, User
for number in range({STUDENTS}):
    user = User.objects.create_user(f"student{{number}}", password="x")
    Enrolment.objects.create(user=user, course=Course.objects.get())
"""
PREPARE = [
    ["migrate", "-v", "0"],
    ["import_course", str(COURSE), "--open"],
    ["shell", "-v", "0", "-c", ENROL],
    ["reindex"],
]


class Student:
    """A browser as far as the server can tell: cookies, a form's token, a websocket."""

    def __init__(self, url: str, name: str):
        self.url = url
        self.jar = CookieJar()
        self.browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self.browser.open(f"{url}/accounts/login/")
        self._post("/accounts/login/", username=name, password="x")
        page = self._post("/courses/tides/conversations/")
        self.conversation = re.search(r"conversations/([0-9a-f-]{36})", page.url)[1]

    def _post(self, path: str, **fields):
        fields["csrfmiddlewaretoken"] = next(c.value for c in self.jar if c.name == "csrftoken")
        content = urllib.parse.urlencode(fields).encode()
        return self.browser.open(
            urllib.request.Request(self.url + path, content, {"Referer": self.url})
        )

    def ask(self, question: str, tabs: ExitStack) -> None:
        """Ask, and wait for the first words; the tab stays open until `tabs` are closed."""
        tab = connect(
            f"{self.url.replace('http', 'ws')}/ws/conversations/{self.conversation}/",
            origin=self.url,
            additional_headers={"Cookie": "; ".join(f"{c.name}={c.value}" for c in self.jar)},
        )
        socket = tabs.enter_context(tab)
        socket.send(json.dumps({"type": "ask", "id": "1", "text": question}))
        while json.loads(socket.recv(timeout=30))["type"] != "turn.delta":
            pass


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    prepare_site(folder, PREPARE)
    return folder


@pytest.fixture
def data(prepared, tmp_path) -> Path:
    """The folder of a site with an indexed course and students in it."""
    return Path(shutil.copytree(prepared, tmp_path / "data"))


@pytest.fixture
def settings():
    """Where the site finds its provider and its Langfuse, with an answer for each student."""
    with OpenAIServer() as openai, LangfuseServer() as langfuse:
        for _ in range(STUDENTS):
            openai.answers("A spring tide is ", WAIT)
        yield {
            "OPENAI_BASE_URL": openai.url,
            "LANGFUSE_HOST": langfuse.url,
            "LANGFUSE_PUBLIC_KEY": langfuse.public_key,
            "LANGFUSE_SECRET_KEY": langfuse.secret_key,
        }


def rows(data: Path, query: str) -> list[tuple]:
    with sqlite3.connect(data / "coursetrace.sqlite3") as database:
        return database.execute(query).fetchall()


ANSWERS = "SELECT status, text FROM learning_message WHERE role = 'assistant'"
TRACES = "SELECT status FROM tracing_tracerecord WHERE name = 'ai_chat'"


def test_a_server_that_ends_saves_every_answer_as_far_as_it_came(data, settings):
    with ExitStack() as tabs:
        with running_site(data, **settings) as url:
            for number in range(STUDENTS):
                Student(url, f"student{number}").ask("What is a spring tide?", tabs)

        assert rows(data, ANSWERS) == [("interrupted", "A spring tide is ")] * STUDENTS
        assert rows(data, TRACES) == [("interrupted",)] * STUDENTS


def test_what_a_killed_server_left_is_there_and_marked_after_the_next_start(data, settings):
    with (
        suppress(AssertionError),  # of a site that does not end in good order
        ExitStack() as tabs,
        running_site(data, **settings) as url,
    ):
        Student(url, "student0").ask("What is a spring tide?", tabs)
        _wait_for(lambda: rows(data, ANSWERS) == [("running", "A spring tide is ")])
        port = url.rsplit(":", 1)[1]
        subprocess.run(["pkill", "-KILL", "-f", f"daphne.* -p {port} "], check=True)
    assert rows(data, ANSWERS) == [("running", "A spring tide is ")]
    # As if the next start came later: a row is believed alive for twenty seconds.
    rows(data, "UPDATE learning_message SET saved_at = '2026-01-01 00:00:00'")

    with running_site(data, **settings):
        _wait_for(lambda: rows(data, ANSWERS) == [("interrupted", "A spring tide is ")])
        _wait_for(lambda: rows(data, TRACES) == [("interrupted",)])


def _wait_for(condition, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)
