"""The two pages that probes ask."""

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from learning.models import Chapter, Course
from rag.indexing import reindex
from rag.models import IndexVersion

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
    assert "manage.py reindex --course plants" in page.json()["checks"]["index"]["reason"]


def test_a_new_course_does_not_take_the_others_away(client, indexed):
    new = Course.objects.create(slug="new", title="New")
    Chapter.objects.create(course=new, slug="one", title="One", text="Some text.")
    page = client.get("/readyz")
    assert page.status_code == 200
    assert "“new” has no search index yet" in page.json()["checks"]["index"]["note"]


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
