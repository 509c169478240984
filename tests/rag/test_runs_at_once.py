"""Two runs at the same moment, where both may write: on PostgreSQL, started by test_stores."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction

from rag.index_writer import hold
from rag.indexing import reindex
from rag.locking import hold_versions
from rag.models import Chunk, Document, IndexVersion
from rag.sweeping import sweep
from rag.vector_writer import check_not_superseded

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(  # for who names this file; a run of the folder leaves it out, see conftest
        connection.vendor != "postgresql", reason="SQLite lets one write at a time"
    ),
]

Status = IndexVersion.Status


@pytest.fixture
def elsewhere():
    """Run a function as another process would: `elsewhere(function, …)` gives its future."""
    threads = ThreadPoolExecutor()

    def closing_connections(function, *args, **options):
        try:
            return function(*args, **options)
        finally:
            connections.close_all()

    with threads:
        yield lambda *args, **options: threads.submit(closing_connections, *args, **options)


def waiting() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0]


def eventually(is_so) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_run_that_is_overtaken_while_it_switches_leaves_an_active_index(plants, elsewhere):
    reindex()
    active = IndexVersion.objects.filter(status=Status.ACTIVE)
    plants.put("plants", "2", "Roots", "The newer text.")

    with transaction.atomic():
        list(active.select_for_update())  # the first run gets no further than this
        first = elsewhere(reindex)
        eventually(lambda: waiting() == 1)
        plants.put("plants", "2", "Roots", "The newest text.")
        second = elsewhere(reindex, activate=False)
        eventually(lambda: second.done() or waiting() == 2)

    assert (first.result().failures, second.result().failures) == ([], [])
    assert active.count() == 1


def test_a_run_begins_while_another_is_storing_documents(plants, elsewhere):
    former = IndexVersion.objects.create(collection="plants")

    with transaction.atomic():
        check_not_superseded(former)
        hold(former, [Document.objects.create(collection="plants", key="1").pk])
        later = elsewhere(reindex)
        eventually(lambda: later.done() or waiting() == 1)

    assert later.result().failures == []
    assert IndexVersion.objects.get().status == Status.ACTIVE


def test_a_sweep_takes_no_vector_from_a_run_that_begins(plants, elsewhere):
    reindex()
    plants.held["stones"] = plants.held["plants"]
    Chunk.objects.all().delete()  # now no passage uses the vectors, and the stones' run will

    with transaction.atomic():
        hold_versions()
        IndexVersion.objects.create(collection="stones")
        sweeping = elsewhere(sweep, "plants")
        eventually(lambda: sweeping.done() or waiting() == 1)

    sweeping.result()
    assert reindex(["stones"]).embedded_chunks == 0
