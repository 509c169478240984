"""Any OpenAI-compatible server, through the openai package.

The package opens the request (addresses, keys, time-outs, status errors). The body is read here, as
plain mappings: an object per chunk costs four times as much and refuses odd providers, and the
package's own reader ends the answer at an event without data. Its exceptions are translated here
and nowhere else.
"""

import asyncio
import random
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from learning.llm import openai_errors
from learning.llm.base import AnswerFormat, ChatMessage, ChatModel, StreamChunk
from learning.llm.endings import Ending, ending
from learning.llm.errors import (
    AnswerCutOff,
    AnswerFiltered,
    ChatModelError,
    ChatModelUnavailable,
    ContentFiltered,
    EmptyAnswer,
    OnlyThought,
    RequestRefused,
)
from learning.llm.openai_stream import Answer, ErrorReported

if TYPE_CHECKING:  # importing the package takes half a second, so it waits for the first question
    from openai import AsyncOpenAI

    from learning.llm.openai_transport import AnswerBody

OPENAI_URL = "https://api.openai.com/v1"
FIRST_PAUSE_SECONDS = 0.5  # doubled with every retry
LONGEST_WAIT_SECONDS = 10.0  # a provider that asks for more patience is not asked again
# After [DONE] the body is read to its end, so that the connection can serve the next question.
DRAIN_SECONDS = 0.1
# After the first words a frame goes out each 40 ms at most: read a little less often than that, so
# that what is read goes out at once.
GATHER_SECONDS = 0.045
FORMATS = ("json_schema", "json_object", "")
JSON_REFUSED = re.compile(r"response_format|json|schema|grammar|structured", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """The request fields that servers disagree on, learnt from their refusals."""

    asks_for_usage: bool = True
    limit_field: str = "max_tokens"
    # How a server is told that an answer is to be JSON: the first of FORMATS that it takes.
    json_format: str = "json_schema"

    def fields(self, answer_tokens: int, answer_format: AnswerFormat | None) -> dict[str, Any]:
        fields: dict[str, Any] = {self.limit_field: answer_tokens}
        if self.asks_for_usage:
            fields["stream_options"] = {"include_usage": True}
        if answer_format and self.json_format:
            fields["response_format"] = {"type": self.json_format}
            if self.json_format == "json_schema":
                fields["response_format"]["json_schema"] = {
                    "name": answer_format.name,
                    "schema": answer_format.schema,
                    "strict": True,
                }
        return fields

    def adapted_to(self, refusal: str, *, asked_for_json: bool = False) -> Self | None:
        """What to try after a server said `refusal`; None when nothing is left."""
        if self.limit_field == "max_tokens" and "max_completion_tokens" in refusal:
            return replace(self, limit_field="max_completion_tokens")
        asks_for_json = asked_for_json and self.json_format
        if asks_for_json and JSON_REFUSED.search(refusal):
            return self._with_less_json()
        # Gateways word this refusal in many ways, so any refusal gets one try without the field.
        if self.asks_for_usage:
            return replace(self, asks_for_usage=False)
        return self._with_less_json() if asks_for_json else None

    def _with_less_json(self) -> Self:
        return replace(self, json_format=FORMATS[FORMATS.index(self.json_format) + 1])


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
        self.address = base_url or OPENAI_URL
        self._api_key = api_key
        self._connect_timeout_seconds = connect_timeout_seconds
        self._read_timeout_seconds = read_timeout_seconds
        self._dialect = Dialect()
        # The connections of an event loop, and the client on them: one loop at a time is usual.
        self._client: tuple[object, AsyncOpenAI] | None = None

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
        self,
        messages: Sequence[ChatMessage],
        *,
        passages: Sequence = (),
        answer_format: AnswerFormat | None = None,
    ) -> AsyncGenerator[StreamChunk]:
        """Yield the provider's answer; retry what may pass, but only before the first word.

        The last chunk always carries a usage, the provider's or an estimate, also when the answer
        breaks off: then `AnswerCutOff` follows it.
        """
        for attempt in range(self.max_retries + 1):
            answer = Answer()
            failure: ChatModelError | None = None
            try:
                # Closed on every way out, cancelled included: or the provider goes on generating.
                with closing(await self._open(messages, answer_format)) as body:
                    async for piece in body:
                        for chunk in answer.feed(piece):
                            yield chunk
                        if answer.is_done:
                            await _drain(body)
                            break
                        if answer.has_text:
                            body.rest(GATHER_SECONDS)
                    for chunk in answer.end():
                        yield chunk
            except ChatModelError as error:
                failure = error
            except ErrorReported as error:
                failure = openai_errors.from_report(error.report, secret=self._api_key)
            except openai_errors.translatable() as error:
                failure = openai_errors.translate(error, secret=self._api_key)
            else:
                if ending(answer.finish_reason) is Ending.BROKEN:
                    failure = ChatModelUnavailable(f"finish_reason {answer.finish_reason}")

            # Out of the handler, so that what is raised below carries no provider's exception:
            # those hold the request, and the request holds the key.
            if failure is None or answer.has_text:
                break
            pause = _pause_seconds(attempt, failure)
            if not failure.retryable or pause is None or attempt == self.max_retries:
                raise failure
            await asyncio.sleep(pause)

        usage = answer.usage or self.estimate_usage(messages, answer.text)
        yield StreamChunk(usage=usage, finish_reason=answer.finish_reason)
        if error := _error_of(answer, failure):
            raise error

    async def _open(
        self, messages: Sequence[ChatMessage], answer_format: AnswerFormat | None
    ) -> "AnswerBody":
        import httpx2
        import openai

        client = await self._client_here()
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
                    body=body | dialect.fields(self.answer_tokens, answer_format),
                    stream=True,
                )
            except openai.APIStatusError as error:
                failure = openai_errors.translate(error, secret=self._api_key)
                words = str(error.body)
                # Some break down over a form that they do not know: a 500 that names the field.
                is_refused = type(failure) is RequestRefused or (
                    "response_format" in words and error.status_code >= 500
                )
            else:
                self._dialect = dialect  # only what has worked is remembered
                return response.extensions["body"]
            # Out of the handler, for the same reason as above.
            adapted = dialect.adapted_to(words, asked_for_json=answer_format is not None)
            if not is_refused or adapted is None:
                raise failure
            dialect = adapted

    async def _client_here(self) -> "AsyncOpenAI":
        """Return the package's client, on the connections of the running event loop."""
        import openai

        from learning.llm.openai_transport import http_client

        connections = await http_client()
        if self._client and self._client[0] is connections:
            return self._client[1]
        client = openai.AsyncOpenAI(
            base_url=self.address,
            api_key=self._api_key or "not-needed",  # a server of one's own often wants none
            max_retries=0,
            timeout=openai.Timeout(
                self._read_timeout_seconds,
                connect=self._connect_timeout_seconds,
                pool=self._connect_timeout_seconds,
            ),
            # Packed answers are held back until a packet is full.
            default_headers={"Accept-Encoding": "identity"},
            http_client=connections,
        )
        self._client = connections, client
        return client

    def warm_up(self) -> None:
        import openai  # noqa: F401

        from learning.llm.openai_transport import certificates

        certificates()


