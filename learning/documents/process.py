"""Ask a child process for what a file says, and end it when it takes too long.

The child is started for the first file, serves the next ones too, and is replaced when it died. It
gets neither the environment nor an open file of this process, and ends when this process does.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

from learning.documents.parts import DocumentFault, Part, Progress

MOST_SECONDS = 300.0
_ROOT = Path(__file__).resolve().parents[2]
# What an interpreter may need to start; keys and addresses are not among it.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "LANG", "LC_ALL")


class DocumentReader:
    """Reads files one after the other; a context manager, so that no child is left behind."""

    def __init__(self, most_seconds: float = MOST_SECONDS) -> None:
        self.most_seconds = most_seconds
        self._child: subprocess.Popen | None = None
        self._answers: queue.Queue[str | None] = queue.Queue()

    def __enter__(self) -> "DocumentReader":
        return self

    def __exit__(self, *_) -> None:
        self._end_child()

    def read(self, path: Path, progress: Progress | None = None) -> list[Part]:
        """Return the parts of a file; raises `DocumentFault`."""
        deadline = time.monotonic() + self.most_seconds
        try:
            self._start_child()
            self._child.stdin.write(json.dumps({"path": str(path)}) + "\n")
            self._child.stdin.flush()
            while True:
                answer = self._answer(deadline)
                if "parts" in answer:
                    return [Part(*part) for part in answer["parts"]]
                if "fault" in answer:
                    raise DocumentFault(answer["fault"], answer["detail"])
                if progress and "of" in answer:
                    progress(answer["done"], answer["of"])
        except (BrokenPipeError, _ChildDied):
            self._end_child()
            raise DocumentFault("crashed") from None
        except TimeoutError:
            self._end_child()
            raise DocumentFault("too_slow", f"{self.most_seconds:.0f}") from None
        except BaseException as error:  # Ctrl-C in the middle: the child still reads
            if not isinstance(error, DocumentFault):
                self._end_child()
            raise

    def _start_child(self) -> None:
        if self._child is not None and self._child.poll() is None:
            return
        self._end_child()
        self._answers = queue.Queue()
        self._child = subprocess.Popen(
            [sys.executable, "-m", "learning.documents"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=_ROOT,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            text=True,
            encoding="utf-8",
        )
        # A pipe cannot be read with a deadline everywhere, a queue can.
        threading.Thread(
            target=_pass_on, args=(self._child.stdout, self._answers), daemon=True
        ).start()

    def _answer(self, deadline: float) -> dict:
        try:
            line = self._answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise TimeoutError from None
        if line is None:
            raise _ChildDied
        return json.loads(line)

    def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        with contextlib.suppress(OSError):
            child.stdin.close()


class _ChildDied(Exception):
    pass


def _pass_on(lines, answers: queue.Queue) -> None:
    with lines:
        for line in lines:
            answers.put(line)
    answers.put(None)
