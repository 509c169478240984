"""The peers' own virtual environment: built where it is missing, in two or three minutes.

PyTorch is linked from the project's environment: a gigabyte less, and the very same build of it
under everybody's model.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from bench.processes import ROOT

REQUIREMENTS = Path(__file__).parent / "requirements.txt"
FOLDER = ROOT / "var" / "bench-peers"  # `make clean` takes it along
LINKED = ("torch", "torchgen", "functorch", "torch-*.dist-info")
BUILD_SECONDS = 900
# One thread, no network, nobody told about it.
VARIABLES = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "LANGSMITH_TRACING": "false",
    "USER_AGENT": "bench",
}


class PeersUnavailable(Exception):
    """The environment could not be built here; the message says why."""


def python() -> str:
    """Return the peers' interpreter; build its environment first, if need be."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    interpreter, stamp = FOLDER / "bin" / "python", FOLDER / "built"
    wanted = hashlib.sha256(f"{sys.version}{REQUIREMENTS.read_text()}".encode()).hexdigest()
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_text() != wanted:
            stamp.unlink(missing_ok=True)
            _build(interpreter)
            stamp.write_text(wanted)
    return str(interpreter)


def _build(interpreter: Path) -> None:
    print("building the peers' environment, two or three minutes …", file=sys.stderr, flush=True)
    venv.create(FOLDER, clear=False, with_pip=True)
    theirs = next((FOLDER / "lib").glob("python*/site-packages"))
    ours = Path(sysconfig.get_path("purelib"))
    for pattern in LINKED:
        for found in ours.glob(pattern):
            link = theirs / found.name
            if not link.is_symlink():
                link.symlink_to(found)
    arguments = ["-m", "pip", "install", "-q", "--no-deps", "--disable-pip-version-check"]
    try:
        done = subprocess.run(  # noqa: S603 - pip, on a file of ours
            [interpreter, *arguments, "-r", REQUIREMENTS],
            env={**os.environ, "PIP_RETRIES": "1"},
            timeout=BUILD_SECONDS,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    except subprocess.TimeoutExpired:
        raise PeersUnavailable(f"pip was not done after {BUILD_SECONDS} s") from None
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise PeersUnavailable((errors or ["pip failed"])[0].removeprefix("ERROR: ")[:200])
