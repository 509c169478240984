"""Find the passages of a collection that answer a question: the read path.

`search()` embeds the question, ranks lexically and by meaning, fuses, reranks, and drops what says
the same twice. What each step saw and did is recorded: span `retrieve`, holding generation
`embedding` and span `rerank`. Errors are drawn in errors.py.
"""

import asyncio
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from asgiref.sync import async_to_sync

from rag import compute
from rag.compute import Lane
from rag.confidence import WEAK_BELOW, confidence, shown_scores
from rag.embedders.base import Embedder, Encoding, get_embedder
from rag.loaded import LoadedIndex, active_index
from rag.models import IndexVersion
from rag.ranking import Ranked, Ranking, rank
from rag.reranking import Reranked, rerank
from tracing import Usage, generation, span

QUESTION_CHARACTERS = 4_000  # what lies beyond is not searched for


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
        try:
            ranking = await _rank(index, question, encoding, keys, limit)
        except IndexVersion.DoesNotExist:  # removed just now, under our hands
            index = await active_index(collection)
            ranking = await _rank(index, question, encoding, keys, limit)
        reranked = await rerank(index, question, encoding, ranking, limit)
        result = _result(reranked, ranking.dense_weight)
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


async def _rank(
    index: LoadedIndex,
    question: str,
    encoding: Encoding,
    keys: Collection[str] | None,
    limit: int,
) -> Ranking:
    ranking = partial(rank, index, question, encoding, keys=keys, at_least=limit)
    return await compute.run(ranking, lane=Lane.RANKING)


def _result(reranked: Reranked, dense_weight: float) -> SearchResult:
    sure = confidence(reranked.passages, dense_weight)
    scores = shown_scores(
        reranked.scores,
        are_probabilities=reranked.are_probabilities,
        count=len(reranked.passages),
        confidence=sure,
    )
    chunks = [
        _as_chunk(reranked.passages[place], position=place + 1, score=scores[place])
        for place in reranked.kept
    ]
    return SearchResult(chunks, is_weak=sure < WEAK_BELOW)


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
