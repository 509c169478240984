"""The browser's side of the chat: nothing lost, nothing twice, and words for what goes wrong.

Faults are made on the line between a real page and the real site; the rest is the site itself.
"""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import (
    Line,
    ask,
    choose,
    compose,
    expect_end,
    last_answer,
    new_student,
    words,
)
from tests.servers.openai_script import CUT, WAIT

STATUS = "[data-status]"


@pytest.fixture
def student(site, page: Page) -> Page:
    """A page on the first chapter of the course, of a student who has just enrolled."""
    new_student(page, "sea")
    return page


@pytest.fixture
def line(site, page: Page) -> Line:
    """Name it before `student`: the page connects through it."""
    return Line(page)


def question(page: Page):
    return page.locator("[data-question]")


# --- The stream ------------------------------------------------------------------------------


def test_a_lost_frame_is_noticed_and_fetched(site, line, student):
    pieces = ["High ", "water ", "is ", "the ", "highest ", "moment [1]."]
    site.openai.answers(*pieces)
    lost = []

    def loses(frame):
        if frame["type"] == "turn.delta" and frame["at"] > 0 and not lost:
            lost.append(frame)
            return True
        return False

    line.loses = loses
    ask(student, "What is high water?")
    expect_end(student)

    assert lost
    assert "resume" in line.sent_types()
    expect(words(student)).to_have_text("High water is the highest moment 1.")


def test_the_end_of_an_answer_is_fetched_when_its_last_frame_was_lost(site, line, student):
    site.openai.answers("High ", "water.")
    line.loses = lambda frame: frame["type"] == "turn.delta" and "water" in frame["text"]

    ask(student, "What is high water?")

    expect_end(student)
    expect(words(student)).to_have_text("High water.")


def test_an_emoji_is_one_place_long_and_no_gap(site, line, student):
    site.openai.answers("High 🌊🌊 ", "water 🧑‍🚀 ", "is 𝑥 ", "high 🌊.")

    ask(student, "What is 🌊?")

    expect_end(student)
    expect(words(student)).to_have_text("High 🌊🌊 water 🧑‍🚀 is 𝑥 high 🌊.")
    assert "resume" not in line.sent_types()


def test_a_cut_line_says_so_and_comes_back_without_losing_a_letter(site, line, student):
    site.openai.answers("One ", "two ", WAIT, "three ", "four.")
    ask(student, "Count.")
    expect(words(student)).to_have_text("One two")

    line.is_down = True
    line.cut()
    expect(last_answer(student)).to_contain_text("Connection lost. Reconnecting…")
    expect(student.locator(STATUS)).to_be_hidden()  # it is said once
    site.openai.release()
    line.is_down = False

    expect_end(student)
    expect(words(student)).to_have_text("One two three four.")
    expect(student.locator(STATUS)).to_be_hidden()
    assert len(site.openai.requests_for("Count.")) == 1


def test_a_question_that_did_not_get_through_goes_out_once_when_the_line_is_back(
    site, line, student
):
    site.openai.answers("First.")
    ask(student, "One?")
    expect_end(student)
    line.is_down = True
    line.cut()
    site.openai.answers("Second.")

    ask(student, "Are you there?")
    expect(student.locator(STATUS)).to_have_text(re.compile("Connect"))
    line.is_down = False

    expect(student.locator("article.answer")).to_have_count(2)
    expect(words(student)).to_have_text("Second.")
    expect(student.locator("article.question")).to_have_text([re.compile("One"), re.compile("Are")])
    assert len(site.openai.requests_for("Are you there?")) == 1


def test_a_line_that_is_dead_without_knowing_it_is_replaced(site, line, student):
    site.openai.answers("First.")
    ask(student, "One?")
    expect_end(student)
    site.openai.answers("No, it lives.")
    student.clock.install()
    line.is_silent = True

    ask(student, "Is the line dead?")
    student.clock.fast_forward(9_000)
    line.is_silent = False
    student.clock.resume()

    expect(words(student)).to_have_text("No, it lives.")
    expect_end(student)
    assert len(site.openai.requests_for("Is the line dead?")) == 1


def test_something_is_said_at_once_after_asking(site, line, student):
    site.openai.answers("First.")
    ask(student, "One?")
    expect_end(student)
    line.is_silent = True  # as slow as can be

    ask(student, "What is high water?")

    expect(student.locator(STATUS)).to_have_text("Searching the course…", timeout=1_000)
    expect(student.get_by_role("button", name="Stop")).to_be_visible()


# --- What is not answered --------------------------------------------------------------------


