"""The one place where models run: threads of their own, bounded queues, a deadline.

Django's async code shares one thread per process, and a question takes 20 ms of pure computing,
so neither the event loop nor that thread may do it. Each lane has its own thread: a reindex, which
computes for minutes, and the loading of an index never hold up a student's question.

Threads here keep no database connection: what a call opened is closed when it ends.
"""

import asyncio
import contextvars
import functools
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from typing import Any, TypeVar

from django.db import connections

from rag.errors import ComputeBusy, ComputeTimeout

DEADLINE_SECONDS = 60.0  # the first question may have to load the model


class Lane(StrEnum):
    """A thread, named for what it does."""

    QUESTIONS = "questions"
    LOADING = "loading"
    INDEXING = "indexing"


MOST_WAITING = {Lane.QUESTIONS: 200, Lane.LOADING: 200, Lane.INDEXING: 1_000}

Result = TypeVar("Result")

_executors: dict[Lane, ThreadPoolExecutor] = {}
_waiting: dict[Lane, int] = dict.fromkeys(Lane, 0)
_lock = threading.Lock()


async def run(
    function: Callable[..., Result],
    *args: Any,
    lane: Lane = Lane.QUESTIONS,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> Result:
    """Run a function in a lane's thread, with the caller's context variables.

    Cancelling the caller takes the call out of the queue; one that has begun runs to its end, and
    its result is dropped. Raises ComputeBusy at once when the queue is full, ComputeTimeout
    at the deadline.
    """
    future = asyncio.wrap_future(_submit(lane, function, args))
    try:
        async with asyncio.timeout(deadline_seconds):
            return await future
    except TimeoutError as error:
        if future.done() and not future.cancelled():
            raise  # the function's own
        raise ComputeTimeout(f"No result after {deadline_seconds:g} seconds.") from error


def run_blocking(function: Callable[..., Result], *args: Any, lane: Lane = Lane.INDEXING) -> Result:
    """Run a function in a lane's thread and wait for it; for synchronous code."""
    return _submit(lane, function, args).result()


def _submit(lane: Lane, function: Callable[..., Any], args: tuple) -> Future:
    call = functools.partial(contextvars.copy_context().run, _closing_connections, function, *args)
    with _lock:
        if _waiting[lane] >= MOST_WAITING[lane]:
            raise ComputeBusy(f"{_waiting[lane]} calls are waiting already.")
        if lane not in _executors:
            _executors[lane] = ThreadPoolExecutor(1, thread_name_prefix=f"rag-{lane}")
        _waiting[lane] += 1
        future = _executors[lane].submit(call)
    future.add_done_callback(functools.partial(_left, lane))
    return future


def _left(lane: Lane, future: Future) -> None:
    with _lock:
        _waiting[lane] -= 1


def _closing_connections(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    finally:
        for connection in connections.all(initialized_only=True):
            connection.close()


def _forget_threads() -> None:
    """After a fork: the parent's threads do not exist here."""
    global _lock
    _lock = threading.Lock()
    _executors.clear()
    _waiting.update(dict.fromkeys(Lane, 0))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
