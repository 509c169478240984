"""Every vector of a version in one matrix in memory; a search is one matrix product.

Exact, and faster than an approximate index up to about 100,000 passages.
"""

from collections.abc import Collection, Sequence

import numpy as np

from rag.models import Chunk
from rag.stores.base import Vectors, VectorStore


class ExactVectors(Vectors):
    """One float32 matrix; rows are in the order of chunk ids."""

    def __init__(self, chunk_ids: Sequence[int], keys: Sequence[str], vectors: np.ndarray) -> None:
        self._chunk_ids = np.asarray(chunk_ids, dtype=np.int64)
        self._vectors = vectors
        self._numbers: dict[str, int] = {}  # of documents
        self._document_of_row = np.array(
            [self._numbers.setdefault(key, len(self._numbers)) for key in keys], dtype=np.int64
        )

    def nearest(
        self, vector: np.ndarray, *, limit: int, keys: Collection[str] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        rows = np.arange(len(self._chunk_ids))
        if keys is not None:
            allowed = np.zeros(len(self._numbers), dtype=bool)
            allowed[[self._numbers[key] for key in keys if key in self._numbers]] = True
            rows = rows[allowed[self._document_of_row]]
        if not len(rows):
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        scores = (self._vectors @ vector)[rows]
        if len(rows) > limit:
            # All that tie with the last one stay in until they are sorted by id.
            worst = np.partition(scores, len(scores) - limit)[len(scores) - limit]
            rows, scores = rows[scores >= worst], scores[scores >= worst]
        order = np.lexsort((rows, -scores))[:limit]
        return self._chunk_ids[rows[order]], scores[order]

    def similarities(self, vector: np.ndarray, chunk_ids: Sequence[int]) -> np.ndarray:
        rows = np.searchsorted(self._chunk_ids, np.asarray(chunk_ids, dtype=np.int64))
        return self._vectors[rows] @ vector


class ExactStore(VectorStore):
    """Reads the vectors of a version out of the database once; threads share the matrix."""

    def open(self, version_id: int) -> ExactVectors:
        found = list(
            Chunk.objects.filter(document__versions=version_id)
            .order_by("pk")
            .values_list("pk", "document__key", "vector__vector")
        )
        vectors = np.frombuffer(b"".join(bytes(row[2]) for row in found), dtype="<f4")
        return ExactVectors(
            [row[0] for row in found],
            [row[1] for row in found],
            vectors.reshape(len(found), -1) if found else np.zeros((0, 0), dtype=np.float32),
        )