@pytest.mark.parametrize("text", ["x" * 4_001, "What is\0 water?"], ids=["too long", "NUL"])
def test_a_question_that_is_not_taken_returns_to_the_composer(site, student, text):
    # As from a page that knows of no limit.
    student.evaluate("document.querySelector('[data-chat]').dataset.longest = ''")
    question(student).evaluate("(input, text) => { input.value = text }", text)
    question(student).press("Enter")

    expect(student.locator(STATUS)).to_have_text(re.compile("4000 is the most|cannot be kept"))
    expect(question(student)).to_have_value(text)
    expect(student.locator("[data-log] .question")).to_have_count(0)


def test_a_provider_that_fails_is_told_in_words_and_the_next_question_is_answered(site, student):
    site.openai.fails(401, "secret words of the provider")
    ask(student, "One?")
    expect_end(student, "failed")
    expect(last_answer(student)).to_contain_text(re.compile("The tutor"))
    expect(student.locator("body")).not_to_contain_text("secret words")

    site.openai.answers("Now it works.")
    ask(student, "Two?")
    expect(words(student)).to_have_text("Now it works.")


def test_what_was_said_before_the_provider_broke_off_stays(site, student):
    site.openai.answers("The first half ", CUT)

    ask(student, "What is high water?")

    expect_end(student, "failed")
    expect(words(student)).to_have_text("The first half")
    expect(last_answer(student).locator("[data-turn-status]")).to_be_visible()


def test_a_question_that_was_not_asked_outlives_a_reload(student):
    question(student).fill("What is low water?")

    student.reload()

    expect(question(student)).to_have_value("What is low water?")


def test_whoever_is_logged_out_elsewhere_is_told_and_keeps_the_question(student):
    other = student.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Log out").click()
    expect(other.get_by_role("link", name="Log in").first).to_be_visible()

    ask(student, "What is low water?")

    expect(student.locator(STATUS)).to_contain_text("no longer logged in")
    expect(question(student)).to_have_value("What is low water?")


# --- Keys ------------------------------------------------------------------------------------


def test_enter_does_not_send_while_an_input_method_composes(site, student):
    site.openai.answers("Water.")
    question(student).focus()
    compose(student, "shui")
    student.keyboard.press("Enter")
    expect(student.locator("[data-log] .question")).to_have_count(0)

    question(student).press("Control+A")
    choose(student, "水")
    expect(question(student)).to_have_value(re.compile("水"))
    student.wait_for_timeout(50)  # a hand is not quicker
    student.keyboard.press("Enter")
    expect(student.locator("[data-log] .question")).to_have_text(re.compile("水"))


def test_enter_does_not_send_when_it_ended_the_composition_as_in_safari(student):
    question(student).fill("水")
    question(student).evaluate(
        """input => {
          const enter = { key: "Enter", bubbles: true, cancelable: true };
          input.dispatchEvent(new CompositionEvent("compositionstart"));
          input.dispatchEvent(new CompositionEvent("compositionend"));
          input.dispatchEvent(new KeyboardEvent("keydown", enter));
        }"""
    )

    expect(question(student)).to_have_value("水")
    expect(student.locator("[data-log] .question")).to_have_count(0)


def test_shift_enter_makes_a_line(site, student):
    question(student).press_sequentially("One")
    before = question(student).bounding_box()["height"]
    question(student).press("Shift+Enter")
    question(student).press_sequentially("two")
    expect(question(student)).to_have_value("One\ntwo")
    assert question(student).bounding_box()["height"] > before

    question(student).press("Enter")
    expect(student.locator("[data-log] .question p")).to_have_text("One\ntwo", use_inner_text=True)


def test_everything_can_be_done_with_the_keyboard(site, student):
    site.openai.answers("High water ", WAIT)
    student.keyboard.press("Tab")
    expect(student.locator(":focus")).to_have_text("Skip to the text")
    student.keyboard.press("Tab")
    expect(student.locator(":focus")).to_have_text("Ask the tutor")
    student.keyboard.press("Enter")
    expect(question(student)).to_be_focused()

    student.keyboard.type("What is high water?")
    student.keyboard.press("Tab")
    expect(student.locator(":focus")).to_have_text("Ask")
    student.keyboard.press("Enter")
    expect(words(student)).to_contain_text("High water")
    expect(question(student)).to_be_focused()
    student.keyboard.press("Tab")
    stop = student.get_by_role("button", name="Stop")
    expect(stop).to_be_focused()
    expect(stop).to_have_css("outline-style", "solid")
    student.keyboard.press("Enter")

    expect_end(student, "stopped")
    expect(question(student)).to_be_focused()


# --- Other tabs, other times -----------------------------------------------------------------


