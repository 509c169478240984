"""A real OpenAI-compatible server for tests: every answer it gives is scripted beforehand.

    openai_server.answers("Photosynthesis ", "is ", WAIT)      # steps are in openai_script.py
    openai_server.fails(429, retry_after=1)                    # the one after that
    ...
    assert openai_server.requests[0].body["model"] == "gpt-test"
    openai_server.requests[0].wait_until_closed()

Answers are given in the order in which they were scripted; without a script it gives a short
course answer with citations. By hand: `python -m tests.servers.openai_server --port 9001`.
"""

import argparse
import asyncio
import collections
import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.servers.http_server import ThreadedServer
from tests.servers.openai_script import (
    CUT,
    SAMPLE_ANSWER,
    WAIT,
    Answer,
    Delta,
    Failure,
    Raw,
    Step,
    UsageShape,
)


@dataclass
class RecordedRequest:
    """One request, and what became of its answer."""

    body: dict[str, Any]
    headers: Mapping[str, str]
    peer: tuple[str, int] = ("", 0)  # the client's end of the connection
    started_at: float = field(default_factory=time.monotonic)
    sent: list[str] = field(default_factory=list)
    is_complete: bool = False
    closed_by_client_at: float | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def text(self) -> str:
        return "".join(self.sent)

    @property
    def usage(self) -> dict[str, int]:
        """The exact counts of this server: see `count_tokens`."""
        read = sum(3 + count_tokens(message["content"]) for message in self.body["messages"])
        written = count_tokens(self.text)
        return {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
        }

    def wait_until_ended(self, timeout: float = 5.0) -> None:
        if not self._ended.wait(timeout):
            raise TimeoutError("the server is still answering")

    def wait_until_closed(self, timeout: float = 5.0) -> float:
        """Return when the client closed the connection, by time.monotonic()."""
        self.wait_until_ended(timeout)
        assert self.closed_by_client_at is not None, "the answer ended before the client left"
        return self.closed_by_client_at


def count_tokens(text: str) -> int:
    """Words and marks: definite, and unlike the estimate of `ChatModel.count_tokens`."""
    return len(re.findall(r"\w+|[^\w\s]", text))


