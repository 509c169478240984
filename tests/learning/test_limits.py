"""How many questions a student may ask on one day, and how many answers are written at once."""

from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from learning.limits import questions_left, tokens_today
from learning.models import Conversation, Course, Message
from tests.learning.chat import Tab, browser_of
from tests.servers.openai_script import CUT, WAIT

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def two_a_day(indexed):
    indexed.questions_per_day = 2
    indexed.save()
    return indexed


async def asked(tab, id) -> tuple[dict, dict]:
    """Ask, and return the frames with which it began and ended."""
    await tab.ask("What is light?", id=id)
    return await tab.until("turn.started"), await tab.until("turn.finished")


async def test_what_is_left_is_said_with_every_question_and_the_next_is_refused_in_words(
    two_a_day, conversation, alice, chat_model
):
    tab = await Tab(conversation.pk, alice).open()

    (first, _), (second, _) = await asked(tab, "1"), await asked(tab, "2")
    await tab.ask("What is light?", id="3")
    rejected = await tab.receive()

    assert [tab.ready["left"], first["left"], second["left"]] == [2, 1, 0]
    assert (rejected["type"], rejected["code"]) == ("turn.rejected", "quota")
    assert (
        "You have asked the 2 questions that this course allows on one day."
        in (rejected["message"])
    )
    assert "UTC" in rejected["message"]
    assert len(chat_model.requests) == 2
    await tab.close()


async def test_deleting_the_conversation_gives_no_question_back(
    two_a_day, conversation, alice, chat_model
):
    tab = await Tab(conversation.pk, alice).open()
    await asked(tab, "1")
    await sync_to_async(conversation.delete)()
    await tab.close_code_after_frames()

    assert await sync_to_async(questions_left)(alice, two_a_day) == 1


async def test_a_question_that_got_no_word_of_an_answer_does_not_count(
    two_a_day, conversation, alice, chat_model
):
    chat_model.fails(400, "no such thing", times=2)
    tab = await Tab(conversation.pk, alice).open()

    started, finished = await asked(tab, "1")

    assert (started["left"], finished["left"]) == (1, 2)
    assert await sync_to_async(questions_left)(alice, two_a_day) == 2
    chat_model.answers("Half ", CUT)
    started, finished = await asked(tab, "2")
    assert (started["left"], finished.get("left")) == (1, None)
    assert await sync_to_async(questions_left)(alice, two_a_day) == 1
    await tab.close()


async def test_a_rejected_question_does_not_count(two_a_day, conversation, alice, chat_model):
    chat_model.answers("Wait ", WAIT)
    tab = await Tab(conversation.pk, alice).open()
    await tab.ask("What is light?", id="1")
    await tab.until("turn.delta")

    await tab.ask("And a root?", id="2")
    rejected = await tab.until("turn.rejected")

    assert rejected["code"] == "busy"
    assert await sync_to_async(questions_left)(alice, two_a_day) == 1
    await tab.stop()
    await tab.until("turn.finished")
    await tab.close()


async def test_each_student_and_each_course_is_counted_alone(
    two_a_day, conversation, alice, bob, chat_model
):
    tab = await Tab(conversation.pk, alice).open()
    await asked(tab, "1")
    await tab.close()

    assert await sync_to_async(questions_left)(bob, two_a_day) == 2


def test_the_sites_limit_holds_where_a_course_says_nothing(indexed, alice, settings):
    settings.TUTOR = {**settings.TUTOR, "QUESTIONS_PER_DAY": 7}
    assert questions_left(alice, indexed) == 7
    indexed.questions_per_day = 0
    assert questions_left(alice, indexed) is None


def test_the_page_says_what_is_left(two_a_day, conversation, alice):
    context = browser_of(alice).get(conversation.get_absolute_url()).context
    assert context["left"] == 2


# --- What all answers of a course may take ----------------------------------------------------


@pytest.fixture
def frugal(indexed):
    """One answer uses up what the course allows."""
    indexed.tokens_per_day = 10
    indexed.save()
    return indexed


async def test_when_the_tokens_of_a_course_are_used_up_nobody_is_answered_until_tomorrow(
    frugal, conversation, alice, bob, chat_model
):
    tab = await Tab(conversation.pk, alice).open()
    await asked(tab, "1")
    await tab.close()
    bobs = await Conversation.objects.acreate(user=bob, course=frugal)
    tab = await Tab(bobs.pk, bob).open()

    await tab.ask("What is light?", id="1")
    rejected = await tab.receive()

    assert (rejected["type"], rejected["code"]) == ("turn.rejected", "quota")
    assert "The course has used up what its answers may take on one day." in rejected["message"]
    assert "midnight UTC" in rejected["message"] and "10" not in rejected["message"]
    assert len(chat_model.requests) == 1
    assert not await bobs.messages.aexists()
    await tab.close()


async def test_an_answer_asked_for_again_takes_tokens_as_well(frugal, tab, chat_model):
    chat_model.answers("It shines.")
    first, _ = await asked(tab, "1")

    await tab.ask("What is light?", id="2", instead_of=first["turn"])

    assert (await tab.until("turn.rejected"))["code"] == "quota"
    assert len(chat_model.requests) == 1


