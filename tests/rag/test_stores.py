"""What every store does alike, and what belongs to one.

Run again on PostgreSQL, by the last test, all of it runs with the pgvector store as well.
"""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test.utils import CaptureQueriesContext

from rag.models import Chunk, ChunkVector, Document, IndexVersion
from rag.stores import pgvector_schema, version_file
from rag.stores.exact import ExactStore
from rag.stores.pgvector import PgVectorStore

ON_POSTGRESQL = settings.DATABASES["default"]["ENGINE"].endswith("postgresql")
UP, RIGHT, SLANTED = [0, 1], [1, 0], [0.6, 0.8]

# PostgreSQL changes no table that an open transaction has rows waiting in, as a test's would.
pytestmark = pytest.mark.django_db(transaction=ON_POSTGRESQL)


@pytest.fixture(params=["exact", "pgvector"] if ON_POSTGRESQL else ["exact"])
def store(request):
    return ExactStore() if request.param == "exact" else PgVectorStore()


def stored_version(documents: dict[str, list], *, tokens=lambda number: None) -> IndexVersion:
    """Store a version of documents, each a list of vectors; `tokens` of the n-th are token vectors.

    Equal vectors are stored one by one: only equal texts share one.
    """
    dimension = max((len(vector) for rows in documents.values() for vector in rows), default=0)
    version = IndexVersion.objects.create(collection=uuid.uuid4().hex, dimension=dimension)
    number = 0
    for key, rows in documents.items():
        document = Document.objects.create(collection=version.collection, key=key)
        version.documents.add(document)
        vectors = []
        for vector in rows:
            held = tokens(number)
            number += 1
            vectors.append(
                ChunkVector(
                    content_hash=uuid.uuid4().hex,
                    dimension=dimension,
                    vector=np.asarray(vector, dtype="<f4").tobytes(),
                    token_vectors=None if held is None else held.tobytes(),
                )
            )
        ChunkVector.objects.bulk_create(vectors)
        Chunk.objects.bulk_create(
            Chunk(document=document, vector=one, position=at, start=0, end=0, token_count=1)
            for at, one in enumerate(vectors)
        )
    return version


def chunk_ids(version: IndexVersion) -> list[int]:
    held = Chunk.objects.filter(document__versions=version)
    return list(held.order_by("pk").values_list("pk", flat=True))


def random_vectors(count: int, *, seed: int = 7) -> np.ndarray:
    """Vectors in clouds, as those of texts are, every tenth of them a copy of another."""
    random = np.random.default_rng(seed)
    clouds = random.normal(size=(40, 48))[random.integers(0, 40, count)]
    vectors = clouds + 0.5 * random.normal(size=(count, 48))
    vectors[::10] = vectors[random.integers(0, count, len(vectors[::10]))]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def plants(store):
    """Five passages in three documents, three of them the same, and how to search them."""
    version = stored_version({"a": [RIGHT, UP], "b": [SLANTED, UP], "c": [UP]})
    ids = chunk_ids(version)
    vectors = store.open(version.pk)

    def nearest(limit=10, keys=None):
        found, scores = vectors.nearest(np.array(UP, np.float32), limit=limit, keys=keys)
        return [ids.index(one) for one in found], scores.tolist()

    return nearest


def test_the_nearest_come_first_and_equal_ones_by_id(plants):
    assert plants() == ([1, 3, 4, 2, 0], [1, 1, 1, pytest.approx(0.8), 0])


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 4, 5])
def test_a_limit_cuts_the_same_order(plants, limit):
    assert plants(limit)[0] == [1, 3, 4, 2, 0][:limit]


def test_only_the_documents_named_are_found(plants):
    assert plants(keys={"b", "unknown"})[0] == [3, 2]
    assert plants(keys=["c", "a"])[0] == [1, 4, 0]
    assert plants(1, keys={"b"})[0] == [3]
    assert plants(keys=set()) == ([], [])
    assert plants(keys={"unknown"}) == ([], [])


def test_similarities_are_given_for_just_these_chunks_in_their_order(store):
    version = stored_version({"a": [RIGHT, UP], "b": [SLANTED]})
    first, _, third = chunk_ids(version)

    found = store.open(version.pk).similarities(np.array(UP, np.float32), [third, first])

    assert found.tolist() == pytest.approx([0.8, 0])
    assert found.dtype == np.float32


