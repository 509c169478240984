"""One answer of a model, read and traced in the ways that are compared.

A way reads the whole stream and calls `heard(text)` for each piece. Ours uses the product's model
client and the product's tracing; the peers are what a user would write instead:

plain       the openai package's AsyncOpenAI, no tracing
dropin      `from langfuse.openai import AsyncOpenAI`
by_hand     the Langfuse SDK: trace() before, generation() and update() after the stream, no flush
repair      the same, and `flush()` in `finally`: the change that this project grew from
"""

import abc
import os
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime

from bench import site

Heard = Callable[[str], None]

SYSTEM_PROMPT = (
    "You are the tutor of a course. Answer from the passages, and cite them as [1], [2].\n\n"
    + "\n\n".join(
        f"[{n}] Photosynthesis is the process by which a plant turns light, water and carbon "
        "dioxide into sugar and oxygen. It happens in the chloroplasts. " * 5
        for n in range(1, 7)
    )
)
QUESTION = "What is photosynthesis, and where in a plant does it happen?"


class Way(abc.ABC):
    """One way to have an answer; built in a worker, used for many answers at once."""

    @abc.abstractmethod
    async def answer(self, model: str, heard: Heard) -> None: ...

    def settle(self) -> float:
        """Wait until what was traced has gone out; return CPU seconds that only waiting took."""
        return 0.0


class Ours(Way):
    """The product's model client; with `traced`, inside the product's tracing."""

    def __init__(self, *, traced: bool):
        from learning.llm.base import ChatMessage

        self.traced = traced
        self.messages = [ChatMessage("system", SYSTEM_PROMPT), ChatMessage("user", QUESTION)]
        self._models = {}

    def model(self, name: str):
        from django.conf import settings

        from learning.llm.openai import OpenAIChatModel

        if name not in self._models:
            self._models[name] = OpenAIChatModel.from_settings(
                {**settings.TUTOR, "CHAT_MODEL": name}
            )
        return self._models[name]

    async def answer(self, model: str, heard: Heard) -> None:
        if self.traced:
            await self._traced(model, heard)
        else:
            await self._untraced(model, heard)

    async def _untraced(self, model: str, heard: Heard) -> None:
        text = ""
        async with aclosing(self.model(model).stream(self.messages)) as stream:
            async for chunk in stream:
                if chunk.text:
                    text += chunk.text
                    heard(chunk.text)

    async def _traced(self, model: str, heard: Heard) -> None:
        from tracing import generation, trace

        text = ""
        async with trace(
            "ai_chat",
            user_id="user-1",
            session_id="conversation-1",
            tags=["assistant"],
            input={"user_message": QUESTION, "system_prompt": SYSTEM_PROMPT},
        ) as turn:
            with generation("llm_call", model=model, input=self.messages) as answer:
                async with aclosing(self.model(model).stream(self.messages)) as stream:
                    async for chunk in stream:
                        if chunk.text:
                            answer.chunk_received()
                            text += chunk.text
                            heard(chunk.text)
                        if chunk.usage is not None:
                            answer.usage = chunk.usage
                answer.output = text
            turn.output = {"response": text, "response_length": len(text)}

    def settle(self) -> float:
        return site.settle() if self.traced else 0.0


class Plain(Way):
    """The openai package as its documentation shows it."""

    def __init__(self):
        self.client = self.client_class()(
            base_url=os.environ["OPENAI_BASE_URL"], api_key="sk-bench", max_retries=0
        )

    def client_class(self):
        from openai import AsyncOpenAI

        return AsyncOpenAI

    async def answer(self, model: str, heard: Heard) -> None:
        await self.read(model, heard)

    async def read(self, model: str, heard: Heard):
        """Return the text and the usage."""
        text, usage = "", None
        stream = await self.client.chat.completions.create(
            model=model,
            messages=[
                {"role": "system", "content": SYSTEM_PROMPT},
                {"role": "user", "content": QUESTION},
            ],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            if chunk.choices and (piece := chunk.choices[0].delta.content):
                text += piece
                heard(piece)
            usage = chunk.usage or usage
        return text, usage


class DropIn(Plain):
    """The drop-in replacement of Langfuse's SDK."""

    def client_class(self):
        from langfuse.openai import AsyncOpenAI

        return AsyncOpenAI

    def settle(self) -> float:
        from langfuse.openai import openai

        openai.flush_langfuse()
        return 0.0


class ByHand(Plain):
    """Three calls of the SDK round each answer."""

    flushes = False

    def __init__(self):
        super().__init__()
        from langfuse import Langfuse

        self.langfuse = Langfuse()  # host and keys from the environment

    async def answer(self, model: str, heard: Heard) -> None:
        started_at = datetime.now(UTC)
        asked = {"user_message": QUESTION, "system_prompt": SYSTEM_PROMPT}
        trace = self.langfuse.trace(
            name="ai_chat", input=asked, user_id="user-1", tags=["assistant"]
        )
        text, usage = "", None
        try:
            text, usage = await self.read(model, heard)
        finally:
            ended_at = datetime.now(UTC)
            output = {"response": text, "response_length": len(text)}
            trace.generation(
                name="llm_call",
                model=model,
                input=asked,
                output=output,
                usage=usage
                and {
                    "input": usage.prompt_tokens,
                    "output": usage.completion_tokens,
                    "total": usage.total_tokens,
                },
                start_time=started_at,
                end_time=ended_at,
                metadata={"duration_ms": (ended_at - started_at).total_seconds() * 1000},
            )
            trace.update(output=output)
            if self.flushes:
                self.langfuse.flush()

    def settle(self) -> float:
        self.langfuse.flush()
        return 0.0


class Repair(ByHand):
    flushes = True


def way(name: str) -> Way:
    """Build a way by its name; the product is made ready first where it is needed."""
    if name in ("untraced", "traced"):
        site.start()
        return Ours(traced=name == "traced")
    return {"plain": Plain, "dropin": DropIn, "by_hand": ByHand, "repair": Repair}[name]()
