"""Rank the passages of a loaded index for a question: lexical, dense, fused.

Pure computing: no database, no model, no tracing.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rag.definitions import defined_term, defines
from rag.embedders.base import Encoding
from rag.fusion import dense_weight, score_fusion
from rag.lexical import LexicalScores
from rag.loaded import LoadedIndex, StoredPassage

POOL = 50  # how many each ranker proposes
DEFINITION = 2.0  # standard deviations by which a wanted definition rises


class Ranked(NamedTuple):
    """A candidate with its positions, counted from 1; None: that ranker did not propose it."""

    passage: StoredPassage
    fused_position: int
    fused_score: float
    lexical_position: int | None
    dense_position: int | None
    similarity: float  # cosine
    coverage: float  # share of the question's words, by rarity, that the passage holds


@dataclass(frozen=True)
class Ranking:
    """What both rankers propose, best first by the fused score.

    `rest` are passages that neither proposed among its best, in a plausible order: for those who
    ask for more than is ever reranked.
    """

    candidates: list[Ranked]
    dense_weight: float  # 0 to 1: how far the embedding model was heard
    rest: list[Ranked]


def rank(
    index: LoadedIndex,
    question: str,
    encoding: Encoding,
    *,
    keys: Collection[str] | None,
    pool: int = POOL,
    at_least: int = 0,
) -> Ranking:
    """Rank for one question; `at_least` wishes for so many passages, candidates and rest.

    An embedding model that is not heard proposes no candidates; in the rest it has its places.
    """
    lexical = index.lexical.scores(question)
    reach = max(pool, at_least)
    lexical_rows = _best(np.where(index.allowed_rows(keys), lexical.bm25, 0.0), reach)
    weight = dense_weight(
        encoding.unknown_share,
        float(index.unknown_shares[lexical_rows[:pool]].mean()) if len(lexical_rows) else 0.0,
    )
    dense_rows = np.zeros(0, dtype=np.int64)
    if weight > 0 or at_least > pool:
        nearest, _ = index.vectors.nearest(encoding.vector, limit=reach, keys=keys)
        dense_rows = index.rows_of(nearest)

    term = defined_term(question)
    rows = np.union1d(lexical_rows[:pool], dense_rows[: pool if weight > 0 else 0])
    ranked = list(_ranked(index, lexical, encoding, weight, term, rows, lexical_rows, dense_rows))
    rest: list[Ranked] = []
    if at_least > len(rows):
        others = np.setdiff1d(np.union1d(lexical_rows, dense_rows), rows)
        rest = list(
            _ranked(
                index,
                lexical,
                encoding,
                weight,
                term,
                others,
                lexical_rows,
                dense_rows,
                after=len(rows),
            )
        )
    return Ranking(ranked, weight, rest)


def _best(scores: np.ndarray, limit: int) -> np.ndarray:
    """Return the rows of the highest scores above 0, best first; equal ones in order of row."""
    rows = np.flatnonzero(scores > 0)
    if len(rows) > limit:
        worst = np.partition(scores[rows], len(rows) - limit)[len(rows) - limit]
        rows = rows[scores[rows] >= worst]
    return rows[np.lexsort((rows, -scores[rows]))][:limit]


def _ranked(
    index: LoadedIndex,
    lexical: LexicalScores,
    encoding: Encoding,
    weight: float,
    term: str | None,
    rows: np.ndarray,
    lexical_rows: Sequence[int],
    dense_rows: Sequence[int],
    after: int = 0,
) -> Iterator[Ranked]:
    if not len(rows):
        return
    similarities = index.vectors.similarities(encoding.vector, index.chunk_ids[rows])
    fused = score_fusion([lexical.bm25[rows], similarities], [1.0, weight])
    if term:
        texts = [index.passages[row].text for row in rows]
        fused += DEFINITION * np.array([defines(text, term) for text in texts], dtype=np.float32)
    lexical_positions = {int(row): place for place, row in enumerate(lexical_rows, start=1)}
    dense_positions = {int(row): place for place, row in enumerate(dense_rows, start=1)}
    for place, at in enumerate(np.lexsort((rows, -fused)).tolist(), start=after + 1):
        row = int(rows[at])
        yield Ranked(
            passage=index.passages[row],
            fused_position=place,
            fused_score=float(fused[at]),
            lexical_position=lexical_positions.get(row),
            dense_position=dense_positions.get(row),
            similarity=float(similarities[at]),
            coverage=float(lexical.coverage[row]),
        )
