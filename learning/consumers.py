"""The chat's websocket: who may come in, and what a frame means. Answers are made in `turns`."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import TypeVar
from uuid import UUID

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError
from django.utils import translation
from django.utils.translation import gettext as _

from learning import events, tabs, turns
from learning.events import Ask, BadFrame, Event, Resume, Stop
from learning.limits import questions_left
from learning.llm import availability
from learning.models import Conversation, Message
from learning.socket_auth import user_of
from rag import database

logger = logging.getLogger(__name__)
T = TypeVar("T")

NOT_LOGGED_IN = 4401
NOT_FOUND = 4404
# What may wait for a browser that reads slowly; beyond, it gets the whole when it is through.
MOST_WAITING_CHARACTERS = 200_000
# A tab that was looked at so lately need not be looked at again.
ADMITTED_SECONDS = 1.0


class Refused(Exception):
    """This person may not be here; `code` is what the socket closes with."""

    def __init__(self, code: int):
        super().__init__(code)
        self.code = code


class ChatConsumer(AsyncWebsocketConsumer):
    """One browser tab on one conversation."""

    # Processes talk to each other in `relay`: a channel for each socket would cost more than it.
    channel_layer_alias = "none"
    conversation_id: UUID | None = None  # once it was let in

    async def __call__(self, scope, receive, send):
        self._waiting: deque[dict] = deque()
        self._waiting_characters = 0
        self._has_missed = False
        self._admitted_at = 0.0
        self._must_admit = False
        self._sender: asyncio.Task | None = None
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Not in `disconnect`: that is not called when a server ends or a fault does.
            await self._leave()

    async def dispatch(self, message):
        # Channels' own looks after old connections first, in a thread that all sockets share.
        match message["type"]:
            case "websocket.connect":
                await self.connect()
            case "websocket.receive":
                await self.receive(message.get("text"))
            case "websocket.disconnect":
                raise StopConsumer

    async def connect(self):
        self.language = _language_of(self.scope)
        # Accepted before it is refused: only an open socket can be closed with a code of ours.
        await self.accept()
        conversation_id = self.scope["url_route"]["kwargs"]["conversation_id"]
        with translation.override(self.language):
            try:
                left = await self._let_in(_admit_and_count, conversation_id)
            except Refused as refusal:
                await self.close(refusal.code)
                return
            self.conversation_id = conversation_id
            await tabs.opened(conversation_id)
            await turns.look(conversation_id, lambda turn: self._ready(turn, left))

    def _ready(self, turn: Event | None, left: int | None) -> None:
        """Say that it begins, with the turn that is being written; frames follow from here on."""
        if self.conversation_id is None:
            return  # it has gone meanwhile
        is_running = turn is not None and turn["status"] == Message.Status.RUNNING
        running = turn if is_running else None
        tabs.add(self.conversation_id, self)
        with translation.override(self.language):  # this may be the reply of another process
            notice = availability.notice()
        self._say(events.ready(str(self.conversation_id), running, notice=notice, left=left))

    async def _leave(self):
        conversation_id, self.conversation_id = self.conversation_id, None
        if self._sender is not None:
            self._sender.cancel()
        if conversation_id is not None:
            tabs.remove(conversation_id, self)
            tabs.left(conversation_id)

    async def receive(self, text_data=None, bytes_data=None):
        if self.conversation_id is None:
            return  # refused, and the close is on its way
        with translation.override(self.language):
            try:
                await self._obey(events.read_frame(text_data))
            except BadFrame as error:
                self._say(events.error(str(error)))
            except Refused as refusal:
                self._close_after_frames(refusal.code)
            except DatabaseError:
                logger.exception("a frame could not be answered")
                words = _("That did not work just now. Please try again.")
                self._say(events.error(words, code="unavailable"))

    async def _obey(self, frame: Ask | Stop | Resume) -> None:
        match frame:
            case Ask():
                await self._ask(frame)
            case Stop():
                await turns.stop(self.conversation_id)
            case Resume():
                await self._let_in(_admit, self.conversation_id)
                await turns.look(self.conversation_id, self._say)

    async def _ask(self, ask: Ask) -> None:
        try:
            # Anew for every question: a socket may stay open for longer than its student may ask.
            conversation = await self._let_in(_admit, self.conversation_id)
            await turns.start(conversation, ask, self._say)
        except Refused as refusal:
            if refusal.code != NOT_FOUND:
                raise
            words = _("You are not enrolled in this course any more.")
            self._say(events.rejected(ask.id, "not_enrolled", words))
        except turns.Rejected as rejection:
            self._say(events.rejected(ask.id, rejection.code, str(rejection)))

    async def _let_in(self, admit: Callable[..., T], conversation_id: UUID) -> T:
        admitted = await database.run(admit, self.scope, conversation_id)
        self._admitted_at, self._must_admit = time.monotonic(), False
        return admitted

    # --- To the browser ------------------------------------------------------------------------

    def turn_begins(self) -> None:
        """Before a question of another tab is shown here: this one's person may have logged out."""
        self._must_admit = time.monotonic() - self._admitted_at > ADMITTED_SECONDS

    def show(self, frame: str) -> None:
        """Send a frame after those before it; never waits for the browser to read."""
        if self._has_missed:
            return
        self._waiting_characters += len(frame)
        if self._waiting_characters > MOST_WAITING_CHARACTERS and self._waiting:
            self._forget_frames()
            self._has_missed = True
            return
        self._send_soon({"type": "websocket.send", "text": frame})

    def show_notice(self) -> None:
        with translation.override(self.language):
            self._say(events.notice(availability.notice()))

    def go_away(self) -> None:
        self._close_after_frames(NOT_FOUND)

    def _say(self, event: Event | None) -> None:
        if event is not None:
            self.show(events.dumps(event))

    def _close_after_frames(self, code: int) -> None:
        self._send_soon({"type": "websocket.close", "code": code})

    def _send_soon(self, message: dict) -> None:
        self._waiting.append(message)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_waiting())

    async def _send_waiting(self) -> None:
        try:
            while self._waiting or self._has_missed:
                if self._must_admit:
                    await self._admit_again()
                elif not self._waiting:
                    await self._make_up()
                else:
                    message = self._waiting.popleft()
                    self._waiting_characters -= len(message.get("text", ""))
                    await self.base_send(message)
        except Exception:
            # A tab that is going away must not take the others' frames with it.
            logger.debug("a tab did not take a frame", exc_info=True)
            self._forget_frames()

    async def _admit_again(self) -> None:
        try:
            await self._let_in(_admit, self.conversation_id)
        except Refused as refusal:
            self._must_admit = self._has_missed = False
            self._waiting = deque([{"type": "websocket.close", "code": refusal.code}])
        except DatabaseError:
            await asyncio.sleep(1)

    async def _make_up(self) -> None:
        self._has_missed = False
        with translation.override(self.language):
            try:
                await turns.look(self.conversation_id, self._say)
            except DatabaseError:
                self._has_missed = True
                await asyncio.sleep(1)

    def _forget_frames(self) -> None:
        closing = [message for message in self._waiting if message["type"] == "websocket.close"]
        self._waiting = deque(closing)
        self._waiting_characters = 0


availability.on_change(tabs.show_notice)


def _admit(scope: dict, conversation_id: UUID) -> Conversation:
    """Return the conversation if this person may read and ask in it right now, or raise Refused."""
    user = user_of(scope["session_key"])
    if not user.is_authenticated:
        raise Refused(NOT_LOGGED_IN)
    conversation = (
        Conversation.objects.select_related("course", "user")
        .filter(pk=conversation_id, user_id=user.pk)
        .first()
    )
    if conversation is None or not conversation.course.is_read_by(user):
        raise Refused(NOT_FOUND)
    return conversation


def _admit_and_count(scope: dict, conversation_id: UUID) -> int | None:
    """Admit, and return how many questions are left today."""
    conversation = _admit(scope, conversation_id)
    return questions_left(conversation.user, conversation.course)


def _language_of(scope: dict) -> str:
    headers = dict(scope.get("headers", []))
    accepted = headers.get(b"accept-language", b"").decode("latin-1")
    request = SimpleNamespace(
        COOKIES=scope.get("cookies", {}), META={"HTTP_ACCEPT_LANGUAGE": accepted}
    )
    return translation.get_language_from_request(request)
