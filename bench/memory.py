"""What traces keep in memory: none after its turn, and none for what waits to be sent.

Alive: weak references to the traces of 200 answers, once their rows are written. Unsent: resident
memory of a process whose outbox is full and whose Langfuse refuses connections, against the same
process with an empty outbox; both answer 50 questions meanwhile. The SDK keeps its queue in memory:
what as many of its events take, in a process of its own.
"""

import asyncio
import os
import time
import weakref
from pathlib import Path

from tqdm import tqdm

from bench import answers, site
from bench.processes import Worker, free_port, serving
from bench.rows import Row, median

TITLE = "Memory of traces"
MODEL = "bench-20-0"
WATCHED_SECONDS = 3.0


class Memory:
    """In the worker: answers, and what is left of them."""

    def __init__(self, way: str):
        self.way = answers.way(way)
        self.runner = asyncio.Runner()

    def alive_after(self, count: int) -> int:
        """How many traces of so many answers are still objects once their rows are written."""
        from tracing import current_trace

        traces = weakref.WeakSet()
        self.runner.run(self._answers(count, lambda text: traces.add(current_trace())))
        site.settle()
        return len(traces)

    def resident_mb(self, count: int) -> float:
        """Megabytes after so many answers and some seconds of an outbox that finds nobody."""
        from tracing import outbox

        outbox.wake()
        self.runner.run(self._answers(count, lambda text: None))
        time.sleep(WATCHED_SECONDS)
        site.settle(is_sent=False)
        return _resident_mb()

    def sdk_growth_mb(self, count: int) -> float:
        """Megabytes that so many trace() calls of the SDK add; each with the words of one turn."""
        before = _resident_mb()
        for _ in range(count):
            self.way.langfuse.trace(name="ai_chat", input={"user_message": "What is a limit?"})
        return _resident_mb() - before

    async def _answers(self, count: int, heard) -> None:
        for _ in range(count):
            await self.way.answer(MODEL, heard)


def measure(quick: bool) -> list[Row]:
    rounds, waiting = (1, 10_000) if quick else (1, 100_000)
    refusing = f"http://127.0.0.1:{free_port()}"
    path = "bench.memory:Memory"
    resident: dict[str, list[float]] = {"empty": [], "full": []}
    with (
        serving("bench.model_server") as model,
        serving("bench.langfuse_sink") as well,
    ):
        template = site.template()
        urls = {"model_url": model, "langfuse_url": well}
        with Worker(path, environment=site.environment(template, **urls), way="traced") as worker:
            alive = worker.call("alive_after", count=200)
        full = site.with_backlog(waiting, "--small", **urls)
        urls["langfuse_url"] = refusing
        for _ in tqdm(range(rounds), desc="resident memory", leave=False):
            for name, database in (("empty", template), ("full", full)):
                environment = site.environment(database, **urls)
                with Worker(path, environment=environment, way="traced") as worker:
                    resident[name].append(worker.call("resident_mb", count=50))
        with Worker(path, environment=site.environment(template, **urls), way="by_hand") as worker:
            sdk = worker.call("sdk_growth_mb", count=waiting)
    return [
        {
            "what": "traces still in memory after 200 turns",
            "value": alive,
            "unit": "objects",
            "limit": "≤ 0",
        },
        {
            "what": f"memory that {waiting:,} unsent traces add to a process",
            "value": median(resident["full"]) - median(resident["empty"]),
            "unit": f"MB (of {median(resident['empty']):.0f})",
            # Two caches of SQLite's, of 2 MB each, fill up; more would grow with the backlog.
            "limit": "≤ 5",
            "peer": f"as many trace() calls of the SDK: {sdk:,.0f}",
        },
    ]


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
