"""A real Langfuse ingestion endpoint for tests, with the rules of server v2.95.11.

    langfuse_server.trace("ai_chat")["sessionId"]      # the one trace of that name, as stored
    langfuse_server.observation("llm_call")["usage"]
    langfuse_server.fails(500, times=2)                # the next two batches
    langfuse_server.refuses_keys(); langfuse_server.recovers()

It upserts by the body's id: a later delivery wins, null never clears, metadata merges deeply, tags
unite. By hand: `python -m tests.servers.langfuse_server --port 9002` prints what arrives.
"""

import argparse
import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from tests.servers.http_server import ThreadedServer
from tests.servers.langfuse_auth import Key, NotAuthorised, Scope, scope_of
from tests.servers.langfuse_faults import LangfuseFaults
from tests.servers.langfuse_schema import problems
from tests.servers.langfuse_store import Store

MOST_BATCH_BYTES = int(4.5 * 2**20)
LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass
class Batch:
    """One request to the ingestion route, whatever became of it."""

    size_bytes: int
    events: list[dict[str, Any]]
    status: int | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)
    received_at: float = field(default_factory=time.monotonic)


class LangfuseServer(LangfuseFaults, ThreadedServer):
    public_key = "pk-lf-test"
    secret_key = "sk-lf-test"
    foreign_public_key = "pk-lf-foreign"  # of another project on the same server
    project = {"id": "project-test", "name": "coursetrace"}

    def __init__(self, *, on_event: Callable[[dict], None] | None = None, **kwargs):
        super().__init__(**kwargs)
        self._on_event = on_event
        self._store = Store()
        self._keys = [
            Key(self.public_key, self.secret_key, self.project["id"]),
            Key(self.foreign_public_key, "sk-lf-foreign", "project-foreign"),
        ]
        # All that another project holds is what its public key can send.
        self.foreign_scores: dict[str, dict[str, Any]] = {}
        self.traces = self._store.traces
        self.observations = self._store.observations
        self.scores = self._store.scores
        self.dropped_fields = self._store.dropped_fields
        self.batches: list[Batch] = []
        self._arrival = threading.Condition()
        self.recovers()

    @property
    def url(self) -> str:
        """What LANGFUSE_HOST takes."""
        return self.origin

    # --- reading ----------------------------------------------------------------------------

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every event that arrived, accepted or not, in the order of arrival."""
        return [event for batch in list(self.batches) for event in batch.events]

    def trace(self, name: str) -> dict[str, Any]:
        """The only trace of this name."""
        return _only(self.traces, name)

    def observation(self, name: str, *, trace_id: str | None = None) -> dict[str, Any]:
        """The only observation of this name, in one trace or in all."""
        within = {
            key: value
            for key, value in list(self.observations.items())
            if trace_id in (None, value["traceId"])
        }
        return _only(within, name)

    def children(self, observation_id: str | None, *, trace_id: str) -> list[str]:
        """The names of what is nested in an observation, or at the top of its trace, by start."""
        inside = [
            o
            for o in list(self.observations.values())
            if o["traceId"] == trace_id and o.get("parentObservationId") == observation_id
        ]
        return [o["name"] for o in sorted(inside, key=lambda o: o["startTime"])]

    def wait_for(self, condition: Callable[["LangfuseServer"], Any], timeout: float = 5.0) -> Any:
        """Wait until `condition(server)` is true, tried after every batch; return its value."""
        with self._arrival:
            self._arrival.wait_for(lambda: condition(self), timeout)
            if value := condition(self):
                return value
        raise TimeoutError(f"not within {timeout} s; so far: {[e['type'] for e in self.events]}")

    # --- serving ----------------------------------------------------------------------------

    def build_app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 2**20, middlewares=[_say_unauthorised])
        app.router.add_post("/api/public/ingestion", self._ingest)
        app.router.add_get("/api/public/health", self._health)
        app.router.add_get("/api/public/projects", self._projects)
        app.router.add_get("/api/public/traces/{id}", self._trace)
        app.router.add_delete("/api/public/scores/{id}", self._delete_score)
        return app

    def _scope(self, request: web.Request) -> Scope:
        if self._refuses_keys:
            raise NotAuthorised("Invalid credentials. Confirm that you've configured the host.")
        return scope_of(request.headers, self._keys)

    def _check_full_access(self, request: web.Request) -> None:
        if self._scope(request).access_level != "all":
            raise NotAuthorised("Access denied - need to use basic auth with secret key")

    async def _health(self, request: web.Request) -> web.Response:
        await self._hang()
        date = format_datetime(datetime.now(UTC) + self.clock_offset, usegmt=True)
        return web.json_response({"status": "OK", "version": self.version}, headers={"Date": date})

    async def _projects(self, request: web.Request) -> web.Response:
        self._check_full_access(request)
        return web.json_response({"data": [self.project]})

    async def _trace(self, request: web.Request) -> web.Response:
        self._check_full_access(request)
        trace = self.traces.get(request.match_info["id"])
        if trace is None:
            return web.json_response({"error": "LangfuseNotFoundError"}, status=404)
        shown = self._store.whole_trace(trace["id"], self.project["id"])
        shown["observations"] = [step | self._hidden for step in shown["observations"]]
        return web.json_response(shown | self._hidden)

    async def _delete_score(self, request: web.Request) -> web.Response:
        self._check_full_access(request)
        if self.scores.pop(request.match_info["id"], None) is None:
            message = "Score not found within authorized project"
            return web.json_response({"message": message}, status=404)
        return web.json_response({"message": "Score deleted successfully"})

    async def _ingest(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        batch = Batch(len(content), [])
        self.batches.append(batch)
        if self._delay_seconds:
            await asyncio.sleep(self._delay_seconds)
        await self._hang()
        response = self._failed() or self._stored(request, content, batch)
        batch.status = response.status
        with self._arrival:
            self._arrival.notify_all()
        if self._deaths:
            self._deaths -= 1
            request.transport.abort()
        return response

    def _stored(self, request: web.Request, content: bytes, batch: Batch) -> web.Response:
        if len(content) > MOST_BATCH_BYTES:
            response = web.Response(text="Body exceeded 4.5mb limit", status=413)
            response.force_close()
            return response
        try:
            scope = self._scope(request)
        except NotAuthorised as error:
            return _unauthorised(error)
        try:
            body = json.loads(content, parse_constant=_refuse_constant)
            if LONE_SURROGATE.search(json.dumps(body, ensure_ascii=False)):
                raise ValueError("lone surrogate")
            batch.events = body["batch"]
        except (ValueError, KeyError, TypeError) as error:
            return web.json_response({"message": "Invalid request data", "errors": [str(error)]},
                                     status=400)  # fmt: skip
        if any(self._chokes_on(event) for event in batch.events):
            return web.json_response({"message": "scripted choking"}, status=self._choking_status)

        half = len(batch.events) // 2
        successes = []
        for event in batch.events[:half] if self._deaths else batch.events:
            found = problems(event)
            event_id = event.get("id", "unknown") if isinstance(event, dict) else "unknown"
            if not found and self._rejects(event):
                found = ["scripted rejection"]
            if found:
                error = {"id": event_id, "status": 400, "message": "Invalid request data",
                         "error": found}  # fmt: skip
                batch.errors.append(error)
                continue
            if not self._keep(event, scope):
                # A ForbiddenError there, which it answers like a fault of its own.
                error = {"id": event_id, "status": 500, "error": "Internal Server Error"}
                batch.errors.append(error)
                continue
            if self._on_event:
                self._on_event(event)
            successes.append({"id": event_id, "status": 201})
        return web.json_response({"successes": successes, "errors": batch.errors}, status=207)

    def _keep(self, event: dict[str, Any], scope: Scope) -> bool:
        """Store an event; False where the key may not, or where another project has its id."""
        is_score = event["type"] == "score-create"
        if scope.access_level == "scores" and event["type"] not in ("score-create", "sdk-log"):
            return False
        if self._loses(event):
            return True
        if not is_score:
            self._store.add(event)
            return True
        score_id = event["body"].get("id") or event["id"]
        is_ours = scope.project_id == self.project["id"]
        if score_id in (self.foreign_scores if is_ours else self.scores):
            return False
        if is_ours:
            self._store.add(event)
        else:  # whatever project the trace is of: nobody looks
            self.foreign_scores[score_id] = event["body"]
        return True


@web.middleware
async def _say_unauthorised(request: web.Request, handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except NotAuthorised as error:
        return _unauthorised(error)


def _only(rows: Mapping[str, dict[str, Any]], name: str) -> dict[str, Any]:
    named = [row for row in list(rows.values()) if row.get("name") == name]
    assert len(named) == 1, (
        f"{len(named)} of {name!r} among {[r.get('name') for r in rows.values()]}"
    )
    return named[0]


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _unauthorised(error: NotAuthorised) -> web.Response:
    return web.json_response({"error": "UnauthorizedError", "message": str(error)}, status=401)


def _print_event(event: dict[str, Any]) -> None:
    print(json.dumps(event, ensure_ascii=False, indent=2), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="An ingestion endpoint that prints what arrives.")
    parser.add_argument("--port", type=int, default=9002)
    options = parser.parse_args()
    with LangfuseServer(port=options.port, on_event=_print_event) as server:
        print(f"LANGFUSE_HOST={server.url}")
        print(f"LANGFUSE_PUBLIC_KEY={server.public_key}")
        print(f"LANGFUSE_SECRET_KEY={server.secret_key}", flush=True)
        try:
            server.wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
