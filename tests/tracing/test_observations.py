"""Blocks nest, end on every way out, and never harm what they stand round."""

import asyncio
import logging
import random
import threading
import time
from contextvars import copy_context

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from tracing import Status, Usage, attributed, current_trace, generation, score, span, trace
from tracing.recorder import MemoryRecorder, use_recorder
from tracing.rows import trace_row


def names(parent, within):
    """The names of what is nested directly in a block."""
    parent_id = None if parent is within else parent.id
    return [step.name for step in within.observations if step.parent_id == parent_id]


def test_steps_nest_in_the_block_they_stand_in():
    with trace("ai_chat") as turn:
        with span("retrieve") as found:
            with generation("embedding", model="minilm"):
                pass
            with span("rerank"):
                pass
        with generation("llm_call"):
            pass

    assert names(turn, turn) == ["retrieve", "llm_call"]
    assert names(found, turn) == ["embedding", "rerank"]


async def test_steps_nest_across_awaits_tasks_and_threads():
    def in_a_thread(name):
        with span(name):
            pass

    async def in_a_task():
        await asyncio.sleep(0)
        with span("task"):
            await asyncio.sleep(0)

    async with trace("ai_chat") as turn:
        with span("outer") as outer:
            await in_a_task()
            await asyncio.create_task(in_a_task())
            await sync_to_async(in_a_thread)("sync_to_async")
            await asyncio.to_thread(in_a_thread, "to_thread")
            await sync_to_async(async_to_sync(in_a_task))()

    assert names(outer, turn) == ["task", "task", "sync_to_async", "to_thread", "task"]


async def test_every_block_opens_with_either_form(traces):
    async with trace("ai_chat") as turn, span("retrieve") as found, generation("embedding") as step:
        assert current_trace() is turn
    with trace("reindex") as job, span("embed"):
        pass

    assert step.parent_id == found.id
    assert [block.status for block in (turn, found, step, job)] == [Status.OK] * 4
    assert current_trace() is None


def test_a_program_that_seeds_the_generator_gets_no_id_twice():
    random.seed(42)
    first = trace("one").id
    random.seed(42)

    assert trace("two").id != first


def test_a_trace_inside_a_trace_is_the_same_persons_and_as_discreet(traces):
    with trace("ai_chat", user_id="u-1", session_id="s-1", capture_content=False):
        with trace("inner", input="secret words"):
            pass

    inner = traces.traces[0]
    assert (inner.user_id, inner.session_id, inner.capture_content) == ("u-1", "s-1", False)
    assert trace_row(inner).input is None


async def test_nothing_inside_an_unrecorded_trace_is_kept(traces):
    over = asyncio.Event()

    async def afterwards():
        await over.wait()
        with span("afterwards"):
            pass

    with trace("evaluation") as job:
        with trace("question", recorded=False):
            task = asyncio.create_task(afterwards())
            with span("retrieve"), generation("embedding"):
                pass
            with trace("inner"):
                pass
        over.set()
        await task

    assert traces.traces == [job]
    assert (job.observations, traces.running) == ([], [])


class ProviderUsage:
    prompt_tokens, completion_tokens, total_tokens = 7, 5, 12


@pytest.mark.parametrize(
    "counted",
    [Usage(7, 5), {"input": 7, "output": 5}, {"input_tokens": 7, "output_tokens": 5},
     ProviderUsage()],
)  # fmt: skip
def test_usage_is_read_whatever_a_provider_calls_it(counted):
    with trace("ai_chat"), generation("llm_call") as answer:
        answer.usage = counted

    assert answer.usage == Usage(input=7, output=5, total=12)


@pytest.mark.parametrize("counted", [None, {}, "12", 12, object(), {"input": "seven"}])
def test_what_counts_nothing_is_no_usage(counted):
    with trace("ai_chat"), generation("llm_call") as answer:
        answer.usage = counted

    assert answer.usage is None


async def test_tasks_at_once_do_not_see_each_other(traces):
    async def work(number):
        async with trace(f"trace-{number}") as own:
            with span(f"a-{number}"):
                await asyncio.sleep(0.001 * (number % 3))
                with span(f"b-{number}"):
                    await asyncio.sleep(0)
            assert current_trace() is own

    await asyncio.gather(*(work(number) for number in range(20)))

    for one in traces.traces:
        number = one.name.removeprefix("trace-")
        assert [step.name for step in one.observations] == [f"a-{number}", f"b-{number}"]
    assert current_trace() is None


