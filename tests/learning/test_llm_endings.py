"""Why answers end, in the words of providers."""

import pytest

from learning.llm.endings import Ending, ending, note


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", Ending.WHOLE),
        (None, Ending.WHOLE),
        ("something_new", Ending.WHOLE),
        ("length", Ending.AT_LIMIT),
        ("MAX_TOKENS", Ending.AT_LIMIT),
        ("content_filter", Ending.FILTERED),
        ("network_error", Ending.BROKEN),
    ],
)
def test_the_words_of_providers_mean_one_of_four_things(reason, expected):
    assert ending(reason) is expected


def test_only_an_answer_cut_at_its_limit_needs_a_note():
    assert "length limit" in note("length")
    assert note("stop") == note(None) == note("content_filter") == ""
