"""The built-in tutor: answers with the sentences of the retrieved passages that fit best.

Needs no key, no server and no network. It writes nothing of its own but a lead-in, and says so
plainly when no sentence fits.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Self

from learning.llm.base import CJK, AnswerFormat, ChatMessage, ChatModel, Passage, StreamChunk
from learning.llm.choosing import Candidate, choose
from rag.lexical import tokens

LEAD_IN = {"en": "The course says:", "zh": "课程中写道："}
NOT_COVERED = {
    "en": "The course does not seem to cover this. "
    "Try other words, or ask about one of its chapters.",
    "zh": "课程里似乎没有讲到这个问题。可以换个说法，或者就某一章的内容提问。",
}


class ExtractiveChatModel(ChatModel):
    name = "extractive"
    quotes_only = True

    def __init__(self, *, context_tokens: int = 8_000, pace_seconds: float = 0.025):
        self.context_tokens = context_tokens
        self.pace_seconds = pace_seconds

    @classmethod
    def from_settings(cls, tutor: Mapping) -> Self:
        return cls(
            context_tokens=tutor["CONTEXT_TOKENS"],
            pace_seconds=tutor.get("QUOTING_PACE_SECONDS", 0.025),
        )

    async def stream(
        self,
        messages: Sequence[ChatMessage],
        *,
        passages: Sequence[Passage] = (),
        answer_format: AnswerFormat | None = None,
    ) -> AsyncGenerator[StreamChunk]:
        question = next(m.content for m in reversed(messages) if m.role == "user")
        # In a thread: a few milliseconds of computing, and half a second the first time.
        answer = await asyncio.to_thread(compose, question, passages)
        for piece in pieces(answer):
            yield StreamChunk(piece)
            await asyncio.sleep(self.pace_seconds)
        # There is no tokenizer behind this, so the count says that it is an estimate.
        yield StreamChunk(usage=self.estimate_usage(messages, answer), finish_reason="stop")

    def warm_up(self) -> None:
        tokens("热身")  # loads jieba's dictionary


def compose(question: str, passages: Sequence[Passage]) -> str:
    """Write the answer, in Markdown, citing the passages as [1], [2], … in their given order."""
    chosen = choose(question, passages)
    if not chosen:
        return NOT_COVERED[_language(question)]
    paragraphs = [LEAD_IN[_language(" ".join(c.quote.text for c in chosen))]]
    # The passage that defines the subject comes first, then the one that fits best.
    best: dict[int, tuple[bool, float]] = {}
    for c in chosen:
        best[c.number] = max((c.defines, c.score), best.get(c.number, (False, 0.0)))
    for number in sorted(best, key=best.__getitem__, reverse=True):
        group = [candidate for candidate in chosen if candidate.number == number]
        paragraphs.extend(_paragraphs(sorted(group, key=lambda c: c.position)))
    return "\n\n".join(paragraphs)


def _paragraphs(group: Sequence[Candidate]) -> Iterator[str]:
    """Write the quotes of one passage: sentences in a row, items as a list, blocks on their own."""
    for is_list, run in groupby(group, key=lambda c: c.quote.is_item and not c.quote.block):
        if is_list:
            yield "\n".join(f"- {c.quote.text} [{c.number}]" for c in run)
            continue
        row: list[str] = []
        for candidate in run:
            quote, citation = candidate.quote, f" [{candidate.number}]"
            row.append(quote.text + ("" if quote.ending else citation))
            if quote.block:
                yield " ".join(row)
                yield quote.block
                row = [quote.ending + citation] if quote.ending else []
        if row:
            yield " ".join(row)


def pieces(text: str) -> Iterator[str]:
    """Cut an answer as a person reads it: three words or four Chinese characters at a time."""
    return (match.group() for match in re.finditer(rf"(?:{CJK.pattern}){{1,4}}\s*|{LATIN}", text))


LATIN = rf"(?:(?:(?!{CJK.pattern})\S)+\s*){{1,3}}|\s+"


def _language(text: str) -> str:
    return "zh" if len(CJK.findall(text)) > 0.2 * len(text) else "en"
