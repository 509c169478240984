"""Tasks that nobody awaits."""

import asyncio
from collections.abc import Coroutine


def begin(work: Coroutine, among: set[asyncio.Task], *, name: str | None = None) -> asyncio.Task:
    """Start a task that is in the set for as long as it runs: the loop alone may lose it."""
    task = asyncio.create_task(work, name=name)
    among.add(task)
    task.add_done_callback(among.discard)
    return task
