"""Twenty students at once, and students while a course is indexed; 5,000 passages, default rerank.

Alone: one question after the other. At once: twenty calls of `search` in one process, begun
together, each timed from its begin to its end, its waiting included. Reindex beside it: another
course, whose every passage is new, indexed by the task worker (`manage.py worker`, as the
product starts it), or by a thread of the very process that answers; questions are asked while it
encodes. Blocks with and without take turns; a ratio is the median of the ratios of the blocks' p95.
Two cores may be used. Under a real-time scheduler (`chrt`) the last two mean nothing: there the
indexing thread's low priority does not count.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from bench import retrieval_site
from bench.processes import ROOT, Worker
from bench.retrieval_ours import Ours
from bench.rows import Row, median, paired_ratio, percentile, spread

TITLE = "Search under load"
PASSAGES = 5_000
STUDENTS = 20
BLOCK = 80  # questions, one after the other
FEWEST = 40  # of them that a reindex must last for
NEW_PASSAGES = 400  # that are indexed meanwhile
STARTING_SECONDS = 90
BUSY = "busy"


class Crowd(Ours):
    """In the worker: questions alone and together, and the course that is indexed meanwhile."""

    async def alone(self, questions: list[str]) -> list[float]:
        return [await self.ask(question) for question in questions]

    async def at_once(self, questions: list[str]) -> list[float]:
        # Each trace is open until the last has searched: an answer of seconds would follow.
        answered = asyncio.Barrier(len(questions)).wait
        return await asyncio.gather(*(self.ask(question, answered) for question in questions))

    async def during_reindex(self, questions: list[str], *, place: str, seed: int) -> list[float]:
        """Have a course indexed by the task worker or by a thread of ours, and ask meanwhile."""
        from asgiref.sync import sync_to_async

        run = {"worker": _in_worker, "thread": _in_thread}[place]
        await sync_to_async(_write_course)(seed)
        before = await sync_to_async(_vectors)()
        reindex = asyncio.create_task(asyncio.to_thread(run))
        deadline = time.monotonic() + STARTING_SECONDS
        while await sync_to_async(_vectors)() == before:
            if reindex.done() or time.monotonic() > deadline:
                raise RuntimeError("the reindex does not begin to encode")
            await asyncio.sleep(0.05)
        times = []
        for question in questions:
            if reindex.done():
                break
            times.append(await self.ask(question))
        if len(times) < FEWEST:
            raise RuntimeError(f"the reindex was over after {len(times)} questions")
        await reindex
        return times


def _write_course(seed: int) -> None:
    """Write the course that is indexed anew: no passage is as it was."""
    from bench.retrieval_text import Author
    from learning.models import Chapter, Course
    from rag.embedders.base import get_embedder

    Course.objects.filter(slug=BUSY).delete()
    course = Course.objects.create(slug=BUSY, title="Busy", is_open=True)
    author = Author(seed, get_embedder().count_tokens)
    Chapter.objects.bulk_create(
        Chapter(course=course, slug=f"c-{at}", title=title, position=at, text=text)
        for at, (title, text) in enumerate(author.chapters(NEW_PASSAGES), start=1)
    )


def _vectors() -> int:
    from rag.models import ChunkVector

    return ChunkVector.objects.count()


def _in_worker() -> None:
    from django_tasks import TaskResultStatus

    from learning.tasks import reindex_course

    result = reindex_course.enqueue(BUSY)
    while not result.is_finished:
        time.sleep(0.1)
        result.refresh()
    if result.status != TaskResultStatus.SUCCESSFUL:
        raise RuntimeError(f"the task ended {result.status}")
    _close()


def _in_thread() -> None:
    from rag.indexing import reindex

    if (report := reindex([BUSY])).failures:
        raise RuntimeError(str(report.failures[0]))
    _close()


def _close() -> None:
    from django.db import connection

    connection.close()


def measure(quick: bool) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="coursetrace-bench-") as name:
        folder = Path(name)
        variables = retrieval_site.environment(folder, [PASSAGES])
        questions = json.loads((folder / str(PASSAGES) / "questions.json").read_text())
        with Worker("bench.retrieval_crowd:Crowd", environment=variables) as worker:
            worker.call("load", collection=retrieval_site.slug_of(PASSAGES))
            worker.call("alone", questions=questions[:8])
            return _crowd_rows(worker, questions, 8 if quick else 20) + _reindex_rows(
                worker, questions, variables, 2 if quick else 5
            )


def _crowd_rows(worker: Worker, questions: list[str], rounds: int) -> list[Row]:
    alone, together = [], []
    for turn in tqdm(range(rounds), desc="twenty at once", leave=False):
        asked = _some(questions, turn, 2 * STUDENTS)
        alone.append(worker.call("alone", questions=asked[:STUDENTS]))
        together.append(worker.call("at_once", questions=asked[STUDENTS:]))
    return [_row(f"{STUDENTS} students at once", together, alone, "one alone", "≤ 3 ×")]


def _reindex_rows(
    worker: Worker, questions: list[str], variables: dict[str, str], rounds: int
) -> list[Row]:
    rows = []
    for place, words in (
        ("worker", "while the task worker indexes a course"),
        ("thread", "while the same process indexes a course"),
    ):
        without, during = [], []
        tasks = _task_worker(variables) if place == "worker" else None
        try:
            for turn in tqdm(range(rounds), desc=words, leave=False):
                asked = _some(questions, turn, 2 * BLOCK)
                without.append(worker.call("alone", questions=asked[:BLOCK]))
                seed = time.time_ns() % 1_000_000
                during.append(
                    worker.call("during_reindex", questions=asked[BLOCK:], place=place, seed=seed)
                )
        finally:
            if tasks is not None:
                tasks.kill()
                tasks.wait()
        rows.append(_row(words, during, without, "without", "≤ 1.5 ×"))
    return rows


def _task_worker(variables: dict[str, str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "manage.py", "worker"],
        cwd=ROOT,
        env={**os.environ, **variables},
    )


def _some(questions: list[str], turn: int, count: int) -> list[str]:
    first = turn * count % (len(questions) - count)
    return questions[first : first + count]


def _row(what: str, ours: list, peer: list, beside: str, limit: str) -> Row:
    """`ours` and `peer` hold a list of milliseconds for each block."""
    p95, of_peer = ([percentile(block, 0.95) for block in blocks] for blocks in (ours, peer))
    p50, p50_of_peer = (median(chain.from_iterable(blocks)) for blocks in (ours, peer))
    return {
        "what": f"{what}: p95 of search",
        "value": median(p95),
        "unit": f"ms (p50 {p50:.1f})",
        "peer": f"{beside}: {median(of_peer):.1f} (p50 {p50_of_peer:.1f}); {spread(p95, of_peer)}",
        "ratio": paired_ratio(p95, of_peer),
        "limit": limit,
    }
