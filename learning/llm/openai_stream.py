"""Read the body of a streamed answer, in all the shapes that compatible servers send.

Usage comes on a last chunk without choices (OpenAI), on the last one with choices (transformers
serve), with every chunk (vLLM), or never (llama.cpp); the ending comes with or without
`finish_reason`, with or without `[DONE]`; between the chunks come comments and empty events.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from learning.llm.base import StreamChunk
from learning.llm.thoughts import Thoughts
from tracing import Usage

LONGEST_LINE = 2**20  # bytes; nothing that a model says in one piece comes near
# Where servers put what a model thinks before it answers.
THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details", "thinking")


class ErrorReported(Exception):
    """The stream carries an error instead of a chunk; `report` is what it says."""

    def __init__(self, report: Any):
        super().__init__(report)
        self.report = report


class Answer:
    """One answer as it comes: takes in the bytes of the body, gives back what they add."""

    def __init__(self):
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.is_done = False  # [DONE] has come
        self._rest = b""  # of a line that is still coming
        self._half = ""  # of a character beyond U+FFFF, cut in two by the provider
        self._thoughts = Thoughts()
        self._texts: list[str] = []

    @property
    def has_text(self) -> bool:
        return bool(self._texts)

    @property
    def text(self) -> str:
        return "".join(self._texts)

    def feed(self, piece: bytes) -> Iterator[StreamChunk]:
        """Yield what these bytes add: text, or a sign that the model thinks; often nothing.

        Raises ErrorReported, or ValueError for a line that is no JSON or no chunk.
        """
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > LONGEST_LINE:
            raise ValueError(f"a line of more than {LONGEST_LINE} bytes")
        for line in lines:
            if not line.startswith(b"data:") or not (payload := line[5:].strip()):
                continue
            if payload == b"[DONE]":
                self.is_done = True
                return
            event = json.loads(payload.decode("utf-8", "surrogatepass"))
            try:
                chunk = self._read(event)
            except (TypeError, LookupError, AttributeError) as error:
                raise ValueError(f"not a chunk: {str(event)[:200]}") from error
            if chunk is not None:
                yield chunk

    def end(self) -> Iterator[StreamChunk]:
        """Yield what was held back, the body having come to its end."""
        # Some servers end without the line break that ends an event.
        yield from self.feed(b"\n")
        if chunk := self._add(self._thoughts.end() + self._half):
            yield chunk

    def _read(self, event: Any) -> StreamChunk | None:
        if usage := event.get("usage"):
            self.usage = _usage(usage) or self.usage
        choices = event.get("choices")
        if not choices:
            if report := event.get("error") or (event.get("object") == "error" and event):
                raise ErrorReported(report)
            return None
        choice = choices[0]
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        delta = choice.get("delta")
        if not delta:
            return None
        # A model that declines may say so in a field of its own: that is its answer.
        content = delta.get("content") or delta.get("refusal")
        if not content:
            return StreamChunk(is_thinking=True) if _thinks(delta) else None
        if isinstance(content, list):  # parts; a model that thinks aloud sends other kinds too
            content = "".join(part["text"] for part in content if part.get("type") == "text")
            return self._piece(content) if content else StreamChunk(is_thinking=True)
        return self._piece(content)

    def _piece(self, text: str) -> StreamChunk | None:
        text, self._half = _split_half(self._half + text)
        said = self._thoughts.without(text)
        if not said and self._thoughts.is_thinking:
            return StreamChunk(is_thinking=True)
        return self._add(said)

    def _add(self, text: str) -> StreamChunk | None:
        if not (text := _storable(text)):
            return None
        self._texts.append(text)
        return StreamChunk(text)


def _thinks(delta: Mapping[str, Any]) -> bool:
    return any(delta.get(name) for name in THOUGHTS)


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
