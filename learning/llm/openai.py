"""Any OpenAI-compatible server, through the openai package.

The package opens the request (addresses, keys, time-outs, proxies, status errors). The body is
read here, as plain mappings: an object per chunk costs four times as much and refuses odd
providers, and the package's own reader ends the answer at an event without data. Its exceptions
are translated here and nowhere else.
"""

import asyncio
import random
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from learning.llm import openai_errors, openai_stream
from learning.llm.base import ChatMessage, ChatModel, StreamChunk
from learning.llm.errors import AnswerCutOff, ChatModelError, ContextTooLong, EmptyAnswer
from learning.llm.openai_stream import Progress

if TYPE_CHECKING:  # importing the package takes half a second, so it waits for the first question
    from httpx2 import Response
    from openai import AsyncOpenAI

OPENAI_URL = "https://api.openai.com/v1"
FIRST_PAUSE_SECONDS = 0.5  # doubled with every retry
LONGEST_WAIT_SECONDS = 10.0  # a provider that asks for more patience is not asked again


@dataclass(frozen=True, slots=True)
class Dialect:
    """The request fields that servers disagree on, learnt from their refusals."""

    asks_for_usage: bool = True
    limit_field: str = "max_tokens"

    def fields(self, answer_tokens: int) -> dict[str, Any]:
        fields: dict[str, Any] = {self.limit_field: answer_tokens}
        if self.asks_for_usage:
            fields["stream_options"] = {"include_usage": True}
        return fields

    def adapted_to(self, refusal: str) -> Self | None:
        """What to try after a 400 or 422 that said `refusal`; None when nothing is left."""
        if self.limit_field == "max_tokens" and "max_completion_tokens" in refusal:
            return replace(self, limit_field="max_completion_tokens")
        # Gateways word this refusal in many ways, so any refusal gets one try without the field.
        if self.asks_for_usage:
            return replace(self, asks_for_usage=False)
        return None


class OpenAIChatModel(ChatModel):
    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        context_tokens: int = 8_000,
        answer_tokens: int = 1_500,
        connect_timeout_seconds: float = 10,
        read_timeout_seconds: float = 60,
        max_retries: int = 2,
    ):
        self.name = name
        self.context_tokens = context_tokens
        self.answer_tokens = answer_tokens
        self.max_retries = max_retries
        self._base_url = base_url or OPENAI_URL
        self._api_key = api_key
        self._connect_timeout_seconds = connect_timeout_seconds
        self._read_timeout_seconds = read_timeout_seconds
        self._dialect = Dialect()
        # A client belongs to the event loop it was first used in.
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = (
            weakref.WeakKeyDictionary()
        )

    @classmethod
    def from_settings(cls, tutor: Mapping) -> Self:
        return cls(
            tutor["CHAT_MODEL"],
            base_url=tutor["BASE_URL"],
            api_key=tutor["API_KEY"],
            context_tokens=tutor["CONTEXT_TOKENS"],
            answer_tokens=tutor["ANSWER_TOKENS"],
            connect_timeout_seconds=tutor["CONNECT_TIMEOUT_SECONDS"],
            read_timeout_seconds=tutor["READ_TIMEOUT_SECONDS"],
            max_retries=tutor["MAX_RETRIES"],
        )

    async def stream(
        self, messages: Sequence[ChatMessage], *, passages: Sequence = ()
    ) -> AsyncGenerator[StreamChunk]:
        """Yield the provider's answer; retry what may pass, but only before the first word.

        The last chunk always carries a usage, the provider's or an estimate, also when the answer
        breaks off: then `AnswerCutOff` follows it.
        """
        for attempt in range(self.max_retries + 1):
            progress = Progress()
            failure: ChatModelError | None = None
            try:
                async with aclosing(self._read_answer(messages, progress)) as texts:
                    async for text in texts:
                        yield StreamChunk(text)
            except ChatModelError as error:
                failure = error
            except openai_errors.translatable() as error:
                failure = openai_errors.translate(error, secret=self._api_key)

            # Out of the handler, so that what is raised below carries no provider's exception:
            # those hold the request, and the request holds the key.
            if failure is None or progress.has_text:
                break
            pause = _pause_seconds(attempt, failure)
            if not failure.retryable or pause is None or attempt == self.max_retries:
                raise failure
            await asyncio.sleep(pause)

        usage = progress.usage or self.estimate_usage(messages, progress.text)
        yield StreamChunk(usage=usage, finish_reason=progress.finish_reason)
        # Once the provider has said why it ended, a connection lost after that loses nothing.
        if failure is not None and not progress.finish_reason:
            raise AnswerCutOff(str(failure))
        if not progress.has_text:
            raise EmptyAnswer(f"no text; finish_reason {progress.finish_reason}")

    async def _read_answer(
        self, messages: Sequence[ChatMessage], progress: Progress
    ) -> AsyncIterator[str]:
        response = await self._open(messages)
        try:
            async with (
                aclosing(response.aiter_bytes()) as body,
                aclosing(openai_stream.events(body)) as events,
            ):
                async for event in events:
                    if error := openai_errors.reported_in(event):
                        raise openai_errors.from_report(error, secret=self._api_key)
                    if text := progress.read(event):
                        yield text
                if text := progress.end():
                    yield text
        finally:
            # On every way out, cancelled included: otherwise the provider goes on generating.
            await response.aclose()

    async def _open(self, messages: Sequence[ChatMessage]) -> "Response":
        import httpx2
        import openai

        client = await self._client()
        body = {
            "model": self.name,
            "messages": [{"role": m.role, "content": m.content} for m in messages],
            "stream": True,
        }
        dialect = self._dialect
        while True:
            try:
                response = await client.post(
                    "/chat/completions",
                    cast_to=httpx2.Response,
                    body=body | dialect.fields(self.answer_tokens),
                    stream=True,
                )
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                failure = openai_errors.translate(error, secret=self._api_key)
                adapted = dialect.adapted_to(str(error.body))
                if isinstance(failure, ContextTooLong) or adapted is None:
                    raise failure from None
                dialect = adapted
            else:
                self._dialect = dialect  # only what has worked is remembered
                return response

    async def _client(self) -> "AsyncOpenAI":
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            keeper = self._keep_client(loop)
            self._clients[loop] = (keeper, await anext(keeper))
        return self._clients[loop][1]

    async def _keep_client(self, loop) -> AsyncGenerator["AsyncOpenAI"]:
        """Yield a client, and close it when the event loop shuts its generators down."""
        import openai

        client = openai.AsyncOpenAI(
            base_url=self._base_url,
            api_key=self._api_key or "not-needed",  # a server of one's own often wants none
            max_retries=0,
            timeout=openai.Timeout(
                self._read_timeout_seconds,
                connect=self._connect_timeout_seconds,
                pool=self._connect_timeout_seconds,
            ),
            http_client=openai.DefaultAioHttpClient(),
        )
        try:
            yield client
        finally:
            self._clients.pop(loop, None)
            await client.close()

    def warm_up(self) -> None:
        import aiohttp  # noqa: F401
        import openai  # noqa: F401


def _pause_seconds(attempt: int, failure: ChatModelError) -> float | None:
    """How long to wait before trying again; None when the provider wants us to stay away."""
    pause = FIRST_PAUSE_SECONDS * 2**attempt * random.uniform(0.5, 1)  # noqa: S311 - only jitter
    asked_for = getattr(failure, "retry_after_seconds", None)
    if asked_for is None:
        return pause
    return max(pause, asked_for) if asked_for <= LONGEST_WAIT_SECONDS else None
