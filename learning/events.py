"""The frames of the chat's websocket: what the server says, and how a client's frame is read.

Server → client events are plain dicts made by the functions here, so that the protocol can be read
in one place.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from learning.rendering import render_quote

Event = dict[str, Any]

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
LONGEST_ASK_ID = 100


class BadFrame(Exception):
    """A frame that cannot be read; its text is for the client."""


@dataclass(frozen=True, slots=True)
class Ask:
    id: str
    text: str
    chapter: str  # slug, or ""
    instead_of: UUID | None = None  # the turn whose place this one takes


@dataclass(frozen=True, slots=True)
class Stop:
    pass


@dataclass(frozen=True, slots=True)
class Resume:
    pass


def dumps(event: Event) -> str:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


def read_frame(text: str | None) -> Ask | Stop | Resume:
    """Return what a client wants, or raise BadFrame with words that say what is wrong."""
    if text is None:
        raise BadFrame(_("Frames are text, not bytes."))
    if len(text) > settings.TUTOR["FRAME_CHARACTERS"]:
        raise BadFrame(_("The frame is too long."))
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        raise BadFrame(_("The frame is not JSON.")) from None
    if not isinstance(frame, dict):
        raise BadFrame(_("A frame is an object with a “type”."))
    match frame.get("type"):
        case "ask":
            return _ask(frame)
        case "stop":
            return Stop()
        case "resume":
            return Resume()
    raise BadFrame(_("“type” must be ask, stop or resume."))


def _ask(frame: dict) -> Ask:
    ask_id, text, chapter = frame.get("id"), frame.get("text"), frame.get("chapter") or ""
    if not isinstance(ask_id, str) or not 0 < len(ask_id) <= LONGEST_ASK_ID:
        raise BadFrame(_("“id” must be a text of 1 to %d characters.") % LONGEST_ASK_ID)
    if not isinstance(text, str):
        raise BadFrame(_("“text” must be a text."))
    if not isinstance(chapter, str):
        raise BadFrame(_("“chapter” must be a text."))
    if UNSTORABLE.search(ask_id + text + chapter):
        raise BadFrame(
            _("The question holds characters that cannot be kept: NUL or half of a pair.")
        )
    return Ask(ask_id, text.strip(), chapter, _turn_id(frame.get("instead_of")))


def _turn_id(value: object) -> UUID | None:
    if value in (None, ""):
        return None
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise BadFrame(_("“instead_of” must be the id of a turn.")) from None


def error(message: str, *, code: str = "bad_frame") -> Event:
    return {"type": "error", "code": code, "message": message}


def ready(conversation_id: str, turn: Event | None, *, notice: str, left: int | None) -> Event:
    """`notice`: words for a banner, or ""; `left`: questions left today, None without a limit."""
    return {
        "type": "ready",
        "conversation": conversation_id,
        "turn": turn,
        "notice": notice,
        "left": left,
    }


def notice(message: str) -> Event:
    """The banner's words have changed; "" takes it away."""
    return {"type": "notice", "message": message}


def changed() -> Event:
    """Another branch of the conversation is shown now."""
    return {"type": "conversation.changed"}


def rejected(ask_id: str, code: str, message: str) -> Event:
    return {"type": "turn.rejected", "ask": ask_id, "code": code, "message": message}


def started(
    turn_id: str,
    ask_id: str,
    question: str,
    *,
    after: UUID | None,
    versions: Iterable[UUID],
    left: int | None,
) -> Event:
    """`question` is for the other tabs on the conversation, which did not ask it."""
    return {
        "type": "turn.started",
        "turn": turn_id,
        "ask": ask_id,
        "question": question,
        **_place(after, versions),
        "left": left,
    }


def _place(after: UUID | None, versions: Iterable[UUID]) -> Event:
    """Where a turn stands: the turn it follows, and all turns at its place."""
    return {
        "after": str(after) if after else None,
        "versions": [str(version) for version in versions],
    }


def queued(turn_id: str, ahead: int) -> Event:
    """The turn waits for a place; so many others are before it."""
    return {"type": "turn.queued", "turn": turn_id, "ahead": ahead}


def sources(turn_id: str, citations: Iterable, *, is_weak: bool) -> Event:
    return {
        "type": "turn.sources",
        "turn": turn_id,
        "weak": is_weak,
        "sources": [source(citation) for citation in citations],
    }


def source(citation) -> Event:
    """One passage, of a Citation row."""
    return {
        "n": citation.number,
        "title": citation.title,
        "chapter": citation.chapter.slug if citation.chapter else "",
        "url": citation.url,
        "quote": citation.quote,
        "quote_html": str(render_quote(citation.quote)),
        "score": round(citation.score, 4),
    }


def blocks(rendered: Iterable[tuple[int, str]]) -> list[Event]:
    return [{"i": i, "html": html} for i, html in rendered]


def delta(turn_id: str, at: int, text: str, rendered: Iterable[tuple[int, str]]) -> Event:
    """`at`: where in the answer `text` begins, in Unicode code points."""
    return {
        "type": "turn.delta",
        "turn": turn_id,
        "at": at,
        "text": text,
        "blocks": blocks(rendered),
    }


def finished(
    turn_id: str, status: str, text: str, usage, message: str = "", *, left: int | None = None
) -> Event:
    """`left`: how many questions are left today, if this one did not count after all."""
    event = {
        "type": "turn.finished",
        "turn": turn_id,
        "status": status,
        "length": len(text),
        "usage": (
            {"input": usage.input or 0, "output": usage.output or 0, "total": usage.total or 0}
            if usage
            else None
        ),
    }
    if left is not None:
        event["left"] = left
    return {**event, "message": message} if message else event


def snapshot(
    turn_id: str,
    status: str,
    text: str,
    rendered: Iterable[tuple[int, str]],
    citations: Iterable,
    *,
    ask_id: str,
    question: str,
    after: UUID | None,
    versions: Iterable[UUID],
    is_weak: bool,
    message: str = "",
) -> Event:
    """All there is of a turn so far: for a tab that opens, or missed something."""
    return {
        "type": "turn.snapshot",
        "turn": turn_id,
        "ask": ask_id,
        "question": question,
        **_place(after, versions),
        "status": status,
        "text": text,
        "blocks": blocks(rendered),
        "sources": [source(citation) for citation in citations],
        "weak": is_weak,
        **({"message": message} if message else {}),
    }
