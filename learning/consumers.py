"""The chat's websocket: who may come in, and what a frame means. Answers are made in `turns`."""

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.utils import translation

from learning import events, tabs, turns
from learning.events import Ask, BadFrame, Event, Resume, Stop
from learning.models import Conversation

NOT_LOGGED_IN = 4401
NOT_FOUND = 4404


class ChatConsumer(AsyncWebsocketConsumer):
    """One browser tab on one conversation."""

    conversation: Conversation | None = None

    async def connect(self):
        self.language = translation.get_language_from_request(_request_like(self.scope))
        user = self.scope["user"]
        # Accepted before it is refused: only an open socket can be closed with a code of ours.
        await self.accept()
        if not user.is_authenticated:
            await self.close(NOT_LOGGED_IN)
            return
        conversation = await _find(self.scope["url_route"]["kwargs"]["conversation_id"], user)
        if conversation is None:
            await self.close(NOT_FOUND)
            return
        self.conversation = conversation
        tabs.opened(conversation.pk, self)
        if layer := tabs.layer_to_others():
            await layer.group_add(tabs.group(conversation.pk), self.channel_name)
        snapshot = await turns.running_snapshot(conversation)
        await self.show(events.ready(str(conversation.pk), snapshot))

    async def disconnect(self, code):
        if self.conversation is None:
            return
        tabs.closed(self.conversation.pk, self)
        if layer := tabs.layer_to_others():
            await layer.group_discard(tabs.group(self.conversation.pk), self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        if self.conversation is None:
            return  # refused, and the close is on its way
        with translation.override(self.language):
            try:
                frame = events.read_frame(text_data)
            except BadFrame as error:
                await self.show(events.error(str(error)))
                return
            match frame:
                case Ask():
                    await self._ask(frame)
                case Stop():
                    await turns.stop(self.conversation.pk)
                case Resume():
                    snapshot = await turns.latest_snapshot(self.conversation)
                    if snapshot is not None:
                        await self.show(snapshot)

    async def _ask(self, ask: Ask) -> None:
        try:
            again = await turns.start(self.conversation, ask)
        except turns.Rejected as rejection:
            await self.show(events.rejected(ask.id, rejection.code, str(rejection)))
            return
        if again is not None:
            await self.show(again)

    async def show(self, event: Event) -> None:
        await self.send(text_data=events.dumps(event))

    async def turn_event(self, message):
        """A frame from a turn that another process runs."""
        if message["process"] != tabs.PROCESS:
            await self.show(message["event"])

    async def turn_stop(self, message):
        """A tab of another process wants to stop the turn that runs here."""
        if message["process"] != tabs.PROCESS:
            await turns.stop_here(self.conversation.pk)


@database_sync_to_async
def _find(conversation_id, user) -> Conversation | None:
    """The conversation, if it is this person's own and they still may read its course."""
    conversation = (
        Conversation.objects.select_related("course", "user")
        .filter(pk=conversation_id, user=user)
        .first()
    )
    if conversation is None or not conversation.course.is_read_by(user):
        return None
    return conversation


class _request_like:
    """What Django's language choice reads of a request, from a websocket's scope."""

    def __init__(self, scope: dict):
        headers = {name.decode("latin-1"): value for name, value in scope.get("headers", [])}
        self.COOKIES = scope.get("cookies", {})
        self.META = {"HTTP_ACCEPT_LANGUAGE": headers.get("accept-language", b"").decode("latin-1")}
