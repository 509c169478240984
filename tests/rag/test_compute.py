import asyncio
import contextvars
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

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


class Model:
    """Reads texts together, and keeps what it was given; `hold` makes its first batch wait."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.hold = threading.Event()
        self.started = threading.Event()

    def read(self, texts: list[str]) -> list[str]:
        self.batches.append(texts)
        self.started.set()
        self.hold.wait(5)
        if "bad" in texts:
            raise ValueError("cannot be read")
        return [text.upper() for text in texts]

    async def asked(self, *texts: str) -> list[asyncio.Task]:
        """Ask for the first text and, while the model is at it, for the others."""
        tasks = []
        for text in texts:
            tasks.append(asyncio.create_task(compute.run_together(self.read, text)))
            await asyncio.sleep(0)
            await asyncio.to_thread(self.started.wait, 5)
        return tasks


async def test_questions_that_wait_are_read_together_and_each_gets_its_own_answer():
    model = Model()
    tasks = await model.asked("a", "b", "c", "d")
    model.hold.set()

    assert await asyncio.gather(*tasks) == ["A", "B", "C", "D"]
    assert model.batches == [["a"], ["b", "c", "d"]]


async def test_a_batch_has_its_limit():
    model = Model()
    texts = [str(number) for number in range(compute.MOST_TOGETHER + 3)]
    tasks = await model.asked("first", *texts)
    model.hold.set()
    await asyncio.gather(*tasks)

    assert [len(batch) for batch in model.batches] == [1, compute.MOST_TOGETHER, 3]


async def test_one_bad_question_harms_no_other():
    model = Model()
    tasks = await model.asked("a", "b", "bad", "c")
    model.hold.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [str(result) for result in results] == ["A", "B", "cannot be read", "C"]


async def test_who_left_is_not_read():
    model = Model()
    tasks = await model.asked("a", "b", "c")
    tasks[1].cancel()
    await asyncio.sleep(0.02)
    model.hold.set()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert model.batches == [["a"], ["c"]]


async def test_a_batch_has_its_deadline_and_runs_in_nobodys_context():
    model = Model()
    colour.set("green")

    with pytest.raises(ComputeTimeout):
        await compute.run_together(model.read, "a", deadline_seconds=0.05)
    model.hold.set()

    assert await compute.run_together(lambda items: [colour.get() for _ in items], 1) == "none"


async def test_a_reindex_goes_on_only_when_no_question_waits():
    hold, went_on = threading.Event(), threading.Event()
    question = asyncio.create_task(compute.run(hold.wait, 5))
    await asyncio.sleep(0.02)

    def batch():
        compute.give_way()
        went_on.set()

    indexing = asyncio.create_task(compute.run(batch, lane=Lane.INDEXING))
    await asyncio.sleep(0.05)
    went_on_early = went_on.is_set()
    hold.set()
    await asyncio.gather(question, indexing)

    assert (went_on_early, went_on.is_set()) == (False, True)


async def test_a_question_never_gives_way_to_itself(monkeypatch):
    monkeypatch.setattr(compute, "COURTESY_SECONDS", 60)

    await asyncio.wait_for(compute.run(compute.give_way), 5)


@pytest.mark.django_db(transaction=True)
async def test_no_database_connection_stays_open_in_a_thread():
    def query():
        Document.objects.count()
        return connections["default"]

    connection = await compute.run(query)

    assert connection.connection is None


async def test_what_was_done_in_time_counts_though_the_loop_came_late():
    asked = asyncio.create_task(compute.run(lambda: "done", deadline_seconds=0.2))
    await asyncio.sleep(0)
    time.sleep(0.4)  # noqa: ASYNC251  what holds up the loop is the point

    assert await asked == "done"


def test_a_lane_that_asks_itself_does_not_wait_for_itself():
    ask_itself = partial(compute.run_blocking, lambda: "answered", lane=Lane.LOADING)

    assert compute.submit(ask_itself, lane=Lane.LOADING).result(5) == "answered"


async def test_a_call_that_no_thread_takes_is_not_counted_as_waiting(monkeypatch):
    ended = ThreadPoolExecutor(1)
    ended.shutdown()
    monkeypatch.setitem(compute._executors, Lane.QUESTIONS, ended)

    with pytest.raises(RuntimeError, match="shutdown"):
        await compute.run_together(list, "question")
    monkeypatch.undo()

    assert compute._waiting[Lane.QUESTIONS] == 0
    assert await compute.run_together(list, "next") == "next"