def test_a_span_outside_a_trace_opens_its_own(traces):
    with span("reindex", input={"course": "plants"}) as step:
        assert current_trace().name == "reindex"
        step.output = {"added": 3}

    assert current_trace() is None
    whole = traces.last
    assert (whole.input, whole.output) == ({"course": "plants"}, {"added": 3})
    assert (whole.status, whole.observations) == (Status.OK, [step])


def test_a_trace_that_a_span_opened_ends_as_the_span_did(traces):
    with span("reindex") as step:
        step.fail("two chapters could not be read")

    assert (traces.last.status, traces.last.status_message) == (
        Status.ERROR,
        "two chapters could not be read",
    )


def test_the_context_is_as_before_after_the_block():
    with trace("outer") as outer:
        with trace("inner") as inner:
            assert current_trace() is inner
        assert current_trace() is outer
        with pytest.raises(KeyError), span("step"):
            raise KeyError("x")
        assert current_trace() is outer
    assert current_trace() is None


def test_an_error_is_recorded_with_its_words_and_passes_on(traces):
    with pytest.raises(ValueError, match="no such chapter"), trace("ai_chat") as turn:
        turn.output = {"response": "A limit"}
        with span("retrieve") as found:
            found.output = ["p-1"]
            raise ValueError("no such chapter")

    assert (turn.status, turn.status_message) == (Status.ERROR, "ValueError: no such chapter")
    assert (found.status, found.output) == (Status.ERROR, ["p-1"])
    assert traces.last.output == {"response": "A limit"}


async def test_stop_is_recorded_with_what_was_said_and_passes_on(traces):
    async def turn():
        async with trace("ai_chat") as whole:
            with generation("llm_call") as answer:
                answer.output = whole.output = "Photosynthesis "
                await asyncio.sleep(10)

    task = asyncio.create_task(turn())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    [answer] = traces.last.observations
    assert (traces.last.status, answer.status) == (Status.CANCELLED, Status.CANCELLED)
    assert (traces.last.output, answer.output) == ("Photosynthesis ", "Photosynthesis ")
    assert answer.ended_at is not None


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_ending_process_interrupts(error, traces):
    with pytest.raises(error), trace("job"), span("step"):
        raise error

    assert traces.last.status == Status.INTERRUPTED
    assert traces.last.observations[0].status == Status.INTERRUPTED


def test_a_closed_generator_is_stopped_and_no_error(traces):
    def numbers():
        with span("numbers"):
            yield 1

    made = numbers()
    next(made)
    made.close()

    assert traces.last.status == Status.CANCELLED


def test_a_status_set_by_hand_stays():
    with trace("ai_chat") as turn:
        turn.fail(TimeoutError("the provider was silent"))

    assert turn.status == Status.ERROR
    assert turn.status_message == "TimeoutError: the provider was silent"


def test_a_step_that_warns_goes_on_and_says_so(traces):
    with trace("chat") as whole, span("rerank") as step:
        step.warn("not done in time")
        step.warn("the fused order stands")

    assert (step.status, step.status_message) == (Status.WARNING, "the fused order stands")
    assert whole.status == Status.OK


def test_an_error_after_a_warning_is_an_error(traces):
    with pytest.raises(ValueError), span("rerank") as step:
        step.warn("not done in time")
        raise ValueError("no such model")
    with span("rerank") as caught:
        caught.fail("no such model")
        caught.warn("the fused order stands")

    assert (step.status, step.status_message) == (Status.ERROR, "ValueError: no such model")
    assert (caught.status, caught.status_message) == (Status.ERROR, "no such model")


def test_an_error_that_cannot_say_what_it_is_still_passes(traces):
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    with pytest.raises(Mute), trace("ai_chat"):
        raise Mute

    assert traces.last.status_message == "Mute"


def test_the_first_token_is_stamped_once():
    with generation("llm_call") as answer:
        answer.chunk_received()
        first = answer.first_token_at
        time.sleep(0.002)
        answer.chunk_received()

    assert answer.first_token_at == first
    assert answer.started_at <= first < answer.ended_at


def test_times_follow_each_other_and_durations_are_measured():
    with trace("ai_chat") as turn:
        with span("a") as a:
            time.sleep(0.02)
        with span("b") as b:
            pass

    times = [turn.started_at, a.started_at, a.ended_at, b.started_at, b.ended_at, turn.ended_at]
    assert times == sorted(times)
    assert 20 <= a.duration_ms < turn.duration_ms + 0.01


