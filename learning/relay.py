"""What the processes of a site tell each other about conversations, over the channel layer.

A process takes part in a conversation while it has tabs on it or runs its turn. Nothing here waits
for Redis on a student's behalf: what cannot be sent is dropped, and the offset in every frame
brings a tab that missed one to ask for the whole. Of one process alone this is all switched off.
"""

import asyncio
import logging
import os
import time
import uuid
import weakref
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from uuid import UUID

from channels.layers import BaseChannelLayer, InMemoryChannelLayer, get_channel_layer

logger = logging.getLogger(__name__)

PROCESS = uuid.uuid4().hex  # made anew in a fork

PATIENCE_SECONDS = 2.0  # for one message to the layer
REPLY_SECONDS = 0.7  # for another process to answer
MOST_WAITING = 10_000  # messages; beyond, the newest is dropped
# A process that did not say within this time that somebody is there counts as gone.
PRESENCE_SECONDS = 30.0

Message = dict  # "what" says which kind it is
Receive = Callable[[UUID, Message], None]

_receivers: dict[str, Receive] = {}


def on(what: str, receive: Receive) -> None:
    """Have `receive` called, on the event loop, with every message of this kind."""
    _receivers[what] = receive


class Relay:
    """This process's line to the others; one for each event loop."""

    def __init__(self, layer: BaseChannelLayer):
        self._layer = layer
        self._channel = ""
        self._joined: Counter[UUID] = Counter()
        self._present: dict[UUID, dict[str, float]] = defaultdict(dict)
        self._replies: dict[str, tuple[Callable[[Message], None], asyncio.Event]] = {}
        self._waiting: asyncio.Queue[Callable[[], Awaitable[bool]]] = asyncio.Queue()
        self._tasks: list[asyncio.Task] = []
        self._begun = asyncio.Lock()
        self._echo = asyncio.Event()  # what this process said, it heard itself
        self._unheard: set[UUID] = set()  # of these, something could not be said
        self._to_leave: set[UUID] = set()  # left, and the layer does not know yet
        self._is_away = self._has_said_so = False
        self._away_until = 0.0

    async def join(self, conversation_id: UUID) -> bool:
        """Take part in a conversation; as often as it is joined it must be left."""
        self._joined[conversation_id] += 1
        return await self._follow(conversation_id)

    def join_soon(self, conversation_id: UUID) -> None:
        self._joined[conversation_id] += 1
        self._soon(partial(self._follow, conversation_id))

    def leave_soon(self, conversation_id: UUID) -> None:
        self._joined[conversation_id] -= 1
        if self._joined[conversation_id] <= 0:
            del self._joined[conversation_id]
            self._present.pop(conversation_id, None)
            self._soon(partial(self._follow, conversation_id))

    async def _follow(self, conversation_id: UUID) -> bool:
        """Bring the layer in line with whether the conversation is joined."""
        is_done = await self._patiently(partial(self._subscribe, conversation_id))
        if not is_done and conversation_id not in self._joined:
            self._to_leave.add(conversation_id)
        return is_done

    def tell(self, conversation_id: UUID, message: Message) -> None:
        """Say something to the other processes, after what was said before; never waits."""
        if self._waiting.qsize() < MOST_WAITING:
            self._soon(partial(self.send, conversation_id, message))

    def _soon(self, work: Callable[[], Awaitable[bool]]) -> None:
        self._waiting.put_nowait(work)
        self._begin_tasks()

    async def send(self, conversation_id: UUID, message: Message) -> bool:
        """The same, but now; returns whether the layer took it."""
        message = {**message, "type": "relay", "process": PROCESS, "about": str(conversation_id)}
        group = _group(conversation_id)
        is_sent = await self._patiently(partial(self._layer.group_send, group, message))
        if not is_sent and len(self._unheard) < MOST_WAITING:
            self._unheard.add(conversation_id)
        return is_sent

    async def ask(
        self, conversation_id: UUID, message: Message, answered: Callable[[Message], None]
    ) -> bool:
        """Put a question; the first reply is handed to `answered` in the order of what is heard.

        Returns whether one came in time.
        """
        reply_id = uuid.uuid4().hex
        has_come = asyncio.Event()
        self._replies[reply_id] = (answered, has_come)
        try:
            if not await self.send(conversation_id, {**message, "reply": reply_id}):
                return False
            async with asyncio.timeout(REPLY_SECONDS):
                await has_come.wait()
        except TimeoutError:
            return False
        finally:
            del self._replies[reply_id]
        return True

    def somebody_elsewhere(self, conversation_id: UUID) -> bool:
        """Whether another process has a tab on this conversation, as far as is known."""
        since = time.monotonic() - PRESENCE_SECONDS
        return any(heard >= since for heard in self._present.get(conversation_id, {}).values())

    # --- The layer ---------------------------------------------------------------------------

    async def _subscribe(self, conversation_id: UUID) -> None:
        async with self._begun:
            if not self._channel:
                self._channel = await self._layer.new_channel()
                self._begin_tasks()
            # One at a time and in order: whoever has come second finds the first one's done.
            if conversation_id in self._joined:
                await self._layer.group_add(_group(conversation_id), self._channel)
            else:
                await self._layer.group_discard(_group(conversation_id), self._channel)

    def _begin_tasks(self) -> None:
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._keep_sending(), name="relay: sending"),
                asyncio.create_task(self._keep_listening(), name="relay: listening"),
            ]

    async def _keep_sending(self) -> None:
        while True:
            if not self._is_away:
                work = await self._waiting.get()
                await work()
                continue
            # Nothing else may be said for long, and still the tabs must be heard of again.
            with suppress(asyncio.QueueEmpty):
                while True:
                    await self._waiting.get_nowait()()
            await asyncio.sleep(PATIENCE_SECONDS)
            await self._come_back()

    async def _keep_listening(self) -> None:
        while True:
            try:
                async with self._begun:
                    if not self._channel:
                        self._channel = await self._layer.new_channel()
                message = await self._layer.receive(self._channel)
            except Exception:
                self._lost()
                await asyncio.sleep(PATIENCE_SECONDS)
            else:
                self._hear(message)

    def _hear(self, message: Message) -> None:
        try:
            self._take_in(message)
        except Exception:
            # Of a process with another version of this, perhaps.
            logger.exception("a message of another process could not be taken in")

    def _take_in(self, message: Message) -> None:
        what = message["what"]
        if what == "echo":
            self._echo.set()
            return
        if message["process"] == PROCESS or message.get("to", PROCESS) != PROCESS:
            return
        if what == "reply":
            self._take_reply(message)
            return
        conversation_id = UUID(message["about"])
        if what in ("here", "look") and conversation_id in self._joined:
            self._present[conversation_id][message["process"]] = time.monotonic()
        elif what == "gone":
            self._present.get(conversation_id, {}).pop(message["process"], None)
        if receive := _receivers.get(what):
            receive(conversation_id, message)

    def _take_reply(self, message: Message) -> None:
        answered, has_come = self._replies.get(message["reply"], (None, None))
        if has_come is not None and not has_come.is_set():
            has_come.set()
            answered(message)

    async def _come_back(self) -> None:
        """Subscribe again to everything, and have everybody look at what they may have missed."""
        self._is_away = False  # until something fails, or is left out, from here on
        to_leave, self._to_leave = self._to_leave, set()
        for conversation_id in self._joined.keys() | to_leave:
            await self._follow(conversation_id)
        if not self._is_away and await self._patiently(self._hear_oneself):
            self._has_said_so = False
            unheard, self._unheard = self._unheard, set()
            for conversation_id in unheard | self._joined.keys():
                self.tell(conversation_id, {"what": "missed"})
                if receive := _receivers.get("back"):
                    receive(conversation_id, {})

    async def _hear_oneself(self) -> None:
        # A subscription is only known to stand when something comes through it.
        self._echo.clear()
        if self._channel:
            await self._layer.send(self._channel, {"type": "relay", "what": "echo"})
            await self._echo.wait()

    async def _patiently(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Have the layer do its work, but not wait for ever; return whether it was done.

        While the layer is away it is tried once a second, and in between nothing waits for it.
        """
        if time.monotonic() < self._away_until:
            self._is_away = True  # what is left out here is made good when the line is back
            return False
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await work()
        except Exception:
            self._lost()
            return False
        return True

    def _lost(self) -> None:
        if not self._has_said_so:  # once, not for every frame
            logger.warning("the channel layer is away; tabs will catch up", exc_info=True)
            self._has_said_so = True
        self._is_away = True
        self._away_until = time.monotonic() + PATIENCE_SECONDS
        self._soon(_nothing)  # whoever waits for something to say, looks up


async def _nothing() -> bool:
    return True


def _group(conversation_id: UUID) -> str:
    return f"conversation.{conversation_id}"


def _be_another() -> None:
    global PROCESS
    PROCESS = uuid.uuid4().hex


os.register_at_fork(after_in_child=_be_another)

_relays: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Relay] = weakref.WeakKeyDictionary()


def line() -> Relay | None:
    """The relay of the running event loop; None where no other process can be reached."""
    layer = get_channel_layer()
    if layer is None or isinstance(layer, InMemoryChannelLayer):
        return None
    loop = asyncio.get_running_loop()
    if loop not in _relays:
        _relays[loop] = Relay(layer)
    return _relays[loop]
