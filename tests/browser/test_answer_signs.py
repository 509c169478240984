"""What stands round an answer: the sign of weak sources, the passages it names, its language."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import ask, expect_end, last_answer, new_student, violations, words

UNCOVERED = "What is the capital of Mongolia?"


@pytest.fixture
def student(site, page: Page) -> Page:
    new_student(page, "sea")
    return page


def test_a_tutor_that_quotes_says_once_that_the_course_does_not_cover_it(
    quoting_site, page: Page, complaints
):
    new_student(page, "moon", quoting_site)

    ask(page, UNCOVERED)

    expect_end(page)
    expect(page.locator("[data-announce]")).to_have_text(re.compile("^The course does not seem"))
    for _ in ("as it came", "as it is read again"):
        expect(words(page)).to_contain_text("does not seem to cover this")
        expect(last_answer(page).locator(".weak")).to_be_hidden()
        expect(last_answer(page).locator(".sources")).to_be_hidden()
        expect(last_answer(page).locator(".suggestion").first).to_be_visible()
        assert violations(page) == []
        page.goto(quoting_site + page.locator("[data-chat]").get_attribute("data-page"))
    assert complaints == []


def test_an_answer_that_names_none_of_weak_passages_is_said_to_come_from_elsewhere(site, student):
    site.openai.answers("Ulaanbaatar.")

    ask(student, UNCOVERED)

    expect_end(student)
    sign = last_answer(student).locator(".weak")
    expect(sign).to_have_text("Nothing in this answer comes from the course.", use_inner_text=True)
    expect(student.locator("[data-announce]")).to_have_text(
        re.compile("Nothing in this answer.*Ulaanbaatar", re.DOTALL)
    )
    expect(last_answer(student).locator(".sources")).to_be_hidden()


def test_the_passages_that_an_answer_names_come_first(site, student):
    site.openai.answers("It is the highest moment [2].")

    ask(student, "What is high water?")

    expect_end(student)
    for _ in ("as it came", "as it is read again"):
        expect(last_answer(student).locator("[data-count]")).to_have_text("1")
        named = last_answer(student).locator("[data-source-list] > li")
        expect(named).to_have_attribute("data-n", "2")
        student.locator(".sources > summary").focus()
        student.keyboard.press("Enter")
        others = last_answer(student).locator(".rest > summary")
        others.focus()
        student.keyboard.press("Enter")
        expect(last_answer(student).locator("[data-rest-list] > li").first).to_be_visible()
        assert violations(student) == []
        student.goto(student.locator("[data-chat]").get_attribute("data-page"))


def test_an_answer_is_read_and_set_in_its_own_language(site, student):
    site.openai.answers("高潮是水位最高的时刻（high water）。")

    ask(student, "什么是高潮？")

    expect_end(student)
    expect(words(student)).to_have_attribute("lang", "zh-Hans")


def test_a_button_leads_to_the_end_and_goes(site, student):
    site.openai.answers(*(f"Line {n}.\n\n" for n in range(60)))
    ask(student, "Say some numbers.")
    expect_end(student)
    expect(student.locator("article.question")).to_be_in_viewport()
    button = student.get_by_role("button", name="To the end of the conversation")

    button.focus()
    student.keyboard.press("Enter")

    expect(button).to_be_hidden()
    expect(last_answer(student).get_by_text("Line 59.")).to_be_in_viewport()
    expect(student.locator("[data-log]")).to_be_focused()
