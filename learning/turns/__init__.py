"""Turns: one question each, and the answer being written for it.

`turn` answers one, `registry` keeps those that run, `rows` is what is saved of them.
"""

from learning.turns.registry import (
    gone,
    interrupt_all,
    latest_snapshot,
    running_snapshot,
    start,
    stop,
    stop_here,
)
from learning.turns.rows import Rejected, mark_interrupted

__all__ = [
    "Rejected",
    "gone",
    "interrupt_all",
    "latest_snapshot",
    "mark_interrupted",
    "running_snapshot",
    "start",
    "stop",
    "stop_here",
]
