"""A conversation's page: which one is begun, and what it says of an answer's sources."""

import re

import pytest

from learning.models import Conversation

pytestmark = pytest.mark.django_db

START = "/courses/plants/conversations/"


@pytest.fixture
def as_alice(client, alice, course):
    client.force_login(alice)
    return client


@pytest.fixture
def answer(alice, course):
    """It was given two passages, and names one."""
    conversation = Conversation.objects.create(user=alice, course=course, title="What?")
    asked = conversation.messages.create(role="user", text="What?", ask_id="1")
    answer = conversation.messages.create(role="assistant", text="It is so [2].", reply_to=asked)
    chapter = course.chapters.get(slug="photosynthesis")
    for number in (1, 2):
        passage = {"chapter": chapter, "title": f"Passage {number}", "quote": "q"}
        answer.citations.create(
            number=number, start=0, end=9, score=1, is_cited=number == 2, **passage
        )
    return answer


def lists(client, answer) -> list[str]:
    """The titles in the list of sources, and in that of what was read besides."""
    page = client.get(answer.conversation.get_absolute_url()).content.decode()
    page = page.partition("<template")[0]
    found = re.findall(r"<ol data-(?:source|rest)-list.*?</ol>", page, re.DOTALL)
    return [" ".join(re.findall(r"Passage \d", one)) for one in found]


def test_a_conversation_in_which_nothing_was_asked_is_used_again(as_alice, course):
    first = as_alice.post(START).url

    assert as_alice.post(START).url == first
    Conversation.objects.get().messages.create(role="user", text="What is it?", ask_id="1")
    assert as_alice.post(START).url != first


def test_an_empty_conversation_of_another_place_or_another_student_is_not(as_alice, bob, course):
    of_bob = Conversation.objects.create(user=bob, course=course)
    in_course = as_alice.post(START).url
    in_chapter = as_alice.post(START, {"chapter": "photosynthesis"}).url

    assert len({of_bob.get_absolute_url(), in_course, in_chapter}) == 3


def test_a_conversation_that_was_named_is_kept_for_its_name(as_alice, alice, course):
    named = Conversation.objects.create(user=alice, course=course, title="For the exam")

    assert as_alice.post(START).url != named.get_absolute_url()


def test_sources_that_the_answer_does_not_name_stand_apart(as_alice, answer):
    assert lists(as_alice, answer) == ["Passage 2", "Passage 1"]


def test_where_an_answer_names_none_all_are_its_sources(as_alice, answer):
    answer.citations.update(is_cited=False)

    assert lists(as_alice, answer) == ["Passage 1 Passage 2", ""]


def test_an_answer_says_in_which_language_it_is(as_alice, answer):
    answer.text = "光合作用把光变成糖 [2]。"
    answer.save()

    page = as_alice.get(answer.conversation.get_absolute_url()).content.decode()
    assert re.search(r'<div class="prose"[^>]* lang="zh-Hans"', page)
