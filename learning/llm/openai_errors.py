"""Translate what the openai package and a provider report into our own errors.

Everything returned is safe to store: the key is masked and the text is short.
"""

import email.utils
import re
import time
from collections.abc import Mapping
from typing import Any

from learning.llm.errors import (
    AccessRefused,
    ChatModelError,
    ChatModelTimeout,
    ChatModelUnavailable,
    ContentFiltered,
    ContextTooLong,
    RateLimited,
    RequestRefused,
)

DETAIL_CHARACTERS = 500
SHORTEST_SECRET = 6  # a shorter one, such as "x" for a server of one's own, is a word
# A key that is not ours, such as one a gateway uses itself.
KEY = re.compile(r"\b(sk|pk|rk|gsk|hf|nvapi)[-_][\w\-*]{8,}|\bBearer\s+\S{8,}", re.IGNORECASE)
CONTEXT = re.compile(
    r"context[_ ](length|size|window)|maximum context|too many tokens|(prompt|input) is too long",
    re.IGNORECASE,
)
RATE = re.compile(r"rate[_ ]limit|too many requests|overloaded", re.IGNORECASE)
# These come as 429, but no waiting helps.
NO_CREDIT = re.compile(r"insufficient_quota|billing|credit|arrearage", re.IGNORECASE)
FILTER = re.compile(
    r"content[_ ](filter|policy|management)|data_inspection_failed|moderation|flagged|"
    r"sensitive (content|information|words)|敏感",
    re.IGNORECASE,
)
# What some say with a 400, as if the question were at fault.
NO_ACCESS = re.compile(
    r"api[_ ]key|invalid model(?! param)|model\b.{0,60}\bnot (exist|found)|arrearage", re.IGNORECASE
)
ACCESS_STATUS = frozenset({401, 402, 403, 404, 405, 410})
QUESTION_STATUS = frozenset({400, 422})


def translatable() -> tuple[type[Exception], ...]:
    """The exceptions that a request, or reading its answer, may raise."""
    import aiohttp
    import httpx2
    import openai

    # ValueError: a line that is not JSON, or not a chunk.
    return (openai.OpenAIError, httpx2.HTTPError, aiohttp.ClientError, OSError, ValueError)


def translate(error: Exception, *, secret: str | None) -> ChatModelError:
    import openai

    if isinstance(error, openai.APIStatusError):
        return _classify(
            f"{error.status_code}: {_message(error.body) or error.message}",
            status=error.status_code,
            code=error.code or error.type or "",
            retry_after_seconds=_retry_after_seconds(error.response.headers),
            secret=secret,
        )
    # The transport's names mislead (a refused connection arrives as a time-out): tell the cause.
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    kind = ChatModelTimeout if isinstance(cause, TimeoutError) else ChatModelUnavailable
    return kind(_safe(f"{type(cause).__name__}: {cause}", secret))


def from_report(error: Any, *, secret: str | None) -> ChatModelError:
    code = str(error.get("code") or error.get("type") or "") if isinstance(error, dict) else ""
    return _classify(
        f"{code}: {_message(error)}" if code else _message(error),
        status=int(code) if code.isdecimal() else None,
        code=code,
        secret=secret,
    )


def _classify(
    detail: str,
    *,
    status: int | None,
    code: str,
    retry_after_seconds: float | None = None,
    secret: str | None,
) -> ChatModelError:
    described = f"{code} {detail}"
    detail = _safe(detail, secret)
    if status == 413 or (status in (None, 400, 422) and CONTEXT.search(described)):
        return ContextTooLong(detail)
    if status == 429 or (status is None and RATE.search(described)):
        if NO_CREDIT.search(described):
            return AccessRefused(detail)
        return RateLimited(detail, retry_after_seconds=retry_after_seconds)
    if status in (None, 400, 403, 422, 451) and FILTER.search(described):
        return ContentFiltered(detail)
    if status in ACCESS_STATUS or (status in QUESTION_STATUS and NO_ACCESS.search(described)):
        return AccessRefused(detail)
    if status in QUESTION_STATUS:
        return RequestRefused(detail)
    return ChatModelUnavailable(detail)


def _message(body: Any) -> str:
    """The provider's words, wherever its format keeps them."""
    if isinstance(body, dict):
        return _message(body.get("message") or body.get("error") or body.get("detail") or str(body))
    return str(body or "")


def _safe(detail: str, secret: str | None) -> str:
    if secret and len(secret) >= SHORTEST_SECRET:
        detail = detail.replace(secret, "***")
    return KEY.sub("***", detail)[:DETAIL_CHARACTERS]


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
