"""What a server process does at its start and at its end.

Daphne sends no lifespan events and does not wait for tasks when it is told to stop, so its reactor
is asked to; other servers send the events.
"""

import asyncio
import gc
import logging
import sys
import threading

from django.db import connections

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 30.0
DRAIN_SECONDS = 4.0


def start() -> None:
    """Begin the work beside the requests: sweep what a dead process left, load the models."""
    threading.Thread(target=_look_after, name="coursetrace-upkeep", daemon=True).start()
    _drain_before_daphne_ends()


def _look_after() -> None:
    from tracing import outbox, recovery, retention, summaries

    jobs = [
        _sweep_answers,
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


def _warm_up() -> None:
    from learning.llm.base import get_chat_model
    from rag import loaded

    loaded.warm_up()
    get_chat_model().warm_up()
    # A full collection with the models loaded stops the event loop for 80 ms: what is alive now
    # stays alive, so the collector need not look at it again.
    gc.collect()
    gc.freeze()


def _drain_before_daphne_ends() -> None:
    if "daphne.server" not in sys.modules:
        return
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred

    reactor.addSystemEventTrigger(
        "before", "shutdown", lambda: Deferred.fromFuture(asyncio.ensure_future(drain()))
    )


async def drain() -> None:
    """End the running turns as interrupted, each with what it has said so far saved."""
    from learning import turns

    await turns.interrupt_all(timeout_seconds=DRAIN_SECONDS)


async def lifespan(scope, receive, send) -> None:
    """The ASGI lifespan protocol, for servers that speak it (uvicorn, hypercorn)."""
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif event["type"] == "lifespan.shutdown":
            await drain()
            await send({"type": "lifespan.shutdown.complete"})
            return
