import hashlib

import numpy as np
import pytest
from django.db import connection

from rag import conf
from rag.chunking import chunker_version
from rag.embedders.base import get_embedder
from rag.errors import IndexMismatch, IndexMissing
from rag.indexing import forget, indexed_collections, reindex, rollback
from rag.late_interaction import compact
from rag.models import (
    EVALUATION_PREFIX,
    Chunk,
    ChunkVector,
    Document,
    IndexVersion,
    TokenBasis,
)
from rag.search import search_sync
from rag.stores.base import get_store
from rag.stores.exact import ExactStore
from tests.rag.parts import DictSource, WordEmbedder

pytestmark = pytest.mark.django_db(transaction=True)

Status = IndexVersion.Status


def active(collection="plants"):
    return IndexVersion.objects.get(collection=collection, status=Status.ACTIVE)


def texts(version=None):
    chunks = Chunk.objects.filter(document__versions=version or active())
    return list(chunks.order_by("document__key", "position").values_list("text", flat=True))


def test_the_first_reindex_stores_every_passage_with_its_vector(plants, embedder):
    report = reindex()

    assert (report.added, report.changed, report.unchanged, report.removed) == (2, 0, 0, 0)
    assert report.embedded_chunks == len(texts()) == 5
    chunk = Chunk.objects.select_related("vector").get(text__startswith="Photosynthesis turns")
    assert chunk.heading_path == ["Photosynthesis", "What it is"]
    [encoding] = embedder.encode_passages([f"Photosynthesis › What it is\n{chunk.text}"])
    assert np.array_equal(chunk.vector.as_array(), encoding.vector)
    version = active()
    assert (version.embedder_name, version.dimension) == ("words", 64)
    assert version.embedder_revision == "fingerprint "
    assert version.normalisation == "l2"


def test_offsets_lead_to_the_passage_in_the_document(plants):
    reindex()

    for chunk in Chunk.objects.select_related("document"):
        text = plants.held["plants"][chunk.document.key].text
        assert chunk.text == text[chunk.start : chunk.end]


def test_nothing_changed_embeds_nothing_and_makes_no_version(plants, embedder):
    reindex()
    version, embedded = active(), len(embedder.embedded)

    report = reindex()

    assert (report.unchanged, report.embedded_chunks, report.reused_chunks) == (2, 0, 0)
    assert len(embedder.embedded) == embedded
    assert active() == version


def test_an_edit_embeds_only_the_passages_that_changed(plants, embedder):
    reindex()
    embedder.embedded.clear()
    text = plants.held["plants"]["2"].text
    plants.put("plants", "2", "Roots", text.replace("single cells", "thin cells"))

    report = reindex()

    assert (report.changed, report.unchanged) == (1, 1)
    assert (report.embedded_chunks, report.reused_chunks) == (1, 1)
    assert [text for text in embedder.embedded if "thin cells" not in text] == []


def test_an_unchanged_document_is_shared_between_versions(plants):
    reindex()
    before = set(active().documents.filter(key="1"))
    plants.put("plants", "2", "Roots", "All about roots.")

    reindex()

    assert set(active().documents.filter(key="1")) == before


def test_a_new_title_is_a_change(plants):
    reindex()
    plants.put("plants", "2", "Root and branch", plants.held["plants"]["2"].text)

    assert reindex().changed == 1
    assert "Root and branch" in {document.title for document in active().documents.all()}


def test_a_removed_document_disappears(plants):
    reindex()
    del plants.held["plants"]["2"]

    report = reindex()

    assert (report.removed, report.unchanged) == (1, 1)
    assert not any("root" in text.lower() for text in texts())


def test_a_removed_collection_disappears_with_all_it_had(plants):
    reindex()
    plants.held.clear()

    assert reindex().removed == 2
    for model in (IndexVersion, Document, Chunk, ChunkVector):
        assert not model.objects.exists()


