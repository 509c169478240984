"""What happens to running turns each second: their text is saved, and somebody is still there.

One task for all turns of an event loop, and one transaction for all their texts. Saving is also the
sign that they live: after a kill, another process can tell which rows are dead.
"""

import asyncio
import logging
import time
import weakref
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from learning import tabs
from learning.turns import rows
from learning.turns.turn import Turn
from rag import database

logger = logging.getLogger(__name__)

SAVE_SECONDS = 0.8  # with the time that saving takes: what a kill costs is less than a second
WHO_SECONDS = 10.0  # how often other processes are asked whether somebody is there


@dataclass
class _Kept:
    turn: Turn
    saved_length: int = 0
    saved_at: float = 0.0
    watched_at: float = 0.0
    asked_at: float = 0.0


class Keeper:
    """Looks after the running turns of one event loop."""

    def __init__(self):
        self._kept: dict[UUID, _Kept] = {}  # by conversation
        self._task: asyncio.Task | None = None

    def add(self, turn: Turn) -> None:
        now = time.monotonic()
        self._kept[turn.conversation.pk] = _Kept(turn, saved_at=now, watched_at=now, asked_at=now)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep(), name="keep running turns")

    def discard(self, turn: Turn) -> None:
        kept = self._kept.get(turn.conversation.pk)
        if kept is not None and kept.turn is turn:  # the next one may have begun
            del self._kept[turn.conversation.pk]

    async def _keep(self) -> None:
        while self._kept:
            await asyncio.sleep(SAVE_SECONDS)
            try:
                await self._save()
                self._look_who_is_there()
            except Exception:
                # The database is away for a moment: the answers go on, the next second saves.
                logger.warning("partial answers could not be saved", exc_info=True)

    async def _save(self) -> None:
        now = time.monotonic()
        due = {
            UUID(kept.turn.id): (kept, kept.turn.text)
            for kept in self._kept.values()
            if len(kept.turn.text) != kept.saved_length
            or now - kept.saved_at >= rows.HEARTBEAT_SECONDS
        }
        if not due:
            return
        await database.write(rows.save_partials, {id: text for id, (_, text) in due.items()})
        for kept, text in due.values():
            kept.saved_length, kept.saved_at = len(text), now

    def _look_who_is_there(self) -> None:
        now = time.monotonic()
        for conversation_id, kept in list(self._kept.items()):
            if tabs.is_watched(conversation_id):
                kept.watched_at = now
            elif now - kept.watched_at > settings.TUTOR["GRACE_SECONDS"]:
                kept.turn.nobody_is_there()
            if now - kept.asked_at > WHO_SECONDS:
                kept.asked_at = now
                tabs.ask_who_is_there(conversation_id)


_keepers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Keeper] = weakref.WeakKeyDictionary()


def keeper() -> Keeper:
    """The keeper of the running event loop."""
    return _keepers.setdefault(asyncio.get_running_loop(), Keeper())
