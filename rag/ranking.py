"""Rank the passages of a loaded index for a question: lexical, dense, fused.

Pure computing: no database, no model, no tracing.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from rag.fusion import score_fusion
from rag.loaded import LoadedIndex, StoredPassage

POOL = 50  # how many each ranker proposes


@dataclass(frozen=True)
class Ranked:
    """A candidate with its positions, counted from 1; None: that ranker did not propose it."""

    passage: StoredPassage
    fused_position: int
    fused_score: float
    lexical_position: int | None
    dense_position: int | None
    similarity: float  # cosine
    coverage: float  # share of the question's words, by rarity, that the passage holds


def rank(
    index: LoadedIndex,
    question: str,
    vector: np.ndarray,
    *,
    dense_weight: float,
    keys: Collection[str] | None,
    pool: int = POOL,
) -> list[Ranked]:
    """Return the candidates of both rankers, best first by their fused score."""
    lexical = index.lexical.scores(question)
    matching = np.flatnonzero(index.allowed_rows(keys) & (lexical.bm25 > 0))
    best = np.lexsort((matching, -lexical.bm25[matching]))[:pool]
    lexical_rows = matching[best].tolist()
    dense_rows: list[int] = []
    if dense_weight > 0:
        nearest, _ = index.vectors.nearest(vector, limit=pool, keys=keys)
        dense_rows = index.rows_of(nearest).tolist()

    rows = np.array(sorted({*lexical_rows, *dense_rows}), dtype=np.int64)
    if not len(rows):
        return []
    similarities = index.vectors.similarities(vector, index.chunk_ids[rows])
    fused = score_fusion([lexical.bm25[rows], similarities], [1.0, dense_weight])
    lexical_positions = {row: place for place, row in enumerate(lexical_rows, start=1)}
    dense_positions = {row: place for place, row in enumerate(dense_rows, start=1)}
    return [
        Ranked(
            passage=index.passages[rows[at]],
            fused_position=place,
            fused_score=float(fused[at]),
            lexical_position=lexical_positions.get(int(rows[at])),
            dense_position=dense_positions.get(int(rows[at])),
            similarity=float(similarities[at]),
            coverage=float(lexical.coverage[rows[at]]),
        )
        for place, at in enumerate(np.lexsort((rows, -fused)), start=1)
    ]