def test_only_the_named_collection_is_looked_at(plants):
    plants.put("stones", "9", "Granite", "Granite is hard.")

    assert reindex(["stones"]).added == 1
    assert not IndexVersion.objects.filter(collection="plants").exists()


def test_a_dry_run_counts_and_writes_nothing(plants, embedder):
    report = reindex(dry_run=True)

    assert report.added == 2
    assert "dry run" in str(report)
    assert embedder.embedded == []
    assert not IndexVersion.objects.exists() and not Document.objects.exists()


@pytest.mark.parametrize("text", ["half a surrogate: \ud800", "this is UNREADABLE to the model"])
def test_a_document_that_fails_is_reported_and_the_others_go_on(plants, text):
    plants.put("plants", "3", "Broken", text)

    report = reindex()

    assert [(failure.key, failure.title) for failure in report.failures] == [("3", "Broken")]
    assert report.added == 2
    assert "1 failed" in str(report)
    assert len(texts()) == 5


def test_a_document_that_fails_keeps_its_former_revision(plants):
    reindex()
    before = active()
    plants.put("plants", "2", "Roots", "now UNREADABLE")

    report = reindex()

    assert (len(report.failures), report.changed) == (1, 0)
    assert any("Root hairs are" in text for text in texts())
    assert IndexVersion.objects.get() == before


def test_a_source_that_breaks_costs_its_collection_only(plants, caplog):
    plants.held["stones"] = None

    report = reindex()

    assert [(failure.collection, failure.key) for failure in report.failures] == [("stones", None)]
    assert report.added == 2


def test_two_documents_with_one_key_are_a_failure(plants):
    plants.held["plants"]["twin"] = plants.held["plants"]["1"]

    report = reindex()

    assert "another document has the key 1" in report.failures[0].reason
    assert report.added == 2


def test_a_document_without_text_is_no_failure(plants):
    plants.put("plants", "3", "Empty", "")

    assert reindex().failures == []
    assert reindex().unchanged == 3


def test_full_embeds_everything_anew(plants, embedder):
    reindex()
    embedder.embedded.clear()
    before = active()

    report = reindex(full=True)

    assert len(embedder.embedded) == report.embedded_chunks == 5
    assert active() != before
    assert len(texts()) == 5


class CopyingStore(ExactStore):
    """Remembers which vectors it was told to copy again."""

    def __init__(self):
        self.refreshed = set()

    def refresh(self, content_hashes):
        assert connection.in_atomic_block
        self.refreshed.update(content_hashes)


def test_a_store_is_told_of_vectors_that_were_embedded_anew(plants, rag_settings):
    rag_settings(STORE="tests.rag.test_indexing.CopyingStore")
    conf.backend("SOURCE").held = plants.held
    reindex()
    get_store().refreshed.clear()

    reindex(full=True)

    hashes = ChunkVector.objects.values_list("content_hash", flat=True)
    assert get_store().refreshed == set(hashes) != set()


def test_without_activation_the_old_index_stays_and_the_next_run_takes_the_new_one(
    plants, embedder
):
    reindex()
    before = active()
    plants.put("plants", "2", "Roots", "All about roots.")

    reindex(activate=False)
    assert active() == before
    embedder.embedded.clear()
    reindex()

    assert "All about roots." in texts()
    assert embedder.embedded == []


@pytest.fixture
def vectors_that_stay():
    """Have the database refuse to remove any vector that is there: `vectors_that_stay()`."""

    def keep():
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE kept (id bigint REFERENCES rag_chunkvector (id))")
            cursor.execute("INSERT INTO kept SELECT id FROM rag_chunkvector")

    yield keep
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS kept")


def test_a_sweep_that_fails_is_logged_and_the_reindex_has_succeeded(
    plants, vectors_that_stay, caplog
):
    reindex()
    vectors_that_stay()

    for text in ("First text.", "Second text.", "Third text."):
        plants.put("plants", "2", "Roots", text)
        assert reindex().failures == []

    assert "Third text." in texts()
    assert {record.name for record in caplog.records} == {"rag.sweeping"}


