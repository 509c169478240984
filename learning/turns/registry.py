"""The turns that run in this process, and how turns are started, stopped and looked at anywhere.

A turn belongs to its conversation, not to a socket: closing a tab does not lose an answer.
"""

import asyncio
import logging
import time
import weakref
from collections.abc import Callable
from functools import partial
from uuid import UUID

from django.utils.translation import gettext as _

from learning import events, relay, tabs
from learning.events import Ask, Event
from learning.models import Conversation, Message
from learning.rendering import AnswerRenderer, addresses_in
from learning.turns import rows, tasks
from learning.turns.keeping import keeper
from learning.turns.rows import Rejected, StoredTurn
from learning.turns.turn import Turn
from rag import database

logger = logging.getLogger(__name__)

STOP_SECONDS = 30.0
STOP_PAUSE_SECONDS = 0.3

Show = Callable[[Event | None], None]

_running: dict[UUID, Turn] = {}  # by conversation
_stopping: set[asyncio.Task] = set()
_answering_others: set[asyncio.Task] = set()
_beginning: set[asyncio.Task] = set()
_endings: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()  # of servers that go


async def start(conversation: Conversation, ask: Ask, show: Show) -> None:
    """Start a turn and return once its question is saved; the answer goes on by itself.

    Asking again with the same id starts nothing: `show` gets the turn it began, as a snapshot.
    Raises Rejected.
    """
    if asyncio.get_running_loop() in _endings:
        words = _("The site is being restarted. Please ask again in a moment.")
        raise Rejected("busy", words)
    turn = Turn(conversation, ask, partial(tabs.show_all, conversation.pk))
    # Shielded: a tab that closes right now must not leave a saved question that nobody answers.
    try:
        await asyncio.shield(tasks.begin(_begin(turn), _beginning))
    except Rejected as rejection:
        if rejection.code != "busy" or not await _show_earlier(conversation.pk, ask, show):
            raise


async def _begin(turn: Turn) -> None:
    await turn.save_question()
    conversation_id = turn.conversation.pk
    _running[conversation_id] = turn
    if line := relay.line():
        line.join_soon(conversation_id)  # to hear "stop" from other processes
        tabs.ask_who_is_there(conversation_id)
    keeper().add(turn)
    turn.task = asyncio.create_task(turn.run(), name=f"turn {turn.id}")
    turn.task.add_done_callback(lambda task: _ended(conversation_id, turn))
    if asyncio.get_running_loop() in _endings:
        turn.server_ends()


def _ended(conversation_id: UUID, turn: Turn) -> None:
    keeper().discard(turn)
    if line := relay.line():
        line.leave_soon(conversation_id)
    if _running.get(conversation_id) is turn:
        del _running[conversation_id]
    if not turn.task.cancelled() and (error := turn.task.exception()):
        logger.error("a turn ended with an error", exc_info=error)


async def stop(conversation_id: UUID) -> None:
    """Stop the turn of a conversation, in whichever process it runs."""
    if turn := _running.get(conversation_id):
        turn.stop()
    elif relay.line():
        tasks.begin(_stop_elsewhere(conversation_id), _stopping)


async def _stop_elsewhere(conversation_id: UUID) -> None:
    """Say it until the process that runs the turn has heard: Redis may be away for a moment."""
    turn_id = await database.run(rows.running_answer, conversation_id)
    message = {"what": "stop", "turn": str(turn_id)}  # or it would stop the next one
    until = time.monotonic() + STOP_SECONDS
    while turn_id and time.monotonic() < until:
        if await relay.line().ask(conversation_id, message, lambda reply: None):
            return
        await asyncio.sleep(STOP_PAUSE_SECONDS)


async def gone(conversation_id: UUID) -> None:
    """Stop the turn of a conversation that was deleted, and send its tabs away."""
    if turn := _running.get(conversation_id):
        turn.stop()
    tabs.send_away(conversation_id)
    if line := relay.line():
        await line.send(conversation_id, {"what": "stop"})
        await line.send(conversation_id, {"what": "deleted"})


async def changed(conversation_id: UUID) -> None:
    """Have every tab of a conversation fetch its page: another branch is shown."""
    tabs.show_here(conversation_id, events.changed())
    if line := relay.line():
        await line.send(conversation_id, {"what": "event", "event": events.changed()})


