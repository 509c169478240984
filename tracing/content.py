"""Make content fit to be kept: JSON-safe, masked, cut to size. Everything stored passes here.

Reads what it is given and never changes it. Anything unknown becomes a short description rather
than a failure: a model instance its label and key, bytes their length, a lazy query its type
(never evaluated: this runs on a thread of its own).
"""

import dataclasses
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
MAX_ITEMS = 2_000
LONE_SURROGATES = re.compile("[\ud800-\udfff]")


def storable(value: Any) -> Any:
    """Return `value` as JSON data that is masked and within `MAX_FIELD_BYTES`."""
    mask = import_string(conf.get("MASK"))
    safe = json_safe(value, mask)
    limit = conf.get("MAX_FIELD_BYTES")
    # Each leaf is cut on its own first; halve that until the whole fits.
    longest = limit
    while (size := _size(safe)) > limit and longest > 50:
        longest = min(longest, size) // 2
        safe = _cut_leaves(safe, longest)
    if _size(safe) > limit:
        safe = cut(json.dumps(safe, ensure_ascii=False), limit // 2)
    return safe


def text(value: str, *, longest: int = 2_000) -> str:
    """Return a short text (a name, a status message) masked and within `longest` characters."""
    mask = import_string(conf.get("MASK"))
    return cut(_clean(value, mask), longest)


def json_safe(value: Any, mask: Callable[[str], str] = lambda text: text, depth: int = 0) -> Any:
    """Return `value` as what JSON can hold: dict, list, str, int, float, bool, None."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _clean(str(value), mask)
    if isinstance(value, Enum):
        return json_safe(value.value, mask, depth)
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if depth >= MAX_DEPTH:
        return f"<{type(value).__name__}, nested too deep>"
    if isinstance(value, Mapping):
        return {
            _clean(str(key), mask): json_safe(item, mask, depth + 1)
            for key, item in _some(list(value.items()))
        }
    if isinstance(value, list | tuple | set | frozenset):
        items = [json_safe(item, mask, depth + 1) for item in _some(list(value))]
        if len(value) > MAX_ITEMS:
            items.insert(MAX_ITEMS // 2, f"… {len(value) - MAX_ITEMS} items left out …")
        return items
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, UUID | Decimal | Promise):
        return _clean(str(value), mask)
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
        return json_safe(fields, mask, depth)
    if callable(getattr(value, "model_dump", None)):  # pydantic
        return json_safe(value.model_dump(), mask, depth + 1)
    if hasattr(value, "tolist") and hasattr(value, "shape"):  # NumPy
        shape = "×".join(map(str, value.shape))
        return f"<array {shape}>" if value.shape else json_safe(value.tolist(), mask, depth)
    return f"<{type(value).__module__}.{type(value).__qualname__}>"


def cut(value: str, longest: int) -> str:
    """Shorten a text to about `longest` characters: its head and tail, and how much is missing."""
    if len(value) <= longest:
        return value
    head, tail = longest * 2 // 3, longest // 3
    return f"{value[:head]}… [{len(value) - head - tail} characters cut] …{value[-tail:]}"


EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
API_KEY = re.compile(
    r"\b(?:(?:sk|pk|rk)-[\w-]{12,}|gh[pousr]_\w{20,}|AKIA[A-Z0-9]{16}|xox[abp]-[\w-]{10,})"
)
BEARER = re.compile(r"(?i)\b(bearer\s+)[\w.~+/-]{16,}=*")
CARD = re.compile(r"(?<![\d.])(?:\d[ -]?){12,18}\d(?![\d.])")
PHONE = re.compile(
    r"(?<![\w.+-])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)|\d{1,4})(?:[ .-]?\d{2,4}){2,4}|1[3-9]\d{9}"
    r"|\(\d{3}\) ?\d{3}-\d{4}|\d{3}-\d{3}-\d{4})(?![\w.-]?\d)"
)


def mask_secrets(value: str) -> str:
    """Hide e-mail addresses, API keys, card numbers and phone numbers; the shipped default."""
    value = EMAIL.sub("[e-mail]", value) if "@" in value else value
    value = API_KEY.sub("[key]", value)
    value = BEARER.sub(r"\1[key]", value)
    value = CARD.sub(lambda match: "[card]" if _is_card(match[0]) else match[0], value)
    return PHONE.sub("[phone]", value)


def _is_card(value: str) -> bool:
    """Luhn's check: what is a card number and what is just a long number of a lesson."""
    digits = [int(digit) for digit in value if digit.isdigit()]
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _clean(value: str, mask: Callable[[str], str]) -> str:
    # PostgreSQL's JSON holds no NUL; half a surrogate pair spoils a whole batch at Langfuse.
    value = LONE_SURROGATES.sub("\ufffd", value).replace("\x00", "")
    try:
        return mask(value)
    except Exception as error:
        # Content that could not be masked is not kept: better no words than a secret.
        return f"[not kept: masking failed with {type(error).__name__}]"


def _some(items: list) -> list:
    if len(items) <= MAX_ITEMS:
        return items
    half = MAX_ITEMS // 2
    return items[:half] + items[-half:]


def _size(value: Any) -> int:
    return len(json.dumps(value))


def _cut_leaves(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        # Counted as it is sent: a Chinese character takes six bytes of ASCII-escaped JSON.
        bytes_each = _size(value) / max(len(value), 1)
        return cut(value, max(20, int(longest / bytes_each)))
    if isinstance(value, dict):
        return {key: _cut_leaves(item, longest) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut_leaves(item, longest) for item in value]
    return value
