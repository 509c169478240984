"""Cosines that come out the same in every store, to the last bit, and their order."""

import numpy as np

# By how much two ways of summing up the same product may differ. What a store finds by a quicker
# way is scored again here; whatever lies this near the last place is scored with it.
MARGIN = 1e-5


def cosines(vectors: np.ndarray, question: np.ndarray) -> np.ndarray:
    """Return float32 (rows,): the product of each row with the question, all of length one.

    A matrix product adds up in an order that depends on the row's place; this one does not.
    """
    return np.vecdot(vectors, np.asarray(question, dtype=np.float32))


def best(
    chunk_ids: np.ndarray, vectors: np.ndarray, question: np.ndarray, limit: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids and cosines of the nearest chunks, at most `limit`, equal ones by id."""
    found = cosines(vectors, question)
    order = np.lexsort((chunk_ids, -found))[:limit]
    return chunk_ids[order], found[order]


def nothing() -> tuple[np.ndarray, np.ndarray]:
    """Return what a search finds where nothing may be found."""
    return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
