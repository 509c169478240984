"""What a traced answer costs in CPU: an answer of 300 chunks from a model that does not wait.

Counted is all CPU of the process, its threads included, from the first question of a round until
every trace is in the database and confirmed by Langfuse (peers: until their queue is empty).

The same limit is held against several wholes: the smallest is the product's model client alone,
which costs a tenth of the plain openai client; then the product's turn with retrieval that counts
words; then, in the full run, the turn with the packaged embedding model and an unhurried model.
"""

import asyncio
import time

from tqdm import tqdm

from bench import answers, site
from bench.processes import Worker, serving
from bench.rows import Row, median, paired_ratio, spread

TITLE = "Cost of a traced answer (300 chunks, CPU)"
MODEL = "bench-300-0"
PEERS = {
    "plain": "plain AsyncOpenAI, untraced",
    "dropin": "`langfuse.openai` drop-in",
    "by_hand": "plain client, SDK calls by hand, no flush",
    "repair": "the original repair: by hand, `flush()` in `finally`",
}


class AnswerCost:
    """In the worker: rounds of answers by the model client alone."""

    def __init__(self, ways: list[str]):
        self.ways = {name: answers.way(name) for name in ways}
        self.runner = asyncio.Runner()

    def round(self, way: str, count: int) -> dict[str, float]:
        """CPU and wall milliseconds of an answer; `settle` counts as CPU, not as wall."""
        site.warmed_up()
        cpu, wall = time.process_time(), time.perf_counter()
        self.runner.run(self._answers(way, count))
        wall = time.perf_counter() - wall
        not_ours = self.ways[way].settle()
        cpu = time.process_time() - cpu - not_ours
        return {"cpu_ms": cpu / count * 1000, "wall_ms": wall / count * 1000}

    async def _answers(self, way: str, count: int) -> None:
        for _ in range(count):
            await self.ways[way].answer(MODEL, lambda text: None)