class Killed(BaseException):
    """Ends a run in the middle of its work."""


def kill_after(count):
    def kill(done, to_do, collection):
        if done >= count:
            raise Killed

    return kill


def put_many(source, count):
    for number in range(count):
        source.put("plants", f"n{number}", f"Plant {number}", f"Plant number {number} is green.")


def test_a_killed_run_is_taken_over_without_embedding_twice(plants, embedder):
    put_many(plants, 300)
    with pytest.raises(Killed):
        reindex(progress=kill_after(200))
    stored = ChunkVector.objects.count()
    embedder.embedded.clear()

    report = reindex()

    assert stored >= 200
    assert len(embedder.embedded) == report.embedded_chunks == 305 - stored
    assert report.reused_chunks == stored
    assert active().documents.count() == 302
    assert not IndexVersion.objects.filter(status=Status.BUILDING).exists()


def test_what_a_killed_run_has_embedded_outlasts_the_reindex_of_another_course(plants, embedder):
    put_many(plants, 30)
    with pytest.raises(Killed):
        reindex(["plants"], progress=kill_after(16))
    stored = ChunkVector.objects.count()
    plants.put("stones", "9", "Granite", "Granite is hard.")
    reindex(["stones"])

    report = reindex(["plants"])

    assert report.reused_chunks == stored >= 16


def test_of_two_runs_at_once_the_later_one_stands(plants):
    def meanwhile(done, to_do, collection):
        if not meanwhile.ran:
            meanwhile.ran = True
            plants.put("plants", "1", "Photosynthesis", "The newer text.")
            reindex()

    meanwhile.ran = False

    reindex(progress=meanwhile)

    assert "The newer text." in texts()
    assert IndexVersion.objects.count() == 1


def test_rollback_goes_back_and_the_next_reindex_forward(plants, embedder):
    reindex()
    plants.put("plants", "2", "Roots", "All about roots.")
    reindex()

    rollback("plants")
    assert any("Root hairs are" in text for text in texts())
    embedder.embedded.clear()
    reindex()

    assert "All about roots." in texts()
    assert embedder.embedded == []


def test_a_second_rollback_goes_no_further_and_not_forward(plants):
    reindex()
    plants.put("plants", "3", "Leaves", "A leaf is flat.")
    reindex()
    first = rollback("plants")

    with pytest.raises(IndexMissing, match="no earlier index version"):
        rollback("plants")

    assert IndexVersion.objects.get(status=IndexVersion.Status.ACTIVE) == first


def test_rollback_without_an_earlier_version_says_so(plants):
    reindex()

    with pytest.raises(IndexMissing, match="no earlier index version"):
        rollback("plants")


def test_rollback_to_the_index_of_another_model_is_refused(plants, rag_settings):
    reindex()
    rag_settings(EMBEDDING_MODEL="newer words")
    conf.backend("SOURCE").held = plants.held
    reindex()
    before = active()

    with pytest.raises(
        IndexMismatch, match=r"“plants” stays as it is.* built with words, but newer"
    ):
        rollback("plants")

    assert active() == before


def test_only_the_active_version_and_the_one_before_are_kept(plants):
    for text in ("First text.", "Second text.", "Third text."):
        plants.put("plants", "2", "Roots", text)
        reindex()

    assert IndexVersion.objects.count() == 2
    assert not Chunk.objects.filter(text="First text.").exists()
    assert Chunk.objects.filter(text="Second text.").exists()
    assert ChunkVector.objects.filter(chunks__isnull=True).count() == 0


def test_another_model_indexes_everything_anew(plants, rag_settings):
    reindex()
    rag_settings(EMBEDDING_MODEL="other words")
    conf.backend("SOURCE").held = plants.held

    report = reindex()

    assert (report.changed, report.unchanged) == (2, 0)
    assert active().embedder_name == "other words"


