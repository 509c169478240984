"""Whether the process lives, and whether it can do its work; for probes and for people.

Under a server they are answered before Django is: its views share one thread with all database
work, and a probe that waits there would have a busy process taken for a dead one.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse, JsonResponse
from django.utils import timezone

from config import lifecycle
from config.threads import in_own_thread
from learning.llm.base import get_chat_model
from rag.readiness import index_status

logger = logging.getLogger(__name__)

READY_SECONDS = 3.0
JOB_WAITS_TOO_LONG = timedelta(minutes=2)


class NotReady(Exception):
    """What is wrong, in words that may be read by anybody."""


class Probes:
    """ASGI application: /healthz and /readyz itself, everything else by `pages`."""

    def __init__(self, pages):
        self.pages = pages
        self._asking: asyncio.Future[dict] | None = None

    async def __call__(self, scope, receive, send):
        match scope["path"]:
            case "/healthz":
                await _answer(send, 200, b"text/plain", b"ok")
            case "/readyz":
                found = await self._report()
                content = json.dumps(found).encode()
                await _answer(send, _status(found), b"application/json", content)
            case _:
                await self.pages(scope, receive, send)

    async def _report(self) -> dict:
        if lifecycle.is_ending():
            return _failed("server", "this process was told to end")
        # One look at a time: probes that come every few seconds must not pile up behind a lock.
        if self._asking is None or self._asking.done():
            # Not Django's thread: it may be what is stuck.
            self._asking = in_own_thread(report, name="coursetrace-readiness")
        try:
            return await asyncio.wait_for(asyncio.shield(self._asking), READY_SECONDS)
        except TimeoutError:
            return _failed("database", f"no answer within {READY_SECONDS:g} seconds")
        except Exception:
            logger.exception("the checks could not be made")
            return _failed("server", "the checks could not be made")


async def _answer(send, status: int, kind: bytes, content: bytes) -> None:
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def alive(request) -> HttpResponse:
    """The process answers. Looks at nothing else."""
    return HttpResponse("ok", content_type="text/plain")


def ready(request) -> JsonResponse:
    """Database, migrations, search index and chat model: 200 when all are well, else 503."""
    found = report()
    return JsonResponse(found, status=_status(found))


def report() -> dict:
    """Look at everything that the site needs, in words that may be read by anybody."""
    outcomes = {"database": _outcome(_database)}
    if outcomes["database"]["ok"]:  # the others would only fail in their turn
        checks = {"migrations": _migrations, "index": _index, "model": _model}
        outcomes |= {name: _outcome(check) for name, check in checks.items()}
        if note := _jobs_that_wait():
            outcomes["worker"] = {"ok": True, "note": note}
    return {"ready": all(outcome["ok"] for outcome in outcomes.values()), "checks": outcomes}


def _status(found: dict) -> int:
    return 200 if found["ready"] else 503


def _failed(name: str, reason: str) -> dict:
    return {"ready": False, "checks": {name: {"ok": False, "reason": reason}}}


def _outcome(check: Callable[[], str]) -> dict:
    """A check returns what is worth knowing all the same, or ""; it raises what is wrong."""
    try:
        note = check()
    except NotReady as problem:
        return {"ok": False, "reason": str(problem)}
    except Exception as error:
        # Named by its kind only: this page is public, and an error's text may hold an address.
        return {"ok": False, "reason": f"failed with {type(error).__name__}"}
    return {"ok": True, **({"note": note} if note else {})}


def _database() -> str:
    if connection.vendor == "sqlite" and not connection.is_in_memory_db():
        # Connecting would make a new file, an empty one, in the place of what is missing.
        if not Path(connection.settings_dict["NAME"]).is_file():
            raise NotReady("the database file is gone: end the site, and restore a backup")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise NotReady(f"{len(missing)} migrations are not applied: run manage.py migrate")
    return ""


def _index() -> str:
    # In numbers: which courses there are is not for everybody to know.
    status = index_status()
    count = len(status.problems)
    words = f"{count} of the courses cannot be searched: run manage.py reindex" if count else ""
    # One course that is not indexed yet must not take the others away from their students.
    if count and not status.searchable:
        raise NotReady(words)
    return words


def _model() -> str:
    get_chat_model()
    return ""


def _jobs_that_wait() -> str:
    """Words about jobs that nobody does; students can ask all the same."""
    from django_tasks_db.models import DBTaskResult

    before = timezone.now() - JOB_WAITS_TOO_LONG
    try:
        waiting = DBTaskResult.objects.ready().filter(enqueued_at__lt=before).count()
    except Exception:
        return ""  # the checks above have said what is wrong
    return f"{waiting} jobs wait for a worker: run manage.py worker" if waiting else ""
