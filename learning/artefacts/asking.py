"""Ask a chat model for items in JSON, and take only what has the asked form.

    class Found(Item): name: str; passage: int
    asker = Asker(models)
    answer = await asker.ask(Found, instructions, passages, most=12)
    answer.items      # Found, each in the asked form
    answer.dropped    # Counter: reason in words → how many were thrown away

Reasons are words in English, to be translated where they are shown.

The form goes along as a JSON schema for servers that hold their models to it; what comes back is
checked all the same. Nothing is repaired: half an answer is no answer, and an item with a wrong key
is none.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.utils.translation import gettext_noop as _
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from learning.artefacts.passages import Passage
from learning.events import UNSTORABLE
from learning.fences import kept_inside, on_one_line
from learning.llm import availability
from learning.llm.base import AnswerFormat, ChatMessage, ChatModel, StreamChunk, count_tokens
from learning.llm.endings import Ending, ending
from learning.llm.errors import (
    AnswerCutOff,
    ChatModelError,
    ChatModelUnavailable,
    ContentFiltered,
    EmptyAnswer,
)
from learning.turns.reading import read
from tracing import generation

INSTRUCTION_TOKENS = 1_200
TRIES = 2  # an answer that is no JSON is asked for once more
_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?```\s*", re.DOTALL)


class Item(BaseModel):
    """What a model is asked for, one of a list: no key more, none less, each of its type."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @field_validator("*")
    @classmethod
    def can_be_stored(cls, value: Any) -> Any:
        """JSON can spell a NUL, and half a character."""
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and UNSTORABLE.search(text):
                raise ValueError("what no database takes")
        return value


Found = TypeVar("Found", bound=Item)


def numbered(passages: Sequence[Passage]) -> str:
    """Return the passages as a model is shown them, numbered from 1; none can pose as another."""
    return "\n\n".join(
        f"[{number}] {on_one_line(passage.title)}\n{kept_inside(passage.text)}"
        for number, passage in enumerate(passages, start=1)
    )


def batches(passages: Sequence[Passage], room_tokens: int) -> Iterator[list[Passage]]:
    """Yield the passages in as few runs as there is room for; each holds at least one."""
    batch: list[Passage] = []
    room = room_tokens
    for passage in passages:
        tokens = count_tokens(numbered([passage]))
        if batch and tokens > room:
            yield batch
            batch, room = [], room_tokens
        batch.append(passage)
        room -= tokens
    if batch:
        yield batch


@dataclass(slots=True)
class Answered(Generic[Found]):
    items: list[Found] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)


class NotTheForm(ValueError):
    """An answer as a whole is not what was asked for; says why, in words."""


# Faults of one answer: the next one may be in order.
UNUSABLE = (NotTheForm, AnswerCutOff, ContentFiltered, EmptyAnswer, TimeoutError)


