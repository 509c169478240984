"""Whatever goes in comes out as JSON, within the size."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from uuid import UUID

import numpy
import pytest
from django.contrib.auth import get_user_model
from hypothesis import given, settings
from hypothesis import strategies as st

from tracing import content
from tracing.content import json_safe, storable

LIMIT = 300_000


class Colour(Enum):
    RED = "red"


@dataclass
class Passage:
    title: str
    score: float


class Odd:
    @property
    def shape(self):
        raise RuntimeError("not now")

    tolist = model_dump = shape

    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        (2**80, str(2**80)),
        ("half \ud83d of a pair", "half \ufffd of a pair"),
        ("nul\x00l", "null"),
        (b"\x00\xff", "<2 bytes>"),
        ({1: (2, {3})}, {"1": [2, [3]]}),
        (Colour.RED, "red"),
        (Passage("Roots", 0.5), {"title": "Roots", "score": 0.5}),
        (Decimal("1.50"), "1.50"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime(2026, 11, 22, 10, tzinfo=UTC), "2026-11-22T10:00:00+00:00"),
        (date(2026, 11, 22), "2026-11-22"),
        (timedelta(minutes=1), 60.0),
        (numpy.zeros((384, 2)), "<array 384×2>"),
        (numpy.float32(0.5), 0.5),
        (numpy.int64(7), 7),
        (numpy.float64("inf"), "inf"),
        (len, "<builtins.builtin_function_or_method>"),
        (Odd(), "<tests.tracing.test_content.Odd, not readable: RuntimeError>"),
        ({Odd(): 1}, "<builtins.dict, not readable: RuntimeError>"),
    ],
)
def test_what_json_cannot_hold_is_described(value, expected):
    assert json_safe(value) == expected


def test_a_model_instance_is_its_label_and_key_and_a_query_is_never_run(
    db, django_assert_num_queries
):
    users = get_user_model()
    with django_assert_num_queries(0):
        assert json_safe(users(pk=7)) == f"<{users._meta.label} 7>"
        assert json_safe(users.objects.all()) == f"<QuerySet of {users._meta.label}>"


def test_nothing_that_is_given_is_changed():
    given = {"messages": [{"content": "a" * 400_000}]}
    storable(given)
    assert given == {"messages": [{"content": "a" * 400_000}]}


def test_deep_nesting_ends():
    deep = "bottom"
    for _ in range(1_000):
        deep = [deep]
    assert "not followed further" in json.dumps(storable(deep))


def test_what_holds_itself_ends():
    tree = {"name": "root"}
    tree["children"] = [{"parent": tree, "name": str(n)} for n in range(50)]
    assert len(json.dumps(storable(tree))) <= LIMIT + 500


def test_a_huge_list_keeps_both_ends_and_says_how_much_is_missing():
    kept = storable(list(range(100_000)))
    assert (kept[0], kept[-1], kept[1_000]) == (0, 99_999, "… 98000 items left out …")


def test_a_huge_mapping_says_how_much_is_missing():
    assert storable(dict.fromkeys(range(5_000)))["…"] == "3000 items left out"


def test_five_megabytes_of_chinese_keep_head_and_tail_and_say_what_is_missing():
    text = "开始" + "极限是微积分的基础。" * 170_000 + "结束"

    kept = storable({"response": text})["response"]

    assert len(json.dumps(kept)) <= LIMIT
    assert len(json.dumps(kept)) > LIMIT / 4
    assert kept.startswith("开始极限")
    assert kept.endswith("结束")
    head, _, rest = kept.partition("… [")
    missing, _, tail = rest.partition(" characters cut] …")
    assert len(head) + int(missing) + len(tail) == len(text)


def test_of_several_large_texts_each_says_what_is_missing_of_the_whole():
    kept = storable({name: name * 1_000_000 for name in "UVWXYZ"})

    for name, text in kept.items():
        missing = int(text.partition("[")[2].partition(" ")[0])
        assert text.count(name) + missing == 1_000_000
    assert len(json.dumps(kept)) <= LIMIT


def test_a_text_that_is_dense_at_its_head_fits_too():
    kept = storable("极" * 100_000 + "a" * 4_000_000)
    assert len(json.dumps(kept)) <= LIMIT


def test_many_small_texts_that_are_too_much_together_become_one():
    kept = storable([["极限" * 10] * 2_000 for _ in range(2_000)])
    assert isinstance(kept, str)
    assert len(json.dumps(kept)) <= LIMIT


def test_a_short_content_stays_as_it_is():
    question = {"user_message": "Was ist ein Grenzwert? 极限 🌱", "messages_count": 3}
    assert storable(question) == question


json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None, exclude_categories=()))
    | st.binary()
    | st.dates()
    | st.decimals(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.dictionaries(st.text() | st.integers() | st.none(), inner)
        | st.frozensets(st.integers())
    ),
    max_leaves=40,
)


@settings(max_examples=120, deadline=None)
@given(json_like, st.integers(600, 5_000))
def test_whatever_goes_in_is_json_and_within_the_limit(value, limit):
    from django.conf import settings as django_settings
    from django.test import override_settings

    tracing = {**django_settings.TRACING, "MAX_FIELD_BYTES": limit}
    with override_settings(TRACING=tracing):
        kept = storable(value)

    written = json.dumps(kept, allow_nan=False)
    assert len(written) <= limit + 100
    assert "\\u0000" not in written
    written.encode()
    json.dumps(kept, ensure_ascii=False).encode()


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1), st.integers(1, 2_000), st.integers(400, 3_000))
def test_a_cut_text_is_as_short_as_asked_or_whole(piece, times, longest):
    text = piece * times
    shortened = content.cut_to_bytes(text, longest)
    assert shortened == text or len(json.dumps(shortened)) <= longest + 100


def test_an_id_is_cut_but_not_masked():
    assert content.identifier("alice@example.org", longest=5) == "alice"
    assert content.identifier(7, longest=5) == "7"
    assert content.identifier(None, longest=5) == ""
