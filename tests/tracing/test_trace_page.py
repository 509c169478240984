"""What the trace page is worked out from: order, bars, readable content."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tracing.models import ObservationRecord, TraceRecord
from tracing.templatetags.tracing import seconds
from tracing.trace_page import readable, reranked, steps

BEGAN = timezone.now()


@pytest.fixture
def trace(db):
    return TraceRecord.objects.create(
        id="t", name="ai_chat", started_at=BEGAN, duration_ms=1_000.0, ended_at=BEGAN
    )


def add(trace, name, parent="", *, at=0.0, lasts=100.0, **fields):
    return ObservationRecord.objects.create(
        id=name, name=name, trace=trace, parent_id=parent, kind="SPAN", duration_ms=lasts,
        position=trace.observations.count(), started_at=BEGAN + timedelta(milliseconds=at),
        **fields,
    )  # fmt: skip


def test_steps_stand_under_their_parents_in_the_order_of_beginning(trace):
    add(trace, "retrieve")
    add(trace, "embedding", "retrieve")
    add(trace, "llm_call", at=500)
    add(trace, "rerank", "retrieve", at=300)
    add(trace, "orphan", "of a parent that was cut")

    assert [(step.row.name, step.depth) for step in steps(trace)] == [
        ("retrieve", 0),
        ("embedding", 1),
        ("rerank", 1),
        ("llm_call", 0),
        ("orphan", 0),
    ]


def test_bars_are_percent_of_the_whole(trace):
    add(trace, "llm_call", at=250, lasts=500, first_token_ms=100.0)
    [step] = steps(trace)

    assert (step.left, step.width, step.first_token_at) == (25.0, 50.0, 35.0)


def test_a_running_or_overlong_step_stays_inside(trace):
    add(trace, "open", at=900, lasts=None)
    add(trace, "late", at=900, lasts=1_100)

    for step in steps(trace):
        assert 0 <= step.left <= step.left + step.width <= 100.5


def test_very_deep_nesting_is_no_recursion(trace):
    rows = [
        ObservationRecord(id=f"d{n}", name=f"d{n}", trace=trace, position=10 + n, kind="SPAN",
                          parent_id=f"d{n - 1}" if n else "", started_at=BEGAN)
        for n in range(1_200)
    ]  # fmt: skip
    ObservationRecord.objects.bulk_create(rows)

    assert max(step.depth for step in steps(trace)) == 1_199


def test_messages_show_as_messages_objects_by_name_and_the_rest_as_text():
    messages = [{"role": "user", "content": "Why?"}]
    assert readable(messages).messages == messages
    assert readable({"query": "why", "n": [1]}).fields == [
        ("query", "why", False),
        ("n", "[\n  1\n]", False),
    ]
    assert readable("because").text == "because"
    assert readable({"long": "x" * 500}).fields[0][2] is True
    assert [bool(readable(value)) for value in (None, "", {}, [], 0, False)] == [
        False, False, False, False, True, True,
    ]  # fmt: skip


def test_a_rerank_step_becomes_a_table_of_before_and_after(trace):
    row = add(
        trace,
        "rerank",
        input={"candidates": [{"id": 1, "title": "Limits"}, {"id": 2, "title": "Roots"}]},
        output={"results": [{"id": 2, "position_after": 1}, {"id": 1, "position_after": 2}]},
    )

    assert [(line["title"], line["position_after"]) for line in reranked(row)] == [
        ("Roots", 1),
        ("Limits", 2),
    ]


@pytest.mark.parametrize(
    ("candidates", "results"),
    [(None, None), ("cut", []), ([1, {"id": [1]}], [2, {"id": {}}]), ([{}], [{}])],
)
def test_other_shapes_do_not_break_the_page(trace, candidates, results):
    row = add(trace, "rerank", input={"candidates": candidates}, output={"results": results})
    assert isinstance(reranked(row), list)


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [(None, "–"), (1.234, "1.2 ms"), (640, "640 ms"), (1_320, "1.32 s"), (125_000, "2 min 5 s")],
)
def test_durations_read_as_people_say_them(milliseconds, words):
    assert seconds(milliseconds) == words