async def interrupt_all(*, timeout_seconds: float) -> None:
    """End every turn of this process, each saved as interrupted; for when the server goes."""
    loop = asyncio.get_running_loop()
    _endings.add(loop)  # one whose question is being saved right now ends as soon as it begins
    for turn in list(_running.values()):
        turn.server_ends()
    until = loop.time() + timeout_seconds
    while (going := [*_beginning, *(turn.task for turn in _running.values())]) and (
        seconds := until - loop.time()
    ) > 0:
        await asyncio.wait(going, timeout=seconds)


def mark_interrupted() -> int:
    """Mark running answers whose process has died; return how many there were."""
    mine = [UUID(turn.id) for turn in list(_running.values())]
    return rows.mark_interrupted(but=mine)


def runs_here(conversation_id: UUID) -> bool:
    return conversation_id in _running


async def look(conversation_id: UUID, show: Show) -> None:
    """Hand the newest turn shown to `show`, as a snapshot; None before the first.

    `show` is called in the moment in which the snapshot is true: frames that it lacks come after.
    """
    if turn := _running.get(conversation_id):
        await _show_running(turn, show)
        return
    stored = await database.run(_newest, conversation_id)
    if turn := _running.get(conversation_id):  # it began meanwhile
        await _show_running(turn, show)
        return
    if stored is not None and stored["status"] == Message.Status.RUNNING:
        line = relay.line()
        if line and await line.ask(
            conversation_id, {"what": "look"}, lambda reply: show(reply["event"])
        ):
            return
        stored = await database.run(_newest, conversation_id)  # it may have ended meanwhile
    show(stored)


async def _show_running(turn: Turn, show: Show) -> None:
    if turn.citations:
        # Anew: a chapter may have been taken back since it was found.
        turn.citations = await database.run(rows.citations_of, turn.question.answer)
    show(turn.snapshot())


def _newest(conversation_id: UUID) -> Event | None:
    rows.mark_interrupted(conversation_id)
    turn = rows.newest_turn(conversation_id)
    return _stored_snapshot(turn) if turn else None


async def _show_earlier(conversation_id: UUID, ask: Ask, show: Show) -> bool:
    """Show the turn that was asked for with this id before, if there is one."""
    if (turn := _running.get(conversation_id)) and turn.ask.id == ask.id:
        await _show_running(turn, show)
        return True

    def find() -> Event | None:
        turn = rows.turn_asked_for(conversation_id, ask.id)
        return _stored_snapshot(turn) if turn else None

    earlier = await database.run(find)
    if earlier is None:
        return False
    if earlier["status"] == Message.Status.RUNNING:
        await look(conversation_id, show)
    else:
        show(earlier)
    return True


def _stored_snapshot(turn: StoredTurn) -> Event:
    answer = turn.answer
    citations = rows.citations_of(answer)
    cited = {citation.number: citation.url for citation in citations}
    renderer = AnswerRenderer(cited, addresses_in(citation.quote for citation in citations))
    question = answer.reply_to
    return events.snapshot(
        str(answer.pk),
        answer.status,
        answer.text,
        renderer.feed(answer.text),
        citations,
        ask_id=(question.ask_id or "") if question else "",
        question=question.text if question else "",
        after=turn.after,
        versions=turn.versions,
        is_weak=answer.is_weakly_sourced,
        message=answer.error,
    )


# --- What other processes ask of the turns here ------------------------------------------------


def _asked_to_stop(conversation_id: UUID, message: dict) -> None:
    turn = _running.get(conversation_id)
    if turn and message.get("turn", turn.id) == turn.id:
        turn.stop()
        if "reply" in message:
            _reply(conversation_id, message)


def _asked_to_show(conversation_id: UUID, message: dict) -> None:
    if turn := _running.get(conversation_id):
        showing = _show_running(turn, lambda event: _reply(conversation_id, message, event=event))
        tasks.begin(showing, _answering_others)


def _reply(conversation_id: UUID, message: dict, **said) -> None:
    reply = {"what": "reply", "reply": message["reply"], "to": message["process"]}
    relay.line().tell(conversation_id, {**reply, **said})


relay.on("stop", _asked_to_stop)
relay.on("look", _asked_to_show)