def test_versions_do_not_leak_into_one_another(store):
    one, other = stored_version({"a": [UP]}), stored_version({"a": [UP, UP]})

    ids, _ = store.open(one.pk).nearest(np.array(UP, np.float32), limit=9, keys={"a"})
    both, _ = store.open(other.pk).nearest(np.array(UP, np.float32), limit=9, keys=None)

    assert (ids.tolist(), both.tolist()) == (chunk_ids(one), chunk_ids(other))


def test_a_version_shares_the_documents_that_stayed_and_loses_those_that_went(store):
    before = stored_version({"a": [UP], "b": [SLANTED]})
    after = stored_version({"c": [RIGHT]})
    store.open(before.pk)
    after.documents.add(before.documents.get(key="b"))

    ids, scores = store.open(after.pk).nearest(np.array(UP, np.float32), limit=9, keys=None)

    assert ids.tolist() == chunk_ids(after)
    assert scores.tolist() == [pytest.approx(0.8), 0]


def test_dimensions_may_differ_between_versions(store):
    flat, deep = stored_version({"a": [UP]}), stored_version({"a": [[0, 0, 1]]})

    for version, question in ((flat, UP), (deep, [0, 0, 1])):
        vectors = store.open(version.pk)
        ids, _ = vectors.nearest(np.array(question, np.float32), limit=1, keys=None)
        assert ids.tolist() == chunk_ids(version)


def test_an_empty_version_is_no_trouble(store):
    vectors = store.open(stored_version({}).pk)

    ids, scores = vectors.nearest(np.array(UP, np.float32), limit=5, keys=None)

    assert (ids.tolist(), scores.tolist()) == ([], [])
    assert (ids.dtype, scores.dtype) == (np.int64, np.float32)
    assert vectors.token_vectors([]) == []


def test_a_version_that_is_gone_is_said_to_be(store):
    with pytest.raises(IndexVersion.DoesNotExist):
        store.open(0)


def test_token_vectors_come_back_as_they_were_stored(store):
    tokens = np.random.default_rng(1).integers(-127, 128, (9, 64)).astype(np.int8)
    held = {0: tokens[:4], 2: tokens[4:]}
    version = stored_version({"a": [UP, UP, UP]}, tokens=held.get)
    ids = chunk_ids(version)

    last, none, first = store.open(version.pk).token_vectors([ids[2], ids[1], ids[0]])

    assert np.array_equal(first, tokens[:4]) and np.array_equal(last, tokens[4:])
    assert none.shape == (0, 64) and first.dtype == np.int8


def test_passages_of_the_same_words_share_their_vectors(store):
    tokens = np.ones((2, 64), dtype=np.int8)
    version = stored_version({"a": [RIGHT, UP]}, tokens=lambda number: tokens)
    chunks = Chunk.objects.filter(document__versions=version).order_by("pk")
    again = Chunk.objects.create(
        document=chunks[0].document,
        vector=chunks[0].vector,
        position=2,
        start=0,
        end=0,
        token_count=1,
    )

    vectors = store.open(version.pk)
    ids, _ = vectors.nearest(np.array(RIGHT, np.float32), limit=2, keys=None)

    assert ids.tolist() == [chunks[0].pk, again.pk]
    assert [len(found) for found in vectors.token_vectors([*chunk_ids(version)])] == [2, 2, 2]


@pytest.mark.parametrize("share", [1.0, 0.5, 0.01])
def test_what_is_found_is_what_a_full_comparison_finds(store, share):
    rows = random_vectors(3000)
    version = stored_version({str(at): rows[at : at + 10] for at in range(0, 3000, 10)})
    ids = np.array(chunk_ids(version))
    keys = None if share == 1 else {str(at) for at in range(0, 3000, round(10 / share))}
    allowed = [keys is None or str(row - row % 10) in keys for row in range(3000)]
    vectors = store.open(version.pk)

    for question in random_vectors(30, seed=8):
        found, scores = vectors.nearest(question, limit=10, keys=keys)
        cosines = np.vecdot(rows, question)
        order = [row for row in np.lexsort((ids, -cosines)) if allowed[row]][:10]
        assert found.tolist() == ids[order].tolist()
        assert scores.tolist() == cosines[order].tolist()
        assert scores.tolist() == vectors.similarities(question, found).tolist()


