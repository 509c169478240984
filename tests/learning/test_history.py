"""A student's conversations of a course: found again, named, taken along as a file."""

import html
import re

import pytest
from django.utils import timezone

from learning.models import Conversation, Course, Message
from tests.learning.chat import browser_of

pytestmark = pytest.mark.django_db

HISTORY = "/courses/plants/history/"


@pytest.fixture
def as_alice(alice):
    return browser_of(alice)


def talk(user, course: Course, question: str, answer: str = "So.", **fields) -> Conversation:
    conversation = Conversation.objects.create(
        user=user, course=course, **{"title": question, **fields}
    )
    asked = conversation.messages.create(role="user", text=question, ask_id=question[:50])
    conversation.messages.create(role="assistant", text=answer, reply_to=asked)
    return conversation


def titles(browser, **query) -> list[str]:
    response = browser.get(HISTORY, query)
    assert response.status_code == 200
    return [str(conversation) for conversation in response.context["page"]]


def download(browser, conversation: Conversation):
    return browser.get(f"/conversations/{conversation.pk}/export/")


# --- The page ---------------------------------------------------------------------------------


def test_a_student_sees_their_own_conversations_of_the_course_newest_first(
    as_alice, alice, bob, course
):
    other = Course.objects.create(slug="moons", title="Moons")
    for user, where, title in (
        (alice, course, "First"),
        (bob, course, "Bob's"),
        (alice, other, "Elsewhere"),
        (alice, course, "Second"),
    ):
        talk(user, where, title)
    Conversation.objects.create(user=alice, course=course, title="Nothing was asked")

    assert titles(as_alice) == ["Second", "First"]


def test_a_title_shows_its_formulas_wherever_it_stands(as_alice, alice, course):
    conversation = talk(alice, course, "Is $x^2$ \\(<\\) **2** at `$HOME`?")

    for page in (HISTORY, "/courses/plants/", "/accounts/privacy/", f"{HISTORY}?q=home"):
        shown = as_alice.get(page).text
        assert "<msup><mi>x</mi><mn>2</mn></msup>" in shown and "&lt;</mo>" in shown
        assert "**2** at <code>$HOME</code>?" in shown
    assert "<msup>" in as_alice.get(f"/conversations/{conversation.pk}/delete/").text


@pytest.mark.parametrize(
    "title",
    [
        "It costs $5 and $6",
        "What is $\\frac{1}{",  # cut off
        "# 1. [link](https://example.org) ![p](x) <b>a</b> https://example.org",
        "<script>alert(1)</script> &amp;",
    ],
)
def test_a_title_is_else_shown_as_it_was_written(as_alice, alice, course, title):
    talk(alice, course, title)

    page = html.unescape(as_alice.get(HISTORY).text.replace("&amp;", "&#38;"))
    assert f">{title}</a>" in page


def test_they_come_in_pages(as_alice, alice, course):
    for number in range(31):
        talk(alice, course, f"Question {number}")

    page = as_alice.get(HISTORY, {"q": "question"}).content.decode()
    assert "?q=question&amp;page=2" in page and "31 conversations" in page
    assert titles(as_alice, page="2") == ["Question 0"]
    assert len(titles(as_alice, page="x")) == 30


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("LIGHT", ["Light and sugar"]),  # of the title, and of the question
        ("chloroplasts", ["Roots?"]),  # of an answer
        ("soil CHLORO", ["Roots?"]),  # each somewhere
        ("light chloroplasts", []),
        ("änderung", ["ÄNDERUNG"]),
        ("光合", ["光合作用是什么？"]),
        ("100%", ["100% of (it)*"]),
        (".*", []),
        ("(it)*", ["100% of (it)*"]),
        ("a\x00b", []),
        ("  ", ["100% of (it)*", "光合作用是什么？", "ÄNDERUNG", "Roots?", "Light and sugar"]),
    ],
)
def test_words_are_found_in_titles_questions_and_answers(as_alice, alice, course, wanted, found):
    talk(alice, course, "Light and sugar")
    talk(alice, course, "What is in the soil?", "Chloroplasts are not.", title="Roots?")
    for title in ("ÄNDERUNG", "光合作用是什么？", "100% of (it)*"):
        talk(alice, course, "?", title=title)

    assert titles(as_alice, q=wanted) == found


def test_a_student_who_has_asked_nothing_is_told_so(as_alice, course):
    page = as_alice.get(HISTORY).content.decode()

    assert "You have not asked anything in this course yet." in page
    assert "No conversation has all of these words." in as_alice.get(HISTORY, {"q": "x"}).text


def test_the_course_page_shows_the_newest_five_and_leads_to_all(as_alice, alice, course):
    for number in range(7):
        talk(alice, course, f"Question {number}")

    page = as_alice.get("/courses/plants/").content.decode()

    assert re.findall(r"Question \d", page) == [f"Question {n}" for n in (6, 5, 4, 3, 2)]
    assert f'href="{HISTORY}"' in page


# --- Its name ---------------------------------------------------------------------------------


