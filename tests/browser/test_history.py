"""Conversations found again, named and taken along; questions that are offered and not asked."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import ask, expect_end, last_answer, new_student, press, violations, words
from tests.servers.site import prepare_site

HISTORY = "/courses/tides/history/"
NARROW = {"width": 360, "height": 740}
# What is offered comes from approved concepts first; here from the headings of the course.
NOTHING_APPROVED = """
from learning.models import StudyItem
StudyItem.objects.update(status="pending")
"""


@pytest.fixture(scope="module", autouse=True)
def nothing_approved(session_site):
    """Other modules approve concepts on the site that all share."""
    prepare_site(session_site.data, [["shell", "-v", "0", "-c", NOTHING_APPROVED]])


@pytest.fixture
def student(site, page: Page) -> Page:
    """A student on the page of a conversation in which nothing was asked yet."""
    new_student(page, "sea")
    page.goto("/courses/tides/")
    page.get_by_role("button", name="Ask the tutor").click()
    expect(page.locator("[data-send]")).to_be_enabled()
    return page


def asks(student: Page, question: str, answer: str, site) -> None:
    site.openai.answers(answer)
    ask(student, question)
    expect(words(student)).to_have_text(answer)
    expect_end(student)


def suggestions(page: Page, name: str):
    return page.get_by_role("group", name=name).get_by_role("button")


# --- The title ---------------------------------------------------------------------------------


def test_a_conversation_is_named_after_its_first_question_without_a_reload(site, student):
    heading = student.get_by_role("heading", level=1)
    expect(heading).to_have_text("New conversation")
    long = "What is high water? " * 5
    asks(student, f"{long}🌊\nAnd low?", "The highest.", site)

    expect(heading).to_have_text(long[:80].strip())
    expect(student).to_have_title(re.compile(r"^What is high water\?.* · Tides$"))
    asks(student, "Another?", "No.", site)
    expect(heading).to_have_text(long[:80].strip())
    shown = heading.text_content()
    student.reload()
    expect(heading).to_have_text(shown)


def test_it_is_renamed_over_the_conversation_with_the_keyboard(site, student):
    asks(student, "What is high water?", "The highest.", site)
    student.locator("[data-rename] summary").focus()
    student.keyboard.press("Enter")
    student.keyboard.press("Tab")
    student.keyboard.press("Control+A")
    student.keyboard.type("All about tides")
    student.keyboard.press("Enter")

    expect(student.get_by_role("heading", level=1)).to_have_text("All about tides")
    expect(words(student)).to_have_text("The highest.")


# --- The page of all ---------------------------------------------------------------------------


def test_a_conversation_is_found_again_by_what_was_said(site, student):
    asks(student, "What is high water?", "The topmost.", site)
    student.get_by_role("button", name="New conversation").click()
    asks(student, "And low?", "The lowest.", site)
    student.goto("/courses/tides/")
    student.get_by_role("link", name="Find, rename or export conversations").click()
    expect(student.get_by_role("status")).to_have_text("2 conversations")
    student.get_by_label("Words in titles").fill("TOPMOST")
    student.keyboard.press("Enter")
    expect(student.get_by_role("status")).to_have_text("1 conversation")

    with student.expect_download() as download:
        student.get_by_role("link", name="Export “What is high water?”").click()
    assert download.value.suggested_filename == "What is high water.md"
    assert "The topmost." in download.value.path().read_text()
    student.get_by_text("Rename", exact=True).click()
    student.get_by_label("New title").fill("Heights")
    student.get_by_role("button", name="Save").click()
    expect(student).to_have_url(re.compile(r"history/\?q=TOPMOST$"))
    student.get_by_role("link", name="Heights", exact=True).click()
    expect(words(student)).to_have_text("The topmost.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it_on_the_narrowest_phone(site, student, scheme, complaints):
    student.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    student.set_viewport_size(NARROW)
    asks(student, "W" * 90, "The highest.", site)
    found = []
    for address in (student.url, HISTORY):
        student.goto(address)
        found += violations(student)
        student.get_by_text("Rename", exact=True).click()
        expect(student.get_by_label("New title")).to_be_visible()
        found += violations(student)
        assert student.evaluate("document.documentElement.scrollWidth") == 360, address

    assert (found, complaints) == ([], [])


# --- What is offered ---------------------------------------------------------------------------


def test_an_empty_chat_offers_questions_that_fill_the_field_and_are_not_sent(site, student):
    before = len(site.openai.requests)
    student.goto("/courses/tides/chapters/sea/")
    offered = suggestions(student, "Questions to begin with")
    expect(offered).to_have_text(
        ["Can you explain “High and low water”?", "Can you explain “The range”?"]
    )
    press(student, "button", "Can you explain “High and low water”?")
    field = student.locator("[data-question]")
    expect(field).to_have_value("Can you explain “High and low water”?")
    expect(field).to_be_focused()
    offered.last.click()
    expect(field).to_have_value("Can you explain “The range”?")
    field.fill("My own words")
    offered.first.click()
    expect(field).to_have_value("My own words\nCan you explain “High and low water”?")

    expect(student.locator("[data-log] article")).to_have_count(0)
    assert len(site.openai.requests) == before


def test_after_an_answer_it_offers_what_comes_next_in_the_chapter(site, student):
    student.goto("/courses/tides/chapters/sea/")
    site.openai.answers("At high water [1].")
    ask(student, "When does the sea stand highest?")
    expect_end(student)
    offered = suggestions(student, "Questions that lead on")
    expect(offered.first).to_have_text(re.compile("^Can you explain “.+”\\?$"))
    shown = offered.all_text_contents()
    student.reload()
    expect(offered).to_have_text(shown)

    offered.first.click()
    expect(student.locator("[data-question]")).to_have_value(shown[0])
    site.openai.answers("So.")
    student.get_by_role("button", name="Ask", exact=True).click()
    expect(words(student)).to_have_text("So.")
    expect_end(student)
    first = student.locator("article.answer").first
    expect(first.get_by_role("group", name="Questions that lead on")).to_be_hidden()


def test_a_new_conversation_beside_a_chapter_offers_questions_again(site, student):
    student.goto("/courses/tides/chapters/sea/")
    asks(student, "What is high water?", "The highest.", site)
    expect(last_answer(student)).to_be_visible()
    student.get_by_role("button", name="New conversation").click()

    expect(suggestions(student, "Questions to begin with")).to_have_count(2)
