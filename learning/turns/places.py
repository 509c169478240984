"""How many answers a process writes at once, and the line of those that wait for a place.

First come, first served. Who waits is told how many are before them.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from django.conf import settings
from django.utils.translation import gettext_lazy as _

# Behind this many others, every place that is gained is told; further back, every tenth.
NEAR = 10

Tell = Callable[[int], None]


class NoPlace(Exception):
    """So many questions are being answered that this one gets no turn."""

    shown_to_user = _(
        "Too many questions are being asked at this moment. Please ask again in a few minutes."
    )


class Places:
    """A semaphore that tells its waiters where they stand."""

    def __init__(self):
        self._taken = 0
        self._is_telling = False
        self._waiting: deque[tuple[asyncio.Future, Tell]] = deque()

    @property
    def taken(self) -> int:
        return self._taken

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def is_free(self) -> bool:
        return self._taken < settings.TUTOR["CONCURRENT_ANSWERS"] and not self._waiting

    async def take(self, tell: Tell) -> None:
        """Wait for a place; each is given back with `give_back`. `tell` gets the number ahead."""
        if self.is_free():
            self._taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        waiter = (turn, tell)
        self._waiting.append(waiter)
        tell(len(self._waiting) - 1)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()  # it was called in the moment in which it left
            elif waiter in self._waiting:
                self._waiting.remove(waiter)
                self._tell_all()
            raise

    async def take_in_time(self, tell: Tell) -> None:
        """Wait for a place, but not for ever and not in an endless line; raises NoPlace."""
        if self.waiting >= settings.TUTOR["QUEUE_LENGTH"]:
            raise NoPlace("the line is full")
        try:
            async with asyncio.timeout(settings.TUTOR["QUEUE_SECONDS"]):
                await self.take(tell)
        except TimeoutError:
            raise NoPlace("no place was free in time") from None

    def give_back(self) -> None:
        self._taken -= 1
        while self._waiting and self._taken < settings.TUTOR["CONCURRENT_ANSWERS"]:
            turn, _ = self._waiting.popleft()
            if not turn.done():
                self._taken += 1
                turn.set_result(None)
        self._tell_all()

    def _tell_all(self) -> None:
        # Once for all who leave in the same moment.
        if not self._is_telling:
            self._is_telling = True
            asyncio.get_running_loop().call_soon(self._tell_now)

    def _tell_now(self) -> None:
        self._is_telling = False
        for ahead, (_turn, tell) in enumerate(self._waiting):
            if ahead < NEAR or ahead % NEAR == 0:
                tell(ahead)


places = Places()
