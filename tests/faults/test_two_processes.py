"""One site of two web processes, with Redis between them: a conversation is the same in both."""

import asyncio
import itertools
from collections.abc import Iterator

import pytest

from tests.faults import provider
from tests.faults.provider import Provider, broken
from tests.faults.shown import Shown
from tests.faults.site import eventually, rows
from tests.faults.students import Student
from tests.faults.tab import Tab
from tests.faults.web import Web, Webs, redis_program, running_webs
from tests.servers.openai_script import WAIT

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.faults.turn_settings"}
PACE_SECONDS = 0.05  # an answer takes two seconds
SLOW_PACE_SECONDS = 0.1
NEVER = float("inf")
numbers = itertools.count()


@pytest.fixture(scope="module")
def openai() -> Iterator[Provider]:
    with Provider() as openai:
        yield openai


@pytest.fixture(scope="module")
def webs(module_data, openai) -> Iterator[Webs]:
    redis_program()
    with running_webs(module_data, has_redis=True, OPENAI_BASE_URL=openai.url, **SETTINGS) as webs:
        yield webs


@pytest.fixture(scope="module")
def student(webs) -> Student:
    return Student(webs.a.url, "student0")


@pytest.fixture
def conversation(student) -> str:
    return student.opens_conversation("tides")


@pytest.fixture
def question() -> str:
    return f"Why are there tides, number {next(numbers)}?"


@pytest.fixture
def in_a(student, conversation, webs) -> Tab:
    return tab_in(webs.a, student, conversation)


@pytest.fixture
def in_b(student, conversation, webs) -> Tab:
    return tab_in(webs.b, student, conversation)


def tab_in(web: Web, student: Student, conversation: str) -> Tab:
    """One that never looks again by itself: what it does not hear, it does not know."""
    return Tab(student, conversation, [web.url], looks_again_seconds=NEVER)


async def asked(tab: Tab, question: str) -> Shown:
    """Ask, and wait for the first words."""
    await tab.ask(question, question)
    return await has_words(tab, question)


async def has_words(tab: Tab, question: str) -> Shown:
    shown = await tab.until(lambda: tab.answer_to(question))
    await tab.until(lambda: shown.text)
    return shown


async def ended(tab: Tab, shown: Shown, *, within_seconds: float = 20.0) -> tuple[str, str]:
    await tab.until(lambda: shown.has_ended, within_seconds)
    return shown.status, shown.text


def kept(webs: Webs, question: str) -> list[tuple[str, str]]:
    """Status and text of the stored answers to a question."""
    return rows(
        webs.data,
        "SELECT answer.status, answer.text FROM learning_message answer "
        "JOIN learning_message asked ON answer.reply_to_id = asked.id WHERE asked.text = ?",
        question,
    )


def seconds_until_closed(openai: Provider, question: str, since: float) -> float:
    return openai.plans[question].requests[-1].wait_until_closed() - since


async def test_a_tab_of_the_other_process_reads_along_letter_by_letter(
    webs, openai, in_a, in_b, question
):
    openai.plan(question, provider.answer(question, pace_seconds=PACE_SECONDS))
    async with in_a, in_b:
        here = await asked(in_a, question)
        there = await has_words(in_b, question)
        assert await ended(in_a, here) == ("complete", provider.whole(question))
        assert await ended(in_b, there) == ("complete", provider.whole(question))

    assert len({length for _, length in there.lengths}) > 10
    behind = [
        min((at for at, seen in there.lengths if seen >= length), default=99.0) - moment
        for moment, length in here.lengths
    ]
    print(f"\nthe other process is {max(behind) * 1000:.0f} ms behind at most")
    assert max(behind) < 1.0
    assert in_a.all_troubles + in_b.all_troubles == []
    assert (in_b.gaps, in_b.losses, in_b.looks, there.taken_back) == (0, 0, 0, 0)