def test_a_conversation_is_renamed_and_keeps_its_place_in_the_list(as_alice, alice, course):
    first = talk(alice, course, "First")
    talk(alice, course, "Second")

    done = as_alice.post(
        f"/conversations/{first.pk}/rename/", {"title": " <b>\n New\x00 ", "next": f"{HISTORY}?q=b"}
    )

    assert done.url == f"{HISTORY}?q=b"
    assert titles(as_alice) == ["Second", "<b> New"]
    assert "&lt;b&gt; New" in as_alice.get(first.get_absolute_url()).content.decode()


def test_a_title_that_is_empty_is_not_taken_and_a_long_one_is_cut(as_alice, alice, course):
    first = talk(alice, course, "First")
    address = f"/conversations/{first.pk}/rename/"

    refused = as_alice.post(address, {"title": " \n"}, follow=True)
    assert "Write a title first." in refused.content.decode()
    assert titles(as_alice) == ["First"]
    as_alice.post(address, {"title": "x" * 300})
    assert titles(as_alice) == ["x" * 200]


def test_nobody_else_renames_it_and_nobody_is_led_away(as_alice, alice, bob, course):
    first = talk(alice, course, "First")
    address = f"/conversations/{first.pk}/rename/"

    assert browser_of(bob).post(address, {"title": "Bob's"}).status_code == 404
    assert titles(as_alice) == ["First"]
    for where in ("https://evil.example/", "//evil.example/", r"/\evil.example"):
        done = as_alice.post(address, {"title": "Mine", "next": where})
        assert done.url == first.get_absolute_url()


# --- As a file --------------------------------------------------------------------------------


def test_a_conversation_is_exported_as_markdown(as_alice, alice, course):
    conversation = talk(alice, course, "What is *it*?\n# Tell", "It is **light** [1].", title="It?")
    chapter = course.chapters.get(slug="photosynthesis")
    answer = conversation.messages.get(role="assistant")
    answer.citations.create(
        number=1, chapter=chapter, title="A [b]", quote="q", start=3, end=9, score=1
    )

    got = download(as_alice, conversation)

    assert got["Content-Type"] == "text/markdown; charset=utf-8"
    assert got["Content-Disposition"] == 'attachment; filename="It.md"'
    text = got.content.decode()
    year = timezone.localtime(conversation.created_at).year
    assert re.sub(rf"(?<=Begun: ).*{year}.*", "then", text) == (
        "# It?\n\n- Course: Plants\n- Begun: then\n\n"
        "## You asked\n\n> What is *it*?\n> # Tell\n\n"
        "## The tutor answered\n\nIt is **light** [1].\n\n"
        "### Sources\n\n1. [A \\[b\\]](<http://testserver/courses/plants/chapters/photosynthesis/"
        "?passage=3-9#p-3>)\n"
    )


def test_a_source_that_is_not_open_any_more_is_not_exported(as_alice, alice, course):
    conversation = talk(alice, course, "It?", "It is [1].")
    chapter = course.chapters.get(slug="photosynthesis")
    conversation.messages.get(role="assistant").citations.create(
        number=1, chapter=chapter, title="Secret", quote="q", start=3, end=9, score=1
    )
    course.chapters.update(published_at=None)

    text = download(as_alice, conversation).content.decode()

    assert "1. This source is not open any more." in text
    assert "Secret" not in text and "chapters" not in text


def test_only_the_branch_that_is_shown_is_exported(as_alice, alice, course):
    conversation = talk(alice, course, "First?", "Old.")
    old = conversation.messages.get(role="user")
    asked = conversation.messages.create(role="user", text="Otherwise?", ask_id="2", instead_of=old)
    conversation.messages.create(role="assistant", text="New.", reply_to=asked)

    text = download(as_alice, conversation).content.decode()

    assert "New." in text and "Old." not in text


def test_an_answer_that_was_stopped_says_so_and_its_code_ends(as_alice, alice, course):
    conversation = talk(alice, course, "Code?", "Look:\n\n```python\nprint(1)")
    conversation.messages.filter(role="assistant").update(status=Message.Status.STOPPED)

    text = download(as_alice, conversation).content.decode()

    assert "```python\nprint(1)\n```\n\n*stopped*" in text


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("光合作用：是什么？", "filename*=utf-8''%E5%85%89%E5%90%88%E4%BD%9C%E7%94%A8"),
        ('../..\\a:b*"c"\r\nX-Evil: y', 'filename="a b c X-Evil y.md"'),
        ("...", 'filename="Conversation.md"'),
        ("x" * 200, f'filename="{"x" * 80}.md"'),
    ],
)
def test_the_file_is_named_after_the_title(as_alice, alice, course, title, name):
    got = download(as_alice, talk(alice, course, "?", title=title))

    assert name in got["Content-Disposition"]
    assert "X-Evil" not in got.headers


def test_nobody_else_exports_it_nor_who_has_left_the_course(as_alice, alice, bob, staff, course):
    conversation = talk(alice, course, "First")

    for browser in (browser_of(bob), browser_of(staff)):
        assert download(browser, conversation).status_code == 404
    assert as_alice.post(f"/conversations/{conversation.pk}/export/").status_code == 405
    course.enrolments.filter(user=alice).delete()
    assert download(as_alice, conversation).status_code == 404