async def test_a_question_that_is_sent_twice_is_no_second_one_though_the_tokens_are_used_up(
    frugal, tab, chat_model
):
    await asked(tab, "1")

    await tab.ask("What is light?", id="1")

    assert (await tab.receive())["type"] == "turn.snapshot"


async def test_a_question_that_the_course_could_not_answer_does_not_count(
    frugal, tab, alice, chat_model
):
    frugal.questions_per_day = 5
    await frugal.asave()
    await asked(tab, "1")

    await tab.ask("What is light?", id="2")
    await tab.until("turn.rejected")

    assert await sync_to_async(questions_left)(alice, frugal) == 4


def answer(conversation, *, read, written, days_ago=0):
    made = conversation.messages.create(
        role="assistant", input_tokens=read, output_tokens=written, text="Light."
    )
    at = timezone.now() - timedelta(days=days_ago)
    conversation.messages.filter(pk=made.pk).update(created_at=at)


def test_what_counts_is_read_and_written_today_in_this_course(conversation, alice, bob):
    answer(conversation, read=100, written=20)
    answer(conversation, read=1, written=2)
    answer(Conversation.objects.create(user=bob, course=conversation.course), read=30, written=4)
    answer(conversation, read=5_000, written=500, days_ago=1)
    answer(conversation, read=None, written=None)
    other = Course.objects.create(slug="stars", title="Stars")
    answer(Conversation.objects.create(user=alice, course=other), read=7_000, written=700)

    assert tokens_today(conversation.course) == 157


@pytest.mark.parametrize("limit", [None, 0])
async def test_a_course_that_says_nothing_has_no_limit(limit, indexed, conversation, tab):
    await sync_to_async(answer)(conversation, read=10**9, written=1)
    indexed.tokens_per_day = limit
    await indexed.asave()

    assert (await asked(tab, "1"))[1]["status"] == "complete"


# --- Answers at once ---------------------------------------------------------------------------


@pytest.fixture
def one_at_a_time(settings, chat_model):
    settings.TUTOR = {**settings.TUTOR, "CONCURRENT_ANSWERS": 1}
    return chat_model


@pytest.fixture
def conversations(indexed, alice):
    return [Conversation.objects.create(user=alice, course=indexed) for _ in range(3)]


async def opened(conversations, alice):
    return [await Tab(c.pk, alice).open() for c in conversations]


async def closed(tabs):
    for tab in tabs:
        await tab.close()


async def test_who_waits_is_told_how_many_are_before_and_gets_the_answer(
    one_at_a_time, conversations, alice, traces
):
    first, second, third = await opened(conversations, alice)
    one_at_a_time.answers("First ", WAIT)
    await first.ask("What is light?")
    await first.until("turn.delta")
    await second.ask("What is light?")
    assert (await second.until("turn.queued"))["ahead"] == 0
    await third.ask("What is light?")
    assert (await third.until("turn.queued"))["ahead"] == 1

    one_at_a_time.answers("Second.")
    await first.stop()

    assert (await third.until("turn.queued"))["ahead"] == 0
    await second.until("turn.finished")
    assert second.text == "Second."
    assert (await third.until("turn.finished"))["status"] == "complete"
    steps = {step.name for trace in traces.traces for step in trace.observations}
    assert "queue" in steps
    await closed([first, second, third])


async def test_who_waits_can_stop(one_at_a_time, conversations, alice):
    first, second, _ = tabs = await opened(conversations, alice)
    one_at_a_time.answers("First ", WAIT)
    await first.ask("What is light?")
    await first.until("turn.delta")
    await second.ask("What is light?")
    await second.until("turn.queued")

    await second.stop()

    assert (await second.until("turn.finished"))["status"] == "stopped"
    await first.stop()
    await first.until("turn.finished")
    await second.ask("What is light?", id="again")  # and the place is not lost
    assert (await second.until("turn.finished"))["status"] == "complete"
    await closed(tabs)


async def test_who_waits_too_long_is_told_so_in_words(
    one_at_a_time, conversations, alice, settings
):
    settings.TUTOR = {**settings.TUTOR, "QUEUE_SECONDS": 0.1}
    first, second, _ = tabs = await opened(conversations, alice)
    one_at_a_time.answers("First ", WAIT)
    await first.ask("What is light?")
    await first.until("turn.delta")

    await second.ask("What is light?")
    finished = await second.until("turn.finished")

    assert finished["status"] == "failed"
    assert finished["message"].startswith("Too many questions are being asked at this moment.")
    await first.stop()
    await first.until("turn.finished")
    await closed(tabs)


async def test_an_answer_that_nobody_has_open_any_more_is_stopped_after_a_while(
    conversation, alice, chat_model, settings
):
    settings.TUTOR = {**settings.TUTOR, "GRACE_SECONDS": 0.1}
    chat_model.answers("Light ", WAIT)
    tab = await Tab(conversation.pk, alice).open()
    await tab.ask("What is light?")
    await tab.until("turn.delta")

    await tab.close()
    await sync_to_async(chat_model.last.wait_until_closed)()

    back = await Tab(conversation.pk, alice).open()
    await back.send({"type": "resume"})
    snapshot = await back.receive()
    assert (snapshot["status"], snapshot["text"]) == (Message.Status.STOPPED, "Light ")
    assert "nobody had this page open" in snapshot["message"]
    await back.close()
