"""The product as it is delivered: processes, a folder and an environment of its own.

Nothing here imports the product.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 60
END_SECONDS = 15
# What a developer has in the shell or in .env does not reach a site unless a test says so: an empty
# value counts as unset.
UNSET = (
    "DATABASE_URL REDIS_URL OPENAI_BASE_URL OPENAI_API_KEY CHAT_MODEL EMBEDDING_MODEL"
    " RERANKER_MODEL LANGFUSE_HOST LANGFUSE_PUBLIC_URL LANGFUSE_PROJECT_ID LANGFUSE_PUBLIC_KEY"
    " LANGFUSE_SECRET_KEY DJANGO_CSRF_TRUSTED_ORIGINS DJANGO_HTTPS DJANGO_PROXIES"
    " FALLBACK_CHAT_MODEL FALLBACK_BASE_URL FALLBACK_API_KEY FIRST_TOKEN_SECONDS"
    " BETWEEN_TOKENS_SECONDS ANSWER_SECONDS ANSWER_TOKENS CONTEXT_TOKENS QUESTIONS_PER_DAY"
    " CONCURRENT_ANSWERS EMAIL_URL EMAIL_FROM"
).split()
SERVERS = ("daphne", "uvicorn")
APPLICATION = "config.asgi:application"
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    """Return the browser of this machine, or the one that CHROMIUM names."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def prepare_site(data: Path, commands: Sequence[Sequence[str]], **settings: str) -> None:
    """Run `manage.py` with each of these; `settings` are environment variables."""
    for arguments in commands:
        subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=_environment(data, settings),
            check=True,
        )


@dataclass
class Server:
    """A process that a test may signal and wait for."""

    url: str
    process: subprocess.Popen
    log: Path

    def end(self, number: int = signal.SIGTERM) -> float:
        """Send a signal, wait for the process, and return the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(END_SECONDS)
        return time.monotonic() - began


@contextmanager
def running_server(data: Path, kind: str, **settings: str) -> Iterator[Server]:
    """Start a server on what is in `data`, or `serve`; at the end it is killed if it still runs.

    What it prints is kept in a file of `data`, lest a pipe that nobody reads hold it up.
    """
    port = _free_port()
    log = data / f"{kind}-{port}.log"
    command = {
        "daphne": ["-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(port), APPLICATION],
        "uvicorn": ["-m", "uvicorn", "--no-access-log", "--port", str(port), APPLICATION],
        "serve": ["manage.py", "serve", "--port", str(port)],
    }[kind]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=_environment(data, settings),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/readyz", process)
        yield Server(url, process, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@contextmanager
def running_site(
    data: Path, *, prepare: Sequence[Sequence[str]] = (), **settings: str
) -> Iterator[str]:
    """Prepare a site, serve what is in `data`, and give its address.

    At the end the site gets what Ctrl-C sends.
    """
    prepare_site(data, prepare, **settings)
    environment = _environment(data, settings)
    port = _free_port()
    server = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--port", str(port)], cwd=ROOT, env=environment
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/readyz", server)
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(END_SECONDS) == 0, "Ctrl-C did not end the site in good order"


def _environment(data: Path, settings: dict[str, str]) -> dict[str, str]:
    return {
        **os.environ,
        **dict.fromkeys(UNSET, ""),
        "ENV_FILE": os.devnull,
        "DATA_DIR": str(data),
        "DJANGO_DEBUG": "1",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONWARNINGS": "default",
        **settings,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(url: str, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, "the site ended at its start"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{url} did not answer well in {START_SECONDS} s")
