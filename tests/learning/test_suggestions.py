"""Questions that the chat offers: what they are made of, and who sees what in them."""

import pytest

from learning.models import Conversation, Course, Message, StudyItem
from learning.suggestions import follow_ups, headings, starters
from tests.learning import study
from tests.learning.chat import browser_of

pytestmark = pytest.mark.django_db

STARTERS = "/courses/plants/suggestions/"


@pytest.fixture
def chapter(course):
    return course.chapters.get(slug="photosynthesis")


@pytest.fixture
def answer(alice, course, chapter) -> Message:
    """It cites what the chapter says photosynthesis is."""
    conversation = Conversation.objects.create(user=alice, course=course, chapter=chapter)
    asked = conversation.messages.create(role="user", text="What is it?", ask_id="1")
    answer = conversation.messages.create(
        role="assistant", text="Photosynthesis makes sugar [1].", reply_to=asked
    )
    start = chapter.text.index("Photosynthesis is")
    cited = {"chapter": chapter, "title": "t", "quote": "q", "start": start, "end": start + 40}
    answer.citations.create(number=1, score=0.9, is_cited=True, **cited)
    return answer


def approved(course: Course, *names: str) -> list[StudyItem]:
    weights = range(len(names), 0, -1)
    made = [
        study.concept(course, name, status="approved", weight=weight)
        for name, weight in zip(names, weights, strict=True)
    ]
    for item, weight in zip(made, weights, strict=True):
        item.passages.update(weight=weight)
    return made


def related(one: StudyItem, other: StudyItem, type_: str = "needs", **fields) -> StudyItem:
    form = fields.pop("form", one.content["name"])
    content = {"type": type_}
    return study.item(
        one.course,
        "relation",
        content,
        form,
        key=f"{one.pk}-{other.pk}-{type_}",
        source=one,
        target=other,
        **{"status": "approved", **fields},
    )


# --- To begin with ----------------------------------------------------------------------------


def test_a_chapter_begins_with_what_was_approved_of_it(alice, course, chapter):
    light, sugar, _root = approved(course, "light", "sugar", "A root")
    related(light, sugar)

    assert starters(course, chapter, alice) == [
        "What does “light” mean?",
        "How are “light” and “sugar” connected?",
        "What does “sugar” mean?",
        "Can you explain “What it is”?",
    ]


def test_without_concepts_terms_do_and_without_both_headings(alice, course, chapter):
    waiting = study.term(course, "chloroplasts", weight=1.0)
    explained = ["Can you explain “What it is”?", "Can you explain “Where”?"]
    assert starters(course, chapter, alice) == explained

    StudyItem.objects.filter(pk=waiting.pk).update(status="approved")
    assert starters(course, chapter, alice) == ["What does “chloroplasts” mean?", *explained]


def test_a_course_begins_with_its_chapters(alice, staff, course):
    course.chapters.filter(slug="roots").update(published_at=None)

    assert starters(course, None, alice) == ["What is the chapter “Photosynthesis” about?"]
    assert len(starters(course, None, staff)) == 2


def test_there_are_four_at_most_and_none_twice(alice, course, chapter):
    chapter.text += "\n\n## Where\n\n## Is there more?\n\n## Last\n\n## Never\n"

    assert starters(course, chapter, alice) == [
        "Can you explain “What it is”?",
        "Can you explain “Where”?",
        "Is there more?",
        "Can you explain “Last”?",
    ]


def test_they_are_put_in_the_language_of_the_course(alice, course, chapter):
    Course.objects.update(language="zh-hans")
    reply = browser_of(alice).get(STARTERS, {"chapter": "roots"}).json()

    assert reply["language"] == "zh-Hans"
    assert "What roots do" in reply["suggestions"][0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# Title\n\n## One\n\n### Two ##\n\n#### Deep", ["One", "Two"]),
        ("## **Bold** and `code` of [a link](x.md)", ["Bold and code of a link"]),
        ("## Of $x^2$\n\n## <b>Raw</b>\n\n## " + "x" * 200, []),
        ("```\n## No\n```\n\n## Yes\n\n~~~\n## No", ["Yes"]),
    ],
)
def test_headings_are_read_in_plain_words(text, found):
    assert headings(text) == found


# --- To go on ---------------------------------------------------------------------------------


def test_an_answer_leads_on_to_what_is_related_to_its_passages(alice, course, answer):
    light, leaf, sugar, root = approved(course, "light", "leaf", "sugar", "A root")
    related(light, sugar)  # of which the answer has spoken
    related(light, leaf, "appears_with")
    related(light, root)

    assert follow_ups(answer, alice) == [
        "How are “light” and “A root” connected?",  # stated, not counted
        "What does “leaf” mean?",
        "Can you explain “Where”?",
    ]


def test_what_is_not_approved_or_not_open_leads_nowhere(alice, course, answer):
    light, root = approved(course, "light", "A root")
    relation = related(light, root)
    heading = ["Can you explain “Where”?"]

    StudyItem.objects.filter(pk=relation.pk).update(status="pending")
    assert follow_ups(answer, alice) == heading
    StudyItem.objects.filter(pk=relation.pk).update(status="approved")
    course.chapters.filter(slug="roots").update(published_at=None)
    assert follow_ups(answer, alice) == heading
    course.chapters.update(published_at=None)
    assert follow_ups(answer, alice) == []


def test_what_was_asked_already_is_not_offered_again(alice, course, answer):
    answer.conversation.messages.filter(role="user").update(text="Can you explain “Where”?")

    assert follow_ups(answer, alice) == []


def test_passages_that_the_answer_names_come_before_those_it_was_given(alice, course, answer):
    answer.citations.update(is_cited=False)
    roots = course.chapters.get(slug="roots")
    given = {"chapter": roots, "title": "t", "quote": "q", "start": 0, "end": 0, "score": 0.5}
    other = answer.citations.create(number=2, **given)
    where, roots_do = "Can you explain “Where”?", "Can you explain “What roots do”?"

    assert follow_ups(answer, alice) == [where, roots_do]
    other.is_cited = True
    other.save()
    assert follow_ups(answer, alice) == [roots_do]


# --- The doors --------------------------------------------------------------------------------


def test_a_question_that_is_not_covered_leads_back_to_the_chapter(alice, course, answer):
    approved(course, "light", "sugar", "A root")
    answer.is_weakly_sourced = True
    answer.reply_to.chapter = course.chapters.get(slug="photosynthesis")
    answer.reply_to.save()
    cited = follow_ups(answer, alice)
    answer.citations.update(is_cited=False)

    assert follow_ups(answer, alice)[0] == "What does “light” mean?" != cited[0]


def test_the_last_answer_is_meant_where_none_is_named(alice, answer):
    browser = browser_of(alice)
    address = f"/conversations/{answer.conversation_id}/suggestions/"

    for query in ({}, {"turn": str(answer.pk)}):
        assert browser.get(address, query).json() == {
            "language": "en",
            "suggestions": ["Can you explain “Where”?"],
        }
    assert browser.get(address, {"turn": "x"}).status_code == 404
    Message.objects.filter(pk=answer.pk).update(status="stopped")
    assert browser.get(address).status_code == 404


def test_only_readers_are_offered_anything(bob, answer, course, client):
    assert browser_of(bob).get(STARTERS).status_code == 200
    other = f"/conversations/{answer.conversation_id}/suggestions/"
    assert browser_of(bob).get(other).status_code == 404
    assert client.get(STARTERS).url.startswith("/accounts/login/")
    course.enrolments.filter(user=bob).delete()
    assert browser_of(bob).get(STARTERS).status_code == 404
