"""Put questions through the live search, and write down what each stage of it ranked."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from asgiref.sync import sync_to_async
from django.db import connections

from rag.evaluation.indexed_set import LabelledSetSource
from rag.search import RetrievedChunk, search
from rag.vector_writer import Progress
from tracing import trace

STAGES = ("lexical", "dense", "fused", "final")
RUN_LENGTH = 100  # ids a question
# A passage may be several chunks, so more than RUN_LENGTH are looked at.
DEPTH = 400


@dataclass(frozen=True)
class Answer:
    """What came back for one question: passage ids by stage, best first, and how long it took."""

    rankings: dict[str, list[str]]
    seconds: float  # of a search as students get it
    is_weak: bool
    rerank_gave_up: bool  # past its deadline, or by an error: the fused order stood


async def ask_all(source: LabelledSetSource, progress: Progress) -> dict[str, Answer]:
    """Ask the questions of a set one after the other; return the answers by question id."""
    questions = source.labelled.questions
    answers = {}
    try:
        await _ask(source, next(iter(questions.values())))  # warm-up: loads models and index
        for count, (question_id, question) in enumerate(questions.items(), start=1):
            answers[question_id] = await _ask(source, question)
            progress(count, len(questions), source.labelled.name)
    finally:
        await sync_to_async(connections.close_all)()  # of the thread that only a loop uses
    return answers


async def _ask(source: LabelledSetSource, question: str) -> Answer:
    # Every search leaves a trace; a thousand of them would bury those of students.
    with trace("evaluate_question", recorded=False) as asked:
        began = time.perf_counter()
        usual = await search(question, collection=source.collection)
        seconds = time.perf_counter() - began
        deep = await search(question, collection=source.collection, limit=DEPTH)
    return Answer(
        rankings=rankings(deep.passages, source.passage_ids),
        seconds=seconds,
        is_weak=usual.is_weak,
        rerank_gave_up=any(step.metadata.get("gave_up") for step in asked.observations),
    )


def rankings(
    chunks: Iterable[RetrievedChunk], passage_ids: Mapping[str, str]
) -> dict[str, list[str]]:
    """Return the passage ids of each stage, best first, at most RUN_LENGTH of them.

    A passage that was found by several of its chunks stands where the best of them does.
    """
    chunks = list(chunks)
    placed = {"final": chunks}
    for stage in STAGES[:-1]:
        position = f"{stage}_position"
        proposed = [chunk for chunk in chunks if getattr(chunk, position) is not None]
        placed[stage] = sorted(proposed, key=lambda chunk: getattr(chunk, position))
    return {
        stage: list(dict.fromkeys(passage_ids[chunk.document_key] for chunk in placed[stage]))[
            :RUN_LENGTH
        ]
        for stage in STAGES
    }


def write_run(path: Path, answers: Mapping[str, Answer], stage: str) -> None:
    """Write one stage's ranking as JSON lines: `{"qid": …, "docids": [best, next, …]}`."""
    with path.open("w", encoding="utf-8") as file:
        for question_id, answer in answers.items():
            line = {"qid": question_id, "docids": answer.rankings[stage]}
            file.write(json.dumps(line) + "\n")
