"""No trace outlives its turn: what is written is let go of, at once and without the collector."""

import gc
import weakref
from contextvars import copy_context

import pytest

from tests.tracing.conftest import row_of
from tracing import generation, span, trace, traced
from tracing.models import TraceRecord

pytestmark = pytest.mark.django_db(transaction=True)


class Prompt(str):
    """A text that can be watched."""

    __slots__ = ("__weakref__",)


# What timers and open connections of an event loop keep.
CONTEXTS = []


def turn():
    prompt = Prompt("system prompt " * 1_000)
    with trace("ai_chat", input=prompt) as whole:
        with span("retrieve"), generation("embedding"):
            pass
        with generation("llm_call", input=prompt) as answer:
            answer.output = Prompt("an answer")
            CONTEXTS.append(copy_context())
    return [weakref.ref(held) for held in (whole, answer, prompt, answer.output)]


def test_what_is_written_is_let_go_of(recorded):
    gc.collect()
    gc.disable()  # or the collector would do what is to be seen here
    try:
        watched = [turn() for _ in range(20)]
        recorded.drain()
        alive = [held() for held_by_turn in watched for held in held_by_turn if held() is not None]
    finally:
        gc.enable()

    assert alive == []
    assert TraceRecord.objects.count() == 20


def test_unsent_traces_wait_in_the_database(langfuse, recorded):
    langfuse.fails(503, times=1_000)
    watched = [turn() for _ in range(20)]
    recorded.drain()
    gc.collect()

    assert not any(held() for held_by_turn in watched for held in held_by_turn)
    assert TraceRecord.objects.waiting().count() == 20


def test_a_traced_generator_without_end_keeps_the_two_ends(recorded):
    @traced
    def numbers(count):
        yield from range(count)

    with trace("ai_chat") as whole:
        assert sum(numbers(100_000)) == 4_999_950_000
        [step] = whole.observations
        kept = list(step.output)
    recorded.drain()

    assert (kept[:2], kept[5_000], kept[-1]) == ([0, 1], "… [90000 items left out] …", 99_999)
    assert row_of(whole).observations.count() == 1
