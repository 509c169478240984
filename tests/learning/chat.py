"""A browser tab, as far as the server can tell: logged in by cookie, over the whole application."""

import json

from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.test import Client

from config.asgi import application

PATIENCE_SECONDS = 5.0


def browser_of(user) -> Client:
    """A browser in which this user is logged in, for the pages beside the chat."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


class Tab:
    """One websocket. `text` is what a reader of the deltas has, joined by their offsets."""

    def __init__(self, conversation_id, user=None, *, origin: str = "http://testserver"):
        self.path = f"/ws/conversations/{conversation_id}/"
        self.user = user
        self.origin = origin
        self.text = ""
        self.seen: list[dict] = []
        self._session = ""

    async def open(self) -> "Tab":
        """Connect, and take the `ready` frame into `ready`."""
        assert await self.connect(), "the socket was refused"
        self.ready = await self.receive()
        assert self.ready["type"] == "ready"
        self.text = (self.ready["turn"] or {"text": ""})["text"]
        return self

    async def connect(self) -> bool:
        headers = [(b"origin", self.origin.encode()), (b"host", b"testserver")]
        if self.user is not None:
            headers.append((b"cookie", (await self.cookie()).encode()))
        self.socket = WebsocketCommunicator(application, self.path, headers=headers)
        connected, _ = await self.socket.connect(timeout=PATIENCE_SECONDS)
        return connected

    async def cookie(self) -> str:
        self._session = self._session or await sync_to_async(self._log_in)()
        return self._session

    def _log_in(self) -> str:
        client = browser_of(self.user)
        return "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())

    async def ask(self, text: str, *, id: str = "ask-1", **fields) -> None:
        await self.send({"type": "ask", "id": id, "text": text, **fields})

    async def stop(self) -> None:
        await self.send({"type": "stop"})

    async def send(self, frame: dict) -> None:
        await self.socket.send_to(text_data=json.dumps(frame))

    async def receive(self) -> dict:
        event = json.loads(await self.socket.receive_from(timeout=PATIENCE_SECONDS))
        self.seen.append(event)
        if event["type"] == "turn.started":
            self.text = ""
        elif event["type"] == "turn.delta":
            assert event["at"] == len(self.text), "a frame is missing or came twice"
            self.text += event["text"]
        return event

    async def until(self, kind: str, *, times: int = 1) -> dict:
        """Receive until an event of this type came so many times; return the last one."""
        while True:
            event = await self.receive()
            times -= event["type"] == kind
            if times == 0:
                return event

    async def hears_nothing(self) -> bool:
        return await self.socket.receive_nothing(timeout=0.2)

    async def close_code(self) -> int:
        """The code the server closed with."""
        message = await self.socket.receive_output(timeout=PATIENCE_SECONDS)
        assert message["type"] == "websocket.close"
        return message["code"]

    async def close_code_after_frames(self) -> int:
        """The same, after whatever else is on its way."""
        while True:
            message = await self.socket.receive_output(timeout=PATIENCE_SECONDS)
            if message["type"] == "websocket.close":
                return message["code"]

    async def close(self) -> None:
        await self.socket.disconnect()
