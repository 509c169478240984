"""Find the passages of a collection that answer a question: the read path.

`search()` embeds the question, ranks lexically and by meaning, fuses, reranks, and drops what says
the same twice. What each step saw and did is recorded: span `retrieve`, holding generation
`embedding` and span `rerank`. Errors are drawn in errors.py.
"""

import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from asgiref.sync import async_to_sync

from rag import compute
from rag.duplicates import distinct
from rag.embedders.base import Embedder
from rag.fusion import dense_weight
from rag.loaded import active_index
from rag.ranking import Ranked, rank
from rag.rerankers.base import Candidate, Reranker, get_reranker
from tracing import Usage, generation, span

QUESTION_CHARACTERS = 4_000  # what lies beyond is not searched for
# Set by hand on two labelled sets with half of their articles taken out: at 0.35 about one in
# twenty answerable questions is called weak, and most of those whose article is gone.
WEAK_BELOW = 0.35
CONFIDENT_FROM = 3  # of the best passages, the surest one counts


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
        index = await active_index(collection)
        if not question or not index.passages:
            found.output = {"passages": [], "is_weak": True}
            return SearchResult([], is_weak=True)
        vector, weight = await _embed(index.embedder, question)
        ranking = partial(rank, index, question, vector, dense_weight=weight, keys=keys)
        ranked = await compute.run(ranking)
        result = await _rerank(get_reranker(), question, ranked, weight, limit)
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
        found.metadata.update(index_version=index.version_id, dense_weight=round(weight, 3))
        return result


# For commands and shells.
search_sync = async_to_sync(search)


def _clean(question: str) -> str:
    """Replace half surrogates, which no tokenizer takes, and cut what is beyond reason."""
    text = question.encode("utf-8", "replace").decode().replace("\0", " ")
    return re.sub(r"\s+", " ", text).strip()[:QUESTION_CHARACTERS]


async def _embed(embedder: Embedder, question: str) -> tuple[np.ndarray, float]:
    with generation(
        "embedding",
        model=embedder.name,
        input={"text_count": 1, "model": embedder.name, "sample": question[:200]},
    ) as embedding:
        vector, unknown_share, token_count = await compute.run(_embed_now, embedder, question)
        embedding.output = {"embedding_count": 1, "dimension": len(vector)}
        embedding.usage = Usage(input=token_count)
    return vector, dense_weight(unknown_share)


def _embed_now(embedder: Embedder, question: str) -> tuple[np.ndarray, float, int]:
    [token_count] = embedder.count_tokens([question])
    unknown_share = embedder.unknown_share(question)
    token_count = min(token_count, embedder.max_tokens)
    return embedder.embed_question(question), unknown_share, token_count


async def _rerank(
    reranker: Reranker, question: str, ranked: list[Ranked], weight: float, limit: int
) -> SearchResult:
    candidates = ranked[: max(reranker.depth, limit)]
    with span(
        "rerank",
        input={
            "query": question,
            "result_count": len(candidates),
            "candidates": [_as_candidate(one) for one in candidates],
        },
    ) as reranked:
        reranked.metadata.update(model=reranker.name)
        seen = [
            Candidate(one.passage.chunk_id, one.passage.embedded_text, one.fused_score)
            for one in candidates
        ]
        scores = await compute.run(reranker.score, question, seen) if seen else np.zeros(0)
        order = np.argsort(-scores, kind="stable").tolist()
        texts = [candidates[at].passage.text for at in order]
        kept = set(distinct(texts, limit=limit))
        confidence = _confidence([candidates[at] for at in order[:CONFIDENT_FROM]], weight)
        shown = _shown_scores(reranker, scores[order], confidence)
        chunks = [
            _as_chunk(candidates[at], position=place + 1, score=shown[place])
            for place, at in enumerate(order)
            if place in kept
        ]
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
                }
                for place, at in enumerate(order)
            ],
        }
    return SearchResult(chunks, is_weak=confidence < WEAK_BELOW)


def _confidence(best: list[Ranked], weight: float) -> float:
    """Estimate, 0 to 1, that the collection covers the question, from its best passages.

    Logistic in the cosine and in the share of the question's words that a passage holds; where the
    embedding model does not know the language, in the words alone.
    """
    coverage = max((one.coverage for one in best), default=0.0)
    similarity = max((one.similarity for one in best), default=0.0)
    known = 4.5 * coverage + 9.0 * similarity - 5.6
    unknown = 9.0 * coverage - 3.6
    return 1 / (1 + math.exp(-(weight * known + (1 - weight) * unknown)))


def _shown_scores(reranker: Reranker, scores: np.ndarray, confidence: float) -> list[float]:
    """Return scores that mean the same for every question; `scores` is sorted, best first."""
    if not len(scores):
        return []
    if reranker.gives_probabilities:
        return [float(score) for score in scores]
    spread = float(scores[0] - scores[-1]) or 1.0
    return [confidence * (0.25 + 0.75 * float(score - scores[-1]) / spread) for score in scores]


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
