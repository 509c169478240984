"""Find the passages of a collection that answer a question: the read path.

`search()` embeds the question, ranks lexically and by meaning, fuses, reranks, and drops what says
the same twice. What each step saw and did is recorded: span `retrieve`, holding generation
`embedding` and span `rerank`. Errors are drawn in errors.py.
"""

import asyncio
import logging
import math
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
from asgiref.sync import async_to_sync

from rag import compute, conf, late_interaction
from rag.compute import Lane
from rag.duplicates import distinct
from rag.embedders.base import Embedder, Encoding, get_embedder
from rag.errors import ComputeTimeout
from rag.loaded import LoadedIndex, active_index
from rag.ranking import Ranked, Ranking, rank
from rag.rerankers.base import Candidate, Question, Reranker, get_reranker
from tracing import Usage, generation, span

logger = logging.getLogger(__name__)

QUESTION_CHARACTERS = 4_000  # what lies beyond is not searched for
# Set on two labelled sets, each question asked with its article there and with it taken out: at
# 0.35 one answerable question in forty (English) or twenty (Chinese, under a model that does not
# know it) is called weak, and nine and eight in ten of those whose article is gone.
WEAK_BELOW = 0.35
CONFIDENT_FROM = 3  # of the best passages, the surest one counts
# Copies are looked for among so many passages for each one wanted; the comparison is quadratic.
COPIES_WITHIN = 5
MOST_COMPARED = 50  # who asks for hundreds of passages would wait for seconds
CANDIDATES_RECORDED = 30  # in the trace: the best before and the best after the rerank


@dataclass(frozen=True)
class RetrievedChunk:
    """A passage that was found. Positions count from 1; None: that ranker did not propose it.

    `score` is 0 to 1 and means the same for every question: how surely the collection covers the
    question, for the first passage; the others stand below it by their distance in the ranking.
    """

    chunk_id: int
    document_key: str
    title: str
    heading_path: tuple[str, ...]
    text: str
    start: int
    end: int
    score: float
    lexical_position: int | None
    dense_position: int | None
    fused_position: int
    rerank_position: int


@dataclass(frozen=True)
class SearchResult:
    """Passages, best first. `is_weak`: the collection does not seem to cover the question."""

    passages: list[RetrievedChunk]
    is_weak: bool

    def __iter__(self) -> Iterator[RetrievedChunk]:
        return iter(self.passages)

    def __len__(self) -> int:
        return len(self.passages)


async def search(
    question: str, *, collection: str, keys: Collection[str] | None = None, limit: int = 6
) -> SearchResult:
    """Return the passages of a collection that best answer a question, best first.

    `keys` are the documents that this reader may see, applied before anything is ranked; None
    allows all. Raises IndexMissing, IndexMismatch, ModelUnavailable, ComputeBusy, ComputeTimeout.
    """
    question = _clean(question)
    with span("retrieve", input={"query": question, "collection": collection}) as found:
        index, encoding = await _index_and_encoding(collection, question)
        if encoding is None or not index.passages:
            found.output = {"passages": [], "is_weak": True}
            return SearchResult([], is_weak=True)
        ranking = await compute.run(
            partial(rank, index, question, encoding, keys=keys, at_least=limit), lane=Lane.RANKING
        )
        result = await _rerank(get_reranker(), index, question, encoding, ranking, limit)
        found.output = {
            "passages": [
                {
                    "id": chunk.chunk_id,
                    "document": chunk.document_key,
                    "title": chunk.title,
                    "heading_path": list(chunk.heading_path),
                    "score": chunk.score,
                    "text": chunk.text,
                }
                for chunk in result.passages
            ],
            "is_weak": result.is_weak,
        }
        found.metadata.update(
            index_version=index.version_id, dense_weight=round(ranking.dense_weight, 3)
        )
        return result


# For commands and shells.
search_sync = async_to_sync(search)


def _clean(question: str) -> str:
    """Replace half surrogates, which no tokenizer takes, and cut what is beyond reason."""
    text = question.encode("utf-8", "replace").decode().replace("\0", " ")
    return re.sub(r"\s+", " ", text).strip()[:QUESTION_CHARACTERS]


async def _index_and_encoding(
    collection: str, question: str
) -> tuple[LoadedIndex, Encoding | None]:
    """Encode the question while the database says which index is active."""
    if not question:
        return await active_index(collection), None
    encoding = asyncio.create_task(_encode(get_embedder(), question))
    try:
        index = await active_index(collection)
    except BaseException:
        encoding.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await encoding
        raise
    return index, await encoding


async def _encode(embedder: Embedder, question: str) -> Encoding:
    with generation(
        "embedding",
        model=embedder.name,
        input={"text_count": 1, "model": embedder.name, "sample": question[:200]},
    ) as embedding:
        encoding = await compute.run_together(embedder.encode_questions, question)
        embedding.output = {"embedding_count": 1, "dimension": len(encoding.vector)}
        embedding.usage = Usage(input=encoding.token_count)
    return encoding


