"""Every page a student sees: usable by everybody, on a phone, no complaint of the browser."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import (
    ask,
    expect_end,
    last_answer,
    new_student,
    violations,
    without_scripts,
    words,
)

PHONE = {"width": 390, "height": 844}
# All that is wide: code, a table, formulas in the line and on their own, a word without an end.
WIDE_ANSWER = (
    "The table [1]:\n\n| time | height | " + " | ".join(f"column {n}" for n in range(9)) + " |\n"
    "|---|---|"
    + "---|" * 9
    + "\n| 03:12 | 4.1 m | "
    + " | ".join("0.25 m" for _ in range(9))
    + " |\n",
    "\n$$a_1 + a_2 + " + " + ".join(f"b_{{{n}}}" for n in range(30)) + "$$\n",
    "\nIn the line $" + " + ".join(f"x_{{{n}}}" for n in range(20)) + "$ too.\n",
    "\n```python\nheights = [" + ", ".join("4.1" for _ in range(40)) + "]\n```\n",
    "\n" + "w" * 120,
)


@pytest.fixture
def student(site, page: Page) -> Page:
    """A page of a student whose conversation in the chapter on tables has one wide answer."""
    new_student(page, "tables")
    site.openai.answers(*WIDE_ANSWER)
    ask(page, "What is in a tide table?")
    expect_end(page)
    return page


def addresses(student: Page) -> list[str]:
    """One of each kind of page."""
    conversation = student.locator("[data-chat]").get_attribute("data-page")
    chapters = [f"/courses/tides/chapters/{slug}/" for slug in ("sea", "moon", "tables")]
    privacy = ["/accounts/privacy/", f"{conversation}delete/"]
    return ["/", *privacy, "/courses/tides/", *chapters, conversation, "/courses/tides/quiz/"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_can_be_used_by_everybody(student, scheme):
    student.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    found = []
    for address in addresses(student):
        student.goto(address)
        for sources in student.locator(".sources > summary").all():
            sources.click()
        found += violations(student)
    student.set_viewport_size(PHONE)
    student.goto("/courses/tides/chapters/tables/")
    found += violations(student)
    student.get_by_role("button", name="Ask the tutor").click()
    expect(last_answer(student)).to_be_visible()
    found += violations(student)
    student.context.clear_cookies()
    for address in ("/", "/accounts/login/", "/accounts/signup/", "/courses/tides/"):
        student.goto(address)
        found += violations(student)

    assert found == []


def test_no_page_scrolls_sideways_on_the_narrowest_phone(student):
    student.set_viewport_size({"width": 360, "height": 640})
    for address in addresses(student):
        student.goto(address)
        opener = student.get_by_role("button", name="Ask the tutor").and_(
            student.locator("[data-sheet-open]")
        )
        if opener.is_visible():
            opener.click()
        width = student.evaluate("document.documentElement.scrollWidth")
        assert width == 360, f"{address} is {width} pixels wide"
        for box in student.locator("[data-log]").all():
            assert box.evaluate("log => log.scrollWidth - log.clientWidth") == 0, address


def test_what_is_too_wide_scrolls_in_its_own_box_and_can_be_reached_with_the_keyboard(student):
    student.set_viewport_size({"width": 360, "height": 640})
    student.goto(addresses(student)[-2])

    for box in ("pre", ".table", ".math-block", ".formula"):
        wide = words(student).locator(box).first
        assert wide.evaluate("box => box.scrollWidth > box.clientWidth"), box
        expect(wide).to_have_attribute("tabindex", "0")


def test_the_browser_complains_about_no_page(complaints, student):
    for address in ("/accounts/login/", "/accounts/signup/", *addresses(student)):
        student.goto(address)

    assert complaints == []


def test_on_a_wide_screen_the_tutor_stays_in_view_while_the_chapter_scrolls(student):
    student.set_viewport_size({"width": 1280, "height": 500})
    student.goto("/courses/tides/chapters/moon/")
    before = student.locator("[data-composer]").bounding_box()

    student.mouse.move(300, 250)
    student.mouse.wheel(0, 400)

    expect(student.get_by_role("heading", name="Neap tides")).to_be_in_viewport()
    assert student.evaluate("scrollY") > 0
    assert student.locator("[data-composer]").bounding_box() == before


def test_without_scripts_a_student_has_words_removed_and_a_conversation_deleted(
    site, student, browser, base_url
):
    address = student.locator("[data-chat]").get_attribute("data-page")
    trace = site.langfuse.wait_for(
        lambda langfuse: next(
            (t for t in list(langfuse.traces.values()) if (t["sessionId"] or "none") in address),
            None,
        )
    )
    assert "tide table" in json.dumps(trace)
    page = without_scripts(browser, student, base_url)
    page.goto(address)
    page.get_by_role("link", name="Privacy", exact=True).press("Enter")
    page.get_by_label("may hold the words").press("Space")
    page.get_by_role("button", name="Save").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("earlier ones neither")
    expect(page.get_by_label("may hold the words")).not_to_be_checked()
    site.langfuse.wait_for(
        lambda langfuse: langfuse.traces[trace["id"]]["input"] == "[removed]", 15
    )

    page.get_by_role("link", name="Delete “What is in a tide table?”").press("Enter")
    page.get_by_role("button", name="Delete it").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("deleted")
    page.context.close()

    # The tab on the same conversation that was open all the while.
    expect(student.locator("[data-status]")).to_contain_text("was deleted")
    expect(student.locator("[data-send]")).to_be_disabled()


# --- On a phone ------------------------------------------------------------------------------


@pytest.fixture
def phone(site, browser, base_url):
    context = browser.new_context(
        base_url=base_url, viewport=PHONE, has_touch=True, is_mobile=True, locale="en"
    )
    page = context.new_page()
    new_student(page, "sea")
    yield page
    context.close()


def test_on_a_phone_the_tutor_is_a_sheet_that_opens_and_closes(phone):
    opener = phone.locator("[data-sheet-open]")
    sheet = phone.locator("[data-sheet]")
    expect(sheet).to_be_hidden()
    ways_out = (
        lambda: phone.get_by_role("button", name="Close").tap(),
        lambda: phone.keyboard.press("Escape"),
        lambda: phone.touchscreen.tap(195, 40),  # beside the sheet
    )
    for close in ways_out:
        opener.tap()
        expect(sheet).to_be_visible()
        expect(phone.locator("[data-question]")).to_be_focused()
        expect(phone.get_by_role("dialog", name="Tutor")).to_be_visible()
        for _ in range(8):
            phone.keyboard.press("Tab")
            behind = phone.locator(":focus:not([data-sheet] *, body)")
            expect(behind).to_have_count(0)

        close()
        expect(sheet).to_be_hidden()
        expect(opener).to_be_focused()


def test_on_a_phone_a_student_asks_and_a_citation_leads_out_of_the_sheet(site, phone):
    site.openai.answers("It is the highest ", "water [1].")
    phone.locator("[data-sheet-open]").tap()
    phone.locator("[data-question]").fill("What is high water?")
    phone.get_by_role("button", name="Ask", exact=True).tap()
    expect_end(phone)
    # The keyboard would lie over the answer.
    expect(phone.locator("[data-question]")).not_to_be_focused()
    expect(phone.locator("[data-composer]")).to_be_in_viewport(ratio=1)

    words(phone).locator("a.cite").tap()

    expect(phone.locator("[data-sheet]")).to_be_hidden()
    expect(phone.locator(".cited").first).to_be_in_viewport()
    phone.locator("[data-sheet-open]").tap()
    expect(words(phone)).to_have_text(re.compile("highest water"))


def test_the_keyboard_of_a_phone_does_not_cover_the_composer(phone):
    phone.locator("[data-sheet-open]").tap()
    expect(phone.locator("[data-question]")).to_be_in_viewport(ratio=1)
    # What a browser tells a page when its keyboard comes up; headless ones have none.
    phone.evaluate(
        """() => {
          Object.defineProperty(visualViewport, "height", { value: innerHeight - 300 });
          visualViewport.dispatchEvent(new Event("resize"));
        }"""
    )

    box = phone.locator("[data-composer]").bounding_box()
    assert box["y"] + box["height"] <= 844 - 300
    assert phone.locator("[data-sheet] h2").first.bounding_box()["y"] > 0
