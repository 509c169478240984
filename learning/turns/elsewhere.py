"""Turns that other processes run, as far as tabs of this one look at them.

Their frames come through `relay`. One that falls silent is looked at: its process may have died, or
the last frame may have been lost on its way.
"""

import asyncio
import logging
import time
from functools import partial
from uuid import UUID

from learning import relay, tabs
from learning.events import Event
from learning.models import Message
from learning.turns import registry, tasks

logger = logging.getLogger(__name__)

SILENT_SECONDS = 5.0

_heard_at: dict[UUID, float] = {}  # of turns that have not ended
_minding: set[asyncio.Task] = set()
_missing: dict[UUID, None] = {}  # conversations of which something was not heard
_minding_missed: set[asyncio.Task] = set()


def _hear(conversation_id: UUID, message: dict) -> None:
    event = message["event"]
    tabs.show_here(conversation_id, event)
    _note(conversation_id, event)


def _note(conversation_id: UUID, event: Event) -> None:
    kind, status = event["type"], event.get("status")
    if kind == "turn.finished" or (status and status != Message.Status.RUNNING):
        _heard_at.pop(conversation_id, None)
    elif kind.startswith("turn."):
        _heard_at[conversation_id] = time.monotonic()
        if not _minding:
            tasks.begin(_mind(), _minding, name="mind turns elsewhere")


async def _mind() -> None:
    while _heard_at:
        await asyncio.sleep(SILENT_SECONDS)
        since = time.monotonic() - SILENT_SECONDS
        for conversation_id in [c for c, heard in _heard_at.items() if heard < since]:
            if tabs.is_open_here(conversation_id):
                await _look(conversation_id)
            else:
                _heard_at.pop(conversation_id, None)


def _show(conversation_id: UUID, event: Event | None) -> None:
    if event is None:
        _heard_at.pop(conversation_id, None)
        return
    tabs.show_here(conversation_id, event)
    _note(conversation_id, event)


def _missed(conversation_id: UUID, message: dict) -> None:
    """Another process could not say something: what its turn says by now is shown."""
    if tabs.is_open_here(conversation_id) and not registry.runs_here(conversation_id):
        _missing[conversation_id] = None
        if not _minding_missed:
            tasks.begin(_catch_up(), _minding_missed, name="catch up with turns elsewhere")


def _back(conversation_id: UUID, message: dict) -> None:
    """This process could not say something, and perhaps not hear something either."""
    tabs.line_is_back(conversation_id)
    _missed(conversation_id, message)


async def _catch_up() -> None:
    # One after the other: there may be hundreds at once, and each is a question to the database.
    while _missing:
        conversation_id = next(iter(_missing))
        del _missing[conversation_id]
        await _look(conversation_id)


async def _look(conversation_id: UUID) -> None:
    try:
        await registry.look(conversation_id, partial(_show, conversation_id))
    except Exception:
        # The database is away: a turn that goes on is looked at again.
        logger.warning("a turn of another process could not be looked at", exc_info=True)


relay.on("event", _hear)
relay.on("missed", _missed)
relay.on("back", _back)
