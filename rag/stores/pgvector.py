"""Vectors searched by PostgreSQL, with pgvector and, past 20,000 passages, an HNSW index.

For collections too big for the memory of a web process. A vector is copied into the column
`rag_chunkvector.embedding`, which only this file knows; it goes with its row, and `refresh` brings
it in line where the row gets another vector. Column and index are made when the first version is
prepared.

What PostgreSQL finds is scored again from the stored bytes, as in the exact store: up to 20,000
passages the two agree to the last bit, and past it in all that the index finds.
"""

import functools
from collections.abc import Collection, Sequence

import numpy as np
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.db.models import QuerySet

from rag.late_interaction import DIMENSION
from rag.models import ChunkVector, IndexVersion
from rag.stores import pgvector_schema
from rag.stores.base import Vectors, VectorStore
from rag.stores.rows import VersionRows, batches, read_rows
from rag.stores.similarity import MARGIN, best, cosines, nothing

# Up to so many allowed passages are compared one by one; an index would miss some of them.
EXACT_UP_TO = 20_000
REMEMBERED_SETS = 32
# So many more than the limit are asked for, since equal ones may stand at its edge.
SPARE = 20

_ORDERED_EXACTLY = """
    SELECT chunk.id, held.vector
    FROM rag_chunk chunk JOIN rag_chunkvector held ON held.id = chunk.vector_id
    WHERE chunk.document_id = ANY(%(documents)s)
    ORDER BY held.embedding <#> %(question)s::vector, chunk.id
    LIMIT %(limit)s
"""
# The cast and the dimension are those of the index, else PostgreSQL would not use it.
_ORDERED_BY_INDEX = """
    SELECT chunk.id, held.vector
    FROM rag_chunk chunk JOIN rag_chunkvector held ON held.id = chunk.vector_id
    WHERE chunk.document_id = ANY(%(documents)s) AND held.dimension = {dimension}
    ORDER BY held.embedding::vector({dimension}) <#> %(question)s::vector({dimension})
    LIMIT %(limit)s
"""
# Relaxed: the order is made here, and a strict one leaves out what was found late. More tuples than
# the default of 20,000, so that a filter that lets few through does not end the scan.
_SETTINGS = """
    SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true),
           set_config('hnsw.ef_search', %(ef_search)s, true),
           set_config('hnsw.max_scan_tuples', '200000', true),
           set_config('jit', 'off', true)
"""
EF_SEARCH = 200


