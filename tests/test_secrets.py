"""No key, password or session in what a site prints, keeps and shows, whatever goes wrong.

A whole site with canaries for secrets, with a provider and a Langfuse that quote the key they were
given, and with faults of every kind; then everything that came out is searched.
"""

import asyncio
import base64
import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
import urllib.error
from pathlib import Path

import pytest
from aiohttp import BasicAuth, web

from config import masking
from tests.faults.students import Student
from tests.servers.http_server import ThreadedServer
from tests.servers.openai_server import OpenAIServer
from tests.servers.site import ROOT, prepare_site, running_server

# None looks like a key of anybody's: what hides them must know them.
CANARIES = {
    "OPENAI_API_KEY": "canary/of+the=provider",
    "LANGFUSE_SECRET_KEY": "canary-of-langfuse",
    "DJANGO_SECRET_KEY": """canary-of-the-site-with-"quotes"-'of'-many-kinds-and-long-enough""",
}
PASSWORD = "canary-of-a-password"
COURSE = ROOT / "tests" / "browser" / "course"
PREPARE = f"""
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("collectstatic", interactive=False, verbosity=0)
call_command("import_course", {str(COURSE)!r}, "--open", verbosity=0)
from learning.models import Course, Enrolment, User
alice = User.objects.create_user("alice", password="alice")
Enrolment.objects.create(user=alice, course=Course.objects.get())
User.objects.create_superuser("staff", password="staff")
call_command("reindex", verbosity=0)
"""
NONSENSE = ("{", '"Bearer"', '{"type": "ask", "text": 1}', '{"type": [{}]}', "\\u0000")
SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.faults.settings", "DJANGO_DEBUG": "0"}


class QuotingServer(ThreadedServer):
    """Refuses whatever comes, and says in many ways with which key it came."""

    def __init__(self):
        super().__init__()
        self.requests = 0

    def build_app(self) -> web.Application:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._refuse)
        return app

    async def _refuse(self, request: web.Request) -> web.Response:
        self.requests += 1
        header = request.headers.get("Authorization", "")
        with contextlib.suppress(ValueError):
            header += f" is {BasicAuth.decode(header)}"
        return web.json_response({"message": f"refused: {header}"}, status=401)


def get(student: Student, path: str) -> str:
    try:
        with student._browser.open(student.url + path) as page:
            return page.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


async def ask_and_send_nonsense(student: Student, conversation: str) -> list[str]:
    """Return every frame that was heard."""
    frames = []
    async with student.tab(conversation) as tab:
        await tab.send(json.dumps({"type": "ask", "id": "1", "text": "What is a tide?"}))
        while not any('"turn.finished"' in frame for frame in frames):
            frames.append(await asyncio.wait_for(tab.recv(), 30))
        for nonsense in (
            "{",
            '"Bearer"',
            '{"type": "ask", "text": 1}',
            '{"type": [{}]}',
            "\\u0000",
        ):
            await tab.send(nonsense)
            frames.append(await asyncio.wait_for(tab.recv(), 30))
    return frames


