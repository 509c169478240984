"""Short units of database work, away from the event loop.

Django's async code shares one thread per process: a query of two seconds there holds up every
student. These threads are our own, and each keeps its connection (CONN_MAX_AGE).
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

THREADS = 8  # so many connections; a unit takes milliseconds, unless something is wrong

Args = ParamSpec("Args")
Result = TypeVar("Result")

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="coursetrace-database")


async def run(function: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> Result:
    """Call `function` in a thread of the pool, with the caller's language and context variables.

    One hop costs 60 µs: let one function do all the work of a step. Cancelling the caller does not
    end the work, only the waiting for it.
    """
    context = contextvars.copy_context()
    work = partial(_work, translation.get_language(), partial(function, *args, **kwargs))
    return await asyncio.get_running_loop().run_in_executor(_threads, context.run, work)


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
    everybody = threading.Barrier(THREADS)

    def close() -> None:
        connections.close_all()
        everybody.wait()  # so that no thread does it twice and another not at all

    for done in [_threads.submit(close) for _ in range(THREADS)]:
        done.result()
