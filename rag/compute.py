"""The one place where models run: threads of their own, bounded queues, a deadline.

Django's async code shares one thread per process, and a question takes milliseconds of pure
computing, so neither the event loop nor that thread may do it. Each lane has its own thread: a
reindex, which computes for minutes, and the loading of an index never hold up a student's question.
Questions of many students that wait for the same model are given to it together.

Threads here keep no database connection: what a call opened is closed when it ends, or, where a
search asks the database, when CONN_MAX_AGE says.
"""

import asyncio
import contextlib
import contextvars
import functools
import os
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from typing import Any, TypeVar

from django.db import connections

from rag.errors import ComputeBusy, ComputeTimeout

DEADLINE_SECONDS = 60.0  # the first question may have to load the model
MOST_TOGETHER = 8  # more are hardly quicker in all, and the first would wait for the last
# How long a reindex lets questions go first, between two batches: it must end some day.
COURTESY_SECONDS = 1.0
INDEXING_NICENESS = 10  # on Linux, where each thread has its own


class Lane(StrEnum):
    """A thread, named for what it does."""

    QUESTIONS = "questions"
    RANKING = "ranking"
    RERANKING = "reranking"  # apart, as a model that hangs there must cost nobody the search
    LOADING = "loading"
    INDEXING = "indexing"


MOST_WAITING = {
    Lane.QUESTIONS: 200,
    Lane.RANKING: 200,
    Lane.RERANKING: 200,
    Lane.LOADING: 200,
    Lane.INDEXING: 1_000,
}

Item = TypeVar("Item")
Result = TypeVar("Result")

_executors: dict[Lane, ThreadPoolExecutor] = {}
_waiting: dict[Lane, int] = dict.fromkeys(Lane, 0)
_together: dict[Hashable, deque[tuple[Any, Future]]] = defaultdict(deque)
_lock = threading.Lock()
_no_questions = threading.Event()
_no_questions.set()


class _Thread(threading.local):
    lane: Lane | None = None  # that this thread serves


_thread = _Thread()


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
    return await _result(submit(function, *args, lane=lane), deadline_seconds)


async def run_together(
    function: Callable[[list[Item]], list[Result]],
    item: Item,
    *,
    lane: Lane = Lane.QUESTIONS,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> Result:
    """Give a function that takes many items this one, with all that wait for the same function.

    Nobody waits for others to come: a lone item is taken at once, and whoever comes while the
    thread is busy is in the next batch. Where a batch fails, its items are tried one by one,
    so that each caller gets its own result or its own error. A batch runs in nobody's context.
    Cancelling, ComputeBusy and ComputeTimeout are as in `run`.
    """
    future: Future = Future()
    with _counted(lane, future):
        _together[lane, function].append((item, future))
        # One job for each item, so that a batch has the place of its first; those whose item was
        # taken by a batch before them find nothing to do.
        _executor(lane).submit(_closing_connections, _serve, lane, function)
    return await _result(future, deadline_seconds)


def run_blocking(function: Callable[..., Result], *args: Any, lane: Lane = Lane.INDEXING) -> Result:
    """Run a function in a lane's thread and wait for it; for synchronous code."""
    if _thread.lane is lane:
        return function(*args)  # in that thread already, and it would wait for itself
    return submit(function, *args, lane=lane).result()


def submit(function: Callable[..., Result], *args: Any, lane: Lane) -> "Future[Result]":
    """Queue a function for a lane's thread and return at once. Raises ComputeBusy."""
    context = contextvars.copy_context()
    future: Future = Future()
    with _counted(lane, future):
        _executor(lane).submit(_fulfil, future, context, function, args)
    return future


def give_way() -> None:
    """Let the questions of this process go first, for a second at most; for long work in INDEXING.

    Does nothing in any other thread.
    """
    if _thread.lane is Lane.INDEXING:
        _no_questions.wait(COURTESY_SECONDS)


async def _result(future: Future, deadline_seconds: float) -> Any:
    try:
        async with asyncio.timeout(deadline_seconds):
            return await asyncio.wrap_future(future)
    except TimeoutError as error:
        if future.done() and not future.cancelled():
            return future.result()  # done in time, and only the loop came late; or its own error
        raise ComputeTimeout(f"No result after {deadline_seconds:g} seconds.") from error


@contextlib.contextmanager
def _counted(lane: Lane, future: Future):
    """Hold the lock, count a call that waits, and see to it that it is counted off again."""
    try:
        with _lock:
            if _waiting[lane] >= MOST_WAITING[lane]:
                raise ComputeBusy(f"{_waiting[lane]} calls are waiting already.")
            _waiting[lane] += 1
            if lane is Lane.QUESTIONS:
                _no_questions.clear()
            future.add_done_callback(functools.partial(_left, lane))
            yield
    except BaseException:
        future.cancel()  # no thread took it, as at the end of a process
        raise


def _left(lane: Lane, future: Future) -> None:
    with _lock:
        _waiting[lane] -= 1
        if lane is Lane.QUESTIONS and not _waiting[lane]:
            _no_questions.set()


def _executor(lane: Lane) -> ThreadPoolExecutor:
    if lane not in _executors:
        _executors[lane] = ThreadPoolExecutor(1, f"rag-{lane}", _enter, (lane,))
    return _executors[lane]


def _enter(lane: Lane) -> None:
    _thread.lane = lane
    if lane is Lane.INDEXING and hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), INDEXING_NICENESS)


def _fulfil(
    future: Future, context: contextvars.Context, function: Callable[..., Any], args: tuple
) -> None:
    if future.set_running_or_notify_cancel():
        _settle(future, context.run, _closing_connections, function, *args)


def _serve(lane: Lane, function: Callable[[list], list]) -> None:
    batch = _next_batch(lane, function)
    if not batch:
        return
    try:
        results = function([item for item, _ in batch])
        settled = list(zip(batch, results, strict=True))
    except BaseException as error:
        if len(batch) == 1:
            batch[0][1].set_exception(error)
            return
        for item, future in batch:
            _settle(future, lambda item=item: function([item])[0])
        return
    for (_, future), result in settled:
        future.set_result(result)


def _next_batch(lane: Lane, function: Callable) -> list[tuple[Any, Future]]:
    batch: list[tuple[Any, Future]] = []
    with _lock:
        queue = _together[lane, function]
        while queue and len(batch) < MOST_TOGETHER:
            batch.append(queue.popleft())
        if not queue:
            del _together[lane, function]
    return [(item, future) for item, future in batch if future.set_running_or_notify_cancel()]


def _settle(future: Future, function: Callable[..., Any], *args: Any) -> None:
    try:
        result = function(*args)
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


def _closing_connections(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    finally:
        lasts = _thread.lane in (Lane.RANKING, Lane.RERANKING)
        for connection in connections.all(initialized_only=True):
            if lasts:  # a store in the database is asked twice by every question
                connection.close_if_unusable_or_obsolete()
            else:
                connection.close()


def _forget_threads() -> None:
    """After a fork: the parent's threads do not exist here."""
    global _lock, _no_questions
    _lock = threading.Lock()
    _no_questions = threading.Event()
    _no_questions.set()
    _executors.clear()
    _together.clear()
    _waiting.update(dict.fromkeys(Lane, 0))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
