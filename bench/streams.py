"""How many answers one process carries: fifty chunks a second each, one Daphne on one core.

Real websockets with sessions, the product's application, turns searched, saved to SQLite and
traced. A chunk's added delay is the time from the model's sending it to the reader's having the
frame with its text; both are on one machine and one clock. Answers have 1,000 chunks in paragraphs
and lists. So many run all the time: all students ask within one second, the first answers are
shorter by different amounts, and each is followed by the next question. Figures are of the time
after the beginning; its own p99 stands beside. The model and the readers share the other core.

The peers run in the same server and send a frame for each chunk of `AsyncOpenAI`'s object stream;
they search, save and admit nothing. Ways take turns. CPU is all that the server was charged for,
by the chunks that arrived: with fewer answers than make it full, or it would batch its way out.
On a busy machine it does so too: where the server waited for the core for more than a tenth of the
time, neither figure means much.
"""

import asyncio
import time

from tqdm import tqdm

from bench import streaming_site
from bench.processes import serving
from bench.rows import Row, median, paired_ratio, percentile
from bench.streaming_site import Server, cpu_seconds, on_core, waited_seconds
from bench.students import Crowd, Student, beat, sleep_unless_failed

TITLE = "Answers at once through one process on one core"
CHUNKS, PACE_MS = 1_000, 20
BEGINNING_SECONDS = 4.0  # after the second in which all ask
COMPARED = 50  # answers, for CPU: what every way carries
OURS, PEERS = "ours", ("plain", "dropin")
RUNS = {
    True: {OURS: (50, 200), "plain": (50,), "dropin": (50,)},
    False: {OURS: (50, 100, 200, 300), "plain": (50, 75, 100), "dropin": (50, 75)},
}
WORDS = {"plain": "plain AsyncOpenAI", "dropin": "`langfuse.openai`"}
LIMITS = {200: "≤ 100"}

Figures = dict[tuple[str, int], list[dict[str, float]]]


class Streams(Crowd):
    """In the worker: many answers, all the time."""

    async def stream(self, at_once: int, seconds: float) -> dict[str, float]:
        """Delays in ms, and the CPU of the server."""
        begun: list[float] = []
        delays: list[float] = []
        begins_at = ends_at = float("inf")

        def heard(sent: float, came: float) -> None:
            if came < begins_at:
                begun.append(came - sent)
            elif came < ends_at:
                delays.append(came - sent)

        async def read(place: int, student: Student) -> None:
            await asyncio.sleep(place / at_once)
            length = max(1, round(CHUNKS * (place + 1) / at_once))
            while time.monotonic() < ends_at:
                student.ask(f"bench-{length}-{PACE_MS}-stamped-prose")
                await student.answered()
                length = CHUNKS

        students = [Student(self.url, who, heard) for who in self.who[:at_once]]
        whole = BEGINNING_SECONDS + seconds
        # Who begins with a short answer ends one more than all others.
        await self.open_all(students, tabs=3 + int(whole / (CHUNKS * PACE_MS / 1000)))
        await self.warm_up()
        begins_at = time.monotonic() + 1 + BEGINNING_SECONDS
        ends_at = begins_at + seconds
        reading = [asyncio.create_task(read(*place)) for place in enumerate(students)]
        lags: list[float] = []
        beating = asyncio.create_task(beat(lags))
        await sleep_unless_failed(begins_at, reading)
        cpu, waited = cpu_seconds(self.pid), waited_seconds(self.pid)
        lags.clear()
        await sleep_unless_failed(ends_at, reading)
        cpu, waited = cpu_seconds(self.pid) - cpu, waited_seconds(self.pid) - waited
        for task in (*reading, beating):
            task.cancel()
        for student in students:
            student.close()
        return {
            "p50": percentile(delays, 0.5) * 1000,
            "p99": percentile(delays, 0.99) * 1000,
            "worst": max(delays, default=float("nan")) * 1000,
            "beginning_p99": percentile(begun, 0.99) * 1000,
            "chunks_a_second": len(delays) / seconds,
            "cpu_percent": cpu / seconds * 100,
            "waited_percent": waited / seconds * 100,
            "cpu_us_a_chunk": cpu / max(1, len(delays)) * 1e6,
            "reader_late_p99": percentile(lags, 0.99) * 1000,
        }


def measure(quick: bool) -> list[Row]:
    rounds, seconds = (1, 6.0) if quick else (2, 15.0)
    runs = [(way, count) for way, counts in RUNS[quick].items() for count in counts]
    runs.sort(key=lambda run: run[1])  # what is compared runs side by side
    figures: Figures = {run: [] for run in runs}
    with on_core(1), serving("bench.model_server") as model:
        for turn in range(rounds):
            for way, count in tqdm(runs, desc=f"round {turn + 1} of {rounds}", leave=False):
                figures[way, count].append(stream(model, way, count, seconds))
    return _rows(figures)


def stream(model: str, way: str, at_once: int, seconds: float) -> dict[str, float]:
    """One run, in a server of its own."""
    with served(model, way, at_once) as server:
        with server.students("bench.streams:Streams") as worker:
            return worker.call("stream", at_once=at_once, seconds=seconds)


def served(model: str, way: str, at_once: int) -> Server:
    if way == OURS:
        # More than the product lets in by itself would wait in line.
        places = {"CONCURRENT_ANSWERS": str(max(200, at_once))}
        return Server(streaming_site.environment(model_url=model, **places))
    variables = streaming_site.environment(model_url=model, BENCH_PEER=way)
    return Server(variables, application=streaming_site.PEER)


def _rows(figures: Figures) -> list[Row]:
    def middle(run: tuple[str, int], figure: str) -> float:
        return median(one[figure] for one in figures[run])

    def all_of(run: tuple[str, int], figure: str) -> list[float]:
        return [one[figure] for one in figures[run]]

    rows: list[Row] = []
    for way, count in figures:
        run = way, count
        row: Row = {
            "what": f"{count} answers at once" + ("" if way == OURS else f": {WORDS[way]}"),
            "value": middle(run, "p99"),
            "unit": (
                f"ms p99 (p50 {middle(run, 'p50'):.0f}, worst {middle(run, 'worst'):.0f}, p99 of "
                f"the beginning {middle(run, 'beginning_p99'):.0f}); "
                f"{middle(run, 'cpu_percent'):.0f} % of the core, waited for it "
                f"{middle(run, 'waited_percent'):.0f} %, "
                f"{middle(run, 'chunks_a_second'):,.0f} chunks a second came; the "
                f"reader itself {middle(run, 'reader_late_p99'):.0f} late"
            ),
        }
        peer = "plain", count
        if way != "plain" and peer in figures:
            row["peer"] = f"{WORDS['plain']}: {middle(peer, 'p99'):.0f}"
            row["ratio"] = paired_ratio(all_of(run, "p99"), all_of(peer, "p99"))
        if way == OURS and count in LIMITS:
            row["limit"] = LIMITS[count]
        rows.append(row)
    peer = "plain", COMPARED
    for way in (OURS, "dropin"):
        run, figure = (way, COMPARED), "cpu_us_a_chunk"
        row = {
            "what": f"CPU, {COMPARED} at once" + ("" if way == OURS else f": {WORDS[way]}"),
            "value": middle(run, figure),
            "unit": "µs a chunk, all that a turn costs in it",
            "peer": f"{WORDS['plain']}: {middle(peer, figure):.0f}",
            "ratio": paired_ratio(all_of(run, figure), all_of(peer, figure)),
        }
        rows.append({**row, "limit": "≤ 0.35 ×"} if way == OURS else row)
    return rows
