"""The chat's websocket: who may come in, and what a frame means. Answers are made in `turns`."""

import logging
from types import SimpleNamespace
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError
from django.utils import translation
from django.utils.translation import gettext as _

from learning import events, tabs, turns
from learning.events import Ask, BadFrame, Event, Resume, Stop
from learning.models import Conversation

logger = logging.getLogger(__name__)

NOT_LOGGED_IN = 4401
NOT_FOUND = 4404


class Refused(Exception):
    """This person may not be here; `code` is what the socket closes with."""

    def __init__(self, code: int):
        super().__init__(code)
        self.code = code


class ChatConsumer(AsyncWebsocketConsumer):
    """One browser tab on one conversation."""

    conversation_id: UUID | None = None  # once it was let in

    async def __call__(self, scope, receive, send):
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Not in `disconnect`: that is not called when a server ends or a fault does.
            await self._leave()

    async def connect(self):
        self.language = _language_of(self.scope)
        # Accepted before it is refused: only an open socket can be closed with a code of ours.
        await self.accept()
        conversation_id = self.scope["url_route"]["kwargs"]["conversation_id"]
        try:
            conversation = await _admit(self.scope, conversation_id)
        except Refused as refusal:
            await self.close(refusal.code)
            return
        self.conversation_id = conversation_id
        tabs.opened(conversation_id, self)
        if layer := tabs.layer_to_others():
            await layer.group_add(tabs.group(conversation_id), self.channel_name)
        snapshot = await turns.running_snapshot(conversation)
        await self.show(events.ready(str(conversation_id), snapshot))

    async def _leave(self):
        conversation_id, self.conversation_id = self.conversation_id, None
        if conversation_id is None:
            return
        tabs.closed(conversation_id, self)
        if layer := tabs.layer_to_others():
            await layer.group_discard(tabs.group(conversation_id), self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        if self.conversation_id is None:
            return  # refused, and the close is on its way
        with translation.override(self.language):
            try:
                await self._obey(events.read_frame(text_data))
            except BadFrame as error:
                await self.show(events.error(str(error)))
            except Refused as refusal:
                await self.close(refusal.code)
            except DatabaseError:
                logger.exception("a frame could not be answered")
                words = _("That did not work just now. Please try again.")
                await self.show(events.error(words, code="unavailable"))

    async def _obey(self, frame: Ask | Stop | Resume) -> None:
        match frame:
            case Ask():
                await self._ask(frame)
            case Stop():
                await turns.stop(self.conversation_id)
            case Resume():
                conversation = await _admit(self.scope, self.conversation_id)
                snapshot = await turns.latest_snapshot(conversation)
                if snapshot is not None:
                    await self.show(snapshot)

    async def _ask(self, ask: Ask) -> None:
        try:
            # Anew for every question: a socket may stay open for longer than its student may ask.
            conversation = await _admit(self.scope, self.conversation_id)
            again = await turns.start(conversation, ask)
        except Refused as refusal:
            if refusal.code != NOT_FOUND:
                raise
            words = _("You are not enrolled in this course any more.")
            await self.show(events.rejected(ask.id, "not_enrolled", words))
        except turns.Rejected as rejection:
            await self.show(events.rejected(ask.id, rejection.code, str(rejection)))
        else:
            if again is not None:
                await self.show(again)

    async def show(self, event: Event) -> None:
        await self.send(text_data=events.dumps(event))

    async def go_away(self) -> None:
        await self.close(NOT_FOUND)

    async def conversation_gone(self, message):
        """The conversation was deleted in another process."""
        if message["process"] != tabs.PROCESS:
            await self.go_away()

    async def turn_event(self, message):
        """A frame from a turn that another process runs."""
        if message["process"] != tabs.PROCESS:
            await self.show(message["event"])

    async def turn_stop(self, message):
        """A tab of another process wants to stop the turn that runs here."""
        if message["process"] != tabs.PROCESS and self.conversation_id is not None:
            await turns.stop_here(self.conversation_id)


@database_sync_to_async
def _admit(scope: dict, conversation_id: UUID) -> Conversation:
    """Return the conversation if this person may read and ask in it right now, or raise Refused."""
    user, session = scope["user"], scope["session"]
    if not user.is_authenticated or not session.exists(session.session_key):
        raise Refused(NOT_LOGGED_IN)
    conversation = (
        Conversation.objects.select_related("course", "user")
        .filter(pk=conversation_id, user_id=user.pk)
        .first()
    )
    if conversation is None:
        raise Refused(NOT_FOUND)
    if not conversation.user.is_active:
        raise Refused(NOT_LOGGED_IN)
    if not conversation.course.is_read_by(conversation.user):
        raise Refused(NOT_FOUND)
    return conversation


def _language_of(scope: dict) -> str:
    headers = dict(scope.get("headers", []))
    accepted = headers.get(b"accept-language", b"").decode("latin-1")
    request = SimpleNamespace(
        COOKIES=scope.get("cookies", {}), META={"HTTP_ACCEPT_LANGUAGE": accepted}
    )
    return translation.get_language_from_request(request)
