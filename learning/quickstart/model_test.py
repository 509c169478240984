"""Whether a model server answers: a real request for its models, and one for a word.

Both in the way the tutor itself asks, so that what works here works for students.
"""

import asyncio
import json
import re
from contextlib import aclosing, closing
from dataclasses import dataclass

from django.conf import settings

from learning.llm import openai_errors
from learning.llm.base import ChatMessage
from learning.llm.errors import (
    AccessRefused,
    ChatModelError,
    ChatModelTimeout,
    ChatModelUnavailable,
    EmptyAnswer,
    OnlyThought,
    RateLimited,
)
from learning.llm.openai import OPENAI_URL, OpenAIChatModel
from tracing.doctor import Finding

PATIENCE_SECONDS = 30
LIST_BYTES = 8 * 2**20  # gateways list a few hundred models, with prose about each
CHECK = "chat model"
STATUS = re.compile(r"(\d{3}): ")
MODEL = re.compile(r"model", re.IGNORECASE)
CREDIT = re.compile(r"quota|billing|credit|arrearage|balance", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Server:
    """Where a model is asked. `base_url` "": OpenAI itself."""

    base_url: str = ""
    key: str = ""


def models_of(server: Server) -> list[str] | Finding:
    """Return the names of its models, none if it does not tell, or why it can be asked nothing."""
    try:
        return asyncio.run(_models_of(server))
    except ChatModelError as error:
        is_fatal = _status(error) in (401, 403) or isinstance(error, ChatModelUnavailable)
        # A 5xx, or a 404, may be of the list alone.
        return _explained(error, server, "") if is_fatal and _status(error) < 500 else []


def answers(server: Server, model: str) -> Finding:
    """Ask the model for a word."""
    try:
        asyncio.run(_first_word(server, model))
    except ChatModelError as error:
        return _explained(error, server, model)
    return Finding(CHECK, True, f"{model} answers")


async def _models_of(server: Server) -> list[str]:
    import httpx2
    import openai

    from learning.llm.openai_transport import http_client

    client = openai.AsyncOpenAI(
        base_url=server.base_url or OPENAI_URL,
        api_key=server.key or "not-needed",
        max_retries=0,
        timeout=openai.Timeout(PATIENCE_SECONDS, connect=10, pool=10),
        http_client=await http_client(),
    )
    failure: ChatModelError
    try:
        # As a stream: read as a whole, the transport keeps no more of it than tells of an error.
        response = await client.get("/models", cast_to=httpx2.Response, stream=True)
        content = b""
        with closing(response.extensions["body"]) as body:
            async for piece in body:
                content += piece
                if len(content) > LIST_BYTES:
                    return []
    except openai_errors.translatable() as error:
        failure = openai_errors.translate(error, secret=server.key)
    else:
        return _names_in(content)
    # Out of the handler: the provider's exception holds the request, and that the key.
    raise failure


def _names_in(content: bytes) -> list[str]:
    try:
        rows = json.loads(content)["data"]
        return sorted({row["id"] for row in rows if isinstance(row["id"], str)})
    except (ValueError, KeyError, TypeError):
        return []


async def _first_word(server: Server, name: str) -> None:
    model = OpenAIChatModel(
        name,
        base_url=server.base_url,
        api_key=server.key,
        answer_tokens=settings.TUTOR["ANSWER_TOKENS"],
        connect_timeout_seconds=10,
        read_timeout_seconds=PATIENCE_SECONDS,
        max_retries=0,
    )
    question = [ChatMessage("user", "Reply with the single word: ready")]
    async with aclosing(model.stream(question)) as stream:
        async for chunk in stream:
            if chunk.text.strip():
                return


def _status(error: ChatModelError) -> int:
    found = STATUS.match(str(error))
    return int(found[1]) if found else 0


def _explained(error: ChatModelError, server: Server, model: str) -> Finding:
    message, advice = _words(error, server.base_url or OPENAI_URL, model)
    return Finding(CHECK, False, f"{message} ({error})", advice)


def _words(error: ChatModelError, address: str, model: str) -> tuple[str, str]:
    status, said = _status(error), str(error)
    match error:
        case AccessRefused() if status == 402 or CREDIT.search(said):
            return "the account has no credit", "Look at the provider's page on billing."
        case AccessRefused() if status in (401, 403):
            return "the server does not accept the key", "Copy the key again, without blanks."
        case AccessRefused() if MODEL.search(said):
            return (
                f"the server does not know the model {model}",
                "Take a name that the server lists; names are case-sensitive.",
            )
        case AccessRefused():
            return (
                f"there is no chat at {address}",
                "The address often ends in /v1; look at what the server's manual calls base URL.",
            )
        case ChatModelTimeout():
            return (
                "the server does not answer in time",
                "Is the model still being loaded? Does a firewall stand in between?",
            )
        case RateLimited():
            return (
                "the server answers too many questions at present",
                "Try again in a minute; if it stays so, look at the limits of the account.",
            )
        case ChatModelUnavailable() if status:
            return "the server has a fault of its own", "Look at its log, or try again later."
        case ChatModelUnavailable():
            return (
                f"the server at {address} cannot be reached",
                "Is the address right, is the server running, and can this machine reach it?",
            )
        case OnlyThought():
            return (
                "the model answers, but its thinking used up the whole length of an answer",
                "Raise ANSWER_TOKENS, or take another model.",
            )
        case EmptyAnswer():
            return "the model answers with no words", "Is it a model for chat?"
        case _:
            return "the server refuses the request", "Is it a model for chat?"
