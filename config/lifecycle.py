"""What a server process does at its start and at its end.

Daphne sends no lifespan events and does not wait for tasks when it is told to stop, so its reactor
is asked to; other servers send the events, but not before the last browser has let go of its
connection, so there the signals are listened to as well.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
import time

from django.db import connections

from config.threads import in_own_thread

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 30.0
# Of the end, counted from when the process is told: the answers first, then their traces, then as
# much as there is time for of what goes to Langfuse. What a dead process leaves, the next start
# finds: answers marked interrupted with their last saved second, traces sent.
ANSWERS_SECONDS = 3.4
TRACES_SECONDS = 4.2
LANGFUSE_SECONDS = 1.0
END_SECONDS = 4.5
# Once all is written there is nothing to lose: a thread that searches is not waited for.
AFTERWARDS_SECONDS = 1.0

_drain: asyncio.Task | None = None


def start() -> None:
    """Begin the work beside the requests: sweep what a dead process left, load the models."""
    threading.Thread(target=_look_after, name="coursetrace-upkeep", daemon=True).start()
    if "daphne.server" in sys.modules:
        from config import slow_readers

        _drain_before_daphne_ends()
        slow_readers.bound()


def _look_after() -> None:
    from tracing import outbox, recovery, retention, summaries

    jobs = [
        _sweep_answers,
        _revive_jobs,
        recovery.mark_interrupted,
        outbox.wake,  # what an earlier process could not send
        _warm_up,
        summaries.refresh,  # what the admin's first page shows
        retention.prune_hourly,
    ]
    pause = threading.Event()
    while True:
        for job in list(jobs):
            try:
                job()
                if job is _warm_up:
                    jobs.remove(job)
            except Exception:  # none keeps the others from theirs
                logger.exception("%s failed; it is tried again soon", job.__qualname__)
        connections.close_all()
        pause.wait(SWEEP_SECONDS)


def _sweep_answers() -> None:
    from learning import turns

    if found := turns.mark_interrupted():
        logger.warning("%d answers of a process that died marked interrupted", found)


def _revive_jobs() -> None:
    from learning import jobs

    jobs.revive()


def _warm_up() -> None:
    from learning.llm.base import get_chat_model, get_fallback_model
    from rag import loaded

    loaded.warm_up()
    for model in filter(None, (get_chat_model(), get_fallback_model())):
        model.warm_up()
    # A full collection with the models loaded stops the event loop for 80 ms: what is alive now
    # stays alive, so the collector need not look at it again.
    gc.collect()
    gc.freeze()


def _drain_before_daphne_ends() -> None:
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred

    reactor.addSystemEventTrigger(
        "before", "shutdown", lambda: Deferred.fromFuture(asyncio.ensure_future(drain()))
    )


async def lifespan(scope, receive, send) -> None:
    """The ASGI lifespan protocol, for servers that speak it (uvicorn, hypercorn)."""
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            _drain_when_told_to_end()
            await send({"type": "lifespan.startup.complete"})
        elif event["type"] == "lifespan.shutdown":
            await drain()
            await send({"type": "lifespan.shutdown.complete"})
            return


def _drain_when_told_to_end() -> None:
    """Begin with the signal, and let the server's own handler have it too.

    uvicorn waits for its connections to close before it says `lifespan.shutdown`: one browser that
    reads nothing would keep all answers from being saved.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # a server in a test's thread; signals go to the main one
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        of_the_server = signal.getsignal(number)
        if not callable(of_the_server):
            continue

        def told(number, frame, of_the_server=of_the_server):
            loop.call_soon_threadsafe(_begin_to_drain)
            of_the_server(number, frame)

        signal.signal(number, told)


def is_ending() -> bool:
    """Whether this process was told to end: it is to get no more requests."""
    return _drain is not None


async def drain() -> None:
    """End the running turns as interrupted, each saved and traced; however often it is called."""
    # Shielded: Daphne and uvicorn cancel what takes long, or is asked for twice.
    await asyncio.shield(_begin_to_drain())


def _begin_to_drain() -> asyncio.Task:
    global _drain
    if _drain is None:
        _drain = asyncio.ensure_future(_save_everything(began=time.monotonic()))
    return _drain


async def _save_everything(*, began: float) -> None:
    from learning import turns

    is_saved = threading.Event()
    threading.Thread(
        target=_end_in_any_case, args=(began, is_saved), name="coursetrace-end", daemon=True
    ).start()
    try:
        await turns.interrupt_all(timeout_seconds=ANSWERS_SECONDS)
    finally:
        # Not the loop's own pool: hanging look-ups may have filled it.
        try:
            await in_own_thread(_write_traces, began, name="coursetrace-drain")
        except Exception:
            logger.exception("the traces could not be written at the end")
        is_saved.set()


def _write_traces(began: float) -> None:
    """Have the traces written now: uvicorn ends by the signal itself, without exit handlers."""
    from tracing import outbox, recorder

    def left() -> float:
        return max(0.1, began + TRACES_SECONDS - time.monotonic())

    recorder.get_recorder().drain(left())
    outbox.stop(min(LANGFUSE_SECONDS, left()))


def _end_in_any_case(began: float, is_saved: threading.Event) -> None:
    """End a process that waits for more than it may: a thread in a locked database, a browser."""
    is_saved.wait(END_SECONDS)
    left = began + END_SECONDS - time.monotonic()
    time.sleep(min(AFTERWARDS_SECONDS, max(0.0, left)))
    if not is_saved.is_set():
        logger.warning("not all was saved within %g seconds of the end", END_SECONDS)
    os._exit(0)
