"""A student's way through a quiz, by keyboard alone."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import (
    answer_quiz_question,
    new_student,
    press,
    tab_to,
    violations,
    without_scripts,
)
from tests.servers.site import prepare_site

MAKE_AND_APPROVE = """
from learning.artefacts import generating, requesting
from learning.models import Course, StudyItem
course = Course.objects.get(slug="tides")
generating.generate(requesting.request(course, "quiz").pk)
questions = StudyItem.objects.filter(course=course, kind="question")
assert questions.count() >= 3
questions.update(status="approved")
"""


@pytest.fixture
def quiz(site, page: Page, complaints) -> Page:
    """The quiz of the course of tides, made without a model, before a new student."""
    prepare_site(site.data, [["shell", "-v", "0", "-c", MAKE_AND_APPROVE]])
    new_student(page, "moon")
    page.goto("/courses/tides/quiz/")
    return page


def test_a_student_takes_a_quiz_by_keyboard_reads_the_passage_and_retries(quiz, complaints):
    press(quiz, "button", "Start with the whole course")
    marks = []
    while not quiz.locator("#quiz-end").count():
        marks.append(answer_quiz_question(quiz))
        expect(quiz.get_by_role("heading", name="Why")).to_be_visible()
        expect(quiz.locator(".quiz-passages blockquote")).to_be_visible()
        after = "See the result" if quiz.get_by_text("See the result").count() else "Next question"
        press(quiz, "link", after)
        expect(quiz.locator("#quiz-question, #quiz-end")).to_be_focused()
    wrong = len(marks) - marks.count("right")
    assert wrong, "an answer without a look at the question should be wrong now and then"
    expect(quiz.locator("#quiz-end")).to_contain_text(f"{marks.count('right')} of {len(marks)}")

    tab_to(quiz, quiz.locator(".quiz-mistakes a").nth(1))
    quiz.keyboard.press("Enter")
    expect(quiz.locator(".cited").first).to_be_in_viewport()
    quiz.go_back()

    press(quiz, "button", "Only the wrong ones")
    expect(quiz.locator("#quiz-question")).to_have_text(f"Question 1 of {wrong}")
    answer_quiz_question(quiz)
    assert complaints == []


def test_the_tutor_is_asked_about_a_question(quiz, complaints):
    press(quiz, "button", "Start with the whole course")
    press(quiz, "button", "I do not know")
    press(quiz, "button", "Ask the tutor about this")

    expect(quiz.locator("[data-question]")).to_have_value(re.compile("explain this quiz question"))
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_pages_can_be_used_by_everybody_on_the_narrowest_phone(quiz, scheme):
    quiz.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    quiz.set_viewport_size({"width": 360, "height": 640})
    found = found_on_a_phone(quiz)
    press(quiz, "button", "Start with the whole course")
    while not quiz.locator("#quiz-end").count():
        found += found_on_a_phone(quiz)
        answer_quiz_question(quiz)
        found += found_on_a_phone(quiz)
        quiz.locator(".actions a.button").click()
        expect(quiz.locator("#quiz-question, #quiz-end")).to_be_focused()
    found += found_on_a_phone(quiz)
    quiz.goto("/courses/tides/quiz/")
    found += found_on_a_phone(quiz)

    assert found == []


def found_on_a_phone(page: Page) -> list[str]:
    page.wait_for_load_state()  # with its styles
    assert page.evaluate("document.documentElement.scrollWidth") == 360, page.url
    return violations(page)


def test_without_scripts_the_quiz_works_too(quiz, browser, base_url):
    page = without_scripts(browser, quiz, base_url)
    page.goto("/courses/tides/quiz/")
    page.get_by_role("button", name="Start with the whole course").click()
    page.get_by_role("button", name="I do not know").click()

    expect(page.locator("#result")).to_contain_text("Wrong")
    page.get_by_role("link", name="Next question").click()
    expect(page.locator("#quiz-question")).to_contain_text("Question 2")
    page.context.close()