def test_progress_is_told_after_each_batch(plants):
    told = []

    reindex(progress=lambda *step: told.append(step))

    assert told == [(5, 5, "plants")]


def test_the_job_is_traced_with_its_options_and_counts(plants, traces):
    reindex(["plants"])

    trace = next(trace for trace in traces.traces if trace.name == "reindex")
    assert trace.input["course"] == ["plants"]
    assert trace.input["options"] == {"full": False, "dry_run": False, "activate": True}
    assert list(trace.tags) == ["job"]
    assert (trace.output["added"], trace.output["embedded_chunks"]) == (2, 5)
    [embedding] = trace.observations
    assert embedding.name == "embedding"
    assert embedding.input["text_count"] == embedding.output["embedding_count"] == 5
    assert embedding.usage.input > 0


def test_a_switch_is_seen_by_the_next_search(plants):
    reindex()
    assert "hairs" in search_sync("root hairs", collection="plants").passages[0].text
    plants.put("plants", "2", "Roots", "Root hairs drink.")

    reindex()

    assert search_sync("root hairs", collection="plants").passages[0].text == "Root hairs drink."


def test_an_unchanged_index_needs_no_model(plants):
    reindex()
    held = plants.held
    conf.forget_backends()
    conf.backend("SOURCE").held = held

    class Heavy(WordEmbedder):
        def encode_passages(self, texts):
            raise AssertionError("the model was used")

    get_embedder().__class__ = Heavy

    assert reindex().unchanged == 2


@pytest.fixture
def labelled_set():
    """A source of a labelled set, which the settings do not name."""
    labelled = DictSource()
    labelled.put(EVALUATION_PREFIX + "scifact", "1", "", "Sugar is made of light.")
    return labelled


def test_a_labelled_set_is_indexed_from_its_own_source_and_stays(plants, labelled_set):
    [name] = labelled_set.collections()

    assert reindex([name], source=labelled_set).added == 1
    assert reindex().removed == 0

    assert texts(active(name)) == ["Sugar is made of light."]
    assert indexed_collections() == {"plants"}


def test_a_forgotten_collection_leaves_nothing_behind(plants, labelled_set):
    reindex()
    before = ChunkVector.objects.count()
    [name] = labelled_set.collections()
    reindex([name], source=labelled_set)

    forget(name)

    assert not IndexVersion.objects.filter(collection=name).exists()
    assert not Document.objects.filter(collection=name).exists()
    assert ChunkVector.objects.count() == before


def test_token_vectors_are_stored_compact_and_their_basis_once(plants, embedder):
    reindex()
    plants.put("plants", "3", "Stems", "A stem holds the leaves.")
    reindex()

    basis = TokenBasis.objects.get()
    chunk = Chunk.objects.select_related("vector").get(text="A stem holds the leaves.")
    [encoding] = embedder.encode_passages(["Stems\nA stem holds the leaves."])
    assert basis.embedder_fingerprint == embedder.fingerprint
    assert chunk.vector.token_vectors == compact(encoding.token_vectors, basis.as_array()).tobytes()


def test_vectors_of_a_release_without_token_vectors_are_embedded_anew(plants, embedder):
    def old_hash(*parts):
        return hashlib.sha256("\0".join((embedder.fingerprint, *parts)).encode()).hexdigest()

    reindex()
    for key, document in plants.held["plants"].items():
        parts = (chunker_version(), document.language, document.title, document.text)
        Document.objects.filter(key=key).update(content_hash=old_hash(*parts))
    for chunk in Chunk.objects.all():
        known = old_hash(f"{' › '.join(chunk.heading_path)}\n{chunk.text}")
        vectors = ChunkVector.objects.filter(pk=chunk.vector_id)
        vectors.update(content_hash=known, token_vectors=None)

    report = reindex()

    assert (report.changed, report.embedded_chunks) == (2, 5)
    chunks = Chunk.objects.filter(document__versions=active())
    assert not chunks.filter(vector__token_vectors=None).exists()
