"""Fifty answers at once, a chunk each 20 ms, and a Langfuse in every state it can be in.

A token's delay is the time from the model's sending it to the reader's having it; both are on one
machine and one clock. Fifty answers run all the time, of 4 s each; the first ones are shorter by
different amounts, so that from then on one ends, and is traced, each 80 ms. Each way has a process
of its own and a recorder, an outbox and a database of its own; ways take turns, and a ratio is to
the untraced run of the same round. Peers are read through the plain openai client, so they have
their own untraced run beside them.
"""

import asyncio
import math
import time
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm

from bench import answers, site
from bench.processes import Worker, free_port, serving
from bench.rows import Row, median, paired_ratio, percentile

TITLE = "Fifty answers at once, by the state of Langfuse"
AT_ONCE, CHUNKS, PACE_MS = 50, 200, 20
BEGINNING_SECONDS = 1.0  # fifty connections are opened one after the other, and do not count
# Way of answering, and which Langfuse it talks to.
RUNS = {
    "off": ("untraced", "well"),
    "well": ("traced", "well"),
    "slow": ("traced", "slow"),
    "hanging": ("traced", "hanging"),
    "refusing": ("traced", "refusing"),
    "plain": ("plain", "well"),
    "dropin": ("dropin", "well"),
    "repair": ("repair", "well"),
}
WORDS = {
    "well": "traced, Langfuse well",
    "slow": "traced, Langfuse takes 2 s a request",
    "hanging": "traced, Langfuse hangs",
    "refusing": "traced, Langfuse refuses connections",
    "dropin": "peer: `langfuse.openai` drop-in, Langfuse well",
    "repair": "peer: the original repair (`flush()`), Langfuse well",
}
PEERS = ("dropin", "repair")


class Crowd:
    """In the worker: many readers at once."""

    def __init__(self, way: str):
        self.way = answers.way(way)
        self.tokens = 0

    async def run(self, seconds: float) -> dict[str, float]:
        """Delays in milliseconds, of all tokens but those of the beginning; CPU of all."""
        await self.way.answer("bench-20-0-stamped", lambda text: None)
        await asyncio.sleep(1.0)
        site.warmed_up()
        delays: list[float] = []
        begin = time.monotonic() + BEGINNING_SECONDS

        def heard(text: str) -> None:
            now = time.monotonic()
            self.tokens += 1
            if now > begin:
                delays.append(now - float(text))

        cpu, began, waited = time.process_time(), time.perf_counter(), _waited_seconds()
        readers = (self._reader(place, seconds, heard) for place in range(AT_ONCE))
        # The repair would take minutes: it is stopped, and judged by what came until then.
        with suppress(TimeoutError):
            async with asyncio.timeout(3 * (seconds + BEGINNING_SECONDS)):
                await asyncio.gather(*readers)
        wall = time.perf_counter() - began
        cpu = time.process_time() - cpu
        waited = _waited_seconds() - waited
        return {
            "waited_percent": waited / wall * 100,
            "p50": percentile(delays, 0.5) * 1000,
            "p99": percentile(delays, 0.99) * 1000,
            "worst": max(delays) * 1000,
            "cpu_percent": cpu / wall * 100,
            "cpu_us_a_token": cpu / self.tokens * 1e6,
            "wall_seconds": wall,
        }

    async def _reader(self, place: int, seconds: float, heard) -> None:
        left = int((seconds + BEGINNING_SECONDS) * 1000 / PACE_MS)
        await asyncio.sleep(BEGINNING_SECONDS * place / AT_ONCE)
        chunks = max(1, math.ceil(CHUNKS * (place + 1) / AT_ONCE))
        while left > 0:
            await self.way.answer(f"bench-{min(chunks, left)}-{PACE_MS}-stamped", heard)
            left -= chunks
            chunks = CHUNKS


def _waited_seconds() -> float:
    """How long this thread was ready to run and had no core: noise of the machine, not of ours."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


def measure(quick: bool) -> list[Row]:
    rounds, seconds = (1, 2.0) if quick else (2, 8.0)
    figures: dict[str, list[dict[str, float]]] = {run: [] for run in RUNS}
    with (
        serving("bench.model_server") as model,
        serving("bench.langfuse_sink") as well,
        serving("bench.langfuse_sink", "--slow", "2") as slow,
        serving("bench.langfuse_sink", "--hang") as hanging,
    ):
        langfuses = {
            "well": well,
            "slow": slow,
            "hanging": hanging,
            "refusing": f"http://127.0.0.1:{free_port()}",
        }
        for turn in range(rounds):
            runs = tqdm(RUNS.items(), desc=f"round {turn + 1} of {rounds}", leave=False)
            for run, (way, state) in runs:
                environment = site.environment(
                    site.template(), model_url=model, langfuse_url=langfuses[state]
                )
                path = "bench.langfuse_states:Crowd"
                with Worker(path, environment=environment, way=way) as worker:
                    figures[run].append(worker.call("run", seconds=seconds))
    return _rows(figures)


def _rows(figures: dict[str, list[dict[str, float]]]) -> list[Row]:
    def middle(run: str, figure: str) -> float:
        return median(one[figure] for one in figures[run])

    def ratio(run: str, beside: str, figure: str) -> float:
        return paired_ratio(
            [one[figure] for one in figures[run]], [one[figure] for one in figures[beside]]
        )

    def delay(run: str) -> str:
        return (
            f"ms p99 of a token (p50 {middle(run, 'p50'):.1f}, worst {middle(run, 'worst'):.0f}, "
            f"waited for a core {middle(run, 'waited_percent'):.0f} % of the time)"
        )

    rows: list[Row] = [
        {
            "what": "tracing off",
            "value": middle("off", "p99"),
            "unit": delay("off"),
            "peer": f"plain AsyncOpenAI: {middle('plain', 'p99'):.1f}",
            "ratio": ratio("off", "plain", "p99"),
        }
    ]
    for run, words in WORDS.items():
        beside = "plain" if run in PEERS else "off"
        rows.append(
            {
                "what": words,
                "value": middle(run, "p99"),
                "unit": delay(run),
                "peer": f"{'plain AsyncOpenAI' if run in PEERS else 'tracing off'}: "
                f"{middle(beside, 'p99'):.1f}",
                "ratio": ratio(run, beside, "p99"),
                **({} if run in PEERS else {"limit": "≤ 1.2 ×"}),
            }
        )
    for run in ("off", "well", *PEERS):
        beside = "plain" if run in ("off", *PEERS) else "off"
        words = {"off": "tracing off"}.get(run) or WORDS[run]
        rows.append(
            {
                "what": f"CPU, {words}",
                "value": middle(run, "cpu_us_a_token"),
                "unit": f"µs a token ({middle(run, 'cpu_percent'):.0f} % of a core)",
                "peer": f"{'plain AsyncOpenAI' if beside == 'plain' else 'tracing off'}: "
                f"{middle(beside, 'cpu_us_a_token'):.0f}",
                "ratio": ratio(run, beside, "cpu_us_a_token"),
            }
        )
    return rows
