import asyncio
import contextvars
import threading
import time

import pytest
from django.db import connections

from rag import compute
from rag.compute import Lane
from rag.errors import ComputeBusy, ComputeTimeout
from rag.models import Document

colour = contextvars.ContextVar("colour", default="none")


async def test_the_callers_context_is_there_in_the_thread():
    colour.set("green")

    assert await compute.run(colour.get) == "green"


async def test_the_event_loop_goes_on_while_a_model_computes():
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    await compute.run(time.sleep, 0.2)
    ticking.cancel()

    assert ticks > 10


async def test_a_reindex_does_not_hold_up_a_question():
    hold = threading.Event()
    indexing = asyncio.create_task(compute.run(hold.wait, 5, lane=Lane.INDEXING))

    answered = await asyncio.wait_for(compute.run(lambda: "answered"), 2)
    is_still_indexing = not indexing.done()
    hold.set()
    await indexing

    assert (answered, is_still_indexing) == ("answered", True)


async def test_past_its_deadline_a_call_is_given_up():
    hold = threading.Event()

    with pytest.raises(ComputeTimeout):
        await compute.run(hold.wait, 5, deadline_seconds=0.05)
    hold.set()

    assert await compute.run(lambda: "next") == "next"


async def test_an_error_of_the_function_reaches_the_caller():
    def fail():
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await compute.run(fail)


async def test_a_full_queue_refuses_at_once():
    hold = threading.Event()
    waiting = [
        asyncio.create_task(compute.run(hold.wait, 5, lane=Lane.LOADING))
        for _ in range(compute.MOST_WAITING[Lane.LOADING])
    ]
    await asyncio.sleep(0)

    with pytest.raises(ComputeBusy):
        await compute.run(hold.wait, lane=Lane.LOADING)
    hold.set()
    await asyncio.gather(*waiting)

    assert await compute.run(lambda: "free again", lane=Lane.LOADING) == "free again"


async def test_a_cancelled_caller_leaves_the_queue():
    hold, ran = threading.Event(), []
    first = asyncio.create_task(compute.run(hold.wait, 5))
    await asyncio.sleep(0.02)
    second = asyncio.create_task(compute.run(ran.append, "second"))
    await asyncio.sleep(0.02)
    second.cancel()
    await asyncio.sleep(0.02)
    hold.set()
    await first
    await compute.run(lambda: None)

    assert ran == []


@pytest.mark.django_db(transaction=True)
async def test_no_database_connection_stays_open_in_a_thread():
    def query():
        Document.objects.count()
        return connections["default"]

    connection = await compute.run(query)

    assert connection.connection is None
