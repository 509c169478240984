"""A teacher's way by keyboard alone: have study material made, look at it, let some through."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import log_in, press, tab_to
from tests.servers.site import running_site


@pytest.fixture(scope="module")
def school(module_data):
    """A site without a model, with a worker, staff, and concepts of the course of tides."""
    with running_site(
        module_data,
        prepare=[
            ["createsuperuser", "--noinput", "-v", "0"],
            ["generate", "knowledge_graph", "--course", "tides", "--wait"],
        ],
        DJANGO_SETTINGS_MODULE="tests.faults.settings",  # as its folder was prepared
        DJANGO_SUPERUSER_USERNAME="staff",
        DJANGO_SUPERUSER_EMAIL="staff@example.org",
        DJANGO_SUPERUSER_PASSWORD="staff",
    ) as url:
        yield url


@pytest.fixture
def teacher(school, page: Page) -> Page:
    log_in(page, school, "staff", "staff")
    return page


def heading(page: Page):
    return page.locator(".review[data-ready] h1")


def named(page: Page):
    return page.locator(".review[data-ready]").locator(".rv-name, .rv-question")


def name(page: Page) -> str:
    return named(page).inner_text()


def press_on_to_another(page: Page, key: str) -> str:
    """Press a key that leaves an item; return the name of that item."""
    left = name(page)
    page.keyboard.press(key)
    expect(named(page)).not_to_have_text(left)
    return left


def have_made(page: Page, school: str, button: str, kind: str) -> None:
    """Start a job on the page of the course, and wait until the list says that it is done."""
    page.goto(f"{school}/admin/learning/course/")
    page.get_by_role("link", name="Tides", exact=True).press("Enter")
    tab_to(page, page.get_by_role("button", name=button))
    page.keyboard.press("Enter")
    job = page.locator("#result_list tbody").filter(has_text=kind).first
    expect(job.locator("[data-live$=state]")).to_have_text("ready", timeout=60_000)
    expect(job.locator("[data-live$=trace] a")).to_have_text("trace")


def open_review(page: Page, school: str, kind: str) -> None:
    """Go from the menu to the first item of this kind that waits."""
    page.goto(f"{school}/admin/")
    tab_to(page, page.locator("nav").get_by_role("link", name="Review"))
    page.keyboard.press("Enter")
    expect(heading(page)).to_have_text("What waits for review")
    tab_to(page, page.get_by_role("link", name=re.compile(rf"· {kind} \d+$")))
    page.keyboard.press("Enter")
    expect(heading(page)).to_contain_text(re.compile(r"1 of \d+ waiting"))
    expect(page.locator(".rv-passages mark").first).to_be_visible()


def test_a_teacher_has_words_made_and_lets_some_through_by_keyboard(teacher, school, complaints):
    have_made(teacher, school, "Make a word cloud", "word cloud")
    open_review(teacher, school, "term")

    approved = press_on_to_another(teacher, "a")
    rejected = press_on_to_another(teacher, "r")
    regretted = press_on_to_another(teacher, "a")
    teacher.keyboard.press("u")
    expect(named(teacher)).to_have_text(regretted)
    press_on_to_another(teacher, "ArrowRight")
    teacher.keyboard.press("e")
    field = teacher.get_by_label("Name", exact=True)
    tab_to(teacher, field)
    teacher.keyboard.press("Control+a")
    teacher.keyboard.type("Ebb and a roar")  # letters that are keys elsewhere
    tab_to(teacher, teacher.get_by_role("button", name="Save and approve"))
    teacher.keyboard.press("Enter")
    expect(teacher.locator(".rv-last")).to_have_text("edited and approved: Ebb and a roar")

    log_in(teacher, school, "student0", "student0")
    teacher.goto(f"{school}/courses/tides/words/")
    shown = teacher.locator(".cloud a")
    expect(shown).to_have_count(2)
    words = {text.strip() for text in shown.all_inner_texts()}
    assert words == {approved, "Ebb and a roar"} and rejected not in words
    assert complaints == []


def test_a_teacher_has_questions_made_changes_one_and_students_are_asked_it(
    teacher, school, complaints
):
    have_made(teacher, school, "Make a quiz", "quiz")
    open_review(teacher, school, "question")
    press_on_to_another(teacher, "r")
    teacher.keyboard.press("e")
    tab_to(teacher, teacher.get_by_label("Question", exact=True))
    teacher.keyboard.press("Control+a")
    teacher.keyboard.type("What does the moon do to the sea?")
    tab_to(teacher, teacher.get_by_role("button", name="Save and approve"))
    teacher.keyboard.press("Enter")
    expect(teacher.locator(".rv-last")).to_contain_text("edited and approved: What does the moon")

    log_in(teacher, school, "student0", "student0")
    teacher.goto(f"{school}/courses/tides/quiz/")
    expect(teacher.get_by_text("There is 1 question.")).to_be_visible()
    press(teacher, "button", "Start with the whole course")
    expect(teacher.locator(".quiz-text")).to_have_text("What does the moon do to the sea?")
    assert complaints == []


def test_a_teacher_has_concepts_made_defines_one_and_students_see_it(teacher, school, complaints):
    have_made(teacher, school, "Make a knowledge graph", "knowledge graph")
    open_review(teacher, school, "concept")
    rejected = press_on_to_another(teacher, "r")
    defined = name(teacher)
    teacher.keyboard.press("e")
    tab_to(teacher, teacher.get_by_label("Definition"))
    teacher.keyboard.press("Control+a")
    teacher.keyboard.type("What the moon does to the sea.")
    tab_to(teacher, teacher.get_by_role("button", name="Save and approve"))
    teacher.keyboard.press("Enter")
    expect(teacher.locator(".rv-last")).to_have_text(f"edited and approved: {defined}")
    approved = press_on_to_another(teacher, "a")

    log_in(teacher, school, "student0", "student0")
    teacher.goto(f"{school}/courses/tides/graph/")
    nodes = teacher.locator(".nodes a")
    expect(nodes).to_have_count(2)
    labels = {node.get_attribute("aria-label") for node in nodes.all()}
    assert labels == {defined, approved} and rejected not in labels
    teacher.locator(f".nodes a[aria-label='{defined}']").press("Enter")
    expect(teacher.locator("#concept")).to_contain_text("What the moon does to the sea.")
    assert complaints == []


def test_all_that_wait_are_let_through_by_shift_a_and_a_yes(teacher, school):
    open_review(teacher, school, "concept")
    teacher.keyboard.press("?")
    expect(teacher.get_by_text("Approve all of this kind that wait")).to_be_visible()
    teacher.keyboard.press("Shift+A")
    expect(teacher.get_by_role("button", name=re.compile(r"Approve \d+ items"))).to_be_focused()
    teacher.keyboard.press("Enter")

    expect(heading(teacher)).to_have_text("Done: nothing waits here")
    teacher.keyboard.press("u")
    expect(heading(teacher)).to_contain_text(re.compile(r"1 of \d+ waiting"))


def test_unsaved_edits_of_a_course_are_not_thrown_away_without_a_word(teacher, school):
    teacher.goto(f"{school}/admin/learning/course/")
    teacher.get_by_role("link", name="Tides", exact=True).press("Enter")
    here = teacher.url
    button = teacher.get_by_role("button", name="Make a word cloud")
    asked = []
    teacher.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))

    title = teacher.get_by_label("Title").first
    title.fill("Tides and more")
    button.press("Enter")
    assert len(asked) == 1 and "not saved it" in asked[0]
    expect(title).to_have_value("Tides and more")
    assert teacher.url == here

    title.fill("Tides")
    button.press("Enter")
    expect(teacher.locator("#result_list")).to_be_visible()
    assert len(asked) == 1


def test_keys_do_nothing_with_modifiers(teacher, school):
    open_review(teacher, school, "concept")
    first = name(teacher)
    for key in ("Alt+j", "Control+j", "Control+a"):
        teacher.keyboard.press(key)
    expect(heading(teacher)).to_contain_text("1 of")
    expect(named(teacher)).to_have_text(first)
