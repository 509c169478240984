"""Every vector of a version in one matrix in memory; a search is one matrix product.

Exact, and faster than an approximate index up to about 100,000 passages.
"""

import functools
from collections.abc import Collection, Sequence

import numpy as np

from rag.stores.base import Vectors, VectorStore
from rag.stores.rows import VersionRows, read_rows
from rag.stores.similarity import MARGIN, best, cosines, nothing
from rag.stores.version_file import VersionVectors, open_vectors

# Sets of documents whose rows are remembered: all students of a course send the same one.
REMEMBERED_SETS = 32


class ExactVectors(Vectors):
    """One float32 matrix; rows are in the order of chunk ids."""

    def __init__(self, rows: VersionRows, vectors: VersionVectors) -> None:
        self._chunk_ids = rows.chunk_ids
        self._matrix = vectors.matrix
        self._token_vectors = vectors.token_vectors
        # Not a method of self: a cycle would keep the matrix until the garbage is collected.
        find = functools.partial(_allowed_rows, rows)
        self._allowed_rows = functools.lru_cache(REMEMBERED_SETS)(find)

    def nearest(
        self, vector: np.ndarray, *, limit: int, keys: Collection[str] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        if not len(self._chunk_ids) or limit < 1:
            return nothing()
        scores = self._matrix @ vector
        allowed = None
        if keys is not None:
            allowed = self._allowed_rows(frozenset(keys))
            scores = scores[allowed]
        rows = _leading(scores, limit)
        if allowed is not None:
            rows = allowed[rows]
        return best(self._chunk_ids[rows], self._matrix[rows], vector, limit)

    def similarities(self, vector: np.ndarray, chunk_ids: Sequence[int]) -> np.ndarray:
        return cosines(self._matrix[self._rows_of(chunk_ids)], vector)

    def token_vectors(self, chunk_ids: Sequence[int]) -> list[np.ndarray]:
        return self._token_vectors(self._rows_of(chunk_ids))

    def _rows_of(self, chunk_ids: Sequence[int]) -> np.ndarray:
        return np.searchsorted(self._chunk_ids, np.asarray(chunk_ids, dtype=np.int64))


class ExactStore(VectorStore):
    """Reads the vectors of a version out of the database once; threads share the matrix."""

    def open(self, version_id: int) -> ExactVectors:
        rows = read_rows(version_id)
        return ExactVectors(rows, open_vectors(rows))

    def prepare(self, version_id: int) -> None:
        open_vectors(read_rows(version_id))


def _allowed_rows(rows: VersionRows, keys: frozenset[str]) -> np.ndarray:
    return np.flatnonzero(rows.allowed_documents(keys)[rows.documents])


def _leading(scores: np.ndarray, limit: int) -> np.ndarray:
    """Return where the highest scores stand, in no order; all that may tie with the last one."""
    if len(scores) <= limit:
        return np.arange(len(scores))
    worst = np.partition(scores, len(scores) - limit)[len(scores) - limit]
    return np.flatnonzero(scores >= worst - MARGIN)
