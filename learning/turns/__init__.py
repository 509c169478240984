"""Turns: one question each, and the answer being written for it.

`turn` answers one, `showing` makes its frames, `registry` keeps those that run here, `elsewhere`
follows those of other processes, `keeping` saves them each second, `places` lets so many run at
once, `rows` is what is saved of them.
"""

from learning.turns import elsewhere  # noqa: F401 - listens to the other processes
from learning.turns.registry import (
    changed,
    gone,
    interrupt_all,
    look,
    mark_interrupted,
    start,
    stop,
)
from learning.turns.rows import Rejected

__all__ = [
    "Rejected",
    "changed",
    "gone",
    "interrupt_all",
    "look",
    "mark_interrupted",
    "start",
    "stop",
]
