"""Asking again and asking otherwise: what was there before is kept as another version."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import (
    Line,
    ask,
    expect_end,
    last_answer,
    new_student,
    violations,
    without_scripts,
    words,
)
from tests.servers.openai_script import CUT, WAIT


@pytest.fixture
def line(site, page: Page) -> Line:
    """Name it before `student`: the page connects through it."""
    return Line(page)


@pytest.fixture
def student(site, page: Page) -> Page:
    """A student with two questions and their answers, in the panel beside a chapter."""
    new_student(page, "sea")
    for question, answer in (("One?", "First."), ("Two?", "Second.")):
        site.openai.answers(answer)
        ask(page, question)
        expect(words(page)).to_have_text(answer)
        expect_end(page)
    return page


def texts(page: Page):
    return page.locator("[data-log] > article :is([data-body], [data-blocks])")


def versions(page: Page):
    """Those that are shown under the last answer."""
    return last_answer(page).get_by_role("group", name="Versions")


def again(page: Page, name: str = "Answer again"):
    return page.get_by_role("button", name=name)


def edit(page: Page, number: int):
    """Open a question, the first is 0; returns its text area."""
    question = page.locator("article.question").nth(number)
    question.get_by_role("button", name="Edit this question").click()
    return question.get_by_role("textbox")


# --- Asking again ----------------------------------------------------------------------------


def test_an_answer_can_be_asked_for_again_and_the_old_one_is_a_click_away(site, student):
    site.openai.answers("Better.")
    again(student).click()
    expect(texts(student)).to_have_text(["One?", "First.", "Two?", "Better."])
    expect_end(student)
    expect(versions(student)).to_contain_text("2 of 2")
    assert "Second." not in str(site.openai.last.body["messages"])

    versions(student).get_by_role("button", name="Previous version").click()
    expect(texts(student)).to_have_text(["One?", "First.", "Two?", "Second."])
    expect(versions(student)).to_contain_text("1 of 2")
    next_version = versions(student).get_by_role("button", name="Next version")
    expect(next_version).to_be_focused()  # a keyboard goes on from where it was
    student.keyboard.press("Enter")
    expect(texts(student)).to_have_text(["One?", "First.", "Two?", "Better."])


def test_only_the_last_answer_can_be_asked_for_again_and_nothing_while_one_is_written(
    site, student
):
    expect(again(student)).to_have_count(1)
    site.openai.answers("Better ", WAIT)
    again(student).click()
    expect(words(student)).to_have_text("Better")
    expect(again(student)).to_have_count(0)
    for button in student.get_by_role("button", name="Edit this question").all():
        expect(button).to_be_disabled()
    for button in versions(student).get_by_role("button").all():
        expect(button).to_be_disabled()
    site.openai.release()
    expect_end(student)
    expect(versions(student).get_by_role("button", name="Previous version")).to_be_enabled()


@pytest.mark.parametrize("end", ["failed", "stopped"])
def test_an_answer_that_did_not_come_to_its_end_offers_to_ask_again_beside_its_words(
    site, student, end
):
    site.openai.answers("Half ", CUT if end == "failed" else WAIT)
    ask(student, "Three?")
    if end == "stopped":
        expect(words(student)).to_have_text("Half")
        student.get_by_role("button", name="Stop").click()
    expect_end(student, end)

    button = again(student, "Ask again")
    line_of_words = last_answer(student).locator("[data-turn-status]").bounding_box()
    assert abs(line_of_words["y"] - button.bounding_box()["y"]) < 60
    site.openai.answers("Whole.")
    button.click()
    expect(words(student)).to_have_text("Whole.")
    expect_end(student)
    expect(texts(student)).to_have_count(6)


def test_both_tabs_show_the_version_that_one_of_them_chose(site, student):
    other = student.context.new_page()
    other.goto(student.locator("[data-chat]").get_attribute("data-page"))
    expect(other.locator("[data-send]")).to_be_enabled()
    site.openai.answers("Better.")
    again(student).click()
    for tab in (student, other):
        expect(texts(tab)).to_have_text(["One?", "First.", "Two?", "Better."])
        expect_end(tab)
    versions(other).get_by_role("button", name="Previous version").click()

    for tab in (student, other):
        expect(texts(tab)).to_have_text(["One?", "First.", "Two?", "Second."])
        expect(versions(tab)).to_contain_text("1 of 2")


def test_without_a_connection_it_waits_for_one_and_versions_can_be_leafed_through(
    site, line, student
):
    before = len(site.openai.requests_for("Two?"))
    line.is_down = True
    line.cut()
    site.openai.answers("Better.")
    again(student).click()
    expect(student.locator("[data-status]")).to_have_text(re.compile("Connect"))
    line.is_down = False
    expect(texts(student)).to_have_text(["One?", "First.", "Two?", "Better."])
    expect_end(student)
    assert len(site.openai.requests_for("Two?")) == before + 1

    line.is_down = True
    line.cut()
    versions(student).get_by_role("button", name="Previous version").click()
    expect(texts(student)).to_have_text(["One?", "First.", "Two?", "Second."])


def test_versions_can_be_leafed_through_without_scripts(site, student, browser, base_url):
    site.openai.answers("Better.")
    again(student).click()
    expect_end(student)
    expect(words(student)).to_have_text("Better.")
    page = without_scripts(browser, student, base_url)
    page.goto(student.locator("[data-chat]").get_attribute("data-page"))
    expect(again(page)).to_be_hidden()
    versions(page).get_by_role("button", name="Previous version").click()
    expect(texts(page)).to_have_text(["One?", "First.", "Two?", "Second."])
    expect(versions(page)).to_contain_text("1 of 2")
    page.context.close()


# --- Asking otherwise ------------------------------------------------------------------------


def test_an_edited_question_takes_the_place_of_what_followed_and_all_is_kept(site, student):
    field = edit(student, 0)
    expect(field).to_be_focused()
    expect(field).to_have_value("One?")
    field.fill("One, in other words?")
    site.openai.answers("Other.")
    student.get_by_role("button", name="Save and ask").click()

    expect(texts(student)).to_have_text(["One, in other words?", "Other."])
    expect_end(student)
    expect(versions(student)).to_contain_text("2 of 2")
    versions(student).get_by_role("button", name="Previous version").click()
    expect(texts(student)).to_have_text(["One?", "First.", "Two?", "Second."])
    student.reload()
    expect(texts(student)).to_have_text(["One?", "First.", "Two?", "Second."])


def test_editing_is_done_and_left_with_the_keyboard_alone(site, student):
    button = student.get_by_role("button", name="Edit this question").last
    button.focus()
    student.keyboard.press("Enter")
    student.keyboard.type(" Or three")
    student.keyboard.press("Escape")
    expect(texts(student)).to_have_text(["One?", "First.", "Two?", "Second."])
    expect(button).to_be_focused()

    student.keyboard.press("Enter")
    student.keyboard.type(" Or three?")
    student.keyboard.press("Shift+Enter")
    student.keyboard.type("Both.")
    site.openai.answers("Three.")
    student.keyboard.press("Enter")
    expect(words(student)).to_have_text("Three.")
    expect(texts(student).nth(2)).to_have_text("Two? Or three?\nBoth.", use_inner_text=True)


def test_enter_does_not_send_an_edited_question_while_an_input_method_composes(student):
    field = edit(student, 1)
    field.evaluate(
        """input => {
          const enter = { key: "Enter", bubbles: true, cancelable: true, isComposing: true };
          input.dispatchEvent(new KeyboardEvent("keydown", enter));
          const escape = { key: "Escape", bubbles: true, isComposing: true };
          input.dispatchEvent(new KeyboardEvent("keydown", escape));
        }"""
    )
    expect(field).to_be_visible()
    expect(student.locator("[data-status]")).to_be_hidden()


def test_words_that_are_being_written_survive_another_tab_that_takes_the_question_away(
    site, student
):
    other = student.context.new_page()
    other.goto(student.locator("[data-chat]").get_attribute("data-page"))
    expect(other.locator("[data-send]")).to_be_enabled()
    edit(student, 1).fill("Half a thought")
    site.openai.answers("Better.")
    again(other).click()

    expect(words(student)).to_have_text("Better.")
    expect(student.locator("[data-question]")).to_have_value("Half a thought")


def test_an_edited_question_that_is_not_taken_stays_open_with_its_words(site, student):
    field = edit(student, 1)
    field.evaluate("input => { input.value = 'What is\\0 water?' }")
    field.press("Enter")

    expect(student.locator("[data-status]")).to_contain_text("cannot be kept")
    expect(field).to_be_enabled()
    expect(field).to_be_focused()
    expect(texts(student)).to_have_text(["One?", "First.", "Two?", "Second."])


# --- For everybody ---------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_versions_an_open_edit_and_a_failure_can_be_used_by_everybody(site, student, scheme, width):
    site.openai.answers("Half ", CUT)
    again(student).click()
    expect_end(student, "failed")
    student.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    student.set_viewport_size({"width": width, "height": 740})
    if width < 1000:
        student.locator("[data-sheet-open]").click()
    edit(student, 0).fill("x" * 4_001)
    student.locator("[data-question]").fill("x" * 4_001)
    student.evaluate("document.querySelector('[data-notice]').textContent = 'Slow today.'")

    assert violations(student) == []
    assert student.locator("[data-log]").evaluate("log => log.scrollWidth - log.clientWidth") == 0
    targets = student.locator("[data-log] button:visible")
    for box in [target.bounding_box() for target in targets.all()]:
        assert box["height"] >= 44 and box["width"] >= 44
