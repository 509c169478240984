"""The index in memory: a switch by another process is not felt, and costs only what changed."""

import asyncio
import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from django.utils import timezone

from rag import compute, loaded
from rag.errors import IndexMissing
from rag.indexing import reindex
from rag.lexical import LexicalIndex
from rag.loaded import active_index
from rag.models import Chunk, IndexVersion
from rag.search import search_sync

pytestmark = pytest.mark.django_db(transaction=True)

Status = IndexVersion.Status


@pytest.fixture
def loading_is_held():
    """Let nothing be loaded until the event is set."""
    go_on = threading.Event()
    compute.submit(go_on.wait, lane=compute.Lane.LOADING)
    yield go_on
    go_on.set()


@pytest.fixture
def searched(plants):
    """The plants, indexed and in memory."""
    reindex()
    search_sync("root hairs", collection="plants")
    return plants


def switch_elsewhere(plants):
    """Index a changed text and switch to it, as the worker's process does."""
    plants.put("plants", "2", "Roots", "Root hairs drink.")
    reindex(activate=False)
    versions = IndexVersion.objects.filter(collection="plants")
    versions.filter(status=Status.ACTIVE).update(status=Status.RETIRED)
    new = versions.filter(status=Status.BUILDING)
    new.update(status=Status.ACTIVE, activated_at=timezone.now())
    return versions.get(status=Status.ACTIVE)


def harmed(texts):
    """The passages of these texts, unreadable, which a later repair makes good."""
    passages = Chunk.objects.filter(text__in=texts)
    passages.update(heading_path=0)
    return passages


def loading_is_done():
    compute.run_blocking(str, lane=compute.Lane.LOADING)


def first_text():
    return search_sync("root hairs", collection="plants").passages[0].text


def index_now():
    return asyncio.run(active_index("plants"))


def test_while_a_new_version_is_loaded_the_one_before_answers(searched, loading_is_held):
    switch_elsewhere(searched)

    assert first_text().startswith("Root hairs are single cells")
    loading_is_held.set()
    compute.run_blocking(str, lane=compute.Lane.LOADING)
    assert first_text() == "Root hairs drink."


async def test_a_version_that_is_removed_answers_no_more(searched, loading_is_held):
    new = await compute.run(switch_elsewhere, searched, lane=compute.Lane.RANKING)
    await IndexVersion.objects.filter(status=Status.RETIRED).adelete()

    asking = asyncio.create_task(active_index("plants"))
    await IndexVersion.objects.acount()  # behind its question to the database
    loading_is_held.set()

    assert (await asking).version_id == new.pk


async def test_the_version_before_answers_for_a_minute_at_most(
    searched, loading_is_held, monkeypatch
):
    monkeypatch.setattr(loaded, "FORMER_SERVES_SECONDS", -1.0)
    new = await compute.run(switch_elsewhere, searched, lane=compute.Lane.RANKING)

    asking = asyncio.create_task(active_index("plants"))
    await IndexVersion.objects.acount()
    loading_is_held.set()

    assert (await asking).version_id == new.pk


def test_a_version_that_cannot_be_loaded_is_tried_again_while_the_one_before_answers(
    searched, monkeypatch, caplog
):
    switch_elsewhere(searched)
    passages = harmed(["Root hairs drink."])

    for _ in range(3):
        assert first_text().startswith("Root hairs are single cells")
        loading_is_done()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    monkeypatch.setattr(loaded, "NEXT_TRY_SECONDS", 0.0)
    for _ in range(3):
        assert first_text().startswith("Root hairs are single cells")
        loading_is_done()
    assert len(caplog.records) == 1

    passages.update(heading_path=["Roots"])
    first_text()
    loading_is_done()
    assert first_text() == "Root hairs drink."


def test_a_version_that_cannot_be_loaded_is_said_after_a_minute(searched, monkeypatch, caplog):
    monkeypatch.setattr(loaded, "FORMER_SERVES_SECONDS", -1.0)
    switch_elsewhere(searched)
    harmed(["Root hairs drink."])

    with pytest.raises(TypeError):
        first_text()


def test_a_course_that_was_removed_elsewhere_leaves_memory_with_the_next_load(searched):
    index = weakref.ref(index_now())
    new = switch_elsewhere(searched)
    first_text()
    loading_is_done()
    index_of_new = weakref.ref(index_now())
    assert index_of_new().version_id == new.pk and index() is None
    searched.held = {"stones": {}}
    searched.put("stones", "9", "Granite", "Granite is hard.")
    IndexVersion.objects.filter(collection="plants").delete()
    reindex()

    search_sync("granite", collection="stones")

    gc.collect()
    assert index_of_new() is None


@pytest.fixture
def three_courses(plants):
    """Indexed, and none of them in memory."""
    plants.put("stones", "9", "Granite", "Granite is hard.")
    plants.put("trees", "7", "Oaks", "Oaks are tall.")
    reindex()
    loaded._loaded.clear()
    return plants


def test_the_start_loads_what_can_be_loaded(three_courses, caplog):
    harmed(["Granite is hard."])

    loaded.warm_up()

    assert {"plants", "trees"} <= loaded._loaded.keys() and "stones" not in loaded._loaded
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "stones" in caplog.text


def test_at_the_start_a_student_waits_for_one_course_at_most(three_courses, loading_is_held):
    names = set(three_courses.held)

    with ThreadPoolExecutor() as threads:
        warming = threads.submit(loaded.warm_up)
        while compute._waiting[compute.Lane.LOADING] < 2 and not warming.done():
            time.sleep(0.01)
        student = compute.submit(lambda: names & loaded._loaded.keys(), lane=compute.Lane.LOADING)
        loading_is_held.set()
        warming.result()

    assert len(student.result()) <= 1
    assert names <= loaded._loaded.keys()


def test_only_what_changed_is_read_again(searched):
    before = index_now()
    searched.put("plants", "2", "Roots", "Root hairs drink.")
    reindex()

    after = index_now()

    kept = {id(passage) for passage in before.passages}
    assert [passage.text for passage in after.passages if id(passage) not in kept] == [
        "Root hairs drink."
    ]
    assert len(after.passages) == 4


def test_what_was_taken_over_is_ranked_as_if_it_were_new(searched):
    searched.put("plants", "2", "Roots", "Root hairs drink water, the root holds the plant.")
    reindex()
    index = index_now()
    fresh = LexicalIndex(passage.embedded_text for passage in index.passages)

    for question in ("root hairs", "water and sugar", "what holds a plant?", "granite"):
        ours, theirs = index.lexical.scores(question), fresh.scores(question)
        assert np.allclose(ours.bm25, theirs.bm25)
        assert np.allclose(ours.coverage, theirs.coverage)


def test_only_passages_of_the_allowed_documents_are_allowed(searched):
    index = index_now()

    allowed = index.allowed_rows({"2", "of another course"})

    assert [one.document_key for one in index.passages] == ["1", "1", "1", "2", "2"]
    assert allowed.tolist() == [False, False, False, True, True]
    assert index.allowed_rows(None).all() and not index.allowed_rows([]).any()


def test_a_model_that_knows_tokens_has_a_basis_and_the_passages_their_unknown_shares(searched):
    index = index_now()

    assert index.basis.shape == (64, 64)
    assert index.unknown_shares.tolist() == [0.0] * 5
    assert all(len(one) for one in index.vectors.token_vectors(index.chunk_ids))


def test_a_collection_that_is_gone_is_not_searched_from_memory(searched):
    searched.held.clear()
    reindex()

    with pytest.raises(IndexMissing, match="no search index yet"):
        index_now()
