"""The last step of a search: put the candidates in order, drop copies, and say what became of each.

A reranker may be a model of any kind, so nothing it does costs the answer: past its deadline, or
where it fails, the fused order stands, and the trace says so.
"""

import logging
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from rag import compute, conf, late_interaction
from rag.compute import Lane
from rag.duplicates import distinct
from rag.embedders.base import Encoding
from rag.errors import ComputeTimeout
from rag.loaded import LoadedIndex
from rag.ranking import Ranked, Ranking
from rag.rerankers.base import Candidate, Question, Reranker, get_reranker
from tracing import span
from tracing.observations import Span

logger = logging.getLogger(__name__)

# Copies are looked for among so many passages for each one wanted; the comparison is quadratic.
COPIES_WITHIN = 5
MOST_COMPARED = 50  # however many are wanted: the tail of a long list may hold copies
TITLES_RECORDED = 30  # of the candidates in the trace: those of the best before and after


@dataclass(frozen=True)
class Reranked:
    """All passages, best first, and the places of those that are shown.

    `scores` are those of the first ones, which were reranked; higher is better.
    """

    passages: list[Ranked]
    kept: list[int]
    scores: np.ndarray
    are_probabilities: bool


async def rerank(
    index: LoadedIndex, text: str, encoding: Encoding, ranking: Ranking, limit: int
) -> Reranked:
    """Rerank the candidates for a question and choose the first `limit` that are no copies."""
    reranker = get_reranker()
    count = min(reranker.depth, len(ranking.candidates))
    deadline = float(conf.setting("RERANK_SECONDS"))
    with span("rerank", input={"query": text, "result_count": count}) as step:
        step.metadata["model"] = reranker.name
        are_probabilities = reranker.gives_probabilities
        try:
            work = partial(_reranked, reranker, index, text, encoding, ranking, limit)
            chosen = await compute.run(work, lane=Lane.RERANKING, deadline_seconds=deadline)
        except Exception as error:  # whatever a model does
            _give_up(step, error, deadline)
            are_probabilities = False
            fused = [one.fused_score for one in ranking.candidates[:count]]
            work = partial(_chosen, ranking, np.array(fused, dtype=np.float32), limit)
            chosen = await compute.run(work, lane=Lane.RANKING)
        _record(step, ranking.candidates[:count], chosen)
    return Reranked(chosen.passages, chosen.kept, chosen.scores[chosen.order], are_probabilities)


class _Chosen(NamedTuple):
    scores: np.ndarray  # of the candidates that were reranked
    order: list[int]  # of these, best first
    passages: list[Ranked]  # in that order, and all others behind them
    kept: list[int]  # places
    copies: list[int]


def _reranked(
    reranker: Reranker,
    index: LoadedIndex,
    text: str,
    encoding: Encoding,
    ranking: Ranking,
    limit: int,
) -> _Chosen:
    candidates = ranking.candidates[: reranker.depth]
    scores = np.zeros(0, dtype=np.float32)
    if candidates:
        question = _question(index, text, encoding, ranking.dense_weight, reranker)
        scores = _score(reranker, index, question, candidates)
    if scores.shape != (len(candidates),) or not np.isfinite(scores).all():
        raise ValueError("the reranker did not give each candidate a number")
    return _chosen(ranking, scores, limit)


def _chosen(ranking: Ranking, scores: np.ndarray, limit: int) -> _Chosen:
    order = np.argsort(-scores, kind="stable").tolist()
    behind = ranking.candidates[len(order) :] + ranking.rest
    passages = [ranking.candidates[at] for at in order] + behind
    texts = [one.passage.text for one in passages]
    within = min(COPIES_WITHIN * limit, MOST_COMPARED)
    return _Chosen(scores, order, passages, *distinct(texts, limit=limit, within=within))


def _give_up(step: Span, error: Exception, deadline: float) -> None:
    if isinstance(error, ComputeTimeout):
        reason = f"not done after {deadline:g} seconds"
    else:
        reason = f"{type(error).__name__}: {error}"
    logger.warning("rerank gave up, the fused order stands: %s", reason)
    step.metadata["gave_up"] = True
    step.warn(f"The fused order stands: {reason}")


def _question(
    index: LoadedIndex, text: str, encoding: Encoding, weight: float, reranker: Reranker
) -> Question:
    tokens = None
    if reranker.reads_token_vectors and encoding.token_vectors is not None:
        if index.basis is not None and weight > 0:
            tokens = late_interaction.compact(encoding.token_vectors, index.basis)
    return Question(text, encoding, weight, tokens)


def _score(
    reranker: Reranker, index: LoadedIndex, question: Question, candidates: list[Ranked]
) -> np.ndarray:
    tokens: list[np.ndarray | None] = [None] * len(candidates)
    if question.token_vectors is not None:
        tokens = index.vectors.token_vectors([one.passage.chunk_id for one in candidates])
    return reranker.score(
        question,
        [
            Candidate(one.passage.chunk_id, one.passage.embedded_text, one.fused_score, vectors)
            for one, vectors in zip(candidates, tokens, strict=True)
        ],
    )


def _record(step: Span, candidates: list[Ranked], chosen: _Chosen) -> None:
    """Put every candidate and what became of it into the trace."""
    order, kept, copies = chosen.order, set(chosen.kept), set(chosen.copies)
    titled = {*order[:TITLES_RECORDED], *range(min(len(order), TITLES_RECORDED))}
    titled.update(at for place, at in enumerate(order) if place in kept)
    step.input["candidates"] = [
        {
            "id": one.passage.chunk_id,
            "position": one.fused_position,
            "lexical_position": one.lexical_position,
            "dense_position": one.dense_position,
            "score": round(one.fused_score, 4),
            **({"title": " › ".join(one.passage.heading_path)} if at in titled else {}),
        }
        for at, one in enumerate(candidates)
    ]
    step.output = {
        "reranked_count": len(order),
        "results": [
            {
                "id": candidates[at].passage.chunk_id,
                "position_before": candidates[at].fused_position,
                "position_after": place + 1,
                "score_before": round(candidates[at].fused_score, 4),
                "score_after": round(float(chosen.scores[at]), 4),
                "kept": place in kept,
                **({} if place in kept else {"dropped": _why_dropped(place, copies)}),
            }
            for place, at in enumerate(order)
        ],
    }


def _why_dropped(place: int, copies: set[int]) -> str:
    return "near copy" if place in copies else "not among the best"
