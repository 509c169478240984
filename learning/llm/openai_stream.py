"""Read the body of a streamed answer, in all the shapes that compatible servers send.

Usage comes on a last chunk without choices (OpenAI), on the last one with choices (transformers
serve), with every chunk (vLLM), or never (llama.cpp); the ending comes with or without
`finish_reason`, with or without `[DONE]`; between the chunks come comments and empty events.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

from tracing import Usage

# After [DONE] the body is read to its end, so that the connection can serve the next question.
DRAIN_SECONDS = 0.1


async def events(body: AsyncIterator[bytes]) -> AsyncGenerator[Mapping[str, Any]]:
    """Yield the JSON object of every `data:` line; a line that is not JSON is a ValueError."""
    rest = b""
    async for piece in body:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if not line.startswith(b"data:") or not (payload := line[5:].strip()):
                continue
            if payload == b"[DONE]":
                await _drain(body)
                return
            yield _object(payload)
    # Some servers end without the empty line, or the line break, that ends an event.
    if rest.startswith(b"data:") and (payload := rest[5:].strip()) not in (b"", b"[DONE]"):
        yield _object(payload)


def _object(payload: bytes) -> Mapping[str, Any]:
    event = json.loads(payload)
    if not isinstance(event, dict):
        raise ValueError(f"not an object: {payload[:80]!r}")
    return event


async def _drain(body: AsyncIterator[bytes]) -> None:
    # The answer is complete: whatever happens to the connection now is no fault of it.
    with suppress(Exception):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in body:
                pass


class Progress:
    """What has come of one answer so far."""

    def __init__(self):
        self._texts: list[str] = []
        self._half = ""  # of a character beyond U+FFFF, cut in two by the provider
        self.usage: Usage | None = None
        self.finish_reason: str | None = None

    @property
    def has_text(self) -> bool:
        return bool(self._texts)

    @property
    def text(self) -> str:
        return "".join(self._texts)

    def read(self, event: Mapping[str, Any]) -> str:
        """Take in one event and return the text it adds, which is often none.

        An event of another shape than a chunk is a ValueError.
        """
        try:
            text = self._read(event)
            if not text:
                return ""
            text, self._half = _split_half(self._half + text)
        except (TypeError, LookupError, AttributeError) as error:
            raise ValueError(f"not a chunk: {str(event)[:200]}") from error
        return self._add(text)

    def end(self) -> str:
        """Return what was held back, if anything."""
        text, self._half = self._half, ""
        return self._add(text)

    def _add(self, text: str) -> str:
        text = _storable(text)
        if text:
            self._texts.append(text)
        return text

    def _read(self, event: Mapping[str, Any]) -> str:
        if usage := event.get("usage"):
            self.usage = _usage(usage) or self.usage
        choices = event.get("choices")
        if not choices:
            return ""
        choice = choices[0]
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        text = (choice.get("delta") or {}).get("content")
        if isinstance(text, list):  # parts; a model that thinks aloud sends other kinds too
            text = "".join(part["text"] for part in text if part.get("type") == "text")
        return text or ""


def _split_half(text: str) -> tuple[str, str]:
    """Cut off half a character at the end: its other half may come with the next text."""
    return (text[:-1], text[-1]) if "\ud800" <= text[-1] <= "\udbff" else (text, "")


def _storable(text: str) -> str:
    """Join the halves of characters, replace lone ones, and drop NUL, which no database takes."""
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\0", "")


def _usage(usage: Mapping[str, Any]) -> Usage | None:
    read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if read is None and written is None:
        return None
    total = usage.get("total_tokens")
    return Usage(
        input=read,
        output=written,
        total=total if total is not None else (read or 0) + (written or 0),
    )
