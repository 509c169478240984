"""What a reader returns of a file, and what can be wrong with one."""

from collections.abc import Callable
from typing import NamedTuple

# Called with how many pages are done, and of how many.
Progress = Callable[[int, int], None]


class Part(NamedTuple):
    """What becomes one chapter. `key` tells the parts of one file apart; "" for a whole file."""

    key: str
    title: str
    text: str


class DocumentFault(Exception):
    """A file cannot be read. The parent has words for each `code`, which `detail` fills."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
