"""Work of a server's own, in threads that nobody else's work can fill or block."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def in_own_thread(function: Callable[..., T], *args, name: str) -> "asyncio.Future[T]":
    """Run in a thread of its own: the pools' threads may be what is stuck."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    def settle(outcome: Callable[[], None]) -> None:
        if not future.done():  # cancelled meanwhile
            outcome()

    def run() -> None:
        try:
            outcome = partial(future.set_result, function(*args))
        except Exception as error:
            outcome = partial(future.set_exception, error)
        finally:
            connections.close_all()
        with suppress(RuntimeError):  # the loop has been closed without waiting for us
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
