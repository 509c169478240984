"""How answers end before their end: by Stop, and by a server that is told to go.

Stop: from the student's frame until the provider's side of the connection is closed, and until the
student's tab is told; in a second tab that is open,
of the same process or of another one with Redis between the two; and
from the cancel alone, in a process that only reads a stream: the product's client beside a task
round `AsyncOpenAI`. SIGTERM: twenty answers run, and the process, Daphne or uvicorn, ends. Saved
means: marked interrupted, with all the text that its student had; traced: a finished trace says so.
"""

import asyncio
import json
import shutil
import sqlite3
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress

from tqdm import tqdm

from bench import answers, site, streaming_site
from bench.processes import Worker, serving
from bench.redis_server import redis_serving
from bench.rows import Row, median
from bench.streaming_site import Server, on_core
from bench.students import Crowd, Student

TITLE = "Stop, and the server's end"
WISH = "bench-1500-20-stamped-watched"
READ_SECONDS = 0.3  # of an answer, before it is stopped
NOTICED_SECONDS = 3.0  # a connection that is not closed by then counts as open for ever
RUNNING = 20
RUNNING_SECONDS = 2.5


class Stopper(Crowd):
    """In the worker: students who stop their answers; times are of time.monotonic."""

    async def stop(self, count: int, through: str = "") -> list[dict[str, float]]:
        """Stop so many answers, one after the other, in another tab, of this server or that one."""
        await self.warm_up()
        stopped = []
        for who in self.who[:count]:
            student = Student(self.url, who)
            at_stop = Student(through or self.url, who)
            await student.open()
            tab = await at_stop.open()
            student.ask(WISH)
            await student.first_words()
            await asyncio.sleep(READ_SECONDS)
            sent = time.monotonic()
            tab.send(type="stop")
            status, told = await student.ended()
            if status != "stopped":
                raise RuntimeError(f"a stopped answer ended {status}")
            stopped.append({"sent": sent, "told": told})
            student.close()
            at_stop.close()
        return stopped

    async def begin(self, count: int) -> None:
        """Let so many answers run."""
        await self.warm_up()
        self.students = [Student(self.url, who) for who in self.who[:count]]
        await self.open_all(self.students)
        for student in self.students:
            student.ask(WISH)
        for student in self.students:
            await student.first_words()
        await asyncio.sleep(RUNNING_SECONDS)

    async def until_cut(self) -> dict[str, int]:
        """Read to the end; how many chunks each student had, by conversation."""
        for student in self.students:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(student.tabs[0].is_closed), NOTICED_SECONDS)
        return {student.conversations[0]: student.chunks for student in self.students}


class Canceller:
    """In a worker: one stream that is read, and cancelled."""

    def __init__(self, way: str):
        self.way = answers.way(way)

    async def cancel(self) -> float:
        """Return when it was cancelled."""
        has_words = asyncio.Event()
        reading = asyncio.create_task(self.way.answer(WISH, lambda text: has_words.set()))
        await has_words.wait()
        await asyncio.sleep(READ_SECONDS)
        at = time.monotonic()
        reading.cancel()
        await asyncio.wait({reading})
        # The loop goes on, as a server's does: what closes later may still close.
        await asyncio.sleep(READ_SECONDS)
        return at


def measure(quick: bool) -> list[Row]:
    count = 5 if quick else 20
    with on_core(1), serving("bench.model_server") as model:
        return [
            *_cancelled(model, count),
            *_stopped(model, count),
            *_stopped_elsewhere(model, count),
            *_terminated(model, quick),
        ]


def _cancelled(model: str, count: int) -> list[Row]:
    closed: dict[str, list[float]] = {"untraced": [], "plain": []}
    variables = site.environment(site.template(), model_url=model)
    with ExitStack() as workers:
        cancellers = {
            way: workers.enter_context(
                Worker("bench.turn_ends:Canceller", environment=variables, way=way)
            )
            for way in closed
        }
        for _ in tqdm(range(count), desc="cancelled", leave=False):
            for way, canceller in cancellers.items():
                before = len(_ends(model))
                at = canceller.call("cancel")
                ends = _ends(model, more_than=before)[before:]
                closed[way].append(_first_after(at, ends))
    ours, peer = closed["untraced"], closed["plain"]
    return [
        {
            **_milliseconds("provider's connection closed after a cancel", ours, "≤ 50"),
            "peer": f"a task round AsyncOpenAI: {median(peer):.1f} (worst {max(peer):.0f})",
        }
    ]


