"""The product as it is delivered: its own processes, a fresh folder, a real browser.

Nothing here imports the product. A provider and a Langfuse stand beside it, real servers both.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.servers.langfuse_server import LangfuseServer
from tests.servers.openai_server import OpenAIServer

ROOT = Path(__file__).resolve().parent.parent.parent
COURSE = Path(__file__).parent / "course"
START_SECONDS = 60
# Playwright's loop runs in this thread as long as the session, and Django would take its own
# clean-up of the test database for a mistake.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
# The first question may have to wait for the models, which load behind the first pages.
expect.set_options(timeout=30_000)


@dataclass
class Site:
    url: str
    openai: OpenAIServer
    langfuse: LangfuseServer


def chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def browser_type_launch_args():
    executable = chromium()
    if executable is None:
        reason = "no Chromium here: install it (apt-get install chromium) or name it in CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return {
        "executable_path": executable,
        "args": [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
    }


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """A site with the course of tides, open to everybody, and `staff`, password as the name."""
    data = tmp_path_factory.mktemp("site")
    with OpenAIServer(pace_seconds=0.05) as openai, LangfuseServer() as langfuse:
        port = _free_port()
        environment = {
            **os.environ,
            "DATA_DIR": str(data),
            "DJANGO_DEBUG": "1",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": "",
            "REDIS_URL": "",
            "OPENAI_BASE_URL": openai.url,
            "OPENAI_API_KEY": "",
            "CHAT_MODEL": "",
            "EMBEDDING_MODEL": "",
            "RERANKER_MODEL": "",
            "LANGFUSE_HOST": langfuse.url,
            "LANGFUSE_PUBLIC_URL": "",
            "LANGFUSE_PROJECT_ID": "",
            "LANGFUSE_PUBLIC_KEY": langfuse.public_key,
            "LANGFUSE_SECRET_KEY": langfuse.secret_key,
            "DJANGO_SUPERUSER_USERNAME": "staff",
            "DJANGO_SUPERUSER_EMAIL": "staff@example.org",
            "DJANGO_SUPERUSER_PASSWORD": "staff",
            "PYTHONWARNINGS": "default",
        }

        def manage(*arguments: str) -> None:
            subprocess.run(
                [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, check=True
            )

        manage("migrate", "-v", "0")
        manage("createsuperuser", "--noinput", "-v", "0")
        manage("import_course", str(COURSE), "--open")
        manage("reindex")
        server = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--port", str(port)], cwd=ROOT, env=environment
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(f"{url}/readyz", server)
            yield Site(url, openai, langfuse)
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(15) == 0, "Ctrl-C did not end the site in good order"


@pytest.fixture(scope="session")
def base_url(site):
    return site.url


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