class Asker:
    """Puts the questions of one job to the models of the site; counts what it could not use."""

    def __init__(self, models: Sequence[ChatModel] | None = None):
        self._models = list(models) if models else None
        self.model_name = ""  # of the one that answered last
        self.usable = 0  # answers
        self.unusable: Counter[str] = Counter()  # answers, by why

    @property
    def room_tokens(self) -> int:
        """How many tokens of passages fit into one question, instructions and answer aside."""
        room = min(m.context_tokens - m.answer_tokens for m in self._to_ask())
        return max(500, min(3_000, room - INSTRUCTION_TOKENS))

    async def ask(
        self, item: type[Found], instructions: str, passages: str, *, most: int
    ) -> Answered[Found]:
        """Return the items of one answer, at most `most`; an unusable answer has none.

        `instructions` say what is wanted, in words; how it is to be written is added here. Raises
        ChatModelError where no model can be asked.
        """
        messages = [
            ChatMessage("system", f"{instructions}\n\n{_form_in_words(item, most)}"),
            ChatMessage("user", passages),
        ]
        for _attempt in range(TRIES):
            try:
                answered = await self._ask_models(item, messages, most)
            except NotTheForm as error:
                self.unusable[str(error)] += 1
            else:
                self.usable += 1
                return answered
        return Answered()

    async def _ask_models(
        self, item: type[Found], messages: list[ChatMessage], most: int
    ) -> Answered[Found]:
        models = self._to_ask()
        for model in models:
            self.model_name = model.name
            try:
                answered = await self._ask_one(model, item, messages, most)
            except ChatModelError as error:
                availability.failed(model, error)
                if not error.another_may_answer or model is models[-1]:
                    raise
            except NotTheForm:
                availability.answered(model)
                raise
            else:
                availability.answered(model)
                return answered
        raise AssertionError("unreachable: there is always a model to ask")

    async def _ask_one(
        self, model: ChatModel, item: type[Found], messages: list[ChatMessage], most: int
    ) -> Answered[Found]:
        answer_format = AnswerFormat(item.__name__.lower(), _schema(item))
        texts: list[str] = []
        with generation("llm_call", model=model.name, input=messages) as answer:

            def take(chunk: StreamChunk) -> None:
                if chunk.text:
                    answer.chunk_received()
                    texts.append(chunk.text)
                if chunk.usage is not None:
                    answer.usage = chunk.usage
                if chunk.finish_reason:
                    answer.metadata["finish_reason"] = chunk.finish_reason

            try:
                async with (
                    asyncio.timeout(settings.TUTOR["ANSWER_SECONDS"]),
                    aclosing(model.stream(messages, answer_format=answer_format)) as stream,
                ):
                    await read(stream, take)
                found = _parsed("".join(texts), answer.metadata.get("finish_reason"))
                answered = _checked(item, found, most)
                if answered.dropped:
                    answer.metadata["dropped"] = dict(answered.dropped)
                return answered
            except UNUSABLE as error:
                raise NotTheForm(_why(error)) from error
            finally:
                answer.output = "".join(texts)
                if answer.usage is None and texts:
                    answer.usage = model.estimate_usage(messages, answer.output)

    def _to_ask(self) -> list[ChatModel]:
        models = self._models or availability.models_to_ask()
        writing = [model for model in models if not model.quotes_only]
        if not writing:
            raise ChatModelUnavailable("only the built-in tutor is left, and it writes nothing")
        return writing


def _why(error: Exception) -> str:
    if isinstance(error, NotTheForm):
        return str(error)
    if isinstance(error, TimeoutError | AnswerCutOff):
        return _("the answer broke off")
    if isinstance(error, ContentFiltered):
        return _("held back by a filter of the provider's")
    return _("an empty answer")


def _form_in_words(item: type[Item], most: int) -> str:
    fields = ", ".join(f'"{name}"' for name in item.model_fields)
    schema = json.dumps(item.model_json_schema(), ensure_ascii=False)
    return (
        f'Answer with JSON alone: {{"items": [...]}}, with at most {most} items. '
        f"Each item is an object with exactly the keys {fields}, by this JSON schema:\n{schema}"
    )


def _schema(item: type[Item]) -> dict:
    """The schema of the whole answer, as strict structured output wants it."""
    inner = item.model_json_schema(ref_template="#/$defs/{model}")
    definitions = inner.pop("$defs", {})
    return {
        "type": "object",
        "properties": {"items": {"type": "array", "items": {"$ref": f"#/$defs/{item.__name__}"}}},
        "required": ["items"],
        "additionalProperties": False,
        "$defs": {**definitions, item.__name__: inner},
    }


def _parsed(text: str, finish_reason: str | None) -> list:
    """Return the list of an answer; raises NotTheForm."""
    if fenced := _FENCED.fullmatch(text):
        text = fenced[1]
    try:
        whole = json.loads(text)
    except ValueError:
        if ending(finish_reason) is Ending.AT_LIMIT:
            raise NotTheForm(_("the answer was cut off at its longest")) from None
        if "{" not in text:
            raise NotTheForm(_("prose instead of JSON")) from None
        raise NotTheForm(_("broken JSON")) from None
    except RecursionError:
        raise NotTheForm(_("broken JSON")) from None
    if not isinstance(whole, dict) or set(whole) != {"items"}:
        raise NotTheForm(_("JSON with other keys than asked for"))
    if not isinstance(whole["items"], list):
        raise NotTheForm(_("JSON without a list of items"))
    return whole["items"]


def _checked(item: type[Found], found: list, most: int) -> Answered[Found]:
    answered: Answered[Found] = Answered()
    if len(found) > most:
        answered.dropped[_("more than asked for")] += len(found) - most
    for each in found[:most]:
        try:
            answered.items.append(item.model_validate(each))
        except ValidationError:
            answered.dropped[_("not in the asked form")] += 1
    return answered