class TurnCost:
    """In the worker: rounds of the product's turns, with tracing on or off."""

    def __init__(self, model: str, at_once: int):
        from bench.turns import ProductTurn

        self.product = ProductTurn(model)
        self.at_once = at_once
        self.runner = asyncio.Runner()

    def round(self, way: str, count: int) -> dict[str, float]:
        from bench.turns import tracing_off

        site.warmed_up()
        cpu, not_ours = time.process_time(), 0.0
        if way == "untraced":
            with tracing_off():
                self.runner.run(self._turns(count))
        else:
            self.runner.run(self._turns(count))
            not_ours = site.settle()
        return {"cpu_ms": (time.process_time() - cpu - not_ours) / count * 1000}

    async def _turns(self, count: int) -> None:
        for _ in range(count // self.at_once):
            await asyncio.gather(*(self.product.ask() for _ in range(self.at_once)))


def measure(quick: bool) -> list[Row]:
    rounds, count = (5, 10) if quick else (12, 20)
    with (
        serving("bench.model_server") as model,
        serving("bench.langfuse_sink") as langfuse,
    ):
        urls = {"model_url": model, "langfuse_url": langfuse}
        rows = _client_rows(urls, rounds, count)
        rows += _turn_rows(urls, "whole turn of the product", MODEL, rounds, count)
        if not quick:
            rows += _unhurried_rows(urls)
        return rows


def _client_rows(urls, rounds: int, count: int) -> list[Row]:
    # Traced and untraced share a process, so that nothing but the tracing differs; each peer has
    # its own, since they patch what they trace.
    workers = {
        ways: Worker(
            "bench.tracing_cost:AnswerCost",
            environment=site.environment(site.template(), **urls),
            ways=list(ways),
        )
        for ways in [("untraced", "traced"), *((peer,) for peer in PEERS)]
    }
    try:
        cpu, wall = _take_turns(workers, rounds, count)
    finally:
        for worker in workers.values():
            worker.close()
    rows: list[Row] = [
        {
            "what": "model client of the product, untraced",
            "value": median(cpu["untraced"]),
            "unit": "ms CPU an answer",
            "peer": f"plain AsyncOpenAI: {median(cpu['plain']):.1f}",
            "ratio": paired_ratio(cpu["untraced"], cpu["plain"]),
        },
        {
            "what": "model client of the product, traced",
            "value": median(cpu["traced"]),
            "unit": "ms CPU an answer",
            "peer": f"plain AsyncOpenAI: {median(cpu['plain']):.1f}",
            "ratio": paired_ratio(cpu["traced"], cpu["plain"]),
        },
        {
            "what": "model client of the product, traced",
            "value": median(cpu["traced"]),
            "unit": "ms CPU an answer",
            "peer": f"the same untraced: {median(cpu['untraced']):.1f}; "
            f"{spread(cpu['traced'], cpu['untraced'])}",
            "ratio": paired_ratio(cpu["traced"], cpu["untraced"]),
            "limit": "≤ 1.03 ×",
        },
    ]
    for peer, words in PEERS.items():
        if peer == "plain":
            continue
        rows.append(
            {
                "what": words,
                "value": median(cpu[peer]),
                "unit": "ms CPU an answer",
                "peer": f"plain AsyncOpenAI: {median(cpu['plain']):.1f}",
                "ratio": paired_ratio(cpu[peer], cpu["plain"]),
            }
        )
    rows += [
        {
            "what": f"wall time of an answer, {words}",
            "value": median(wall[way]),
            "unit": "ms",
            "peer": f"plain AsyncOpenAI: {median(wall['plain']):.0f}",
            "ratio": paired_ratio(wall[way], wall["plain"]),
        }
        for way, words in {"traced": "model client of the product, traced", **PEERS}.items()
        if way != "plain"
    ]
    return rows


def _take_turns(workers: dict[tuple, Worker], rounds: int, count: int):
    ways = [(way, worker) for names, worker in workers.items() for way in names]
    cpu = {way: [] for way, _ in ways}
    wall = {way: [] for way, _ in ways}
    for way, worker in ways:
        worker.call("round", way=way, count=3)  # imports, connections, first rows
    for turn in tqdm(range(rounds), desc="model clients", leave=False):
        for way, worker in ways if turn % 2 else reversed(ways):
            # The repair waits for its flush half a second an answer.
            few = 2 if way == "repair" else count
            figures = worker.call("round", way=way, count=few)
            cpu[way].append(figures["cpu_ms"])
            wall[way].append(figures["wall_ms"])
    return cpu, wall


def _unhurried_rows(urls) -> list[Row]:
    words = "whole turn, packaged embedding model, a chunk each 10 ms, ten at once"
    urls = {**urls, "packaged_embedder": True}
    return _turn_rows(urls, words, "bench-300-10", 6, 10, at_once=10)


def _turn_rows(
    urls, words: str, model: str, rounds: int, count: int, *, at_once: int = 1
) -> list[Row]:
    cpu: dict[str, list[float]] = {"untraced": [], "traced": []}
    database = site.template(packaged_embedder=urls.get("packaged_embedder", False))
    with Worker(
        "bench.tracing_cost:TurnCost",
        environment=site.environment(database, **urls),
        model=model,
        at_once=at_once,
    ) as worker:
        for way in cpu:
            worker.call("round", way=way, count=max(3, at_once))
        for turn in tqdm(range(rounds), desc=words, leave=False):
            for way in sorted(cpu, reverse=bool(turn % 2)):
                cpu[way].append(worker.call("round", way=way, count=count)["cpu_ms"])
    return [
        {
            "what": f"{words}, traced",
            "value": median(cpu["traced"]),
            "unit": "ms CPU a turn",
            "peer": f"the same turn, tracing off: {median(cpu['untraced']):.1f}; "
            f"{spread(cpu['traced'], cpu['untraced'])}",
            "ratio": paired_ratio(cpu["traced"], cpu["untraced"]),
            "limit": "≤ 1.03 ×",
        }
    ]