def test_usage_sums_up_to_a_total_unless_one_is_given():
    assert Usage(input=1941, output=384).total == 2325
    assert Usage(input=3, output=2, total=9).total == 9
    assert Usage().total is None


def test_a_trace_counts_the_tokens_of_the_answering_model_only():
    with trace("ai_chat") as turn:
        with generation("embedding", model="minilm") as embedding:
            embedding.usage = Usage(input=12)
        for _ in range(2):
            with generation("llm_call", model="gpt-4o-mini") as answer:
                answer.chunk_received()
                answer.usage = Usage(input=100, output=10)

    row = trace_row(turn)
    assert row.model == "gpt-4o-mini"
    assert (row.input_tokens, row.output_tokens, row.total_tokens) == (200, 20, 220)
    assert row.first_token_ms is not None


def test_a_step_left_open_ends_with_its_trace_and_stays_ended():
    with trace("ai_chat") as turn:
        step = span("forgotten")
        step.__enter__()

    assert (step.status, step.ended_at) == (Status.INTERRUPTED, turn.ended_at)
    step.__exit__(None, None, None)
    assert (step.status, step.ended_at) == (Status.INTERRUPTED, turn.ended_at)
    assert current_trace() is None


def test_blocks_left_in_the_wrong_order_leave_the_context_right():
    with trace("ai_chat") as turn:
        first, second = span("first"), span("second")
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)
        with span("third"):
            pass

    assert names(turn, turn) == ["first", "third"]


async def test_a_task_that_outlives_its_trace_traces_on_its_own(traces):
    over = asyncio.Event()

    async def afterwards():
        await over.wait()
        with span("afterwards"):
            pass

    async with trace("ai_chat", session_id="s-1", user_id="u-1"):
        task = asyncio.create_task(afterwards())
    over.set()
    await task

    assert [one.name for one in traces.traces] == ["ai_chat", "afterwards"]
    assert (traces.last.session_id, traces.last.user_id) == ("s-1", "u-1")


def test_a_trace_belongs_to_whom_the_middleware_named_unless_it_says_otherwise():
    with attributed(user_id="u-1", session_id="s-1", request_id="r-1"):
        with trace("a") as a, trace("b", user_id="u-2") as b:
            pass

    assert (a.user_id, a.session_id, a.request_id) == ("u-1", "s-1", "r-1")
    assert (b.user_id, b.session_id) == ("u-2", "s-1")


def test_a_score_has_one_id_per_trace_and_name(traces):
    first = score("t-1", "user_feedback", 1)
    second = score("t-1", "user_feedback", 0, comment="wrong formula")
    other = score("t-2", "user_feedback", 1)

    assert first.id == second.id != other.id
    assert [one.value for one in traces.scores] == [1, 0, 1]


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_score_is_a_finite_number(value, traces):
    with pytest.raises(ValueError, match="finite"):
        score("t-1", "user_feedback", value)

    assert traces.scores == []


class BrokenRecorder(MemoryRecorder):
    def started(self, trace):
        raise OSError("disk full")

    finished = scored = started


@pytest.fixture
def broken():
    before = use_recorder(BrokenRecorder())
    yield
    use_recorder(before)


def test_in_production_a_fault_of_tracing_harms_nobody_and_is_logged(
    broken, tracing_settings, caplog
):
    tracing_settings(RAISE_ERRORS=False)
    with caplog.at_level(logging.ERROR, "tracing"):
        with trace("ai_chat"), generation("llm_call") as answer:
            answer.chunk_received()
        with span("alone"):
            done = True
        score("t-1", "user_feedback", 1)

    assert done
    assert current_trace() is None
    assert "disk full" in caplog.text
    assert "the traced code goes on" in caplog.text


def test_in_production_the_callers_own_error_still_passes(broken, tracing_settings, caplog):
    tracing_settings(RAISE_ERRORS=False)
    with pytest.raises(KeyError, match="mine"), trace("ai_chat"), span("retrieve"):
        raise KeyError("mine")


def test_under_test_a_fault_of_tracing_is_raised(broken):
    with pytest.raises(OSError, match="disk full"):
        copy_context().run(trace("ai_chat").__enter__)


def test_a_block_may_be_left_in_another_context_than_it_was_entered_in(traces):
    block = trace("job")
    block.__enter__()
    thread = threading.Thread(target=block.__exit__, args=(None, None, None))
    thread.start()
    thread.join()

    assert traces.last.status == Status.OK
    assert current_trace() is None
    with span("later"):
        pass
    assert traces.last.name == "later"
    block.leave_context()