async def test_stop_in_the_other_process_ends_the_answer(webs, openai, in_a, in_b, question):
    openai.plan(question, broken(question, WAIT, after=10))
    async with in_a, in_b:
        here = await asked(in_a, question)
        there = await has_words(in_b, question)
        pressed_at = asyncio.get_running_loop().time()  # this is time.monotonic()
        await in_b.stop()
        assert (await ended(in_b, there))[0] == "stopped"
        assert (await ended(in_a, here))[0] == "stopped"

    closed = await asyncio.to_thread(seconds_until_closed, openai, question, pressed_at)
    print(
        f"\nstopped after {there.ended_at - pressed_at:.3f} s, provider let go after {closed:.3f} s"
    )
    assert there.ended_at - pressed_at < 2.0
    assert closed < 2.0
    assert here.text == there.text
    assert kept(webs, question) == [("stopped", here.text)]


async def test_stop_reaches_a_process_that_no_tab_is_left_in(webs, openai, in_a, in_b, question):
    openai.plan(question, broken(question, WAIT, after=10))
    async with in_a:
        await asked(in_a, question)
    async with in_b:
        there = await has_words(in_b, question)
        pressed_at = asyncio.get_running_loop().time()
        await in_b.stop()
        assert (await ended(in_b, there, within_seconds=5.0))[0] == "stopped"

    closed = await asyncio.to_thread(seconds_until_closed, openai, question, pressed_at)
    print(
        f"\nstopped after {there.ended_at - pressed_at:.3f} s, provider let go after {closed:.3f} s"
    )
    assert kept(webs, question) == [("stopped", there.text)]


async def test_an_answer_goes_on_for_a_student_who_returns_to_the_other_process(
    webs, openai, in_a, in_b, question
):
    openai.plan(question, provider.answer(question, pace_seconds=PACE_SECONDS))
    async with in_a:
        here = await asked(in_a, question)
    async with in_b:
        there = await has_words(in_b, question)
        seen = len(there.text)
        assert await ended(in_b, there) == ("complete", provider.whole(question))
    assert seen >= len(here.text)
    assert kept(webs, question) == [("complete", provider.whole(question))]


async def test_who_opens_or_resumes_in_the_other_process_gets_the_words_of_this_moment(
    webs, openai, in_a, in_b, question
):
    openai.plan(question, broken(question, WAIT, after=10))
    said = "".join(provider.pieces(question)[:10])
    async with in_a, in_b:
        here = await asked(in_a, question)
        await in_a.until(lambda: here.text == said)
        late = tab_in(webs.b, in_b.student, in_b.conversation)
        async with late:
            # Sooner than the text is saved, and no other frame is to come that would help.
            await late.until(lambda: late.answer_to(question).text == said, 5.0)
            late.frames.clear()
            await late.looks_again()
            snapshot = await late.until(lambda: late.newest("turn.snapshot"))
            assert (snapshot["status"], snapshot["text"]) == ("running", said)
            assert late.answer_to(question).taken_back == 0
        await in_a.stop()
        await ended(in_a, here)


async def test_two_questions_at_the_same_moment_begin_one_turn(webs, openai, in_a, in_b, question):
    other_question = f"{question} Or not?"
    for each in (question, other_question):
        openai.plan(each, provider.answer(each, pace_seconds=PACE_SECONDS))
    async with in_a, in_b:
        await asyncio.gather(in_a.ask(question, question), in_b.ask(other_question, other_question))
        for tab in (in_a, in_b):
            await tab.until(lambda tab=tab: tab.answers)
        turns = in_a.answers.keys() | in_b.answers.keys()
        assert len(turns) == 1
        [refused] = [tab for tab in (in_a, in_b) if tab.refusal or tab.waiting]
        await refused.until(lambda: refused.refusal)
        assert refused.refusal["code"] == "busy"
        # Whose question was not taken reads the other one's answer.
        [turn] = turns
        for tab in (in_a, in_b):
            assert (await ended(tab, tab.answers[turn]))[0] == "complete"
        assert in_a.answers[turn].text == in_b.answers[turn].text
    assert len(kept(webs, question) + kept(webs, other_question)) == 1