class PgVectors(Vectors):
    """A version in the database; in memory are only the ids of its passages."""

    def __init__(self, rows: VersionRows, *, exact_up_to: int) -> None:
        self._rows = rows
        self._exact_up_to = exact_up_to
        self._counts = np.bincount(rows.documents, minlength=len(rows.keys))
        self._allowed = functools.lru_cache(REMEMBERED_SETS)(
            functools.partial(_allowed, rows, self._counts)
        )

    def nearest(
        self, vector: np.ndarray, *, limit: int, keys: Collection[str] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        documents, count = self._allowed(None if keys is None else frozenset(keys))
        limit = min(limit, count)
        if limit < 1:
            return nothing()
        by_index = count > self._exact_up_to and len(vector) <= pgvector_schema.MOST_DIMENSIONS
        asked = limit + SPARE
        while True:
            ids, vectors = _ordered(vector, documents, min(asked, count), by_index=by_index)
            found, similarities = best(ids, vectors, vector, len(ids))
            if len(ids) < min(asked, count):
                if not by_index:
                    raise IndexVersion.DoesNotExist  # it was removed, and its passages with it
                by_index = False  # it gave up before it had found enough that are allowed
            elif asked >= count or similarities[-1] < similarities[limit - 1] - MARGIN:
                return found[:limit], similarities[:limit]
            else:
                asked *= 2

    def similarities(self, vector: np.ndarray, chunk_ids: Sequence[int]) -> np.ndarray:
        held = self._held("vector", chunk_ids)
        return cosines(np.frombuffer(b"".join(held), dtype="<f4").reshape(len(held), -1), vector)

    def token_vectors(self, chunk_ids: Sequence[int]) -> list[np.ndarray]:
        return [
            np.frombuffer(token_vectors or b"", dtype=np.int8).reshape(-1, DIMENSION)
            for token_vectors in self._held("token_vectors", chunk_ids)
        ]

    def _held(self, column: str, chunk_ids: Sequence[int]) -> list[bytes | None]:
        """Read one column of the vectors of these chunks."""
        places = np.searchsorted(self._rows.chunk_ids, np.asarray(chunk_ids, dtype=np.int64))
        vector_ids = self._rows.vector_ids[places].tolist()
        held = dict(ChunkVector.objects.filter(pk__in=vector_ids).values_list("pk", column))
        if len(held) < len(set(vector_ids)):
            raise IndexVersion.DoesNotExist  # it was removed, and its vectors with it
        return [held[vector_id] for vector_id in vector_ids]


class PgVectorStore(VectorStore):
    """Needs PostgreSQL with pgvector 0.8; `pgvector_schema.problem()` says what is missing."""

    def __init__(self, *, exact_up_to: int = EXACT_UP_TO) -> None:
        self.exact_up_to = exact_up_to

    def open(self, version_id: int) -> PgVectors:
        return PgVectors(self.prepare(version_id), exact_up_to=self.exact_up_to)

    def refresh(self, content_hashes: Collection[str]) -> None:
        if pgvector_schema.has_column():
            _copy(ChunkVector.objects.filter(content_hash__in=list(content_hashes)))

    def problem(self) -> str:
        return pgvector_schema.problem()

    def prepare(self, version_id: int) -> VersionRows:
        """Copy the vectors of a version into the searched column, and index them if they are many.

        For whoever builds a version, before it is switched to. What is there already is left, so
        it may be killed and run again.
        """
        if problem := self.problem():
            raise ImproperlyConfigured(problem)
        pgvector_schema.add_column()
        rows = read_rows(version_id)
        _fill(rows.vector_ids)
        if len(rows.chunk_ids) > self.exact_up_to:
            pgvector_schema.add_index(rows.version.dimension)
        return rows


def _allowed(
    rows: VersionRows, counts: np.ndarray, keys: frozenset[str] | None
) -> tuple[list[int], int]:
    """Return the ids of the documents that may be found, and how many passages they hold."""
    if keys is None:
        return rows.document_ids.tolist(), int(counts.sum())
    allowed = rows.allowed_documents(keys)
    return rows.document_ids[allowed].tolist(), int(counts[allowed].sum())


def _ordered(
    question: np.ndarray, documents: list[int], limit: int, *, by_index: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return chunk ids and vectors as PostgreSQL orders them, nearest first."""
    query = _ORDERED_BY_INDEX.format(dimension=len(question)) if by_index else _ORDERED_EXACTLY
    values = {"documents": documents, "question": _as_text(question), "limit": limit}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_SETTINGS, {"ef_search": str(min(1000, max(EF_SEARCH, limit)))})
        cursor.execute(query, values)
        found = cursor.fetchall()
    ids = np.array([chunk_id for chunk_id, _ in found], dtype=np.int64)
    vectors = np.frombuffer(b"".join(vector for _, vector in found), dtype="<f4")
    return ids, vectors.reshape(len(ids), len(question))


def _fill(vector_ids: np.ndarray) -> None:
    """Copy these vectors into the searched column, unless they are there."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM rag_chunkvector WHERE id = ANY(%s) AND embedding IS NULL ORDER BY id",
            [np.unique(vector_ids).tolist()],
        )
        missing = [vector_id for (vector_id,) in cursor.fetchall()]
    for ids in batches(missing):
        _copy(ChunkVector.objects.filter(pk__in=ids))


def _copy(vectors: QuerySet[ChunkVector]) -> None:
    """Copy these vectors into the searched column, unless they are there as they are."""
    texts = {
        pk: _as_text(np.frombuffer(vector, dtype="<f4"))
        for pk, vector in vectors.values_list("pk", "vector")
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE rag_chunkvector held SET embedding = fresh.embedding::vector"
            " FROM unnest(%s::bigint[], %s::text[]) AS fresh(id, embedding)"
            " WHERE held.id = fresh.id AND held.embedding IS DISTINCT FROM fresh.embedding::vector",
            [list(texts), list(texts.values())],
        )


def _as_text(vector: np.ndarray) -> str:
    return f"[{','.join(map(str, vector.tolist()))}]"
