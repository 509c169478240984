"""The two pages that probes ask: in the test's process, and of servers whose database is away."""

import json
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from config.health import JOB_WAITS_TOO_LONG, READY_SECONDS
from learning.models import Chapter, Course
from learning.tasks import reindex_course
from rag.indexing import reindex
from rag.models import IndexVersion
from tests.faults.site import eventually
from tests.servers.site import SERVERS, Server, running_server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def indexed(course, settings):
    settings.RAG = {**settings.RAG, "EMBEDDER": "tests.rag.parts.WordEmbedder"}
    reindex([course.slug])
    return course


def test_a_living_process_says_so(client):
    assert client.get("/healthz").content == b"ok"


def test_all_well(client, indexed):
    page = client.get("/readyz")
    assert page.status_code == 200
    assert page.json() == {
        "ready": True,
        "checks": {name: {"ok": True} for name in ("database", "migrations", "index", "model")},
    }


def test_without_any_index_it_is_not_ready_and_says_what_to_do(client, indexed):
    IndexVersion.objects.all().delete()
    page = client.get("/readyz")
    assert page.status_code == 503
    assert page.json()["checks"]["index"]["reason"] == (
        "1 of the courses cannot be searched: run manage.py reindex"
    )


def test_a_new_course_does_not_take_the_others_away(client, indexed):
    new = Course.objects.create(slug="new", title="New")
    Chapter.objects.create(course=new, slug="one", title="One", text="Some text.")
    page = client.get("/readyz")
    assert page.status_code == 200
    note = page.json()["checks"]["index"]["note"]
    assert note == "1 of the courses cannot be searched: run manage.py reindex"


def test_a_database_that_is_behind_is_not_ready(client, indexed):
    applied = MigrationRecorder(connection)
    newest = max(name for app, name in applied.applied_migrations() if app == "rag")
    applied.record_unapplied("rag", newest)
    try:
        page = client.get("/readyz")
    finally:
        applied.record_applied("rag", newest)
    assert page.status_code == 503
    assert page.json()["checks"]["migrations"] == {
        "ok": False,
        "reason": "1 migrations are not applied: run manage.py migrate",
    }


def test_jobs_that_nobody_does_are_told_and_keep_nobody_away(client, indexed):
    reindex_course.enqueue(indexed.slug)
    assert "worker" not in client.get("/readyz").json()["checks"]

    long_ago = timezone.now() - JOB_WAITS_TOO_LONG - timedelta(seconds=1)
    DBTaskResult.objects.update(enqueued_at=long_ago)
    page = client.get("/readyz")
    assert page.status_code == 200
    note = page.json()["checks"]["worker"]["note"]
    assert note == "1 jobs wait for a worker: run manage.py worker"


# --- Servers ------------------------------------------------------------------------------------


@pytest.fixture(params=SERVERS)
def server(request, data) -> Iterator[Server]:
    settings = {"DJANGO_SETTINGS_MODULE": "tests.faults.settings"}
    with running_server(data, request.param, **settings) as server:
        yield server


def ask(server: Server, path: str) -> tuple[int, str, float]:
    """Return status, content, and how long it took."""
    began = time.monotonic()
    try:
        with urllib.request.urlopen(server.url + path, timeout=30) as page:
            status, content = page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        status, content = error.code, error.read().decode()
    return status, content, time.monotonic() - began


def database_of(server: Server) -> Path:
    return server.log.parent / "coursetrace.sqlite3"


def locked_for_all(file: Path) -> sqlite3.Connection | None:
    """Take the database for one's own, readers out as well; None while somebody is in it."""
    database = sqlite3.connect(file, isolation_level=None, timeout=0)
    with suppress(sqlite3.OperationalError):
        database.execute("PRAGMA locking_mode=EXCLUSIVE")
        database.execute("BEGIN EXCLUSIVE")
        return database
    database.close()
    return None


def test_a_database_that_lets_nobody_in_is_told_within_seconds(server):
    with closing(eventually(lambda: locked_for_all(database_of(server)))):
        status, content, seconds = ask(server, "/readyz")
        print(f"/readyz answered after {seconds:.1f} seconds")
        # SQLite itself would wait for twenty.
        assert seconds < 15
        assert status == 503
        assert f"no answer within {READY_SECONDS:g} seconds" in content
        assert ask(server, "/healthz")[:2] == (200, "ok")
    eventually(lambda: ask(server, "/readyz")[0] == 200)


def test_a_writer_that_takes_its_time_makes_nobody_unready(server):
    with closing(sqlite3.connect(database_of(server), isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        assert ask(server, "/readyz")[0] == 200


def test_a_lost_database_file_is_told_and_not_made_anew(server):
    database_of(server).rename(server.log.parent / "elsewhere")

    status, content, _ = ask(server, "/readyz")
    assert status == 503
    assert "the database file is gone" in json.loads(content)["checks"]["database"]["reason"]
    assert not database_of(server).exists()
    assert ask(server, "/healthz")[:2] == (200, "ok")

    (server.log.parent / "elsewhere").rename(database_of(server))
    assert ask(server, "/readyz")[0] == 200
