"""Make content fit to be kept: JSON-safe, masked, cut to size. Everything stored passes here.

Reads what it is given and never changes it. Anything unknown becomes a short description rather
than a failure: a model instance its label and key, bytes their length, a lazy query its type
(never evaluated: this runs on a thread of its own).
"""

import dataclasses
import functools
import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from django.db.models import Model, QuerySet
from django.utils.functional import Promise
from django.utils.module_loading import import_string

from tracing import conf

MAX_DEPTH = 20
MAX_ITEMS = 2_000  # of one list or mapping
MAX_VALUES = 50_000  # of the whole: a structure that holds itself twice has no end
LONE_SURROGATES = re.compile("[\ud800-\udfff]")
ESCAPED_BYTES = 6  # of one character in ASCII-escaped JSON, at most twice that for an emoji

Mask = Callable[[str], str]


def storable(value: Any) -> Any:
    """Return `value` as JSON data that is masked and within `MAX_FIELD_BYTES`."""
    limit = longest = conf.get("MAX_FIELD_BYTES")
    reading = _Reading(the_mask(), longest_text=limit)
    safe = fitting = reading.read(value, 0)
    if reading.has_shortened:
        fitting = _cut_texts(safe, limit)  # says how much is missing already
    elif reading.bytes_at_most <= limit:
        return safe
    # Each text is cut on its own; halve what one may take until the whole fits. What is cut is
    # always the whole text: a cut in a cut could not say how much is missing.
    while _size(fitting) > limit:
        longest //= 2
        if longest < 50:  # too many small things: one text of them all
            return cut_to_bytes(json.dumps(safe, ensure_ascii=False), limit)
        fitting = _cut_texts(safe, longest)
    return fitting


def text(value: Any, *, longest: int = 2_000) -> str:
    """Return a text (a status message, a comment) masked and within about `longest` characters."""
    return cut(_clean(value, the_mask()), longest)


def label(value: Any, *, longest: int) -> str:
    """Return a name masked and within exactly `longest` characters; "" for None."""
    return "" if value is None else _clean(value, the_mask())[:longest]


def identifier(value: Any, *, longest: int) -> str:
    """Return an id within `longest` characters, not masked: rows are found by it."""
    return "" if value is None else _clean(value, str)[:longest]


def the_mask() -> Mask:
    """Return the function that hides secrets. One that cannot be had lets nothing through."""
    try:
        return _mask_at(conf.get("MASK"))
    except ImportError as error:
        return _refusing(error)


_mask_at = functools.cache(import_string)


def json_safe(value: Any, mask: Mask = str) -> Any:
    """Return `value` as what JSON can hold: dict, list, str, int, float, bool, None."""
    return _Reading(mask).read(value, 0)


