"""Whether the process lives, and whether it can do its work; for probes and for people."""

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse, JsonResponse

from learning.llm.base import get_chat_model
from rag.readiness import index_status


def alive(request) -> HttpResponse:
    """The process answers. Looks at nothing else."""
    return HttpResponse("ok", content_type="text/plain")


def ready(request) -> JsonResponse:
    """Database, migrations, search index and chat model: 200 when all are well, else 503."""
    checks = {"database": _database}
    report = {name: _outcome(check) for name, check in checks.items()}
    if report["database"]["ok"]:
        report["migrations"] = _outcome(_migrations)
    if report.get("migrations", {}).get("ok"):
        report["index"] = _outcome(index_status)
    report["model"] = _outcome(_model)
    is_ready = len(report) == 4 and all(check["ok"] for check in report.values())
    return JsonResponse({"ready": is_ready, "checks": report}, status=200 if is_ready else 503)


def _outcome(check) -> dict:
    """A check returns what is wrong, in words, or nothing."""
    try:
        reason = check()
    except Exception as error:
        # Named by its kind only: this page is public, and an error's text may hold an address.
        reason = f"failed with {type(error).__name__}"
    return {"ok": not reason, **({"reason": reason} if reason else {})}


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(missing)} migrations are not applied: run manage.py migrate" if missing else ""


def _model() -> str:
    get_chat_model()
    return ""
