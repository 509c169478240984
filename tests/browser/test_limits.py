"""How long a question may be and how many are left: told before it hurts."""

import re

from playwright.sync_api import Page, expect

from tests.browser.scripted import delta, finished, ready

STATUS = "[data-status]"
LEFT = "[data-left]"


def question(page: Page):
    return page.locator("[data-question]")


# --- How many --------------------------------------------------------------------------------


def test_questions_left_are_counted_down_and_stand_out_when_they_are_few(server, student):
    expect(student.locator(LEFT)).to_be_hidden()  # without a limit
    server.first_frame = ready(left=5)
    server.cut()
    expect(student.locator(LEFT)).to_have_text("5 questions left today")
    assert not student.locator(LEFT).evaluate("line => line.matches('[data-few]')")
    for left, said in ((3, "3 questions left today"), (1, "1 question left today")):
        server.answers("One?", f"t{left}", left=left)
        expect(student.locator(LEFT)).to_have_text(said)
        assert student.locator(LEFT).evaluate("line => line.matches('[data-few]')")
        server.say(delta(f"t{left}", 0, "One.", "<p>One.</p>"), finished(f"t{left}", 4))
        expect(student.get_by_role("button", name="Ask", exact=True)).to_be_visible()
    server.answers("One?", "t0", left=0)
    expect(student.locator(LEFT)).to_contain_text("You can ask again tomorrow.")


def test_a_question_that_did_not_count_after_all_is_counted_as_left_again(server, student):
    server.answers("One?", "t1", left=2)
    expect(student.locator(LEFT)).to_have_text("2 questions left today")

    server.say(finished("t1", 0, status="failed", message="It failed.", left=3))

    expect(student.locator(LEFT)).to_have_text("3 questions left today")


def test_a_question_beyond_the_limit_returns_to_the_composer_with_the_reason(server, student):
    question(student).fill("One more?")
    question(student).press("Enter")
    asked = server.wait_for("ask")
    words = "You can ask again tomorrow."
    server.say({"type": "turn.rejected", "ask": asked["id"], "code": "quota", "message": words})

    expect(student.locator(STATUS)).to_have_text(words)
    expect(question(student)).to_have_value("One more?")
    expect(student.locator("[data-log] article")).to_have_count(0)


# --- How long --------------------------------------------------------------------------------


def test_a_counter_appears_when_a_question_nears_its_limit(student):
    counter = student.locator("[data-composer] ~ [data-counter]")
    question(student).fill("x" * 3_500)
    expect(counter).to_be_hidden()
    question(student).fill("🌊" * 3_900)  # each is one character
    expect(counter).to_have_text("3,900 of at most 4,000 characters")
    expect(student.locator("[data-send]")).not_to_have_attribute("aria-disabled", "true")


def test_a_question_that_is_too_long_is_not_sent_and_the_button_says_why(server, student):
    question(student).fill("x" * 4_012)
    send = student.get_by_role("button", name="Ask", exact=True)
    expect(send).to_have_attribute("aria-disabled", "true")
    expect(send).to_have_attribute("title", re.compile("too long by 12 characters"))
    send.press("Enter")

    expect(student.locator(STATUS)).to_have_text("The question is too long by 12 characters.")
    expect(question(student)).to_be_focused()
    assert server.heard == []
    question(student).fill("Short?")
    expect(send).not_to_have_attribute("aria-disabled", "true")
    question(student).press("Enter")
    assert server.wait_for("ask")["text"] == "Short?"