class OpenAIServer(ThreadedServer):
    def __init__(self, *, pace_seconds: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.requests: list[RecordedRequest] = []
        self.pace_seconds = pace_seconds
        self._script: collections.deque[Answer | Failure | Step] = collections.deque()
        self._refused: dict[tuple[str, str], tuple[int, str]] = {}
        self._key: str | None = None
        self._released = threading.Event()

    @property
    def url(self) -> str:
        """What OPENAI_BASE_URL takes."""
        return f"{self.origin}/v1"

    def requests_for(self, question: str) -> list[RecordedRequest]:
        """The requests whose last message is this question."""
        return [r for r in self.requests if question in r.body["messages"][-1]["content"]]

    @property
    def last(self) -> RecordedRequest:
        return self.requests[-1]

    # --- scripting --------------------------------------------------------------------------

    def answers(self, *steps: str | Step | Raw | Delta, **shape) -> None:
        """Script the next answer; `shape` are the fields of `Answer`."""
        self._script.append(Answer(steps, **{"pace_seconds": self.pace_seconds, **shape}))

    def fails(
        self,
        status: int,
        message: str = "scripted failure",
        *,
        code: str | None = None,
        retry_after: float | str | None = None,
        times: int = 1,
    ) -> None:
        """Script a refusal with the body that OpenAI sends."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        body = {"error": {"message": message, "type": "error", "code": code}}
        self._script.extend([Failure(status, body, headers)] * times)

    def drops(self, times: int = 1) -> None:
        """Script a connection that is reset before there is any answer."""
        self._script.extend([CUT] * times)

    def hangs(self) -> None:
        """Script a request that gets no answer at all."""
        self._script.append(WAIT)

    def refuses(
        self,
        field_name: str,
        *,
        holding: str = "",
        status: int = 400,
        message: str | None = None,
    ) -> None:
        """From now on refuse every request that holds this field, or these words in it."""
        self._refused[field_name, holding] = (status, message or f"Unknown field: {field_name}")

    def requires_key(self, key: str) -> None:
        self._key = key

    def release(self) -> None:
        """Let every waiting answer go on."""
        self._released.set()

    def forget(self) -> None:
        """Forget the script, and let answers wait again: for a server that many tests share."""
        self._script.clear()
        self._released.clear()

    # --- serving ----------------------------------------------------------------------------

    def build_app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._models)
        return app

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "test", "object": "model"}]})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        record = RecordedRequest(
            await request.json(),
            dict(request.headers),
            request.transport.get_extra_info("peername"),
        )
        self.requests.append(record)
        try:
            return await self._reply(request, record)
        except (asyncio.CancelledError, ConnectionError):
            record.closed_by_client_at = time.monotonic()
            raise
        finally:
            record._ended.set()

    async def _reply(self, request: web.Request, record: RecordedRequest) -> web.StreamResponse:
        if self._key and request.headers.get("Authorization") != f"Bearer {self._key}":
            got = request.headers.get("Authorization", "").removeprefix("Bearer ")
            return _refusal(401, f"Incorrect API key provided: {got}.", code="invalid_api_key")
        for (name, words), (status, message) in self._refused.items():
            if name in record.body and words in json.dumps(record.body[name]):
                return _refusal(status, message)

        behaviour = self._script.popleft() if self._script else self._sample()
        if behaviour is CUT:
            request.transport.abort()
            return web.Response()
        if behaviour is WAIT:
            await self._wait()
            return web.Response(status=503)
        if isinstance(behaviour, Failure):
            return web.json_response(
                behaviour.body, status=behaviour.status, headers=behaviour.headers
            )
        return await self._stream(request, record, behaviour)

    def _sample(self) -> Answer:
        words = re.findall(r"\S+\s*", SAMPLE_ANSWER)
        return Answer(words, pace_seconds=self.pace_seconds)

    async def _wait(self) -> None:
        while not self._released.is_set():  # noqa: ASYNC110 - set by the test's thread
            await asyncio.sleep(0.005)

    async def _stream(
        self, request: web.Request, record: RecordedRequest, answer: Answer
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)

        async def send(chunk: Mapping[str, Any]) -> None:
            if answer.usage is UsageShape.EVERY_CHUNK:
                chunk = {**chunk, "usage": record.usage}
            await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")

        await send(_chunk(record, {"role": "assistant", "content": ""}))
        for step in answer.steps:
            match step:
                case str():
                    # Before sending: the client may be gone by the time `send` returns.
                    record.sent.append(step)
                    await send(_chunk(record, {"content": step}))
                case Delta(content):
                    await send(_chunk(record, content))
                case Raw(content):
                    await response.write(content)
                case Step.NULL:
                    await send(_chunk(record, {"content": None}))
                case Step.KEEP_ALIVE:
                    await response.write(b": keep-alive\n\nevent: ping\n\n")
                case Step.WAIT:
                    await self._wait()
                case Step.CUT:
                    request.transport.abort()
                    return response
                case Step.CLOSE:
                    request.transport.close()
                    return response
                case Step.END:
                    await response.write_eof()
                    return response
            if answer.pace_seconds:
                await asyncio.sleep(answer.pace_seconds)
        await self._finish(response, record, answer, send)
        return response

    async def _finish(self, response, record: RecordedRequest, answer: Answer, send) -> None:
        usage = record.usage
        last = _chunk(record, {}, finish_reason=answer.finish_reason)
        if answer.usage is UsageShape.LAST_CHUNK:
            last["usage"] = usage
        if answer.finish_reason or answer.usage is UsageShape.LAST_CHUNK:
            await send(last)
        asked = (record.body.get("stream_options") or {}).get("include_usage")
        if answer.usage is UsageShape.OWN_CHUNK and asked:
            await send({**_chunk(record, {}), "choices": [], "usage": usage})
        if answer.sends_done:
            await response.write(b"data: [DONE]\n\n")
        record.is_complete = True
        await response.write_eof()


def _chunk(
    record: RecordedRequest, delta: Mapping[str, Any], finish_reason: str | None = None
) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": record.body.get("model"),
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}],
        "usage": None,
    }


def _refusal(status: int, message: str, code: str | None = None) -> web.Response:
    body = {"error": {"message": message, "type": "invalid_request_error", "code": code}}
    return web.json_response(body, status=status)


def main() -> None:
    parser = argparse.ArgumentParser(description="An OpenAI-compatible server to try things with.")
    parser.add_argument("--port", type=int, default=9001)
    parser.add_argument("--pace", type=float, default=0.04, help="seconds between two words")
    options = parser.parse_args()
    with OpenAIServer(port=options.port, pace_seconds=options.pace) as server:
        print(f"OPENAI_BASE_URL={server.url}", flush=True)
        try:
            server.wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