def _stopped(model: str, count: int) -> list[Row]:
    with Server(streaming_site.environment(model_url=model)) as server:
        closed, told = _stop(model, server, count)
    return [
        _milliseconds("Stop: provider's connection closed after the student's frame", closed, 50),
        _milliseconds("Stop: the student's tab is told", told, None),
    ]


def _stopped_elsewhere(model: str, count: int) -> list[Row]:
    words = "Stop through another process: "
    if not shutil.which("redis-server"):
        row = {"value": None, "unit": "not measured: there is no redis-server here"}
        return [{"what": words.rstrip(": "), **row}]
    with redis_serving() as redis:
        variables = streaming_site.environment(model_url=model, REDIS_URL=redis)
        with Server(variables) as server, Server(variables) as other:
            closed, told = _stop(model, server, count, through=other.url)
    return [
        _milliseconds(f"{words}provider's connection closed", closed, 500),
        _milliseconds(f"{words}the tab at the first one is told", told, 500),
    ]


def _stop(model: str, server: Server, count: int, **where: str) -> tuple[list[float], list[float]]:
    with server.students("bench.turn_ends:Stopper") as stopper:
        before = len(_ends(model))
        stopped = stopper.call("stop", count=count, **where)
        ends = _ends(model, more_than=before + count - 1)[before:]
    return (
        [_first_after(one["sent"], ends) for one in stopped],
        [(one["told"] - one["sent"]) * 1000 for one in stopped],
    )


def _terminated(model: str, quick: bool) -> Iterator[Row]:
    with serving("bench.langfuse_sink", "--hang") as hanging:
        for kind in ("daphne", "uvicorn"):
            for langfuse, words in (("", ""), (hanging, ", Langfuse hangs")):
                rounds = range(1 if quick else 3)
                found = [_terminate(model, kind, langfuse) for _ in rounds]
                name = f"SIGTERM with {RUNNING} answers, {kind}{words}"
                seconds = [one["seconds"] for one in found]
                yield {
                    "what": f"{name}: until the process is gone",
                    "value": max(seconds),
                    "unit": f"s at the most (median {median(seconds):.2f})",
                    "limit": "≤ 5",
                }
                for what in ("saved", "traced"):
                    yield {
                        "what": f"{name}: {what}",
                        "value": min(one[what] for one in found),
                        "unit": f"of {RUNNING}, at the least",
                        "limit": f"≥ {RUNNING}",
                    }


def _terminate(model: str, kind: str, langfuse: str) -> dict[str, float]:
    variables = streaming_site.environment(model_url=model, langfuse_url=langfuse)
    with Server(variables, kind=kind) as server:
        with server.students("bench.turn_ends:Stopper") as students:
            students.call("begin", count=RUNNING)
            seconds = server.terminate()
            heard = students.call("until_cut")
        with closing(sqlite3.connect(server.data / "coursetrace.sqlite3")) as database:
            kept = database.execute(
                "SELECT answer.conversation_id, answer.text, answer.status, trace.status "
                "FROM learning_message answer LEFT JOIN tracing_tracerecord trace "
                "ON trace.id = answer.trace_id WHERE answer.role = 'assistant'"
            ).fetchall()
    heard = {conversation.replace("-", ""): chunks for conversation, chunks in heard.items()}
    of_students = [row for row in kept if row[0] in heard and row[2] != "complete"]
    return {
        "seconds": seconds,
        "saved": sum(
            status == "interrupted" and len(text.split()) >= heard[conversation] > 0
            for conversation, text, status, _ in of_students
        ),
        "traced": sum(row[3] == "interrupted" for row in of_students),
    }


def _first_after(at: float, ends: list[float]) -> float:
    """Milliseconds until the next connection was closed; inf: none was."""
    return min((end - at for end in ends if end > at), default=float("inf")) * 1000


def _ends(model: str, *, more_than: int = -1) -> list[float]:
    """When connections were closed; waits until there are more than so many, but not for ever."""
    deadline = time.monotonic() + NOTICED_SECONDS
    while True:
        with urllib.request.urlopen(f"{model}/ends", timeout=5) as response:  # noqa: S310 - ours
            ends = json.load(response)
        if len(ends) > more_than or time.monotonic() > deadline:
            return ends
        time.sleep(0.05)


def _milliseconds(what: str, times: list[float], limit: int | str | None) -> Row:
    row: Row = {
        "what": what,
        "value": max(times),
        "unit": f"ms at the most (median {median(times):.1f}, of {len(times)})",
    }
    return {**row, "limit": limit} if limit else row
