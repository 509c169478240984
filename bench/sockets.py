"""What the server's process keeps in memory for each websocket, and for each answer that runs.

Memory is what only this process has (private pages). A first hundred of each kind has been there
before: what is counted is what more of them add. Idle: a thousand websockets, their students logged
in, after a moment of quiet. Running: two hundred answers, a chunk each quarter of a second, ten
seconds after they began; their websockets were open before. The peer is a consumer that does
nothing but hold its socket, and one that reads `AsyncOpenAI`'s stream.
"""

import asyncio

from tqdm import tqdm

from bench import streams
from bench.processes import serving
from bench.rows import Row, median, paired_ratio
from bench.streaming_site import on_core, private_kb
from bench.students import Crowd, Student

TITLE = "Memory of a websocket, and of a running answer"
FIRST, IDLE, RUNNING = 100, 1_000, 200
TABS_EACH = 5
WISH = "bench-500-250-stamped-prose"  # longer than all that is done here
RUNNING_SECONDS = 10.0
QUIET_SECONDS = 2.0
BEGINNING_A_SECOND = 20
WAYS = (streams.OURS, "plain")


class Holders(Crowd):
    """In the worker: websockets that are held open, or that answers come through."""

    async def hold(self, count: int) -> None:
        """Open so many websockets more, several for each student."""
        await self.warm_up()
        held = len(self.students) * TABS_EACH
        newcomers = [
            Student(self.url, self.who[place])
            for place in range(held // TABS_EACH, (held + count) // TABS_EACH)
        ]
        self.students += newcomers
        await self.open_all(newcomers, tabs=TABS_EACH)
        await asyncio.sleep(QUIET_SECONDS)

    async def open(self, count: int) -> None:
        """Open a websocket for each of so many students, who may then ask."""
        await self.warm_up()
        self.students = [Student(self.url, who) for who in self.who[:count]]
        await self.open_all(self.students)

    async def ask(self, count: int) -> None:
        """Let so many more ask, and wait until their answers have come to some length."""
        asking = [student for student in self.students if not student.asked][:count]
        for student in asking:
            student.ask(WISH)
            await asyncio.sleep(1 / BEGINNING_A_SECOND)
        for student in asking:
            await student.first_words()
        await asyncio.sleep(RUNNING_SECONDS)
        if any(student.end.done() for student in self.students if student.asked):
            raise RuntimeError("an answer ended while it was to run")


def measure(quick: bool) -> list[Row]:
    rounds = 1 if quick else 3
    idle: dict[str, list[float]] = {way: [] for way in WAYS}
    running: dict[str, list[float]] = {way: [] for way in WAYS}
    with on_core(1), serving("bench.model_server") as model:
        for _ in tqdm(range(rounds), desc="memory of sockets", leave=False):
            for way in WAYS:
                idle[way].append(_growth_kb(model, way, ("hold", FIRST), ("hold", IDLE)))
                running[way].append(_growth_kb(model, way, ("ask", FIRST), ("ask", RUNNING)))
    return [
        _row(f"an idle websocket, of {IDLE:,}", idle, "≤ 40"),
        _row(f"a running answer, of {RUNNING}", running, "≤ 150"),
    ]


def _growth_kb(model: str, way: str, first: tuple[str, int], then: tuple[str, int]) -> float:
    """What the second call adds to the server's memory, for each of its things."""
    with streams.served(model, way, FIRST + RUNNING) as server:
        with server.students("bench.sockets:Holders") as holders:
            if first[0] == "ask":
                holders.call("open", count=first[1] + then[1])
            holders.call(first[0], count=first[1])
            before = private_kb(server.pid)
            holders.call(then[0], count=then[1])
            return (private_kb(server.pid) - before) / then[1]


def _row(what: str, grown: dict[str, list[float]], limit: str) -> Row:
    ours, peer = (grown[way] for way in WAYS)
    return {
        "what": what,
        "value": median(ours),
        "unit": "kB",
        "peer": f"bare consumer: {median(peer):.1f}",
        "ratio": paired_ratio(ours, peer),
        "limit": limit,
    }
