"""What students notice of others: a database that takes two seconds, somebody who never reads.

Slow database: fifty answers run all the time, in one Daphne on one core. Then another student's
question takes a query of two seconds (while it holds SQLite's write lock, as such a question does),
or another process holds the write lock for two seconds. What chunks wait meanwhile is compared with
the two seconds before, round by round; so is how long a newcomer waits for `ready`.

Never reads: a student has two tabs on a conversation. In one of them thirty long answers come and
are read; the other is open and takes nothing. What it adds to the peak of the server's memory,
beyond the peak of the same without it. The peer is a plain consumer on the same
Daphne; its tab that takes nothing asks by itself, for there every tab has its own answers.
"""

import asyncio
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from tqdm import tqdm

from bench import streaming_site
from bench.processes import Worker, serving
from bench.rows import Row, median, percentile
from bench.streaming_site import QUERY_SECONDS, SLOW_QUERY, Server, on_core, private_kb
from bench.students import Crowd, Student

TITLE = "Beside somebody else's trouble"
AT_ONCE, CHUNKS = 50, 3_000  # a minute
CALM_SECONDS = 2.0
TROUBLES = {
    "query": f"another student's query of {QUERY_SECONDS:.0f} s",
    "lock": f"another process holds the write lock for {QUERY_SECONDS:.0f} s",
}
LONG_ANSWERS = 30  # some 10 MB: the system itself takes up to 4 MB for a socket
LONG_WISH = "bench-3000-0-stamped-prose"  # some 40 kB of text, and as much of HTML


class Neighbours(Crowd):
    """In the worker: students whose answers run, and one who is in trouble."""

    def __init__(self, url: str, pid: int, data: str):
        super().__init__(url, pid, data)
        self.database = Path(data, "coursetrace.sqlite3")
        self.delays: list[float] = []

    async def begin(self) -> None:
        """Let answers run that last for longer than everything that is done here."""
        await self.warm_up()
        self.students = [Student(self.url, who, self._heard) for who in self.who[:AT_ONCE]]
        await self.open_all(self.students)
        for student in self.students:
            student.ask(f"bench-{CHUNKS}-20-stamped-prose")
            await asyncio.sleep(1 / AT_ONCE)
        for student in self.students:
            await student.first_words()
        await asyncio.sleep(3)

    def _heard(self, sent: float, came: float) -> None:
        self.delays.append(came - sent)

    async def trouble(self, kind: str) -> dict[str, float]:
        """The p99 of what a chunk waits, and what a newcomer does, before it and while it lasts."""
        calm = await self._watch(CALM_SECONDS)
        troubled = asyncio.create_task(self._slow_query() if kind == "query" else self._lock())
        await asyncio.sleep(0.1)
        during = await self._watch(QUERY_SECONDS - 0.3)
        await troubled
        await asyncio.sleep(1)
        if any(student.end.done() for student in self.students):
            raise RuntimeError("an answer ended while it was to run")
        return {
            "calm": calm[0],
            "during": during[0],
            "calm_newcomer": calm[1],
            "during_newcomer": during[1],
        }

    async def _watch(self, seconds: float) -> tuple[float, float]:
        self.delays.clear()
        greeted = asyncio.create_task(self._newcomer())
        await asyncio.sleep(seconds)
        return percentile(self.delays, 0.99) * 1000, await greeted * 1000

    async def _newcomer(self) -> float:
        """Seconds until somebody who opens a page is greeted."""
        newcomer = Student(self.url, self.who[AT_ONCE])
        began = time.monotonic()
        await newcomer.open()
        waited = await newcomer.ready - began
        newcomer.close()
        return waited

    async def _slow_query(self) -> None:
        who = self.who[AT_ONCE + 1]
        student = Student(self.url, {**who, "of": [who["of"].pop()]})
        await student.open()
        student.ask(f"bench-1-0-stamped {SLOW_QUERY}{time.time_ns()}")
        await student.first_words()
        if time.monotonic() - student.asked_at < QUERY_SECONDS:
            raise RuntimeError("the query that is to be slow was not")
        student.close()

    async def _lock(self) -> None:
        def hold() -> None:
            with closing(sqlite3.connect(self.database, timeout=20)) as database:
                database.execute("BEGIN IMMEDIATE")
                time.sleep(QUERY_SECONDS)
                database.rollback()

        await asyncio.to_thread(hold)

    async def long_answers(self, with_deaf_tab: bool, each_asks: bool) -> None:
        """Have long answers, one after the other, perhaps beside a tab that takes nothing."""
        who = self.who[0]
        student = Student(self.url, {**who, "of": [who["of"].pop()]})
        tab = await student.open()
        deaf = await student.open(0, is_deaf=True) if with_deaf_tab else None
        for _ in range(LONG_ANSWERS):
            student.ask(LONG_WISH, tab=tab)
            if deaf is not None and each_asks:
                deaf.send(type="ask", id="deaf", text=LONG_WISH)
            await student.answered()
        student.close()
        await asyncio.sleep(0.5)


