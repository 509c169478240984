"""What a chat model is to the rest of the product: messages in, pieces of text out.

Knows no provider and no prompt: `prompts.py` writes the messages, one file per provider sends them.
"""

import abc
import functools
import math
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from tracing import Usage

# Han, kana, hangul and their full-width punctuation: about one token each in every tokenizer.
CJK = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
LATIN_CHARACTERS_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4  # role and separators


@dataclass(frozen=True, slots=True)
class ChatMessage:
    role: str  # "system", "user" or "assistant"
    content: str


@dataclass(slots=True)
class StreamChunk:
    """A piece of the answer. The last one has no text; it carries the usage and why it ended.

    One that `is_thinking` has none either: the model lives, but what it thinks is never kept.
    """

    text: str = ""
    usage: Usage | None = None
    finish_reason: str | None = None  # the provider's word; `endings` knows what it means
    is_thinking: bool = False


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """The form an answer is to have: JSON by this schema, for providers that hold a model to it."""

    name: str
    schema: Mapping[str, Any]


class Passage(Protocol):
    """What a model or a prompt reads of a retrieved chunk."""

    text: str
    heading_path: Sequence[str]
    score: float


def passage_title(passage: Passage) -> str:
    return " › ".join(passage.heading_path)


class ChatModel(abc.ABC):
    """Answers a list of messages, piece by piece."""

    name: str
    # Where it is asked, if by network: two models of one name may live at two addresses.
    address: str = ""
    context_tokens: int = 8_000
    answer_tokens: int = 1_500  # the longest answer it is asked for
    # True when the answer consists of the course's own sentences: pages say so.
    quotes_only: bool = False

    @classmethod
    def from_settings(cls, tutor: Mapping) -> Self:
        """Build it from settings.TUTOR."""
        return cls()

    @abc.abstractmethod
    def stream(
        self,
        messages: Sequence[ChatMessage],
        *,
        passages: Sequence[Passage] = (),
        answer_format: AnswerFormat | None = None,
    ) -> AsyncGenerator[StreamChunk]:
        """Yield the answer as it is written; raise a `ChatModelError` when there is none.

        `passages` are the ones numbered [1], [2], … in the system prompt. An `answer_format` is
        passed on where the provider takes one; nothing promises that the answer has it. Use it as
        `async with aclosing(model.stream(...)) as chunks`, so that leaving early, cancelled or
        not, closes the provider's connection at once.
        """

    def warm_up(self) -> None:  # noqa: B027 - most models have nothing to do
        """Load what the first question would otherwise wait for; blocks."""

    def count_tokens(self, text: str) -> int:
        """Estimate how many tokens `text` is, rather too many than too few."""
        return count_tokens(text)

    def count_message_tokens(self, messages: Sequence[ChatMessage]) -> int:
        return sum(self.count_tokens(m.content) + TOKENS_PER_MESSAGE for m in messages)

    def estimate_usage(self, messages: Sequence[ChatMessage], answer: str) -> Usage:
        """The usage of an answer whose provider named none, or was stopped before it could."""
        read, written = self.count_message_tokens(messages), self.count_tokens(answer)
        return Usage(input=read, output=written, total=read + written, is_estimate=True)


def count_tokens(text: str) -> int:
    """Estimate how many tokens `text` is to any model, rather too many than too few."""
    cjk = len(CJK.findall(text))
    return cjk + math.ceil((len(text) - cjk) / LATIN_CHARACTERS_PER_TOKEN)


@functools.cache
def get_chat_model() -> ChatModel:
    """Return the model named by TUTOR["CHAT_MODEL_BACKEND"], built once per process."""
    return _build(settings.TUTOR)


def model_named(name: str) -> ChatModel:
    """Return another model of the site's provider; its own where `name` is empty.

    The built-in tutor has no others.
    """
    model = get_chat_model()
    return model if not name or name == model.name or model.quotes_only else _other_model(name)


@functools.cache
def _other_model(name: str) -> ChatModel:
    return _build({**settings.TUTOR, "CHAT_MODEL": name})


@functools.cache
def get_fallback_model() -> ChatModel | None:
    """Return the model that answers while the first does not, or None: TUTOR["FALLBACK"]."""
    fallback = settings.TUTOR["FALLBACK"]
    return _build({**settings.TUTOR, **fallback}) if fallback else None


def _build(tutor: Mapping) -> ChatModel:
    path = tutor["CHAT_MODEL_BACKEND"]
    try:
        backend = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f'TUTOR["CHAT_MODEL_BACKEND"] is {path!r}: {error}') from error
    return backend.from_settings(tutor)