def test_equal_passages_at_the_edge_of_the_limit_are_cut_by_id(store):
    version = stored_version({"a": [SLANTED] * 3 + [UP] + [SLANTED] * 150})
    ids = chunk_ids(version)

    found, _ = store.open(version.pk).nearest(np.array(UP, np.float32), limit=5, keys=None)

    assert found.tolist() == [ids[3], *ids[:3], ids[4]]


class TestFile:
    """The exact store keeps vectors in a file that processes share."""

    @pytest.fixture
    def folder(self, settings, tmp_path):
        settings.DATA_DIR = tmp_path
        return version_file.folder()

    @pytest.fixture
    def version(self):
        tokens = np.arange(128, dtype=np.int8).reshape(2, 64)
        return stored_version({"a": [UP, RIGHT]}, tokens=lambda number: tokens[number:])

    def contents(self, version):
        vectors = ExactStore().open(version.pk)
        ids = chunk_ids(version)
        tokens = [one.tolist() for one in vectors.token_vectors(ids)]
        return tokens, vectors.similarities(np.array(UP, np.float32), ids).tolist()

    def test_a_second_process_reads_no_vector_from_the_database(
        self, folder, version, django_assert_num_queries
    ):
        first = self.contents(version)

        with django_assert_num_queries(3) as queries:  # the version, its documents, its chunks
            ExactStore().open(version.pk)

        assert not any("rag_chunkvector" in query["sql"] for query in queries.captured_queries)
        assert self.contents(version) == first

    @pytest.mark.parametrize("harm", ["cut short", "emptied", "of others", "with more than it had"])
    def test_a_file_that_is_not_right_is_written_anew(self, folder, version, harm):
        whole = self.contents(version)
        [file] = folder.iterdir()
        before = file.read_bytes()
        if harm == "cut short":
            file.write_bytes(before[64:])
        elif harm == "emptied":
            file.write_bytes(b"")
        elif harm == "of others":
            other = stored_version({"a": [RIGHT, UP]})
            self.contents(other)
            next(one for one in folder.iterdir() if one != file).replace(file)
        else:
            file.write_bytes(bytes(64) + before)

        assert self.contents(version) == whole
        assert file.read_bytes() == before

    def test_the_files_of_versions_that_are_gone_are_removed(self, folder, version):
        self.contents(version)
        [former] = folder.iterdir()
        unfinished = folder / f"{version_file.UNFINISHED}of a killed process"
        unfinished.touch()
        os.utime(unfinished, (0, 0))
        version.delete()

        self.contents(stored_version({"a": [UP]}))

        assert len(list(folder.iterdir())) == 1
        assert not former.exists() and not unfinished.exists()

    def test_what_is_open_stays_right_when_its_file_is_removed(self, folder, version):
        ids = chunk_ids(version)
        vectors = ExactStore().open(version.pk)
        expected = [one.tolist() for one in vectors.token_vectors(ids)]

        for file in folder.iterdir():
            file.unlink()

        assert [one.tolist() for one in vectors.token_vectors(ids)] == expected

    def test_where_nothing_can_be_written_vectors_are_held_in_memory(self, folder, version, caplog):
        written = self.contents(version)
        [file] = folder.iterdir()
        file.unlink()
        folder.rmdir()
        folder.touch()  # a file stands where the folder would be: nobody can write there, not root

        assert self.contents(version) == written
        assert self.contents(version) == written
        assert [record.levelname for record in caplog.records] == ["WARNING"]