async def _drain(body: "AnswerBody") -> None:
    # The answer is complete: whatever happens to the connection now is no fault of it.
    with suppress(Exception):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in body:
                pass


def _error_of(answer: Answer, failure: ChatModelError | None) -> ChatModelError | None:
    """What is wrong with an answer whose end has come."""
    ended = ending(answer.finish_reason)
    said = f"finish_reason {answer.finish_reason}"
    if answer.has_text:
        if ended is Ending.FILTERED:
            return AnswerFiltered(said)
        # Once the provider has said why it ended, a connection lost after that loses nothing.
        if failure and (ended is Ending.BROKEN or not answer.finish_reason):
            return AnswerCutOff(str(failure))
        return None
    if ended is Ending.FILTERED:
        return ContentFiltered(f"no text; {said}")
    if ended is Ending.AT_LIMIT:
        return OnlyThought(f"no text; {said}")
    return EmptyAnswer(f"no text; {said}")


def _pause_seconds(attempt: int, failure: ChatModelError) -> float | None:
    """How long to wait before trying again; None when the provider wants us to stay away."""
    pause = FIRST_PAUSE_SECONDS * 2**attempt * random.uniform(0.5, 1)  # noqa: S311 - only jitter
    asked_for = getattr(failure, "retry_after_seconds", None)
    if asked_for is None:
        return pause
    return max(pause, asked_for) if asked_for <= LONGEST_WAIT_SECONDS else None