def test_two_tabs_see_the_same_and_either_may_stop(site, student):
    site.openai.answers("First.")
    ask(student, "One?")
    expect_end(student)
    other = student.context.new_page()
    other.goto(student.url)
    fetched = []
    other.on(
        "request", lambda request: "/conversations/" in request.url and fetched.append(request)
    )
    site.openai.answers("High water ", WAIT)

    ask(student, "What is high water?")
    expect(words(other)).to_have_text("High water")
    expect(other.locator("article.question").last).to_contain_text("What is high water?")
    other.get_by_role("button", name="Stop").click()

    for tab in (student, other):
        expect_end(tab, "stopped")
        expect(tab.locator("[data-log] > article")).to_have_count(4)
    assert fetched == []  # the socket said it all


def test_a_tab_that_was_away_catches_up_with_all_that_was_asked(site, line, student):
    site.openai.answers("First ", WAIT, "answer.")
    ask(student, "One?")
    expect(words(student)).to_have_text("First")
    line.is_down = True
    line.cut()
    other = student.context.new_page()
    other.goto(student.url)
    site.openai.release()
    expect_end(other)
    for number, (asked, answered) in enumerate((("Two?", "Second."), ("Three?", "Third."))):
        site.openai.answers(answered)
        ask(other, asked)
        expect(other.locator("article.answer")).to_have_count(number + 2)
        expect_end(other)

    line.is_down = False

    texts = student.locator("[data-log] > article :is([data-body], [data-blocks])")
    expect(texts).to_have_text(
        ["One?", "First answer.", "Two?", "Second.", "Three?", "Third."], timeout=15_000
    )
    expect_end(student)


def test_an_answer_goes_on_while_its_tab_is_closed(site, student):
    site.openai.answers("One ", "two ", WAIT, "three.")
    ask(student, "Count.")
    expect(words(student)).to_have_text("One two")
    address = student.url
    student.close()

    again = student.context.new_page()
    again.goto(address)
    expect(words(again)).to_have_text("One two")
    expect(again.get_by_role("button", name="Stop")).to_be_visible()
    site.openai.release()

    expect_end(again)
    expect(words(again)).to_have_text("One two three.")


def test_a_new_conversation_begins_empty_and_is_another(site, student):
    site.openai.answers("First.")
    ask(student, "One?")
    expect_end(student)
    student.get_by_role("button", name="New conversation").click()
    expect(student.locator("[data-log] > article")).to_have_count(0)
    site.openai.answers("Second.")
    ask(student, "Two?")
    expect(words(student)).to_have_text("Second.")

    assert "One?" not in str(site.openai.last.body["messages"])


# --- Citations -------------------------------------------------------------------------------


def test_a_citation_in_the_same_chapter_is_shown_in_place(site, student):
    site.openai.answers("It is the highest [1].")
    ask(student, "What is high water?")
    expect_end(student)
    student.evaluate("window.isTheSamePage = true")

    words(student).locator("a.cite").click()

    expect(student.locator(".cited").first).to_be_in_viewport()
    expect(student.locator(".cited").filter(has_text="stands highest")).to_be_visible()
    assert student.evaluate("window.isTheSamePage")
    expect(words(student)).to_be_visible()


@pytest.mark.parametrize("page_of", ["chapter", "conversation"])
def test_a_citation_into_another_chapter_leads_there_and_the_conversation_comes_along(
    site, student, page_of
):
    site.openai.answers("It is the largest [1].")
    if page_of == "conversation":
        student.goto("/courses/tides/")
        student.get_by_role("button", name="Ask the tutor").click()
    ask(student, "What is a spring tide, and when?")
    expect_end(student)

    words(student).locator("a.cite").click()

    expect(student).to_have_url(re.compile("/courses/tides/chapters/moon/"))
    expect(student.locator(".cited").first).to_be_in_viewport()
    expect(student.locator(".cited").filter(has_text="spring tide")).to_be_visible()
    expect(words(student)).to_have_text("It is the largest 1.")


# --- Without a model -------------------------------------------------------------------------


def test_without_a_model_the_page_says_that_it_quotes_and_the_answer_does(quoting_site, page: Page):
    new_student(page, "moon", quoting_site)

    note = page.get_by_text("This tutor quotes the course")
    expect(note).to_be_visible()
    note.click()
    expect(page.get_by_text("OPENAI_BASE_URL")).to_be_visible()
    ask(page, "What is a neap tide?")
    expect_end(page)
    expect(words(page)).to_contain_text("a tide with a small range")
    expect(words(page).locator("a.cite").first).to_be_visible()
