"""Who is looking at a conversation, and how a frame reaches them.

Tabs of this process get it straight from here; tabs of other processes through the channel layer,
where a frame costs seven times as much.
"""

import logging
import os
from collections import defaultdict
from typing import Protocol
from uuid import UUID

from channels.layers import BaseChannelLayer, InMemoryChannelLayer, get_channel_layer

from learning.events import Event

logger = logging.getLogger(__name__)

PROCESS = f"{os.getpid()}-{os.urandom(4).hex()}"


class Tab(Protocol):
    async def show(self, event: Event) -> None: ...
    async def go_away(self) -> None: ...


_tabs: dict[UUID, set[Tab]] = defaultdict(set)


def group(conversation_id: UUID) -> str:
    """The channel layer's name for the tabs of a conversation."""
    return f"conversation.{conversation_id}"


def opened(conversation_id: UUID, tab: Tab) -> None:
    _tabs[conversation_id].add(tab)


def closed(conversation_id: UUID, tab: Tab) -> None:
    tabs = _tabs.get(conversation_id)
    if tabs is not None:
        tabs.discard(tab)
        if not tabs:
            del _tabs[conversation_id]


async def show_all(conversation_id: UUID, event: Event) -> None:
    """Send an event to every tab of a conversation, wherever it is; never raises."""
    await show_here(conversation_id, event)
    await tell_others(conversation_id, {"type": "turn.event", "event": event})


async def show_here(conversation_id: UUID, event: Event) -> None:
    for tab in list(_tabs.get(conversation_id, ())):
        try:
            await tab.show(event)
        except Exception:
            # A tab that is going away must not take the others' frames with it.
            logger.debug("a tab did not take a frame", exc_info=True)


async def send_away(conversation_id: UUID) -> None:
    """Tell every tab of a conversation, wherever it is, that it was deleted; never raises."""
    for tab in list(_tabs.get(conversation_id, ())):
        try:
            await tab.go_away()
        except Exception:
            logger.debug("a tab had gone already", exc_info=True)
    await tell_others(conversation_id, {"type": "conversation.gone"})


def layer_to_others() -> BaseChannelLayer | None:
    """The channel layer, where it reaches other processes at all."""
    layer = get_channel_layer()
    return None if isinstance(layer, InMemoryChannelLayer) else layer


async def tell_others(conversation_id: UUID, message: dict) -> None:
    """Send a channel layer message to the consumers of other processes."""
    layer = layer_to_others()
    if layer is None:
        return
    try:
        await layer.group_send(group(conversation_id), {**message, "process": PROCESS})
    except Exception:
        logger.warning("the channel layer did not take a frame", exc_info=True)
