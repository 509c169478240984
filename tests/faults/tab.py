"""A tab that keeps to the protocol as the page's own script does.

It asks for a snapshot where a piece is missing, comes back after a lost socket, and sends its
question again until the turn has begun. What it shows of an answer is in `shown`.
"""

import asyncio
import json
import random
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic as now
from typing import Any, Self
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.faults.shown import Shown
from tests.faults.students import Student

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.0
OPEN_SECONDS = 10.0
RESUME_SECONDS = 5.0  # then a snapshot is asked for again
REPLY_SECONDS = 8.0  # the page's own patience with a frame that always has a reply
QUIET_SECONDS = 6.0  # where words are expected; then the page asks
LONG_AGO = float("-inf")
FINAL = (4401, 4404)
NO_LINGER = struct.pack("ii", 1, 0)
SMALL_BUFFER_BYTES = 4096


class Tab:
    """One tab; `urls` are the addresses of the web processes, the first is where it begins."""

    def __init__(
        self,
        student: Student,
        conversation: str,
        urls: Sequence[str],
        *,
        pause_per_frame_seconds: float = 0.0,
        looks_again_seconds: float = QUIET_SECONDS,
    ):
        self.student = student
        self.conversation = conversation
        self.urls = list(urls)
        self.pause_per_frame_seconds = pause_per_frame_seconds
        self.looks_again_seconds = looks_again_seconds
        self.answers: dict[str, Shown] = {}  # by turn
        self.waiting: dict[str, str] | None = None  # the ask whose turn has not begun
        self.refusal: dict | None = None  # turn.rejected, of the newest ask
        self.troubles: list[str] = []
        self.frames: list[dict] = []
        self.gaps = self.losses = self.looks = self.renewals = 0
        self.is_ready = False
        self._socket: ClientConnection | None = None
        self._was_ready = self._is_closed = False
        self._resumed_at = LONG_AGO
        self._alarm: asyncio.TimerHandle | None = None
        self._news = asyncio.Event()
        self._life: asyncio.Task | None = None

    # --- The student ----------------------------------------------------------------------------
    async def open(self) -> Self:
        self._life = asyncio.create_task(self._live())
        await self.until(lambda: self.is_ready)
        return self

    async def ask(self, ask_id: str, text: str, *, times: int = 1) -> None:
        self.waiting = {"type": "ask", "id": ask_id, "text": text}
        self.refusal = None
        for _ in range(times):
            await self._send_waiting()

    async def stop(self) -> None:
        await self._send({"type": "stop"}, has_reply=self.running is not None)

    async def looks_again(self) -> None:
        """What the page does when it comes to the front."""
        await self._resume()

    def loses_its_connection(self, then: Sequence[str]) -> None:
        """Without a word to the server, as where a network ends; it comes back at `then`."""
        self.urls, self.is_ready = list(then), False
        if self._socket is not None:
            raw = self._socket.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            self._socket.transport.abort()

    async def close(self) -> None:
        self._is_closed = True
        self._disarm()
        if self._socket is not None:
            with suppress(WebSocketException, OSError):
                await self._socket.close()
        if self._life is not None:
            self._life.cancel()
            await asyncio.wait([self._life])
            if not self._life.cancelled() and (error := self._life.exception()):
                raise error

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *exc_info) -> None:
        await self.close()

    @property
    def running(self) -> Shown | None:
        return next((a for a in self.answers.values() if not a.has_ended), None)

    def answer_to(self, ask_id: str) -> Shown | None:
        return next((a for a in self.answers.values() if a.ask == ask_id), None)

    def newest(self, kind: str) -> dict | None:
        """The newest frame of this type."""
        return next((f for f in reversed(self.frames) if f["type"] == kind), None)

    async def until(self, condition: Callable[[], Any], timeout_seconds: float = 30.0) -> Any:
        """Wait for a true value of `condition()`, and look at the page again now and then."""
        deadline = now() + timeout_seconds
        quiet_since = now()
        while not (value := condition()):
            if self._life is not None and self._life.done():
                self._life.result()
                raise AssertionError(f"this tab was refused: {self.troubles}")
            left = deadline - now()
            assert left > 0, f"not within {timeout_seconds} s: {self}"
            news = self._news
            try:
                await asyncio.wait_for(news.wait(), min(left, 1.0))
                quiet_since = now()
            except TimeoutError:
                is_waiting = self.running is not None and self.is_ready
                if is_waiting and now() - quiet_since > self.looks_again_seconds:
                    self.looks += 1
                    quiet_since = now()
                    await self.looks_again()
        return value

    @property
    def all_troubles(self) -> list[str]:
        return [*self.troubles, *(t for a in self.answers.values() for t in a.troubles)]

    def __str__(self) -> str:
        answers = [f"{a.ask}: {len(a.text)} letters, {a.status}" for a in self.answers.values()]
        return (
            f"tab of {self.student.name} on {self.conversation} at {self.urls[0]}, "
            f"ready: {self.is_ready}, waiting: {self.waiting}, answers: {answers}, "
            f"refusal: {self.refusal}, troubles: {self.all_troubles}, losses: {self.losses}, "
            f"last frames: {self.frames[-4:]}"
        )

    # --- The connection -------------------------------------------------------------------------
    async def _live(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._is_closed:
            was_there = False
            try:
                async with await self._connection() as self._socket:
                    was_there = True
                    while True:
                        frame = json.loads(await self._socket.recv())
                        pause = FIRST_PAUSE_SECONDS
                        self._disarm()
                        await self._receive(frame)
                        self._say_news()
                        if self.pause_per_frame_seconds:
                            await asyncio.sleep(self.pause_per_frame_seconds)
            except (OSError, WebSocketException, TimeoutError):
                pass
            code = self._socket.close_code if self._socket else None
            self._socket, self.is_ready = None, False
            self._disarm()
            if code in FINAL:
                self.troubles.append(f"closed with {code}")
                return
            self.losses += not self._is_closed
            if not was_there:
                # As behind a balancer: where nobody answers, the next try goes to another one.
                self.urls.append(self.urls.pop(0))
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _connection(self) -> connect:
        url = self.urls[0]
        options: dict[str, Any] = {}
        if self.pause_per_frame_seconds:
            raw = socket.socket()
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
            raw.setblocking(False)
            address = urlsplit(url)
            loop = asyncio.get_running_loop()
            try:
                await loop.sock_connect(raw, (address.hostname, address.port))
            except OSError:
                raw.close()
                raise
            options = {"sock": raw, "max_queue": 1}
        return connect(
            f"{url.replace('http', 'ws')}/ws/conversations/{self.conversation}/",
            origin=url,
            additional_headers={"Cookie": self.student.cookies},
            compression=None,
            ping_interval=None,
            open_timeout=OPEN_SECONDS,
            close_timeout=0.5,
            proxy=None,
            **options,
        )

    async def _send(self, frame: dict, *, has_reply: bool = False) -> bool:
        if self._socket is None:
            return False
        if has_reply and self._alarm is None:
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(REPLY_SECONDS, self._renew, self._socket)
        try:
            await self._socket.send(json.dumps(frame))
        except (WebSocketException, OSError):
            return False
        return True

    def _renew(self, dead: ClientConnection) -> None:
        self._alarm = None
        self.renewals += 1
        dead.transport.abort()

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _say_news(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    # --- The server's frames --------------------------------------------------------------------
    async def _receive(self, frame: dict) -> None:
        self.frames.append(frame)
        match frame["type"]:
            case "ready":
                await self._ready(frame["turn"])
            case "turn.started":
                self._started(frame["turn"], frame["ask"])
            case "turn.delta":
                if not self._add(frame):
                    self.gaps += 1
                    # The snapshot on its way holds what is missing, unless it was lost too.
                    if now() - self._resumed_at > RESUME_SECONDS:
                        await self._resume()
            case "turn.snapshot":
                self._resumed_at = LONG_AGO
                self._replace(frame)
            case "turn.finished":
                await self._finished(frame)
            case "turn.rejected":
                if self.waiting and frame["ask"] == self.waiting["id"]:
                    self.waiting, self.refusal = None, frame
            case "error":
                self.troubles.append(f"an error: {frame}")

    async def _ready(self, turn: dict | None) -> None:
        self.is_ready, self._resumed_at = True, LONG_AGO
        if turn:
            self._replace(turn)
        elif self._was_ready or self.running:
            await self._resume()
        self._was_ready = True
        await self._send_waiting()

    async def _send_waiting(self) -> None:
        if self.waiting and self.is_ready:
            await self._send(self.waiting, has_reply=True)

    async def _resume(self) -> None:
        await self._send({"type": "resume"}, has_reply=self.running is not None)
        self._resumed_at = now()

    def _started(self, turn: str, ask: str) -> Shown:
        if turn not in self.answers:
            self._resumed_at = LONG_AGO
            self.answers[turn] = Shown(turn, ask)
        if self.waiting and ask == self.waiting["id"]:
            self.waiting = None
        return self.answers[turn]

    def _add(self, frame: dict) -> bool:
        answer = self.answers.get(frame["turn"])
        return answer is not None and answer.add(frame["at"], frame["text"])

    def _replace(self, frame: dict) -> None:
        answer = self._started(frame["turn"], frame.get("ask", ""))
        answer.replace(frame["text"], frame["status"], frame.get("message", ""))

    async def _finished(self, frame: dict) -> None:
        answer = self.answers.get(frame["turn"])
        if answer is not None and answer.has_ended:
            return
        if answer is None or len(answer.text) != frame["length"]:
            await self._resume()  # the last piece is missing
            return
        answer.end(frame["status"], frame.get("message", ""))
