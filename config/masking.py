"""Hide this site's own secrets wherever words leave it: log lines, traces, error pages.

What looks like anybody's secret in what is taught or asked is a matter of `tracing.masking`.
"""

import base64
import functools
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, unquote, urlsplit

from django.conf import settings

from tracing.masking import mask_secrets

HIDDEN = "[secret]"
# Shorter ones are words: to hide each of them would make the lines unreadable, and no secret safe.
SHORTEST = 6
# Secrets of others that a line may quote. Most lines hold none, so a cheap look goes first.
FOREIGN = re.compile(
    r"(\b(?:Bearer|Basic)\s+)[\w.~+/=-]{12,}"  # a gateway's key
    r"|(://[^\s:/@]*:)[^\s/@]+(?=@)"  # a password before a host
    r"|(\b(?:sessionid|csrftoken|device)=)[\w.-]+"  # a cookie
    r"|(/password/reset/[\w-]+/)(?!set-password\b)[\w-]+"  # what a mail lets somebody in by
    r"|\b(?:sk|pk|rk|gsk|hf|nvapi)[-_](?=[\w*-]*[\d*])[\w*-]{8,}",
    re.IGNORECASE,
)
HINTS = ("bearer", "basic", "@", "id=", "token=", "device=", "/reset/", "k-", "k_", "hf", "nvapi")


def mask_line(line: str) -> str:
    """Return a line of the log, a traceback included, without any secret."""
    line = mask_own(line)
    folded = line.lower()
    if not any(hint in folded for hint in HINTS):
        return line
    return FOREIGN.sub(lambda found: "".join(filter(None, found.groups())) + HIDDEN, line)


def mask_content(text: str) -> str:
    """Return a text of a trace without secrets: ours, and what looks like one of anybody's."""
    return mask_secrets(mask_own(text))


def mask_own(text: str) -> str:
    for secret in _shapes():
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return text


@functools.cache
def _shapes() -> tuple[str, ...]:
    """Each secret in all the shapes it travels in, longest first: one may be part of another."""
    shapes = set()
    for secret in _secrets():
        encoded = base64.b64encode(secret.encode()).decode()
        shapes |= {secret, repr(secret)[1:-1], quote(secret, ""), encoded}
    # As a line of JSON and as a page have each of them.
    shapes |= {json.dumps(shape, ensure_ascii=False)[1:-1] for shape in shapes} | {
        html.escape(shape) for shape in shapes
    }
    return tuple(sorted(shapes, key=len, reverse=True))


def _secrets() -> Iterator[str]:
    langfuse = settings.LANGFUSE_SECRET_KEY
    given = [
        settings.SECRET_KEY,
        *settings.SECRET_KEY_FALLBACKS,
        settings.OPENAI_API_KEY,
        settings.EMAIL_HOST_PASSWORD,
        langfuse,
        # As it is sent: the two keys joined, in base64.
        langfuse and f"{settings.LANGFUSE_PUBLIC_KEY}:{langfuse}",
        *(database.get("PASSWORD") for database in settings.DATABASES.values()),
    ]
    for url in (settings.REDIS_URL, settings.OPENAI_BASE_URL, settings.LANGFUSE_HOST):
        password = urlsplit(url).password
        given += [password, password and unquote(password)]
    return (secret for secret in given if secret and len(secret) >= SHORTEST)
