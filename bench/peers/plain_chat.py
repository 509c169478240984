"""A chat as the documentations of channels and openai show it, for the same server and students.

A consumer that reads `AsyncOpenAI`'s stream of objects and sends a frame for each chunk: nobody is
admitted, nothing is searched, saved or traced. BENCH_PEER=dropin: the client is Langfuse's drop-in,
`from langfuse.openai import AsyncOpenAI`. Its frames have the names that the product's have.
"""

import asyncio
import json
import os

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

pages = get_asgi_application()

from bench.answers import SYSTEM_PROMPT  # noqa: E402

if os.environ.get("BENCH_PEER") == "dropin":
    from langfuse.openai import AsyncOpenAI
else:
    from openai import AsyncOpenAI

client = AsyncOpenAI(
    base_url=os.environ["OPENAI_BASE_URL"], api_key="sk-bench", max_retries=0, timeout=60
)


class PlainChat(AsyncWebsocketConsumer):
    answering: asyncio.Task | None = None

    async def receive(self, text_data=None, bytes_data=None):
        frame = json.loads(text_data)
        if frame["type"] == "ask":
            self.answering = asyncio.create_task(self.answer(frame["text"]))

    async def disconnect(self, code):
        if self.answering is not None:
            self.answering.cancel()

    async def answer(self, question: str) -> None:
        stream = await client.chat.completions.create(
            model="bench-100-20",
            messages=[
                {"role": "system", "content": SYSTEM_PROMPT},
                {"role": "user", "content": question},
            ],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                await self.show(type="turn.delta", text=text)
        await self.show(type="turn.finished", status="complete")

    async def show(self, **event) -> None:
        await self.send(text_data=json.dumps(event, separators=(",", ":")))


application = ProtocolTypeRouter(
    {
        "http": pages,
        "websocket": URLRouter([path("ws/conversations/<uuid:pk>/", PlainChat.as_asgi())]),
    }
)
