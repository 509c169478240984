"""Students with a websocket each, in one process that costs little itself.

Frames are looked through, not parsed: at ten thousand chunks a second a reader that parses would be
what is measured. A chunk's text is the time it was sent by the model (see model_server.py).
"""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from bench.websocket import PATIENCE_SECONDS, Tab

WORDS = "Where does photosynthesis happen?"
OPENING_AT_ONCE = 20


class Student:
    """Asks one question after the other, each in a conversation and a tab of its own.

    `heard` gets the time each chunk was sent and the time its frame came.
    """

    def __init__(
        self, url: str, who: dict, heard: Callable[[float, float], None] = lambda sent, came: None
    ):
        self.url, self.cookie, self.conversations = url, who["cookie"], list(who["of"])
        self.heard = heard
        self.tabs: list[Tab] = []
        self.asked = 0  # questions
        self.asked_at = 0.0
        self.chunks = 0  # of the last answer
        self.ready: asyncio.Future[float] | None = None  # when the last tab was greeted
        self.first: asyncio.Future[tuple[list[float], float]] | None = None
        self.end: asyncio.Future[tuple[str, float]] | None = None
        self._half = b""

    async def open(self, conversation: int | None = None, *, is_deaf: bool = False) -> Tab:
        place = len(self.tabs) if conversation is None else conversation
        path = f"/ws/conversations/{self.conversations[place]}/"
        self.ready = asyncio.get_running_loop().create_future()
        tab = await Tab.open(self.url, path, self.cookie, self._on_frame, is_deaf=is_deaf)
        self.tabs.append(tab)
        return tab

    def ask(self, wish: str, *, tab: Tab | None = None) -> None:
        """Ask in the next tab that is open, or in this one."""
        loop, tab = asyncio.get_running_loop(), tab or self.tabs[self.asked]
        self.asked += 1
        self.chunks, self._half = 0, b""
        self.first, self.end = loop.create_future(), loop.create_future()
        self.asked_at = time.monotonic()
        tab.send(type="ask", id=os.urandom(8).hex(), text=f"{wish} {WORDS}")

    async def first_words(self) -> tuple[list[float], float]:
        """The times in the first frame of text, and when it came."""
        return await asyncio.wait_for(asyncio.shield(self.first), PATIENCE_SECONDS)

    async def ended(self) -> tuple[str, float]:
        """How the answer ended, and when the tab was told."""
        return await asyncio.wait_for(asyncio.shield(self.end), PATIENCE_SECONDS)

    async def answered(self) -> None:
        """Wait for the end of an answer that nobody stops."""
        status, _ = await self.ended()
        if status != "complete":
            raise RuntimeError(f"an answer ended {status}")

    def close(self) -> None:
        for tab in self.tabs:
            tab.close()

    def _on_frame(self, frame: bytes, now: float) -> None:
        if frame.startswith(b'{"type":"turn.delta"'):
            at = frame.index(b'"text":"') + 8
            text = frame[at : frame.index(b'"', at)].replace(b"\\n", b" ")
            *words, self._half = (self._half + text).split(b" ")
            sent = [float(word) for word in words if word[:1].isdigit()]
            self.chunks += len(sent)
            for stamp in sent:
                self.heard(stamp, now)
            if self.first is not None and not self.first.done():
                self.first.set_result((sent, now))
        elif frame.startswith(b'{"type":"turn.finished"'):
            if self.end is not None and not self.end.done():
                self.end.set_result((json.loads(frame)["status"], now))
        elif frame.startswith(b'{"type":"ready"'):
            if not self.ready.done():
                self.ready.set_result(now)
        elif frame.startswith((b'{"type":"turn.rejected"', b'{"type":"error"')):
            for waiting in (self.first, self.end):
                if waiting is not None and not waiting.done():
                    waiting.set_exception(RuntimeError(frame.decode()))


class Crowd:
    """In the worker: the students of one server; a topic's own crowd does what it measures."""

    def __init__(self, url: str, pid: int, data: str):
        self.url, self.pid = url, pid
        self.who = json.loads(Path(data, "students.json").read_text())
        self.students: list[Student] = []

    async def open_all(self, students: Iterable[Student], tabs: int = 1) -> None:
        places = asyncio.Semaphore(OPENING_AT_ONCE)

        async def open_one(student: Student) -> None:
            async with places:
                for _ in range(tabs):
                    await student.open()

        await asyncio.gather(*(open_one(student) for student in students))

    async def warm_up(self) -> None:
        """Have one answer: what a server does for its first question only is done by then."""
        first = Student(self.url, self.who[-1])
        await first.open()
        first.ask("bench-20-0-stamped-prose")
        await first.answered()
        first.close()


async def sleep_unless_failed(due: float, tasks: list[asyncio.Task]) -> None:
    """Sleep until then, unless one of the tasks fails."""
    pause = max(0.0, due - time.monotonic())
    done, _ = await asyncio.wait(tasks, timeout=pause, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


async def beat(lags: list[float]) -> None:
    """How late this process itself is: its core is shared with the model."""
    while True:
        due = time.monotonic() + 0.01
        await asyncio.sleep(0.01)
        lags.append(time.monotonic() - due)
