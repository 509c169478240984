"""How Langfuse server v2.95 keeps accepted events: upserts, merges, its own token estimates."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.servers.langfuse_schema import known_fields

MOST_EVENT_CHARACTERS = 1_000_000  # of ASCII-escaped JSON: a Chinese character counts 6
# A generation of one of these without usage gets the server's own estimate, over what was there.
KNOWN_MODEL = re.compile(r"(openai/)?(gpt-|o\d|text-embedding-|claude-|gemini-)")


class Store:
    """Traces, observations and scores by id, each a mapping with the names of the API."""

    def __init__(self):
        self.traces: dict[str, dict[str, Any]] = {}
        self.observations: dict[str, dict[str, Any]] = {}
        self.scores: dict[str, dict[str, Any]] = {}
        self.dropped_fields: list[tuple[str, str]] = []  # (body id, field) of events over 1 MB

    def add(self, event: dict[str, Any]) -> None:
        kind, _, verb = event["type"].partition("-")
        if kind == "sdk":
            return
        body = self._fitting(event, known_fields(event))
        now = datetime.now(UTC).isoformat()
        body["id"] = body["id"] or event["id"]
        if kind == "trace":
            body["timestamp"] = body["timestamp"] or now
            self.traces[body["id"]] = _merged(self.traces.get(body["id"], {}), body)
        elif kind == "score":
            body["timestamp"] = now
            self.scores[body["id"]] = _merged(self.scores.get(body["id"], {}), body)
        else:
            body["type"] = kind.upper()
            if verb == "create":
                body["startTime"] = body["startTime"] or now
                body["level"] = body["level"] or "DEFAULT"
            if kind == "generation":
                body["usage"] = _counted(body)
            known = self.observations.get(body["id"], {})
            self.observations[body["id"]] = _merged(known, body)
            if body["traceId"]:
                self.traces.setdefault(body["traceId"], {"id": body["traceId"], "name": None})

    def _fitting(self, event: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        if len(json.dumps(event)) <= MOST_EVENT_CHARACTERS:
            return body
        largest = max(("input", "output", "metadata"), key=lambda n: len(json.dumps(body.get(n))))
        self.dropped_fields.append((body["id"], largest))
        return body | {largest: None}

    def whole_trace(self, trace_id: str, project_id: str) -> dict[str, Any]:
        """A trace as the API shows it: with its observations, scores, latency and totals."""
        observations = [o for o in self.observations.values() if o["traceId"] == trace_id]
        starts = [_instant(o["startTime"]) for o in observations]
        ends = [_instant(o.get("endTime") or o["startTime"]) for o in observations]
        usages = [o["usage"] for o in observations if o.get("usage")]
        return self.traces[trace_id] | {
            "htmlPath": f"/project/{project_id}/traces/{trace_id}",
            "latency": (max(ends) - min(starts)).total_seconds() if observations else 0,
            "totalCost": sum(usage.get("totalCost") or 0 for usage in usages),
            "observations": sorted(observations, key=lambda o: o["startTime"]),
            "scores": [_shown(s) for s in self.scores.values() if s["traceId"] == trace_id],
        }


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for name, value in new.items():
        if name == "metadata":
            merged[name] = _deeply_merged(old.get(name), value)
        elif name == "tags" and value is not None:
            merged[name] = sorted({*(old.get(name) or []), *value})
        elif value is not None or name not in merged:
            merged[name] = value
    return merged


def _deeply_merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return old if new is None else new
    return old | {key: _deeply_merged(old.get(key), value) for key, value in new.items()}


def _counted(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The usage that is stored: what was sent, in the server's words, or its own estimate."""
    usage = body["usage"]
    if not usage:
        if not body["model"] or not KNOWN_MODEL.match(body["model"]):
            return None
        read, written = (len(json.dumps(body[name])) // 4 for name in ("input", "output"))
        return {"input": read, "output": written, "total": read + written, "unit": "TOKENS"}
    if "promptTokens" in usage or "completionTokens" in usage or "totalTokens" in usage:
        usage = {"input": usage.get("promptTokens"), "output": usage.get("completionTokens"),
                 "total": usage.get("totalTokens"), "unit": "TOKENS"}  # fmt: skip
    if usage.get("total") is None:
        usage = usage | {"total": (usage.get("input") or 0) + (usage.get("output") or 0)}
    return dict(usage)


def _shown(score: Mapping[str, Any]) -> dict[str, Any]:
    """A score with what the server adds to it."""
    inferred = "CATEGORICAL" if isinstance(score["value"], str) else "NUMERIC"
    times = dict.fromkeys(("createdAt", "updatedAt"), score["timestamp"])
    return {**score, **times, "source": "API", "dataType": score["dataType"] or inferred}


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
