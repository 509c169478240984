"""Processes of their own: what is measured, and the servers that it talks to.

`Worker("bench.answers:Client", way="plain")` builds that object in a fresh interpreter;
`worker.call("block", answers=20)` runs the method there, coroutine or not, and returns what it
returns (as JSON). What a process has imported, patched or started ends with it.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30


class Worker:
    """A proxy of an object in a process of its own; `close` ends the process."""

    def __init__(
        self,
        path: str,
        *,
        environment: Mapping[str, str] | None = None,
        python: str = sys.executable,
        **arguments,
    ):
        self._process = subprocess.Popen(  # noqa: S603 - an interpreter, a module of ours
            [python, "-m", "bench.worker", path, json.dumps(arguments)],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()  # the object stands

    def call(self, method: str, **arguments: Any) -> Any:
        self._process.stdin.write(json.dumps([method, arguments]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended with status {self._process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        # Killed, not asked: a peer's exit handlers wait for a server that hangs.
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()


@contextmanager
def serving(module: str, *arguments: str) -> Iterator[str]:
    """Run `python -m module --port …` while the block runs; gives its address."""
    port = free_port()
    server = subprocess.Popen(  # noqa: S603 - this interpreter, a module of ours
        [sys.executable, "-m", module, "--port", str(port), *arguments], cwd=ROOT
    )
    try:
        _wait_for(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(port: int, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"a server ended at its start with status {server.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("a server did not come up")
