"""The product for one worker: an environment and a database of its own, with one course in it.

`template` makes the database, once a run; `environment` gives each worker a copy. In the worker,
`start` comes first, then whatever imports the product.
"""

import atexit
import functools
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.processes import ROOT
from tests.servers.site import UNSET

COURSE = "plants"
SETTLE_SECONDS = 60.0


@functools.cache
def template(*, packaged_embedder: bool = False) -> Path:
    """A folder to copy: the product's database, migrated, with a course, a student and an index."""
    folder = Path(tempfile.mkdtemp(prefix="coursetrace-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    data = folder / "template"
    for arguments in (["-m", "django", "migrate", "-v", "0"], ["-m", "bench.course"]):
        subprocess.run(  # noqa: S603 - this interpreter, modules of ours
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, **_variables(data, packaged_embedder=packaged_embedder)},
            check=True,
        )
    return data


def environment(
    database: Path, *, model_url: str = "", langfuse_url: str = "", packaged_embedder: bool = False
) -> dict[str, str]:
    """The variables of one worker, with a copy of this database folder for its data."""
    data = Path(tempfile.mkdtemp(dir=database.parent)) / "data"
    shutil.copytree(database, data)
    return _variables(data, model_url, langfuse_url, packaged_embedder)


def with_backlog(traces: int, *options: str, **urls: str) -> Path:
    """Return a folder to copy whose database holds so many traces that wait to be sent."""
    variables = environment(template(), **urls)
    subprocess.run(  # noqa: S603 - this interpreter, a module of ours
        [sys.executable, "-m", "bench.backlog", "--traces", str(traces), *options],
        cwd=ROOT,
        env={**os.environ, **variables},
        check=True,
    )
    return Path(variables["DATA_DIR"])


def _variables(
    data: Path, model_url: str = "", langfuse_url: str = "", packaged_embedder: bool = False
) -> dict[str, str]:
    return {
        **dict.fromkeys(UNSET, ""),
        "ENV_FILE": os.devnull,
        "DATA_DIR": str(data),
        "DJANGO_DEBUG": "0",
        "DJANGO_SETTINGS_MODULE": "bench.settings",
        "BENCH_PACKAGED_EMBEDDER": "1" if packaged_embedder else "",
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_BASE_URL": model_url and f"{model_url}/v1",
        "LANGFUSE_HOST": langfuse_url,
        "LANGFUSE_PUBLIC_KEY": langfuse_url and "pk-lf-bench",
        "LANGFUSE_SECRET_KEY": langfuse_url and "sk-lf-bench",
    }


def start() -> None:
    """Make the product's apps ready in this process."""
    import django
    import httpx  # noqa: F401 - openai fails while another thread is importing it

    django.setup()


def warmed_up() -> None:
    """As the product's server does after its warm-up: what lives now is not collected again."""
    gc.collect()
    gc.freeze()


def settle(*, is_sent: bool = True) -> float:
    """Wait until every trace is written and, unless told otherwise, confirmed by Langfuse.

    Returns the CPU seconds that the looking took, which no user of tracing pays.
    """
    from tracing import recorder
    from tracing.models import TraceRecord

    recorder.get_recorder().drain(SETTLE_SECONDS)
    spent = 0.0
    deadline = time.monotonic() + SETTLE_SECONDS
    while is_sent:
        time.sleep(0.1)
        before = time.thread_time()
        waits = TraceRecord.objects.filter(export_after__isnull=False).exists()
        spent += time.thread_time() - before
        if not waits:
            break
        if time.monotonic() > deadline:
            raise RuntimeError("traces do not go out")
    return spent
