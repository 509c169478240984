"""Short units of database work, away from the event loop.

Django's async code shares one thread per process: a query of two seconds there holds up every
student. These threads are our own, and each keeps its connection (CONN_MAX_AGE). What writes has
its own, since on SQLite writers wait for each other, and readers for nobody.
"""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import close_old_connections, connections
from django.utils import translation

# So many connections; a unit takes milliseconds, unless something is wrong.
READERS, WRITERS = 6, 4

Args = ParamSpec("Args")
Result = TypeVar("Result")

_readers = ThreadPoolExecutor(READERS, thread_name_prefix="coursetrace-reading")
_writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="coursetrace-writing")


async def run(function: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> Result:
    """Call a function that reads, in a thread, with the caller's language and context variables.

    One hop costs 60 µs: let one function do all the work of a step. Cancelling the caller does not
    end work that has begun, only the waiting for it.
    """
    return await _run(_readers, partial(function, *args, **kwargs))


async def write(
    function: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs
) -> Result:
    """The same, for a function that writes."""
    return await _run(_writers, partial(function, *args, **kwargs))


async def _run(threads: ThreadPoolExecutor, function: Callable[[], Result]) -> Result:
    context = contextvars.copy_context()
    work = partial(_work, translation.get_language(), function)
    return await asyncio.get_running_loop().run_in_executor(threads, context.run, work)


def _work(language: str | None, function: Callable[[], Result]) -> Result:
    close_old_connections()
    try:
        # Named, since Django keeps the language with the thread that set it.
        with translation.override(language):
            return function()
    finally:
        close_old_connections()


def close_connections() -> None:
    """Close the connection of every thread; blocks. For whoever removes the database."""
    for threads, count in ((_readers, READERS), (_writers, WRITERS)):
        everybody = threading.Barrier(count)  # so that no thread does it twice, another not at all
        for done in [threads.submit(_close, everybody) for _ in range(count)]:
            done.result()


def _close(everybody: threading.Barrier) -> None:
    connections.close_all()
    everybody.wait()
