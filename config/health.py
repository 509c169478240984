"""Whether the process lives, and whether it can do its work; for probes and for people."""

from collections.abc import Callable

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse, JsonResponse

from learning.llm.base import get_chat_model
from rag.readiness import index_status


class NotReady(Exception):
    """What is wrong, in words that may be read by anybody."""


def alive(request) -> HttpResponse:
    """The process answers. Looks at nothing else."""
    return HttpResponse("ok", content_type="text/plain")


def ready(request) -> JsonResponse:
    """Database, migrations, search index and chat model: 200 when all are well, else 503."""
    report = {
        name: _outcome(check)
        for name, check in (
            ("database", _database),
            ("migrations", _migrations),
            ("index", _index),
            ("model", _model),
        )
    }
    is_ready = all(outcome["ok"] for outcome in report.values())
    return JsonResponse({"ready": is_ready, "checks": report}, status=200 if is_ready else 503)


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
    status = index_status()
    # One course that is not indexed yet must not take the others away from their students.
    if status.problems and not status.searchable:
        raise NotReady(str(status))
    return str(status)


def _model() -> str:
    get_chat_model()
    return ""
