"""Who may do what at Langfuse server v2.95, by the `Authorization` header.

    Basic <public>:<secret>   everything; the secret key is looked up, the public one never compared
    Bearer <public>           scores only, through the ingestion route; the public key is looked up

So a wrong public key passes every request of an SDK, and is found out by Bearer alone.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Key(NamedTuple):
    """A pair of keys as a project's settings show them."""

    public: str
    secret: str
    project_id: str


@dataclass(frozen=True)
class Scope:
    project_id: str
    access_level: str  # "all" or "scores"


class NotAuthorised(Exception):
    """With the server's words, for a 401."""


def scope_of(headers: Mapping[str, str], keys: list[Key]) -> Scope:
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    if scheme == "Basic":
        public, secret = _decoded(credentials)
        for key in keys:
            if key.secret == secret:
                return Scope(key.project_id, "all")
        known = any(key.public == public for key in keys)
        raise _refused("Invalid credentials" if known else "Invalid public key")
    if scheme == "Bearer":
        for key in keys:
            if key.public == credentials:
                return Scope(key.project_id, "scores")
        raise _refused("Invalid public key")
    raise NotAuthorised("Invalid authorization header" if scheme else "No authorization header")


def _decoded(credentials: str) -> tuple[str, str]:
    try:
        public, _, secret = base64.b64decode(credentials).decode().partition(":")
    except ValueError:  # of base64 or of UTF-8
        raise _refused("Invalid authorization header") from None
    return public, secret


def _refused(words: str) -> NotAuthorised:
    return NotAuthorised(f"{words}. Confirm that you've configured the correct host.")