def measure(quick: bool) -> list[Row]:
    rounds = 2 if quick else 4
    with on_core(1), serving("bench.model_server") as model:
        return [*_slow_rows(model, rounds), _deaf_row(model, quick)]


def _slow_rows(model: str, rounds: int) -> list[Row]:
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in TROUBLES}
    variables = streaming_site.environment(model_url=model, BENCH_CHANGE="slow_query")
    with (
        Server(variables, application=streaming_site.CHANGED) as server,
        server.students("bench.neighbours:Neighbours") as students,
    ):
        students.call("begin")
        for _ in tqdm(range(rounds), desc="slow database", leave=False):
            for kind in TROUBLES:
                found[kind].append(students.call("trouble", kind=kind))
    rows: list[Row] = []
    for kind, words in TROUBLES.items():
        for ending, who in (("", "a chunk's p99"), ("_newcomer", "a newcomer's `ready`")):
            calm, during = (
                [one[when + ending] for one in found[kind]] for when in ("calm", "during")
            )
            added = [slow - quick for slow, quick in zip(during, calm, strict=True)]
            row: Row = {
                "what": f"{words}: added to {who}",
                "value": median(added),
                "unit": f"ms (worst of {len(added)}: {max(added):.0f}; with it "
                f"{median(during):.0f}, without {median(calm):.0f})",
            }
            rows.append(row if ending else {**row, "limit": "≤ 10"})
    return rows


def _deaf_row(model: str, quick: bool) -> Row:
    added: dict[str, list[float]] = {"ours": [], "plain": []}
    for way, grown in added.items():
        with _served(model, way) as server, server.students("bench.neighbours:Neighbours") as them:
            each_asks = way == "plain"
            for _ in range(3):  # what the first answers take is kept for the next ones
                _peak_kb(server, them, with_deaf_tab=False, each_asks=each_asks)
            before = _peak_kb(server, them, with_deaf_tab=False, each_asks=each_asks)
            for _ in range(1 if quick else 3):
                beside = _peak_kb(server, them, with_deaf_tab=True, each_asks=each_asks)
                after = _peak_kb(server, them, with_deaf_tab=False, each_asks=each_asks)
                # Memory grows a little with whatever is done: the middle of both sides.
                grown.append(beside - (before + after) / 2)
                before = after
    return {
        "what": "a tab that takes nothing: added to the peak of memory",
        "value": median(added["ours"]),
        "unit": f"kB (worst {max(added['ours']):,.0f})",
        "peer": f"plain consumer: {median(added['plain']):,.0f}",
        "ratio": median(added["ours"]) / median(added["plain"]),
        "limit": "≤ 1,000",
    }


def _served(model: str, way: str) -> Server:
    if way == "ours":
        return Server(streaming_site.environment(model_url=model))
    variables = streaming_site.environment(model_url=model, BENCH_PEER=way)
    return Server(variables, application=streaming_site.PEER)


def _peak_kb(server: Server, students: Worker, **how: bool) -> int:
    """The most that the server takes while the answers come."""
    peak, is_over = 0, threading.Event()

    def look() -> None:
        nonlocal peak
        while not is_over.wait(0.1):
            peak = max(peak, private_kb(server.pid))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        students.call("long_answers", **how)
    finally:
        is_over.set()
        looking.join()
    return peak
