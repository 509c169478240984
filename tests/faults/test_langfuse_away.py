"""Langfuse is out of order for the length of two hundred turns, with one site from first to last.

No chat takes harm, and when Langfuse is well again every trace arrives, whole and once. After all
of it, sixteen hundred turns, the site has no more threads than before.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.copies import assert_all_in_langfuse, assert_unharmed
from tests.faults.site import Langfuse, Site, Turn, Tutor, eventually, hurried_site, words_for

QUESTIONS = 10  # by each of twenty students
ALWAYS = 100_000  # times, more than there are batches


@pytest.fixture(scope="module")
def site(module_data) -> Iterator[Site]:
    with (
        Tutor() as openai,
        Langfuse() as langfuse,
        hurried_site(module_data, openai, langfuse) as site,
    ):
        yield site


@pytest.fixture(scope="module")
def first_turns(site) -> list[Turn]:
    """Of the first minute, in which everything is loaded that is loaded when it is needed."""
    turns = site.turns("to begin with", each=3)
    eventually(lambda: site.export_states(turns) == {"confirmed": len(turns)})
    return turns


@pytest.fixture(scope="module")
def thread_count(site, first_turns) -> int:
    """Of the site when all of it has been used once."""
    return site.thread_count()


@pytest.fixture(autouse=True)
def no_more_threads(site, thread_count):
    yield
    assert site.thread_count() <= thread_count


@contextmanager
def nobody_there(langfuse):
    langfuse.goes_away()
    yield
    langfuse.comes_back()


def until_it_recovers(fault):
    @contextmanager
    def on(langfuse):
        fault(langfuse)
        yield
        langfuse.recovers()

    return on


FAULTS = {
    "refuses connections": nobody_there,
    "hangs": until_it_recovers(lambda langfuse: langfuse.hangs()),
    "answers 401": until_it_recovers(lambda langfuse: langfuse.refuses_keys()),
    "answers 413": until_it_recovers(lambda langfuse: langfuse.fails(413, times=ALWAYS)),
    "answers 429": until_it_recovers(lambda langfuse: langfuse.fails(429, times=ALWAYS)),
    "answers 500": until_it_recovers(lambda langfuse: langfuse.fails(500, times=ALWAYS)),
    "dies": until_it_recovers(lambda langfuse: langfuse.dies_in_mid_batch(times=ALWAYS)),
}


def test_the_first_questions_of_all_are_answered_and_traced(site, first_turns):
    assert_unharmed(first_turns, words_for)
    assert_all_in_langfuse(site, first_turns)


@pytest.mark.parametrize("fault", FAULTS)
def test_no_chat_takes_harm_and_every_trace_arrives_once(site, fault):
    with FAULTS[fault](site.langfuse):
        turns = site.turns(fault, each=QUESTIONS)
        # All two hundred answers were given while nothing could be confirmed.
        assert_unharmed(turns, words_for)
        assert site.export_states(turns)["confirmed"] == 0

    eventually(lambda: site.export_states(turns).keys() <= {"confirmed", "rejected"})
    assert site.export_states(turns) == {"confirmed": len(turns)}
    assert_all_in_langfuse(site, turns)


def test_one_bad_event_rejects_its_own_trace_alone(site):
    bad_question = "Why are there tides, one is bad 7 7?"

    def is_bad(event) -> bool:
        given = event["body"].get("input")
        return isinstance(given, dict) and given.get("user_message") == bad_question

    site.langfuse.rejects(is_bad)
    turns = site.turns("one is bad", each=QUESTIONS)
    assert_unharmed(turns, words_for)
    eventually(lambda: site.export_states(turns).keys() <= {"confirmed", "rejected"})
    site.langfuse.recovers()

    [bad] = [turn for turn in turns if turn.question == bad_question]
    good = [turn for turn in turns if turn is not bad]
    assert site.export_states([bad]) == {"rejected": 1}
    assert site.export_states(good) == {"confirmed": len(good)}
    [(reason,)] = site.rows(
        "SELECT export_error FROM tracing_tracerecord WHERE id = ?", bad.trace_id
    )
    assert reason == '400 Invalid request data ["scripted rejection"]'
    assert_all_in_langfuse(site, good)
