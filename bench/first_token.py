"""What a server adds to the time to the first token: question in, passages, model asked, frame out.

The model answers at once, with the time it had the question and the time it sent its first chunk.
What lies outside those two counts as the server's: from the student's sending `ask` until the model
has the question, and from its first chunk until the student has the frame. One Daphne on one core.

Alone: one student after the other, each with a question of their own. Fifty: all within one second,
evenly, or all in the same instant; then who is last waits for all others. Without retrieval the
product's search finds nothing, at once; with it, words are counted instead of running a model. The
peer is a consumer that calls the plain `AsyncOpenAI`, and admits, searches, saves, traces nothing.
"""

import asyncio
from itertools import chain

from tqdm import tqdm

from bench import streaming_site
from bench.processes import serving
from bench.rows import Row, median, paired_ratio, percentile
from bench.streaming_site import Server, on_core
from bench.students import Crowd, Student

TITLE = "Time to the first token, as far as it is ours"
WISH = "bench-5-20-stamped-timed"
CROWD = 50
SETTLE_SECONDS = 1.0  # of a server that has just opened fifty sockets and closed as many
PAUSE_SECONDS = 0.05  # between one student's answer and the next one's question
WAYS = {
    "bare": "without retrieval",
    "whole": "with retrieval",
    "plain": "plain AsyncOpenAI",
}
# How the students ask, and which of its percentiles counts.
CASES = {
    "alone": ("one student", 0.5, "≤ 15"),
    "spread": (f"{CROWD} students within one second", 0.99, "≤ 50"),
    "instant": (f"{CROWD} students in the same instant", 0.99, None),
}


class Askers(Crowd):
    """In the worker: questions, and how long the server took over their first words (ms)."""

    async def begin(self) -> None:
        await self.warm_up()

    async def alone(self, count: int) -> list[float]:
        students = await self._newcomers(count)
        times = []
        for student in students:
            times.append(await _added(student))
            await asyncio.sleep(PAUSE_SECONDS)
        return times

    async def spread(self) -> list[float]:
        return await self._together([place / CROWD for place in range(CROWD)])

    async def instant(self) -> list[float]:
        return await self._together([0.0] * CROWD)

    async def _together(self, delays: list[float]) -> list[float]:
        async def ask(student: Student, delay: float) -> float:
            await asyncio.sleep(delay)
            return await _added(student)

        students = await self._newcomers(len(delays))
        return await asyncio.gather(*map(ask, students, delays))

    async def _newcomers(self, count: int) -> list[Student]:
        """Students on a conversation that nobody has asked in, one tab each."""
        for student in self.students:
            student.close()
        self.students = [
            Student(self.url, {**who, "of": [who["of"].pop()]}) for who in self.who[:count]
        ]
        await self.open_all(self.students)
        await asyncio.sleep(SETTLE_SECONDS)
        return self.students


async def _added(student: Student) -> float:
    student.ask(WISH)
    (had, sent, *_), came = await student.first_words()
    await student.answered()
    return ((had - student.asked_at) + (came - sent)) * 1000


def measure(quick: bool) -> list[Row]:
    rounds, alone, crowds = (1, 15, 1) if quick else (3, 40, 2)
    times: dict[tuple[str, str], list[list[float]]] = {}
    with on_core(1), serving("bench.model_server") as model:
        for turn in range(rounds):
            for way in tqdm(WAYS, desc=f"round {turn + 1} of {rounds}", leave=False):
                with _served(model, way) as server:
                    with server.students("bench.first_token:Askers") as askers:
                        askers.call("begin")
                        found = {"alone": askers.call("alone", count=alone)}
                        for case in ("spread", "instant"):
                            found[case] = list(chain(*(askers.call(case) for _ in range(crowds))))
                for case, of_case in found.items():
                    times.setdefault((way, case), []).append(of_case)
    return [_row(way, case, times) for case in CASES for way in WAYS]


def _served(model: str, way: str) -> Server:
    if way == "plain":
        variables = streaming_site.environment(model_url=model, BENCH_PEER=way)
        return Server(variables, application=streaming_site.PEER)
    if way == "bare":
        variables = streaming_site.environment(model_url=model, BENCH_CHANGE="no_search")
        return Server(variables, application=streaming_site.CHANGED)
    return Server(streaming_site.environment(model_url=model))


def _row(way: str, case: str, times: dict[tuple[str, str], list[list[float]]]) -> Row:
    words, share, limit = CASES[case]
    ours, plain = (
        [percentile(block, share) for block in times[one, case]] for one in (way, "plain")
    )
    whole = list(chain(*times[way, case]))
    row: Row = {
        "what": f"{words}, {WAYS[way]}",
        "value": median(ours),
        "unit": f"ms p{share * 100:.0f} (p50 {percentile(whole, 0.5):.1f}, p99 "
        f"{percentile(whole, 0.99):.1f}, worst {max(whole):.0f})",
    }
    if way != "plain":
        row["peer"] = f"{WAYS['plain']}: {median(plain):.1f}"
        row["ratio"] = paired_ratio(ours, plain)
    if way == "bare" and limit:
        row["limit"] = limit
    return row
