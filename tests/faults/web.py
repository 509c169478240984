"""Web processes that can be killed and started again, on one folder, with a Redis between them.

What `serve` starts once, without the task worker, and as often as a test wants.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.site import ROOT, _environment

START_SECONDS = 60
END_SECONDS = 15
HOW_TO_GET_REDIS = "Redis is missing; to get it: apt-get install redis-server"


def redis_program() -> str:
    """The Redis server of this machine; skips where there is none, which fails where CI is true."""
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail(HOW_TO_GET_REDIS)
        pytest.skip(HOW_TO_GET_REDIS)
    return program


class Port:
    """A port of the system's choice that nobody else gets while its server is away.

    It is bound here for good and never listens: a connection to it is refused until the server
    binds it too.
    """

    def __init__(self) -> None:
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind(("127.0.0.1", 0))
        self.number: int = self._holder.getsockname()[1]

    def close(self) -> None:
        self._holder.close()


class Program:
    """A server in a process of its own; `start` returns when it answers."""

    def __init__(self, log: Path):
        self.port = Port()
        self.log = log
        self.process: subprocess.Popen | None = None
        self.was_killed_at = 0.0  # by time.monotonic()

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def answers(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        self.launch()
        self.wait_until_it_answers()

    def launch(self) -> None:
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=ROOT, env=self.environment(), stdout=log, stderr=log
            )

    def wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            assert self.process.poll() is None, f"it ended at its start: {self.log.read_text()}"
            assert time.monotonic() < deadline, f"no answer in {START_SECONDS} s"
            time.sleep(0.05)

    def kill(self) -> None:
        self.was_killed_at = time.monotonic()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def terminate(self) -> float:
        """Tell it to end, and return how many seconds it took."""
        began = time.monotonic()
        self.process.terminate()
        self.process.wait(END_SECONDS)
        return time.monotonic() - began

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.port.close()


class Redis(Program):
    def command(self) -> list[str]:
        port = str(self.port.number)
        options = {"port": port, "bind": "127.0.0.1", "save": "", "appendonly": "no"}
        return [redis_program(), *(word for o, v in options.items() for word in (f"--{o}", v))]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port.number}/0"

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port.number), timeout=1) as asking:
                asking.sendall(b"PING\r\n")
                return asking.recv(7) == b"+PONG\r\n"
        except OSError:
            return False


class Web(Program):
    """One Daphne with the whole site in it."""

    def __init__(self, log: Path, data: Path, settings: dict[str, str]):
        super().__init__(log)
        self.data = data
        self.settings = settings

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port.number}"

    def command(self) -> list[str]:
        where = ["-b", "127.0.0.1", "-p", str(self.port.number)]
        return [sys.executable, "-m", "daphne", *where, "config.asgi:application"]

    def environment(self) -> dict[str, str]:
        return _environment(self.data, self.settings)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                return True
        except OSError:
            return False


@dataclass
class Webs:
    """One site of several web processes: `a`, `b`, and what is between them."""

    data: Path
    processes: list[Web]
    redis: Redis | None

    @property
    def a(self) -> Web:
        return self.processes[0]

    @property
    def b(self) -> Web:
        """The other process; where there is but one, that one."""
        return self.processes[-1]

    def others(self, web: Web) -> Web:
        return self.b if web is self.a else self.a


@contextmanager
def running_webs(data: Path, *, has_redis: bool, **settings: str) -> Iterator[Webs]:
    """Serve what is in `data` by two processes; by one, where no Redis is to be between them.

    `settings` are environment variables. What they print is in `*.log` in the folder.
    """
    with ExitStack() as stack:
        redis = None
        if has_redis:
            redis = Redis(data / "redis.log")
            stack.callback(redis.close)
            redis.start()
            settings |= {"REDIS_URL": redis.url}
        webs = [Web(data / f"{name}.log", data, settings) for name in ("ab" if redis else "a")]
        for web in webs:
            stack.callback(web.close)
            web.launch()
        for web in webs:
            web.wait_until_it_answers()
        yield Webs(data, webs, redis)
