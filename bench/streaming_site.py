"""The server under load: one process as the product runs it, on a core of its own.

`Server` is a real Daphne (or uvicorn) with the product's application, or with a peer's; whoever
loads it, and the model that it asks, share the other core.
"""

import functools
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from bench import site
from bench.processes import ROOT, Worker, free_port

PRODUCT = "config.asgi:application"
CHANGED = "bench.changed_site:application"
PEER = "bench.peers.plain_chat:application"
SLOW_QUERY = "slow-query-"  # and a number: the mark in a question whose query takes so long
QUERY_SECONDS = 2.0
STUDENTS = 300
START_SECONDS = 60
END_SECONDS = 90
CORES = sorted(os.sched_getaffinity(0))
TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def on_core(place: int) -> Iterator[None]:
    """Processes that the block starts stay on one core: 0 is the server's, 1 everybody else's."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CORES[min(place, len(CORES) - 1)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@functools.cache
def template() -> Path:
    """The folder of `site.template`, with students who have sessions and conversations."""
    data = Path(site.environment(site.template())["DATA_DIR"])
    subprocess.run(  # noqa: S603 - this interpreter, a module of ours
        [sys.executable, "-m", "bench.streaming_course", "--students", str(STUDENTS)],
        cwd=ROOT,
        env={**os.environ, **site.environment(data), "DATA_DIR": str(data)},
        check=True,
    )
    return data


def environment(*, model_url: str, langfuse_url: str = "", **more: str) -> dict[str, str]:
    """The variables of one server, with a database of its own; it does what it does for users."""
    variables = site.environment(template(), model_url=model_url, langfuse_url=langfuse_url)
    return {**variables, "BENCH_UPKEEP": "1", "CHAT_MODEL": "bench-100-20", **more}


class Server:
    """A server process from its start to its end."""

    def __init__(
        self, variables: Mapping[str, str], *, application: str = PRODUCT, kind: str = "daphne"
    ):
        self.data = Path(variables["DATA_DIR"])
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        address = {"daphne": ("-b", "127.0.0.1"), "uvicorn": ("--host", "127.0.0.1")}[kind]
        port = {"daphne": "-p", "uvicorn": "--port"}[kind]
        quiet = {"daphne": ("-v", "0"), "uvicorn": ("--log-level", "critical")}[kind]
        arguments = [*address, port, str(self.port), *quiet, application]
        with on_core(0):
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, a server of ours
                [sys.executable, "-m", kind, *arguments],
                cwd=ROOT,
                env={**os.environ, **variables},
            )
        self.pid = self._process.pid
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended with {self._process.returncode}")
            try:
                urllib.request.urlopen(f"{self.url}/readyz", timeout=5).close()  # noqa: S310
                return
            except urllib.error.HTTPError as error:
                if error.code == 404:  # a peer has no such page, but it answers
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise RuntimeError("the server did not become ready")

    def students(self, path: str) -> Worker:
        """A crowd of this server's students, in a process of its own."""
        with on_core(1):
            return Worker(path, url=self.url, pid=self.pid, data=str(self.data))

    def terminate(self) -> float:
        """Send SIGTERM and return the seconds until the process is gone."""
        began = time.monotonic()
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return float("inf")
        return time.monotonic() - began

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()


def cpu_seconds(pid: int) -> float:
    """What a process was charged for, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def waited_seconds(pid: int) -> float:
    """How long its main thread was ready to run and had no core: noise, or threads of its own."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[1]) / 1e9


def private_kb(pid: int) -> int:
    """Memory that only this process has: what would be free without it."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