if not ON_POSTGRESQL:

    def test_the_pgvector_store_says_what_it_needs():
        version = stored_version({"a": [UP]})

        with pytest.raises(ImproperlyConfigured, match="DATABASE_URL"):
            PgVectorStore().open(version.pk)

    def test_all_this_holds_on_postgresql_with_pgvector(postgres):
        files = [__file__, str(Path(__file__).with_name("test_runs_at_once.py"))]
        command = [sys.executable, "-m", "pytest", "--ds=tests.postgres_settings", *files]
        run = subprocess.run(
            command,
            env={**os.environ, "POSTGRES_URL": postgres},
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stdout + run.stderr


else:

    def test_nothing_is_missing_here():
        assert pgvector_schema.problem() == ""

    @pytest.mark.parametrize("share", [1.0, 0.5, 0.1])
    def test_an_index_finds_nearly_all_that_a_full_comparison_finds(share):
        rows = random_vectors(3000)
        version = stored_version({str(at): rows[at : at + 10] for at in range(0, 3000, 10)})
        keys = None if share == 1 else {str(at) for at in range(0, 3000, round(10 / share))}
        exact, indexed = (
            ExactStore().open(version.pk),
            PgVectorStore(exact_up_to=20).open(version.pk),
        )
        found = 0

        for question in random_vectors(50, seed=8):
            expected, _ = exact.nearest(question, limit=10, keys=keys)
            with CaptureQueriesContext(connection) as queries:
                ids, scores = indexed.nearest(question, limit=10, keys=keys)
            assert any("::vector(48)" in query["sql"] for query in queries)
            assert scores.tolist() == exact.similarities(question, ids).tolist()
            found += len(set(expected.tolist()) & set(ids.tolist()))

        assert found >= 0.99 * 50 * 10

    def test_an_index_that_gives_up_is_replaced_by_a_full_comparison():
        clouds = {"near": [UP] * 400, "far": [RIGHT] * 30}
        version = stored_version(clouds)
        vectors = PgVectorStore(exact_up_to=20).open(version.pk)

        ids, scores = vectors.nearest(np.array(UP, np.float32), limit=30, keys={"far"})

        assert ids.tolist() == chunk_ids(version)[400:]
        assert scores.tolist() == [0] * 30

    def test_preparing_goes_on_where_a_killed_process_stopped(django_assert_num_queries):
        version = stored_version({"a": [UP, RIGHT, SLANTED]})
        store = PgVectorStore()
        store.prepare(version.pk)
        last = Chunk.objects.latest("pk").vector_id
        with connection.cursor() as cursor:
            cursor.execute("UPDATE rag_chunkvector SET embedding = NULL WHERE id = %s", [last])

        with CaptureQueriesContext(connection) as queries:
            store.prepare(version.pk)
            store.prepare(version.pk)

        assert sum("UPDATE" in query["sql"] for query in queries) == 1
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM rag_chunkvector WHERE embedding IS NULL")
            assert cursor.fetchone() == (0,)

    def test_vectors_that_are_stored_anew_are_searched_as_they_are_now():
        version = stored_version({"a": [UP, RIGHT, SLANTED]})
        store = PgVectorStore()
        vectors = store.open(version.pk)
        first = ChunkVector.objects.earliest("pk")
        ChunkVector.objects.filter(pk=first.pk).update(vector=np.array(RIGHT, "<f4").tobytes())

        store.refresh([first.content_hash])
        ids, scores = vectors.nearest(np.array(UP, np.float32), limit=3, keys=None)

        assert (ids.tolist()[0], scores.tolist()) == (
            chunk_ids(version)[2],
            [pytest.approx(0.8), 0, 0],
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT embedding::text FROM rag_chunkvector ORDER BY id LIMIT 1")
            assert cursor.fetchone() == ("[1,0]",)

    def test_there_is_nothing_to_refresh_before_the_first_version():
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE rag_chunkvector DROP COLUMN IF EXISTS embedding")

        PgVectorStore().refresh(["of no vector"])

    @pytest.mark.parametrize("exact_up_to", [20, 20_000])
    @pytest.mark.parametrize("what_is_left", ["nothing", "one document"])
    def test_a_version_that_is_removed_under_a_search_is_said_to_be_gone(exact_up_to, what_is_left):
        version = stored_version({"a": [UP] * 30, "b": [RIGHT]})
        vectors = PgVectorStore(exact_up_to=exact_up_to).open(version.pk)
        ids = chunk_ids(version)
        gone = (
            version.documents.all()
            if what_is_left == "nothing"
            else version.documents.filter(key="a")
        )
        gone.delete()
        ChunkVector.objects.filter(chunks=None).delete()

        with pytest.raises(IndexVersion.DoesNotExist):
            vectors.nearest(np.array(UP, np.float32), limit=5, keys=None)
        with pytest.raises(IndexVersion.DoesNotExist):
            vectors.token_vectors(ids)
        with pytest.raises(IndexVersion.DoesNotExist):
            vectors.similarities(np.array(UP, np.float32), ids)
