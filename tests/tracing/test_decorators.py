"""`@traced` records what a plain function took and gave, whatever kind of function it is."""

import asyncio
from contextlib import aclosing, contextmanager

import pytest

from tracing import Status, current_trace, span, trace, traced


def only(traces):
    [whole] = traces.traces
    [step] = whole.observations
    return step


def test_a_function_is_recorded_with_its_arguments_and_result(traces):
    @traced
    def add(a, b=1, *rest, **named):
        return a + b

    assert add(2, b=3) == 5

    step = only(traces)
    assert (step.name.rpartition(".")[2], step.input, step.output) == ("add", {"a": 2, "b": 3}, 5)


def test_a_function_without_arguments_has_no_input_at_all(traces):
    @traced(name="tick")
    def tick(*args, **kwargs):
        return 1

    tick()

    assert (only(traces).name, only(traces).input) == ("tick", None)


def test_self_is_no_argument(traces):
    class Tutor:
        @traced
        def answer(self, question):
            return "42"

    Tutor().answer("why")

    assert only(traces).input == {"question": "why"}


async def test_a_coroutine_is_recorded_when_it_has_run(traces):
    @traced
    async def fetch(url):
        with span("inside"):
            await asyncio.sleep(0)
        return {"status": 200}

    assert await fetch("/x") == {"status": 200}

    outer, inside = traces.last.observations
    assert (outer.input, outer.output) == ({"url": "/x"}, {"status": 200})
    assert inside.parent_id == outer.id


async def test_a_failure_is_recorded_and_passes(traces):
    @traced
    async def fetch(url):
        raise OSError("refused")

    with pytest.raises(OSError, match="refused"):
        await fetch("/x")

    assert (only(traces).status, only(traces).status_message) == (Status.ERROR, "OSError: refused")


def test_a_wrong_call_fails_as_it_would_untraced(traces):
    @traced
    def add(a, b):
        return a + b

    with pytest.raises(TypeError, match="missing 1 required"):
        add(1)


def test_a_generator_is_recorded_once_with_its_text_joined(traces):
    @traced
    def words(count):
        for number in range(count):
            yield f"{number} "

    assert list(words(3)) == ["0 ", "1 ", "2 "]

    step = only(traces)
    assert (step.input, step.output, step.status) == ({"count": 3}, "0 1 2 ", Status.OK)


def test_what_is_no_text_is_kept_as_a_list(traces):
    @traced
    def numbers():
        yield 1
        yield 2

    assert sum(numbers()) == 3
    assert (only(traces).input, only(traces).output) == (None, [1, 2])


def test_a_generator_closed_early_keeps_what_was_yielded(traces):
    closed = []

    @traced
    def words():
        try:
            yield "a "
            yield "b "
        finally:
            with span("clean up"):
                closed.append(True)

    made = words()
    assert next(made) == "a "
    made.close()

    step, cleaning = traces.last.observations
    assert closed == [True]
    assert (step.output, step.status) == ("a ", Status.OK)
    assert step.metadata == {"closed_early": True}
    assert cleaning.parent_id == step.id


def test_a_generator_that_fails_keeps_what_was_yielded(traces):
    @traced
    def words():
        yield "a "
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(words())

    assert (only(traces).output, only(traces).status) == ("a ", Status.ERROR)


def test_a_traced_generator_can_be_sent_to_thrown_into_and_returned_from(traces):
    @traced
    def echo():
        heard = yield "first"
        try:
            yield heard
        except KeyError:
            yield "caught"
        return "the end"

    made = echo()
    assert [next(made), made.send("second"), made.throw(KeyError("x"))] == [
        "first",
        "second",
        "caught",
    ]
    with pytest.raises(StopIteration) as end:
        next(made)
    assert end.value.value == "the end"
    assert only(traces).status == Status.OK


def test_a_context_manager_made_of_a_traced_generator_sees_the_error(traces):
    seen = []

    @contextmanager
    @traced
    def guarded():
        try:
            yield
        except KeyError as error:
            seen.append(error)

    with guarded():
        raise KeyError("x")

    assert len(seen) == 1


async def test_an_async_generator_is_recorded_once_with_its_text_joined(traces):
    @traced
    async def answer(question):
        with span("prepare"):
            await asyncio.sleep(0)
        for word in ("A ", "limit"):
            yield word

    assert [word async for word in answer("what?")] == ["A ", "limit"]

    step, prepare = traces.last.observations
    assert (step.input, step.output, step.status) == ({"question": "what?"}, "A limit", Status.OK)
    assert prepare.parent_id == step.id


async def test_the_consumers_code_is_not_inside_the_generators_span(traces):
    @traced
    async def answer():
        yield "a"
        yield "b"

    async with trace("ai_chat") as turn:
        async for word in answer():
            assert current_trace() is turn
            with span(f"show {word}"):
                pass

    assert [step.parent_id for step in turn.observations] == [None, None, None]


async def test_an_async_generator_outside_a_trace_leaks_none(traces):
    @traced
    async def answer():
        yield "a"
        yield "b"

    async for _ in answer():
        assert current_trace() is None
    assert current_trace() is None
    assert len(traces.traces) == 1


async def test_an_async_generator_closed_early_keeps_what_was_yielded(traces):
    closed = []

    @traced
    async def answer():
        try:
            yield "a "
            yield "b "
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    async with aclosing(answer()) as words:
        async for _ in words:
            break

    assert closed == [True]
    assert (only(traces).output, only(traces).metadata) == ("a ", {"closed_early": True})


async def test_an_async_generator_that_fails_or_is_cancelled_says_so(traces):
    @traced
    async def answer():
        yield "a "
        await asyncio.sleep(10)

    async def read():
        async for _ in answer():
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (only(traces).output, only(traces).status) == ("a ", Status.CANCELLED)


async def test_an_async_generator_can_be_thrown_into(traces):
    @traced
    async def answer():
        try:
            yield "a"
        except KeyError:
            yield "caught"

    made = answer()
    await anext(made)
    assert await made.athrow(KeyError("x")) == "caught"
    await made.aclose()


async def test_generators_at_once_keep_to_themselves(traces):
    @traced
    async def answer(number):
        for _ in range(3):
            await asyncio.sleep(0)
            with span(f"step {number}"):
                await asyncio.sleep(0)
            yield number

    async def read(number):
        return [item async for item in answer(number)]

    await asyncio.gather(*(read(number) for number in range(8)))

    for whole in traces.traces:
        first, *steps = whole.observations
        assert {step.name for step in steps} == {f"step {first.input['number']}"}
        assert {step.parent_id for step in steps} == {first.id}


def test_a_generator_that_is_never_started_leaves_nothing(traces):
    @traced
    def words():
        yield "a"

    words()

    assert traces.running == traces.traces == []
