"""The turns that run in this process, and how they are started, stopped and looked at.

A turn belongs to its conversation, not to a socket: closing a tab does not lose an answer.
"""

import asyncio
import logging
from uuid import UUID

from channels.db import database_sync_to_async

from learning import events, tabs
from learning.events import Ask, Event
from learning.models import Conversation, Message
from learning.rendering import AnswerRenderer
from learning.turns import rows
from learning.turns.rows import Rejected
from learning.turns.turn import Turn

logger = logging.getLogger(__name__)

_running: dict[UUID, Turn] = {}  # by conversation
_beginning: set[asyncio.Task] = set()  # a reference, or a task may be collected while it runs


async def start(conversation: Conversation, ask: Ask) -> Event | None:
    """Start a turn and return once its question is saved; the answer goes on by itself.

    Asking again with the same id starts nothing: the turn it began is returned as a snapshot.
    Raises Rejected.
    """

    async def emit(event: Event) -> None:
        await tabs.show_all(conversation.pk, event)

    turn = Turn(conversation, ask, emit)
    # Shielded: a tab that closes right now must not leave a saved question that nobody answers.
    beginning = asyncio.create_task(_begin(turn))
    _beginning.add(beginning)
    beginning.add_done_callback(_beginning.discard)
    try:
        await asyncio.shield(beginning)
    except Rejected as rejection:
        if rejection.code == "busy" and (earlier := await _asked_before(conversation, ask)):
            return earlier
        raise
    return None


async def _begin(turn: Turn) -> None:
    question = await turn.save_question()
    conversation_id = turn.conversation.pk
    _running[conversation_id] = turn
    turn.task = asyncio.create_task(turn.run(question), name=f"turn {turn.id}")
    turn.task.add_done_callback(lambda task: _ended(conversation_id, turn))


async def stop(conversation_id: UUID) -> None:
    """Stop the turn of a conversation, in whichever process it runs."""
    if not await stop_here(conversation_id):
        await tabs.tell_others(conversation_id, {"type": "turn.stop"})


async def gone(conversation_id: UUID) -> None:
    """Stop the turn of a conversation that was deleted, and send its tabs away."""
    await stop(conversation_id)
    await tabs.send_away(conversation_id)


async def stop_here(conversation_id: UUID) -> bool:
    """Stop the turn if this process runs it; return whether it does."""
    turn = _running.get(conversation_id)
    if turn is None:
        return False
    _cancel(turn)
    return True


async def interrupt_all(*, timeout_seconds: float) -> None:
    """End every turn of this process, each saved as interrupted; for when the server goes."""
    tasks = [turn.task for turn in _running.values() if turn.task]
    for turn in list(_running.values()):
        turn.ended_by_server = True
        _cancel(turn)
    if tasks:
        await asyncio.wait(tasks, timeout=timeout_seconds)


async def running_snapshot(conversation: Conversation) -> Event | None:
    """The turn that is being written right now, or None."""
    if turn := _running.get(conversation.pk):
        return turn.snapshot()
    snapshot = await latest_snapshot(conversation)
    return snapshot if snapshot and snapshot["status"] == Message.Status.RUNNING else None


async def latest_snapshot(conversation: Conversation) -> Event | None:
    """The newest turn of a conversation, running or not; None before the first."""
    if turn := _running.get(conversation.pk):
        return turn.snapshot()
    return await database_sync_to_async(_latest)(conversation)


def _latest(conversation: Conversation) -> Event | None:
    answer = rows.latest_answer(conversation.pk)
    return _stored_snapshot(answer) if answer else None


async def _asked_before(conversation: Conversation, ask: Ask) -> Event | None:
    if (turn := _running.get(conversation.pk)) and turn.ask.id == ask.id:
        return turn.snapshot()

    def find() -> Event | None:
        answer = rows.answer_to(conversation.pk, ask.id)
        return _stored_snapshot(answer) if answer else None

    return await database_sync_to_async(find)()


def _stored_snapshot(answer: Message) -> Event:
    citations = rows.citations_of(answer)
    renderer = AnswerRenderer({citation.number: citation.url for citation in citations})
    return events.snapshot(
        str(answer.pk),
        answer.status,
        answer.text,
        renderer.feed(answer.text),
        citations,
        ask_id=(answer.reply_to.ask_id or "") if answer.reply_to else "",
        is_weak=answer.is_weakly_sourced,
        message=answer.error,
    )


def _cancel(turn: Turn) -> None:
    # Once only, and not while it is being saved: a cancel would end the saving.
    is_running = turn.status is Message.Status.RUNNING
    if is_running and turn.task and not turn.task.cancelling():
        turn.task.cancel()


def _ended(conversation_id: UUID, turn: Turn) -> None:
    if _running.get(conversation_id) is turn:
        del _running[conversation_id]
    if not turn.task.cancelled() and (error := turn.task.exception()):
        logger.error("a turn ended with an error", exc_info=error)