async def test_tabs_of_the_other_process_hear_that_a_killed_one_wrote_no_further(
    webs, openai, in_b, question
):
    openai.plan(question, provider.answer(question, pace_seconds=SLOW_PACE_SECONDS))
    in_a = Tab(in_b.student, in_b.conversation, [webs.a.url, webs.b.url])
    async with in_a, in_b:
        here = await asked(in_a, question)
        there = await has_words(in_b, question)
        await asyncio.sleep(1.5)
        await asyncio.to_thread(webs.a.kill)
        try:
            told = await ended(in_b, there)
            returned = await ended(in_a, here)
        finally:
            await asyncio.to_thread(webs.a.start)
        print(f"\ntold {there.ended_at - webs.a.was_killed_at:.1f} s after the kill")

    assert told == returned
    assert told[0] == "interrupted"
    assert kept(webs, question) == [told]
    assert provider.whole(question).startswith(told[1])
    assert len(told[1]) >= here.length_at(webs.a.was_killed_at - 1.5) > 0


async def test_an_answer_takes_no_harm_from_a_redis_that_goes_and_comes_back(
    webs, openai, in_a, in_b, question
):
    openai.plan(question, provider.answer(question, pace_seconds=SLOW_PACE_SECONDS))
    async with in_a, in_b:
        here = await asked(in_a, question)
        there = await has_words(in_b, question)
        await asyncio.to_thread(webs.redis.kill)
        await asyncio.sleep(1.0)
        await asyncio.to_thread(webs.redis.start)
        assert await ended(in_a, here) == ("complete", provider.whole(question))
        assert await ended(in_b, there) == ("complete", provider.whole(question))
        behind = there.ended_at - here.ended_at
        print(
            f"\nthe other process had it {behind:.2f} s later, {in_b.gaps} gaps, {in_b.looks} looks"
        )
        assert (in_a.losses, in_a.gaps, here.taken_back) == (0, 0, 0)
        assert in_a.all_troubles + in_b.all_troubles == []

        # The two have found each other again.
        await in_b.until(lambda: in_b.is_ready)
        again = f"{question} And again?"
        openai.plan(again, provider.answer(again, pace_seconds=PACE_SECONDS))
        here = await asked(in_a, again)
        there = await has_words(in_b, again)
        assert not here.has_ended
        assert (await ended(in_a, here))[0] == "complete"
        assert await ended(in_b, there, within_seconds=5.0) == ("complete", provider.whole(again))


async def test_questions_are_answered_and_stopped_while_redis_is_away(webs, openai, in_a, question):
    openai.plan(question, broken(question, WAIT, after=10))
    async with in_a:
        await asyncio.to_thread(webs.redis.kill)
        try:
            here = await asked(in_a, question)
            await in_a.stop()
            assert (await ended(in_a, here, within_seconds=5.0))[0] == "stopped"
            assert in_a.losses == 0
            # Whoever comes while it is away is let in.
            late = tab_in(webs.a, in_a.student, in_a.conversation)
            async with late:
                await late.looks_again()
                await late.until(lambda: late.answer_to(question))
        finally:
            await asyncio.to_thread(webs.redis.start)
    eventually(lambda: kept(webs, question) == [("stopped", here.text)], 5.0)


async def test_what_was_answered_while_redis_was_away_is_shown_when_it_is_back(
    webs, openai, in_a, in_b, question
):
    async with in_a, in_b:
        await asyncio.to_thread(webs.redis.kill)
        try:
            here = await asked(in_a, question)
            assert (await ended(in_a, here))[0] == "complete"
            assert not in_b.answers
        finally:
            await asyncio.to_thread(webs.redis.start)
        there = await has_words(in_b, question)
        assert await ended(in_b, there, within_seconds=10.0) == ("complete", here.text)
        assert in_b.losses == 0


async def test_a_stop_that_redis_could_not_carry_is_carried_when_it_is_back(
    webs, openai, in_a, in_b, question
):
    openai.plan(question, provider.held(question, is_over=lambda: False))
    async with in_a, in_b:
        here = await asked(in_a, question)
        there = await has_words(in_b, question)
        await asyncio.to_thread(webs.redis.kill)
        try:
            await in_b.stop()
            await asyncio.sleep(0.5)
            assert not here.has_ended
        finally:
            await asyncio.to_thread(webs.redis.start)
        assert (await ended(in_a, here, within_seconds=7.0))[0] == "stopped"
        assert await ended(in_b, there) == ("stopped", here.text)
