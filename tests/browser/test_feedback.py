"""What a student does with an answer that is there: judge it, and copy it."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.steps import (
    ask,
    expect_end,
    last_answer,
    new_student,
    press,
    violations,
    without_scripts,
    words,
)
from tests.servers.openai_script import WAIT

CODE = "```python\nprint(12)\n```"
NARROW = {"width": 360, "height": 740}


@pytest.fixture
def student(site, page: Page) -> Page:
    """A student with one answer, which holds code, in the panel beside a chapter."""
    new_student(page, "sea")
    site.openai.answers("**Twelve** hours [1].\n\n", CODE)
    ask(page, "How long is a tide?")
    expect_end(page)
    return page


def thumb(page: Page, name: str) -> Locator:
    return last_answer(page).get_by_role("button", name=name, exact=True)


def expect_pressed(page: Page, *, up: bool, down: bool) -> None:
    expect(thumb(page, "Helpful")).to_have_attribute("aria-pressed", str(up).lower())
    expect(thumb(page, "Not helpful")).to_have_attribute("aria-pressed", str(down).lower())


def kept(page: Page) -> None:
    expect(page.locator("[data-announce]")).to_have_text("Thank you. Your feedback is kept.")


def clipboard(page: Page) -> str:
    return page.evaluate("navigator.clipboard.readText()")


# --- Feedback --------------------------------------------------------------------------------


def test_a_thumb_stays_after_a_reload_and_pressing_it_again_takes_it_back(student, complaints):
    thumb(student, "Helpful").click()
    kept(student)
    expect_pressed(student, up=True, down=False)

    student.reload()
    expect_pressed(student, up=True, down=False)
    thumb(student, "Helpful").click()
    expect(student.locator("[data-announce]")).to_have_text("Your feedback is taken back.")
    student.reload()
    expect_pressed(student, up=False, down=False)
    assert complaints == []


def test_why_an_answer_did_not_help_is_said_with_the_keyboard_alone(site, student):
    press(student, "button", "Not helpful")
    kept(student)
    expect_pressed(student, up=False, down=True)
    student.keyboard.press("Tab")  # the summary of what opened
    student.keyboard.press("Tab")
    student.keyboard.press("ArrowDown")
    expect(student.get_by_label("I do not understand it.")).to_be_checked()
    student.keyboard.press("Tab")
    student.keyboard.type("Hours of what?")
    student.keyboard.press("Tab")
    student.keyboard.press("Enter")
    expect(last_answer(student).locator("[data-why] form")).to_be_hidden()

    student.reload()
    expect_pressed(student, up=False, down=True)
    student.get_by_text("Say what is wrong").click()
    expect(student.get_by_label("I do not understand it.")).to_be_checked()
    expect(student.get_by_label("Comment, if you like")).to_have_value("Hours of what?")
    conversation = student.locator("[data-chat]").get_attribute("data-conversation")
    score = site.langfuse.wait_for(
        lambda langfuse: next(
            (
                score
                for score in list(langfuse.scores.values())
                if langfuse.traces.get(score["traceId"], {}).get("sessionId") == conversation
                and score["comment"]
            ),
            None,
        )
    )
    assert (score["name"], score["value"]) == ("user_feedback", 0)
    assert score["comment"] == "unclear: Hours of what?"


def test_an_answer_is_judged_when_it_has_ended_and_not_before(site, student):
    site.openai.answers("Six ", WAIT)
    ask(student, "And an ebb?")
    expect(words(student)).to_have_text("Six")
    expect(thumb(student, "Helpful")).to_be_hidden()
    expect(last_answer(student).get_by_role("button", name="Copy the answer")).to_be_hidden()
    site.openai.release()
    expect_end(student)

    thumb(student, "Not helpful").click()
    kept(student)
    student.reload()
    expect_pressed(student, up=False, down=True)


def test_a_thumb_that_could_not_be_kept_is_not_shown_as_pressed(student):
    student.route("**/feedback/", lambda route: route.abort())
    thumb(student, "Helpful").click()

    expect(student.locator("[data-status]")).to_have_text(
        "Your feedback could not be kept. Please try again."
    )
    expect_pressed(student, up=False, down=False)


def test_without_scripts_an_answer_is_judged_too(student, browser, base_url):
    page = without_scripts(browser, student, base_url)
    page.goto(student.locator("[data-chat]").get_attribute("data-page"))
    thumb(page, "Not helpful").click()
    expect_pressed(page, up=False, down=True)
    page.get_by_text("Say what is wrong").click()
    page.get_by_label("It is wrong.").check()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Say what is wrong").click()
    expect(page.get_by_label("It is wrong.")).to_be_checked()
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it_on_the_narrowest_phone(student, scheme):
    student.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    student.set_viewport_size(NARROW)
    student.goto(student.locator("[data-chat]").get_attribute("data-page"))
    thumb(student, "Not helpful").click()
    expect(student.get_by_label("It is wrong.")).to_be_visible()

    assert violations(student) == []
    assert student.evaluate("document.documentElement.scrollWidth") == 360
    for button in last_answer(student).locator("button:visible").all():
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 36, button


# --- Copying ---------------------------------------------------------------------------------


@pytest.mark.parametrize("is_reloaded", [False, True])
def test_an_answer_is_copied_as_markdown_and_its_code_alone(student, is_reloaded):
    student.context.grant_permissions(["clipboard-read", "clipboard-write"])
    if is_reloaded:
        student.reload()
    whole = last_answer(student).get_by_role("button", name="Copy the answer")
    whole.click()
    expect(student.locator("[data-announce]")).to_have_text("Copied")
    expect(whole).to_have_attribute("data-says", "Copied")
    assert clipboard(student) == f"**Twelve** hours [1].\n\n{CODE}"
    expect(whole).to_have_attribute("data-says", "Copy")

    last_answer(student).get_by_role("button", name="Copy the code").click()
    expect(student.locator("[data-announce]")).to_have_text("Copied")
    assert clipboard(student) == "print(12)"
    # The button is no part of the answer's words.
    expect(words(student)).to_have_text(re.compile(r"^Twelve hours 1\.\s*print\(12\)\s*$"))


def test_where_a_browser_has_no_clipboard_the_old_way_is_taken(student):
    student.context.grant_permissions(["clipboard-read", "clipboard-write"])
    student.evaluate(
        "() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')) }"
    )
    last_answer(student).get_by_role("button", name="Copy the code").click()

    expect(student.locator("[data-announce]")).to_have_text("Copied")
    assert clipboard(student) == "print(12)"