async def _rerank(
    reranker: Reranker,
    index: LoadedIndex,
    text: str,
    encoding: Encoding,
    ranking: Ranking,
    limit: int,
) -> SearchResult:
    candidates = ranking.candidates[: reranker.depth]
    with span("rerank", input={"query": text, "result_count": len(candidates)}) as reranked:
        reranked.metadata["model"] = reranker.name
        scores = _fused(candidates)
        deadline = float(conf.setting("RERANK_SECONDS"))
        try:
            if candidates:
                question = _question(index, text, encoding, ranking.dense_weight, reranker)
                scoring = partial(_score, reranker, index, question, candidates)
                scores = await compute.run(scoring, lane=Lane.RERANKING, deadline_seconds=deadline)
        except Exception as error:  # whatever a model does: the fused order stands
            _give_up(reranked, error, deadline)
        order = np.argsort(-scores, kind="stable").tolist()
        in_order = [candidates[at] for at in order]
        in_order += ranking.candidates[reranker.depth :] + ranking.rest
        kept, copies = distinct(
            [one.passage.text for one in in_order],
            limit=limit,
            within=min(COPIES_WITHIN * limit, MOST_COMPARED),
        )
        confidence = _confidence(in_order[:CONFIDENT_FROM], ranking.dense_weight)
        shown = _shown_scores(reranker, scores[order], len(in_order), confidence)
        chunks = [
            _as_chunk(in_order[place], position=place + 1, score=shown[place]) for place in kept
        ]
        _record(reranked, candidates, order, scores, kept, copies)
    return SearchResult(chunks, is_weak=confidence < WEAK_BELOW)


def _fused(candidates: list[Ranked]) -> np.ndarray:
    return np.array([one.fused_score for one in candidates], dtype=np.float32)


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


def _give_up(reranked, error: Exception, deadline: float) -> None:
    """Say in the trace and the log that the fused order stands, and why."""
    if isinstance(error, ComputeTimeout):
        reason = f"not done after {deadline:g} seconds"
    else:
        reason = f"{type(error).__name__}: {error}"
    logger.warning("rerank gave up, the fused order stands: %s", reason)
    reranked.metadata["gave_up"] = True
    reranked.warn(f"The fused order stands: {reason}")


def _record(reranked, candidates, order, scores, kept, copies) -> None:
    """Put the candidates and what became of them into the trace: the best, before and after."""
    best = {*order[:CANDIDATES_RECORDED], *range(min(len(order), CANDIDATES_RECORDED))}
    best.update(order[place] for place in kept[:CANDIDATES_RECORDED] if place < len(order))
    reranked.input["candidates"] = [_as_candidate(candidates[at]) for at in sorted(best)]
    reranked.output = {
        "reranked_count": len(order),
        "results": [
            {
                "id": candidates[at].passage.chunk_id,
                "position_before": candidates[at].fused_position,
                "position_after": place + 1,
                "score_before": round(candidates[at].fused_score, 4),
                "score_after": round(float(scores[at]), 4),
                "kept": place in kept,
                **({"dropped": "near copy"} if place in copies else {}),
            }
            for place, at in enumerate(order)
            if at in best
        ],
    }


def _confidence(best: list[Ranked], weight: float) -> float:
    """Estimate, 0 to 1, that the collection covers the question, from its best passages.

    Logistic in the cosine and in the share of the question's words that a passage holds; where the
    embedding model does not know the language, in the words alone.
    """
    coverage = max((one.coverage for one in best), default=0.0)
    similarity = max((one.similarity for one in best), default=0.0)
    known = 5.5 * coverage + 11.0 * similarity - 7.2
    unknown = 10.0 * coverage - 5.0
    return 1 / (1 + math.exp(-(weight * known + (1 - weight) * unknown)))


def _shown_scores(
    reranker: Reranker, scores: np.ndarray, count: int, confidence: float
) -> list[float]:
    """Return `count` scores that mean the same for every question, best first.

    `scores` are the reranker's, sorted; what it was not given is shown with the lowest.
    """
    if not len(scores):
        return [0.0] * count
    if reranker.gives_probabilities:
        shown = [float(score) for score in scores]
    else:
        spread = float(scores[0] - scores[-1]) or 1.0
        shown = [
            confidence * (0.25 + 0.75 * float(score - scores[-1]) / spread) for score in scores
        ]
    return shown + [shown[-1]] * (count - len(shown))


def _as_candidate(one: Ranked) -> dict:
    return {
        "id": one.passage.chunk_id,
        "position": one.fused_position,
        "lexical_position": one.lexical_position,
        "dense_position": one.dense_position,
        "score": round(one.fused_score, 4),
        "title": " › ".join(one.passage.heading_path),
    }


def _as_chunk(one: Ranked, *, position: int, score: float) -> RetrievedChunk:
    passage = one.passage
    return RetrievedChunk(
        chunk_id=passage.chunk_id,
        document_key=passage.document_key,
        title=passage.title,
        heading_path=passage.heading_path,
        text=passage.text,
        start=passage.start,
        end=passage.end,
        score=round(score, 4),
        lexical_position=one.lexical_position,
        dense_position=one.dense_position,
        fused_position=one.fused_position,
        rerank_position=position,
    )
