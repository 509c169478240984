"""What Langfuse server v2.95 accepts in `POST /api/public/ingestion`, event by event.

Written after its zod schemas (strings are strings, integers are integers, null is allowed where a
field is optional, unknown fields are dropped without a word) and measurements against the server.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

# zod's `datetime({offset: true})`: seconds and a zone are required.
ISO_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:?\d{2})")
LEVELS = ("DEBUG", "DEFAULT", "WARNING", "ERROR")
UNITS = ("CHARACTERS", "TOKENS", "SECONDS", "MILLISECONDS", "IMAGES", "REQUESTS")

Check = Callable[[Any], str | None]  # returns what is wrong


def _string(value: Any) -> str | None:
    return None if isinstance(value, str) else "Expected string"


def _filled(value: Any) -> str | None:
    return None if isinstance(value, str) and value else "Expected a non-empty string"


def _boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "Expected boolean"


def _number(value: Any) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return None if is_number else "Expected number"


def _integer(value: Any) -> str | None:
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return (
        None
        if is_integer or (isinstance(value, float) and value.is_integer())
        else ("Expected integer")
    )


def _time(value: Any) -> str | None:
    is_time = isinstance(value, str) and ISO_TIME.fullmatch(value)
    return None if is_time else "Invalid datetime: ISO 8601 with a zone"


def _strings(value: Any) -> str | None:
    is_list = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return None if is_list else "Expected an array of strings"


def _json(value: Any) -> str | None:
    return None


def _one_of(*choices: str) -> Check:
    return lambda value: None if value in choices else f"Expected one of {', '.join(choices)}"


def _flat(value: Any) -> str | None:
    if not isinstance(value, dict):
        return "Expected object"
    for key, item in value.items():
        if item is not None and not isinstance(item, str | int | float) and _strings(item):
            return f"{key}: Expected string, number, boolean or an array of strings"
    return None


def _usage(value: Any) -> str | None:
    if not isinstance(value, dict):
        return "Expected object"
    for key in ("input", "output", "total", "promptTokens", "completionTokens", "totalTokens"):
        if value.get(key) is not None and (wrong := _integer(value[key])):
            return f"{key}: {wrong}"
    for key in ("inputCost", "outputCost", "totalCost"):
        if value.get(key) is not None and (wrong := _number(value[key])):
            return f"{key}: {wrong}"
    if value.get("unit") is not None and value["unit"] not in UNITS:
        return f"unit: Expected one of {', '.join(UNITS)}"
    return None


def _score_value(value: Any) -> str | None:
    return None if isinstance(value, str) or not _number(value) else "Expected string or number"


TRACE = {
    "id": _string, "timestamp": _time, "name": _string, "externalId": _string, "input": _json,
    "output": _json, "sessionId": _string, "userId": _string, "metadata": _json,
    "release": _string, "version": _string, "public": _boolean, "tags": _strings,
}  # fmt: skip
EVENT = {
    "id": _filled, "traceId": _string, "name": _string, "startTime": _time, "metadata": _json,
    "input": _json, "output": _json, "level": _one_of(*LEVELS), "statusMessage": _string,
    "parentObservationId": _string, "version": _string,
}  # fmt: skip
SPAN = EVENT | {"endTime": _time}
GENERATION = SPAN | {
    "completionStartTime": _time, "model": _string, "modelParameters": _flat, "usage": _usage,
    "promptName": _string, "promptVersion": _integer,
}  # fmt: skip
SCORE = {
    "id": _string, "name": _filled, "value": _score_value, "traceId": _string,
    "observationId": _string, "comment": _string, "configId": _string,
    "dataType": _one_of("NUMERIC", "CATEGORICAL", "BOOLEAN"),
}  # fmt: skip

FIELDS: Mapping[str, Mapping[str, Check]] = {
    "trace-create": TRACE,
    "event-create": EVENT,
    "span-create": SPAN,
    "span-update": SPAN,
    "generation-create": GENERATION,
    "generation-update": GENERATION,
    "score-create": SCORE,
    "sdk-log": {"log": _json},
}
REQUIRED = {
    "event-create": ("id",),
    "span-create": ("id",),
    "span-update": ("id",),
    "generation-create": ("id",),
    "generation-update": ("id",),
    "score-create": ("name", "value", "traceId"),
}


def problems(event: Any) -> list[str]:
    """Return what the server would say against an event; nothing when it is accepted."""
    if not isinstance(event, dict):
        return ["Expected object"]
    found = []
    if _string(event.get("id")):
        found.append("id: Required")
    if wrong := _time(event.get("timestamp")):
        found.append(f"timestamp: {wrong}")
    fields = FIELDS.get(event.get("type"))
    if fields is None:
        return [*found, f"type: Invalid discriminator value {event.get('type')!r}"]
    body = event.get("body")
    if not isinstance(body, dict):
        return [*found, "body: Expected object"]
    for name in REQUIRED.get(event["type"], ()):
        if body.get(name) is None:
            found.append(f"body.{name}: Required")
    for name, check in fields.items():
        if body.get(name) is not None and (wrong := check(body[name])):
            found.append(f"body.{name}: {wrong}")
    if event["type"] == "score-create" and body.get("dataType") == "BOOLEAN":
        if body.get("value") not in (0, 1):
            found.append("body.value: Value must be 0 or 1 for data type BOOLEAN")
    if bool(body.get("promptName")) != bool(body.get("promptVersion")):
        found.append("body: promptName and promptVersion go together")
    return found


def known_fields(event: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an accepted body that v2.95 keeps; usageDetails and the like are not in it."""
    return {name: event["body"].get(name) for name in FIELDS[event["type"]]}
