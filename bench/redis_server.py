"""A Redis of the benchmark's own, where this machine has one."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.processes import free_port

START_SECONDS = 10


@contextmanager
def redis_serving() -> Iterator[str]:
    """Run redis-server while the block runs; gives its address."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="coursetrace-bench-") as folder:
        server = subprocess.Popen(  # noqa: S603 - a command of ours
            ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""],  # noqa: S607
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait_for(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.kill()
            server.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