def eventually(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def rows(data: Path, query: str) -> list[tuple]:
    with contextlib.closing(sqlite3.connect(data / "coursetrace.sqlite3", timeout=20)) as database:
        found = database.execute(query).fetchall()
        database.commit()
        return found


@pytest.fixture(scope="module")
def leftovers(tmp_path_factory) -> dict[str, str]:
    """All that a site leaves behind which has gone through the worst, by where it was found."""
    data = tmp_path_factory.mktemp("leaky")
    found = {}
    with OpenAIServer() as openai, QuotingServer() as langfuse:
        settings = SETTINGS | CANARIES
        settings |= {"OPENAI_BASE_URL": openai.url, "LANGFUSE_HOST": langfuse.origin}
        settings |= {"LANGFUSE_PUBLIC_KEY": "pk-lf-public"}
        openai.requires_key("another")
        prepare_site(data, [["shell", "-v", "0", "-c", PREPARE]], **settings)
        with running_server(data, "daphne", **settings) as server:
            alice, staff = Student(server.url, "alice"), Student(server.url, "staff")
            conversation = alice.opens_conversation("tides")
            found["frames"] = "".join(asyncio.run(ask_and_send_nonsense(alice, conversation)))
            found["refused log-in"] = alice_types_a_password(server.url)
            refusals = "SELECT 1 FROM tracing_tracerecord WHERE export_error LIKE '%refused%'"
            eventually(lambda: rows(data, refusals))
            trace = rows(data, "SELECT id FROM tracing_tracerecord WHERE name = 'ai_chat'")[0][0]
            for page in (
                "/admin/",
                "/admin/tracing/tracerecord/",
                f"/admin/tracing/tracerecord/{trace}/change/",
                "/admin/learning/message/",
                "/admin/axes/accessattempt/",
                f"/conversations/{conversation}/",
            ):
                source = get(staff if "admin" in page else alice, page)
                assert len(source) > 1000
                found[page] = source
            rows(data, "ALTER TABLE learning_course RENAME TO learning_gone")
            found["error page"] = get(alice, "/")
            assert "Something went wrong" in found["error page"]
            rows(data, "ALTER TABLE learning_gone RENAME TO learning_course")
            sessions = {c.value for who in (alice, staff) for c in who.jar if c.name == "sessionid"}
        found["log"] = server.log.read_text()
    assert langfuse.requests and openai.requests
    found["database"] = "".join(
        file.read_bytes().decode("latin-1") for file in data.glob("coursetrace.sqlite3*")
    )
    found["_sessions"] = " ".join(sessions)
    return found


def alice_types_a_password(url: str) -> str:
    visitor = Student(url, "nobody")
    page = visitor._post("/accounts/login/", username="alice", password=PASSWORD)
    return page.read().decode()


@pytest.mark.parametrize("name", [*CANARIES, "PASSWORD"])
def test_no_secret_comes_out_whatever_goes_wrong(leftovers, name):
    secret = CANARIES.get(name, PASSWORD)
    shapes = {secret, json.dumps(secret)[1:-1], secret[:16]}

    places = [
        place
        for place, text in leftovers.items()
        if any(shape in text for shape in shapes) and not place.startswith("_")
    ]
    assert places == []


def test_no_session_is_in_the_log(leftovers):
    sessions = leftovers["_sessions"].split()
    assert len(sessions) == 2
    assert not any(session in leftovers["log"] for session in sessions)


def test_what_went_wrong_is_written_down_all_the_same(leftovers):
    log = leftovers["log"]

    assert "traces wait for Langfuse: 401" in log and "[secret]" in log
    assert "no such table: learning_course" in log and "Traceback" in log
    assert "login failure" in log
    assert "[secret]" in leftovers["database"]  # where Langfuse's refusal is kept


DATABASE_AND_REDIS = {
    "DATABASE_URL": "postgres://tutor:canary%2Fof%2Fthe+database@127.0.0.1:1/tutor",
    "REDIS_URL": "redis://:canary-of-redis@127.0.0.1:1/0",
}
# A page whose code has the secrets in its hands when it fails, as Django shows it with DEBUG on.
FAILING_PAGE = """
import base64, logging, sys
from urllib.parse import quote, urlsplit
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.views.debug import get_exception_reporter_class
call_command("collectstatic", interactive=False, verbosity=0)
key, redis = settings.SECRET_KEY, urlsplit(settings.REDIS_URL).password
url = settings.DATABASES["default"]["PASSWORD"], settings.REDIS_URL, settings.OPENAI_API_KEY
logger = logging.getLogger("django.request")  # Django has handlers of its own for these
logger.warning("settings: %s %r", settings.DATABASES, settings.CHANNEL_LAYERS)
logger.warning("keys: %s %r %s %s", key, [key], quote(key), redis)
logger.warning("base64: %s", base64.b64encode(key.encode()).decode())
logger.warning("Authorization: Bearer 0123456789abcdef sessionid=0123456789abc")
try:
    raise ValueError(f"cannot connect: {url}")
except ValueError:
    logger.exception("it failed")
    print(get_exception_reporter_class(None)(None, *sys.exc_info()).get_traceback_html())
page = Client(raise_request_exception=False).get("/")
assert page.status_code == 500
print(page.content.decode())
"""


@pytest.mark.parametrize("debug", ["0", "1"])
def test_passwords_of_the_database_and_of_redis_are_in_no_line_and_no_error_page(tmp_path, debug):
    run = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", FAILING_PAGE],
        cwd=ROOT,
        env={
            **os.environ,
            **SETTINGS,
            **CANARIES,
            **DATABASE_AND_REDIS,
            "DJANGO_ALLOWED_HOSTS": "testserver",
            "DJANGO_DEBUG": debug,
            "DATA_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert "it failed" in run.stderr
    assert "connection" in run.stdout if debug == "1" else "Something went wrong" in run.stdout
    assert len(re.findall("settings: ", run.stderr)) == 1  # and not once more by another handler
    encoded = base64.b64encode(CANARIES["DJANGO_SECRET_KEY"].encode()).decode()
    for secret in ("canary", "0123456789abc", encoded[:20]):
        assert secret not in run.stderr + run.stdout


LINES = [
    ("no secret: hf_hub_download of https://host:8000/a@b", None),
    ("Authorization: Bearer eyJhbGciOiJIUzI1NiJ9", "Authorization: Bearer [secret]"),
    ("authorization: basic cGs6Y2FuYXJ5LW9mLWxhbmdmdXNl", "authorization: basic [secret]"),
    ("key sk-proj-Ab1dEfGh1jKl is wrong", "key [secret] is wrong"),
    ("key sk-proj-****************jKl is wrong", "key [secret] is wrong"),
    ("redis://:hunter2@cache:6379/0", "redis://:[secret]@cache:6379/0"),
    ("postgres://tutor:hunter2@db:5432/tutor", "postgres://tutor:[secret]@db:5432/tutor"),
    ("Cookie: __Host-sessionid=0a1b2c3d; a=b", "Cookie: __Host-sessionid=[secret]; a=b"),
    ("GET /accounts/password/reset/MQ/d-63/ 302", "GET /accounts/password/reset/MQ/[secret]/ 302"),
    ("GET /accounts/password/reset/MQ/set-password/ 200", None),
]


@pytest.mark.parametrize(("line", "printed"), LINES)
def test_a_line_that_quotes_anybodys_secret_is_printed_without_it(line, printed):
    assert masking.mask_line(line) == (printed or line)
