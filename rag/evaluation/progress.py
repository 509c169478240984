"""Show how far long work is: a bar on a terminal, elsewhere a plain line every few seconds."""

import sys
import time
from typing import TextIO

from tqdm import tqdm


class Progress:
    """Told after each step: done, to do, what."""

    def __init__(
        self, unit: str, *, stream: TextIO | None = None, seconds_between_lines: float = 5.0
    ) -> None:
        self.unit = unit
        self.stream = stream or sys.stderr
        self.seconds_between_lines = seconds_between_lines
        self.bar: tqdm | None = None
        self._told_at: float | None = None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exception) -> None:
        if self.bar is not None:
            self.bar.close()

    def __call__(self, done: int, total: int, what: str) -> None:
        if self.stream.isatty():
            self._draw(done, total, what)
        elif self._told_at is None:
            self._told_at = time.monotonic()  # work that is done at once says nothing
        elif time.monotonic() - self._told_at >= self.seconds_between_lines:
            self._told_at = time.monotonic()
            self.stream.write(f"{what}: {done} of {total} {self.unit}\n")

    def _draw(self, done: int, total: int, what: str) -> None:
        if self.bar is None:
            self.bar = tqdm(desc=what, unit=f" {self.unit}", total=total, file=self.stream)
        self.bar.update(done - self.bar.n)