class _Reading:
    """One walk through a value. What cannot be read is described; nothing raises."""

    def __init__(self, mask: Mask, longest_text: int = 0):
        self.mask = mask
        self.longest_text = longest_text
        self.values_left = MAX_VALUES
        self.bytes_at_most = 0  # of the result as ASCII-escaped JSON
        self.has_shortened = False
        self._keys: dict[str, str] = {}  # cleaned: a table has the same ones in every row

    def read(self, value: Any, depth: int) -> Any:
        self.values_left -= 1
        self.bytes_at_most += 40  # a number, or what stands around a text
        try:
            return self._read(value, depth)
        except Exception as error:
            return f"<{_type_name(value)}, not readable: {type(error).__name__}>"

    def _read(self, value: Any, depth: int) -> Any:
        if type(value) is str:
            return self._text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Enum):
            return self.read(value.value, depth + 1)
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int):
            return int(value) if -(2**63) <= value < 2**63 else _clean(value, self.mask)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else str(float(value))
        if depth >= MAX_DEPTH or self.values_left <= 0:
            return f"<{_type_name(value)}, not followed further>"
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            return self._items(list(value), depth)
        if isinstance(value, bytes | bytearray | memoryview):
            return f"<{len(value)} bytes>"
        if isinstance(value, UUID | Decimal | Promise):
            return _clean(value, self.mask)
        if isinstance(value, datetime | date | time):
            return value.isoformat()
        if isinstance(value, timedelta):
            return value.total_seconds()
        if isinstance(value, Model):
            return f"<{value._meta.label} {value.pk}>"
        if isinstance(value, QuerySet):
            return f"<QuerySet of {value.model._meta.label}>"
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            return self.read(fields, depth + 1)
        if callable(getattr(value, "model_dump", None)) and not isinstance(value, type):  # pydantic
            return self.read(value.model_dump(), depth + 1)
        if hasattr(value, "tolist") and hasattr(value, "shape"):  # NumPy
            shape = "×".join(map(str, value.shape))
            return f"<array {shape}>" if value.shape else self.read(value.tolist(), depth + 1)
        return f"<{_type_name(value)}>"

    def _key(self, value: str) -> str:
        if value not in self._keys:
            self._keys[value] = self._text(value)
        self.bytes_at_most += len(value) * ESCAPED_BYTES
        return self._keys[value]

    def _text(self, value: str) -> str:
        longest = self.longest_text
        if longest and len(value) > 2 * longest:
            # Most of it will be cut away: what is certain to go is not worth masking.
            head, tail = value[:longest], value[-longest:]
            cleaned = Shortened.of(_clean(head, self.mask), _clean(tail, self.mask))
            cleaned.missing = len(value) - 2 * longest
            self.has_shortened = True
        else:
            cleaned = _clean(value, self.mask)
        # Each ASCII character may be escaped as well: a quotation mark takes 2, a control sign 6.
        self.bytes_at_most += len(cleaned) * ESCAPED_BYTES * (1 if cleaned.isascii() else 2)
        return cleaned

    def _mapping(self, value: Mapping, depth: int) -> dict[str, Any]:
        items = list(value.items())
        found = {}
        for key, item in _some(items):
            if self.values_left <= 0:
                break
            found[self._key(str(key))] = self.read(item, depth + 1)
        if len(items) > len(found):
            found["…"] = f"{len(items) - len(found)} items left out"
        return found

    def _items(self, items: list, depth: int) -> list:
        found = []
        for item in _some(items):
            if self.values_left <= 0:
                break
            found.append(self.read(item, depth + 1))
        if len(items) > len(found):
            found.insert(MAX_ITEMS // 2, f"… {len(items) - len(found)} items left out …")
        return found


class Shortened(str):
    """A text whose middle is gone already: `missing` characters, after the first `joint`."""

    __slots__ = ("joint", "missing")
    # At the joint half a secret may stand, of which the mask knew nothing.
    EDGE = 200

    @classmethod
    def of(cls, head: str, tail: str) -> "Shortened":
        shortened = cls(head + tail)
        shortened.joint, shortened.missing = len(head), 0
        return shortened


def cut(value: str, longest: int) -> str:
    """Shorten a text to about `longest` characters: its head and tail, and how much is missing."""
    head, tail, missing = longest * 2 // 3, longest // 3, 0
    if isinstance(value, Shortened):
        head = min(head, max(0, value.joint - value.EDGE))
        tail = min(tail, max(0, len(value) - value.joint - value.EDGE))
        missing = value.missing
    elif len(value) <= longest:
        return value
    missing += len(value) - head - tail
    return f"{value[:head]}… [{missing} characters cut] …{value[len(value) - tail :]}"


def cut_to_bytes(value: str, longest: int) -> str:
    """Shorten a text to about `longest` bytes of ASCII-escaped JSON: six to a Chinese character."""
    shortened, characters = cut(value, longest), longest
    while characters > 20 and _size(shortened) > longest:
        characters = characters * 3 // 4
        shortened = cut(value, characters)
    return shortened


def _clean(value: Any, mask: Mask) -> str:
    # PostgreSQL's JSON holds no NUL; half a surrogate pair spoils a whole batch at Langfuse.
    value = str(value).replace("\x00", "")
    try:
        value.encode()
    except UnicodeEncodeError:
        value = LONE_SURROGATES.sub("\ufffd", value)
    try:
        masked = mask(value)
        if not isinstance(masked, str):
            raise TypeError("a mask returns text")
    except Exception as error:
        # Content that could not be masked is not kept: better no words than a secret.
        return f"[not kept: masking failed with {type(error).__name__}]"
    return masked


def _refusing(error: Exception) -> Mask:
    def mask(value: str) -> str:
        raise error

    return mask


def _type_name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _some(items: list) -> list:
    if len(items) <= MAX_ITEMS:
        return items
    half = MAX_ITEMS // 2
    return items[:half] + items[-half:]


def _size(value: Any) -> int:
    return len(json.dumps(value))


def _cut_texts(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        return cut_to_bytes(value, longest)
    if isinstance(value, dict):
        return {key: _cut_texts(item, longest) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut_texts(item, longest) for item in value]
    return value
