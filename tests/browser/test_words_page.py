"""A student's way from a word of the cloud to its passage, and to the tutor, by keyboard."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import new_student, without_scripts
from tests.servers.site import prepare_site

MAKE_AND_APPROVE = """
from learning.artefacts import generating, requesting
from learning.models import Course, StudyItem
course = Course.objects.get(slug="tides")
generating.generate(requesting.request(course, "wordcloud").pk)
StudyItem.objects.filter(course=course, kind="term").update(status="approved")
"""


@pytest.fixture
def cloud(site, page: Page, complaints) -> Page:
    """The word cloud of the course of tides, made without a model, before a new student."""
    prepare_site(site.data, [["shell", "-v", "0", "-c", MAKE_AND_APPROVE]])
    new_student(page, "moon")
    page.goto("/courses/tides/words/")
    return page


def tab_to(page: Page, wanted) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("the Tab key does not lead there")


def test_a_student_opens_a_word_its_passage_and_the_tutor_by_keyboard(cloud, site, complaints):
    tab_to(cloud, cloud.locator(".cloud").get_by_role("link", name="spring tide"))
    cloud.keyboard.press("Enter")

    panel = cloud.locator(".item-panel")
    expect(panel).to_be_focused()
    expect(panel.get_by_role("heading", level=2)).to_have_text("spring tide")
    expect(panel.locator(".item-definition")).to_contain_text("is a tide with an especially large")
    expect(panel.locator("blockquote mark").first).to_have_text("spring tide")

    tab_to(cloud, panel.get_by_role("link", name="Spring tides"))
    cloud.keyboard.press("Enter")
    expect(cloud.locator(".cited").first).to_contain_text("A spring tide is a tide")

    cloud.go_back()
    tab_to(cloud, panel.get_by_role("button", name="Ask the tutor"))
    cloud.keyboard.press("Enter")
    field = cloud.locator("[data-question]")
    expect(field).to_be_focused()
    expect(field).to_have_value("What does “spring tide” mean?")
    expect(cloud.locator("article.answer")).to_have_count(0)
    expect(cloud).to_have_url(re.compile(r"/conversations/[-0-9a-f]{36}/$"))

    cloud.reload()
    expect(field).to_have_value("What does “spring tide” mean?")
    expect(cloud.locator("[data-send]")).to_be_enabled()
    assert site.openai.requests_for("What does “spring tide” mean?") == []
    field.press("Enter")
    expect(cloud.locator("article.answer")).to_have_count(1)
    assert complaints == []


def test_a_word_opens_in_the_same_page_and_back_leads_to_the_one_before(cloud, complaints):
    cloud.evaluate("window.isTheSame = true")
    panel = cloud.locator(".item-panel")
    cloud.locator(".cloud").get_by_role("link", name="spring tide").click()
    expect(panel).to_be_focused()
    expect(panel.locator("h2")).to_be_in_viewport()
    cloud.locator(".cloud").get_by_role("link", name="neap tide").click()
    expect(panel.locator("h2")).to_have_text("neap tide")
    expect(cloud.locator(".cloud [aria-current]")).to_have_text("neap tide")

    cloud.go_back()

    expect(panel.locator("h2")).to_have_text("spring tide")
    assert cloud.evaluate("window.isTheSame") and complaints == []


def test_a_chapter_narrows_the_cloud(cloud, complaints):
    expect(cloud.locator(".cloud")).to_contain_text("tidal range")
    cloud.get_by_role("link", name="What the moon does").click()

    expect(cloud.locator(".cloud")).to_contain_text("neap tide")
    expect(cloud.locator(".cloud")).not_to_contain_text("tidal range")
    expect(cloud.get_by_role("link", name="What the moon does").first).to_have_attribute(
        "aria-current", "true"
    )
    assert complaints == []


def test_the_cloud_fits_the_narrowest_phone_and_words_can_be_touched(cloud):
    cloud.set_viewport_size({"width": 360, "height": 640})
    cloud.locator(".cloud a").first.click()
    expect(cloud.locator(".item-panel")).to_be_focused()

    assert cloud.evaluate("document.documentElement.scrollWidth") == 360
    for word in cloud.locator(".cloud a").all():
        box = word.bounding_box()
        assert box["height"] >= 44 and box["width"] >= 44


def test_the_cloud_works_without_javascript(browser, cloud, site):
    page = without_scripts(browser, cloud, site.url)
    page.goto("/courses/tides/words/")
    page.get_by_role("link", name="neap tide").click()
    page.get_by_role("button", name="Ask the tutor").click()

    expect(page.locator("[data-question]")).to_have_value("What does “neap tide” mean?")
    page.context.close()
