"""Who is looking at a conversation, and how a frame reaches them.

Tabs of this process get it straight from here; tabs of other processes through `relay`, where a
frame costs seven times as much, and only while somebody is known to be there. Nothing here waits:
what a tab cannot take yet is the tab's own matter.
"""

import logging
from collections import defaultdict
from typing import Protocol
from uuid import UUID

from learning import events, relay
from learning.events import Event

logger = logging.getLogger(__name__)


class Tab(Protocol):
    def show(self, frame: str) -> None: ...
    def turn_begins(self) -> None: ...
    def show_notice(self) -> None: ...
    def go_away(self) -> None: ...


SAID_ANYWAY = ("turn.started", "turn.queued", "turn.sources", "turn.finished")

_tabs: dict[UUID, set[Tab]] = defaultdict(set)


async def opened(conversation_id: UUID) -> None:
    """Have this process hear what others say of a conversation: before a tab is shown anything."""
    if line := relay.line():
        await line.join(conversation_id)


def left(conversation_id: UUID) -> None:
    """Take back what `opened` began."""
    if line := relay.line():
        if conversation_id not in _tabs:
            line.tell(conversation_id, {"what": "gone"})
        line.leave_soon(conversation_id)


def add(conversation_id: UUID, tab: Tab) -> None:
    """From now on every frame of the conversation goes to this tab, too."""
    _tabs[conversation_id].add(tab)
    if line := relay.line():
        line.tell(conversation_id, {"what": "here"})
        line.tell(conversation_id, {"what": "who"})


def remove(conversation_id: UUID, tab: Tab) -> None:
    if tabs := _tabs.get(conversation_id):
        tabs.discard(tab)
        if not tabs:
            del _tabs[conversation_id]


def is_open_here(conversation_id: UUID) -> bool:
    return conversation_id in _tabs


def is_watched(conversation_id: UUID) -> bool:
    """Whether anybody has the conversation open, here or, as far as is known, elsewhere."""
    if conversation_id in _tabs:
        return True
    line = relay.line()
    return line is not None and line.somebody_elsewhere(conversation_id)


def ask_who_is_there(conversation_id: UUID) -> None:
    """Refresh what is known of other processes."""
    if line := relay.line():
        line.tell(conversation_id, {"what": "who"})


def show_all(conversation_id: UUID, event: Event) -> None:
    """Send an event to every tab of a conversation, wherever it is."""
    show_here(conversation_id, event)
    line = relay.line()
    if line is None:
        return
    # That it begins and ends is said in any case: a process that has only now got a tab, or whose
    # word of it is still under way, asks for what it lacks.
    if event["type"] in SAID_ANYWAY or line.somebody_elsewhere(conversation_id):
        line.tell(conversation_id, {"what": "event", "event": event})


def show_here(conversation_id: UUID, event: Event) -> None:
    if tabs := _tabs.get(conversation_id):
        frame = events.dumps(event)
        for tab in list(tabs):
            if event["type"] == "turn.started":
                tab.turn_begins()
            tab.show(frame)


def show_notice() -> None:
    """Have every tab of this process show what the banner says now, in its own language."""
    for tab in [tab for tabs in _tabs.values() for tab in tabs]:
        tab.show_notice()


def send_away(conversation_id: UUID) -> None:
    """Tell the tabs of a conversation in this process that it was deleted."""
    for tab in list(_tabs.get(conversation_id, ())):
        tab.go_away()


def line_is_back(conversation_id: UUID) -> None:
    """Say again who is here, and ask who is there: what was said meanwhile, nobody heard."""
    _somebody_asks(conversation_id, {})
    ask_who_is_there(conversation_id)


def _somebody_asks(conversation_id: UUID, message: dict) -> None:
    if conversation_id in _tabs:
        relay.line().tell(conversation_id, {"what": "here"})


relay.on("who", _somebody_asks)
relay.on("deleted", lambda conversation_id, _: send_away(conversation_id))
