"""A student reads, goes on where they stopped, and asks about words they have marked."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import mark_words, new_student, press

PHONE = {"width": 360, "height": 740}


@pytest.fixture
def student(site, page: Page, complaints) -> Page:
    new_student(page, "moon")
    return page


def test_who_comes_back_goes_on_where_they_stopped(student, complaints):
    student.evaluate("scrollTo(0, document.body.scrollHeight)")
    student.goto("/courses/tides/")
    for _ in range(20):  # the page that was left tells it on its own time
        if student.get_by_text("✓ read").count():
            break
        student.reload()
    expect(student.get_by_text("1 of 3 chapters read")).to_be_visible()
    student.goto("/")
    press(student, "link", "Go on: Reading a tide table")
    expect(student.get_by_role("heading", level=1)).to_have_text("Reading a tide table")

    student.goto("/")
    student.locator(".card").click(position={"x": 12, "y": 12})  # all of it leads to the course
    expect(student.get_by_role("heading", level=1)).to_have_text("Tides")
    assert complaints == []


def test_words_that_are_marked_are_asked_about_by_keyboard(student, complaints):
    words = mark_words(student)
    button = student.get_by_role("button", name="Ask about this")
    expect(button).to_be_visible()

    button.press("Enter")

    question = student.locator("[data-question]")
    expect(question).to_have_value(f"Please explain: “{words}”")
    expect(question).to_be_focused()
    expect(button).to_be_hidden()
    assert student.locator("article.question").count() == 0, "the page must not ask by itself"
    assert complaints == []


def test_on_a_phone_the_sheet_opens_with_the_words(student):
    student.set_viewport_size(PHONE)
    mark_words(student)

    student.get_by_role("button", name="Ask about this").click()

    expect(student.locator("[data-sheet][data-open]")).to_be_visible()
    expect(student.locator("[data-question]")).to_be_focused()
