"""What the trace page is worked out from: order, bars, readable content."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tracing.models import ObservationRecord, TraceRecord
from tracing.templatetags.tracing import money, seconds
from tracing.trace_page import STEPS_SHOWN, neighbours, readable, timeline

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


def steps(trace, **options):
    return timeline(trace, **options).steps


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

    deepest = steps(trace, first=1_200)[-1]
    assert deepest.depth == 1_199
    assert len(deepest.indent) < 20  # a page, not a staircase


def many(trace, count):
    ObservationRecord.objects.bulk_create(
        ObservationRecord(id=f"m{n}", name=f"m{n}", trace=trace, position=n, kind="SPAN",
                          started_at=BEGAN, duration_ms=1.0, input={"n": n})
        for n in range(count)
    )  # fmt: skip


def test_a_long_trace_is_shown_in_parts(trace):
    many(trace, 2 * STEPS_SHOWN + 5)
    part = timeline(trace, first=STEPS_SHOWN + 1)

    assert [part.first, part.last, part.total] == [301, 600, 605]
    assert [part.previous, part.next] == [1, 601]
    assert [step.row.name for step in part.steps[:2]] == ["m300", "m301"]
    assert timeline(trace).previous is None
    assert timeline(trace, first=601).next is None
    assert timeline(trace, first=99_999).steps == []


def test_content_is_read_only_for_the_steps_that_are_shown(trace, django_assert_num_queries):
    many(trace, 10_000)
    with django_assert_num_queries(2) as asked:
        shown = steps(trace, first=9_901)

    assert [step.input.fields[0][1] for step in shown] == [str(n) for n in range(9_900, 10_000)]
    ids_alone, whole = (query["sql"] for query in asked.captured_queries)
    assert '"input"' not in ids_alone
    assert '"m9900"' in whole.replace("'", '"')
    assert '"m9899"' not in whole.replace("'", '"')


def test_without_content_none_is_even_read(trace, django_assert_num_queries):
    add(trace, "llm_call", input={"secret": 1}, status_message="secret")
    with django_assert_num_queries(2) as asked:
        [step] = steps(trace, with_content=False)

    assert not (step.input or step.output or step.metadata or step.reranking)
    assert not any('"input"' in query["sql"] for query in asked.captured_queries)


def test_the_traces_before_and_after_in_a_session_are_known(db):
    for name, minute, session in [("a", 0, "s"), ("b", 1, "s"), ("c", 1, "s"), ("other", 1, "x")]:
        TraceRecord.objects.create(id=name, name=name, session_id=session,
                                   started_at=BEGAN + timedelta(minutes=minute))  # fmt: skip

    def beside(name):
        return [found and found.pk for found in neighbours(TraceRecord.objects.get(pk=name))]

    assert [beside(name) for name in "abc"] == [[None, "b"], ["a", "c"], ["b", None]]
    assert beside("other") == [None, None]
    assert neighbours(TraceRecord(id="t", started_at=BEGAN)) == (None, None)


def test_messages_show_as_messages_objects_by_name_and_the_rest_as_text():
    messages = [
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": None, "tool_calls": [1]},
        {"role": "user", "content": [{"type": "text"}]},
    ]
    asked, called, parts = readable(messages).messages
    assert (asked.role, asked.text, asked.rest) == ("user", "Why?", "")
    assert called.text == ""
    assert '"tool_calls"' in called.rest
    assert '"type": "text"' in parts.text
    assert readable({"query": "why", "n": [1]}).fields == [
        ("query", "why", False),
        ("n", "[\n  1\n]", False),
    ]
    assert readable("because").text == "because"
    assert readable({"long": "x" * 500}).fields[0][2] is True
    assert [bool(readable(value)) for value in (None, "", {}, [], 0, False)] == [
        False, False, False, False, True, True,
    ]  # fmt: skip


def test_passages_show_as_passages():
    found = readable(
        {
            "passages": [
                {"id": 7, "title": "Limits", "heading_path": ["Limits", "One side"],
                 "score": 0.83, "text": "A limit …"},
                {"id": 8, "text": "Roots"},
            ],
            "is_weak": False,
        }
    )  # fmt: skip

    assert [(p.title, p.text, p.score) for p in found.passages] == [
        ("Limits › One side", "A limit …", 0.83),
        ("8", "Roots", None),
    ]
    assert found.fields == [("is_weak", "false", False)]
    assert readable({"passages": [1]}).fields == [("passages", "[\n  1\n]", False)]


def test_a_long_answer_is_not_folded():
    assert readable({"response": "x" * 500, "system_prompt": "x" * 500}).fields == [
        ("response", "x" * 500, False),
        ("system_prompt", "x" * 500, True),
    ]


def test_the_preview_of_an_answer_is_not_shown_beside_the_answer():
    assert [name for name, *_ in readable({"response": "a", "response_preview": "a"}).fields] == [
        "response"
    ]
    assert readable({"response_preview": "a"}).fields


@pytest.mark.parametrize(
    ("dollars", "words"),
    [(None, "–"), (0, "$0"), (12.3, "$12.30"), (0.0123, "$0.0123"), (0.00000045, "$0.00000045"),
     (1234.5, "$1,234.50"), (0.5, "$0.5000"), (1e-9, "$0.0000000010")],
)  # fmt: skip
def test_small_sums_keep_their_digits(dollars, words):
    assert money(dollars) == words


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [(None, "–"), (1.234, "1.2 ms"), (640, "640 ms"), (1_320, "1.32 s"), (125_000, "2 min 5 s")],
)
def test_durations_read_as_people_say_them(milliseconds, words):
    assert seconds(milliseconds) == words
