"""The student's way through the knowledge graph: by keyboard, mouse, touch, without scripts."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.steps import new_student, violations, without_scripts
from tests.servers.site import prepare_site

PHONE = {"width": 390, "height": 844}
GRAPH = "/courses/tides/graph/"
# What `manage.py generate` and the review do, and one relation that only a model would name.
PREPARE = """
from learning.artefacts.generating import generate
from learning.models import Course, StudyArtefact, StudyItem
course = Course.objects.get(slug="tides")
generate(StudyArtefact.objects.create(course=course, kind="knowledge_graph").pk)
concepts = StudyItem.objects.filter(course=course, kind="concept")
spring, neap = (concepts.get(content__name__iexact=f"{name} tide") for name in ("spring", "neap"))
made, _ = StudyItem.objects.get_or_create(
    course=course, kind="relation", key="differs", source=spring, target=neap,
    defaults={"content": {"type": "differs_from"}},
)
passage = neap.passages.first()
passage.pk, passage.item, passage.form, passage._state.adding = None, made, "", True
passage.save()
StudyItem.objects.filter(course=course, kind__in=("concept", "relation")).update(status="approved")
"""


@pytest.fixture(scope="module")
def graph_made(session_site):
    prepare_site(session_site.data, [["shell", "-v", "0", "-c", PREPARE]])


@pytest.fixture
def student(graph_made, site, page: Page) -> Page:
    new_student(page, "sea")
    page.goto(GRAPH)
    expect(page.locator("[data-live]")).to_be_visible()
    return page


def node(page: Page, name: str) -> Locator:
    return page.locator(".nodes a").filter(has_text=re.compile(name, re.IGNORECASE)).first


def focused(page: Page) -> str | None:
    return page.evaluate("document.activeElement.getAttribute('aria-label')")


def view(page: Page) -> list[float]:
    box = page.locator("[data-map] svg").get_attribute("viewBox")
    return [float(number) for number in box.split()]


def scale(page: Page) -> float:
    """How many pixels a unit of the picture takes."""
    return page.locator("[data-map] svg").bounding_box()["width"] / view(page)[2]


def ways_by_arrows(page: Page) -> dict[str, list[str]]:
    """Try all arrow keys, beginning where the focus is: which keys lead to which concept."""
    ways = {focused(page): []}
    for name in (todo := [focused(page)]):
        for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"):
            page.locator(f".nodes a[aria-label='{name}']").evaluate("node => node.focus()")
            page.keyboard.press(key)
            if focused(page) not in ways:
                ways[focused(page)] = [*ways[name], key]
                todo.append(focused(page))
    page.locator(f".nodes a[aria-label='{todo[0]}']").evaluate("node => node.focus()")
    return ways


def test_a_student_finds_a_concept_by_keyboard_and_reads_where_the_course_says_so(
    student, complaints
):
    student.get_by_role("button", name="Fit").focus()
    student.keyboard.press("Tab")
    expect(student.locator(".nodes a:focus")).to_have_count(1)
    ways = ways_by_arrows(student)
    assert len(ways) == student.locator(".nodes a").count()

    for key in next(keys for name, keys in ways.items() if name.lower() == "neap tide"):
        student.keyboard.press(key)
    expect(student.locator(".nodes a[tabindex='0']")).to_have_count(1)

    student.keyboard.press("Enter")

    panel = student.locator("#concept")
    expect(panel).to_be_in_viewport()
    expect(panel.get_by_role("heading", level=2)).to_have_text(re.compile("neap tide", re.I))
    expect(panel).to_contain_text("a tide with a small range")
    expect(panel.locator(".relations")).to_contain_text("differs from")
    expect(student.locator(".types")).to_contain_text("differs from")
    expect(panel.get_by_role("button", name="Ask the tutor")).to_be_visible()

    panel.get_by_role("link", name="Neap tides").first.press("Enter")

    cited = student.locator(".block.cited").first
    expect(cited).to_be_in_viewport()
    expect(cited).to_contain_text("neap tide")
    assert complaints == []


def test_keys_and_buttons_zoom_and_home_shows_all(student):
    whole = view(student)
    node(student, "spring tide").focus()

    student.keyboard.press("+")
    closer = view(student)
    assert closer[2] < whole[2]
    student.keyboard.press("-")
    assert view(student)[2] > closer[2]
    student.get_by_role("button", name="Zoom in").click()
    student.get_by_role("button", name="Zoom in").click()
    assert view(student)[2] < closer[2]
    node(student, "spring tide").focus()
    student.keyboard.press("Home")
    assert view(student) == pytest.approx(whole)


def test_a_wheel_over_the_picture_scrolls_the_page_unless_ctrl_is_held(student):
    student.set_viewport_size({"width": 1280, "height": 500})
    student.goto(GRAPH)
    before = view(student)
    student.locator("[data-map] svg").hover()

    student.mouse.wheel(0, 200)
    student.wait_for_function("scrollY > 0")
    assert view(student) == before

    student.locator("[data-map] svg").hover()
    student.keyboard.down("Control")
    student.mouse.wheel(0, -200)
    student.keyboard.up("Control")
    student.wait_for_function(
        "width => document.querySelector('[data-map] svg').viewBox.baseVal.width < width",
        arg=before[2],
    )


def test_dragging_moves_the_picture_and_opens_nothing(student):
    for _ in range(3):
        student.get_by_role("button", name="Zoom in").click()
    before = view(student)
    box = node(student, "tide").bounding_box()
    map_box = student.locator("[data-map]").bounding_box()
    x = min(max(box["x"] + box["width"] / 2, map_box["x"] + 60), map_box["x"] + 300)
    y = min(max(box["y"] + 8, map_box["y"] + 60), map_box["y"] + 200)
    student.mouse.move(x, y)
    student.mouse.down()
    student.mouse.move(x + 40, y + 30, steps=4)
    student.mouse.up()

    after = view(student)
    assert after[:2] != before[:2] and after[2:] == pytest.approx(before[2:])
    assert student.url.endswith(GRAPH)
    assert student.evaluate("getSelection().toString()") == ""


def test_a_click_opens_a_concept_and_the_picture_stays_where_it_was(student):
    student.get_by_role("button", name="Zoom in").click()
    for _ in range(3):
        student.keyboard.press("Tab")  # to the concept that the Tab key stops at
    name = focused(student)
    before = scale(student)
    node(student, name).locator("circle").last.click()

    expect(student.locator("#concept")).to_contain_text(name, ignore_case=True)
    expect(student.locator("[data-live]")).to_be_visible()
    expect(student.locator(".nodes .chosen")).to_have_attribute("aria-current", "true")
    assert scale(student) == pytest.approx(before)


def test_a_concept_opens_in_the_same_page_and_back_leads_to_the_one_before(student, complaints):
    student.evaluate("window.isTheSame = true")
    panel = student.locator("#concept")

    node(student, "spring tide").locator("circle").last.click()
    expect(panel).to_be_focused()
    expect(panel.get_by_role("heading", level=2)).to_have_text(re.compile("spring tide", re.I))
    expect(student).to_have_title(re.compile("spring tide · Knowledge graph", re.I))
    first = student.url
    assert re.search(r"\?concept=\d+#concept$", first)

    student.get_by_text(re.compile(r"\d+ concepts? in words")).click()
    panel.locator(".relations").get_by_role("link", name="neap tide").first.press("Enter")
    expect(panel.get_by_role("heading", level=2)).to_have_text(re.compile("neap tide", re.I))
    expect(panel).to_be_focused()
    expect(student.locator(".all-concepts")).to_have_attribute("open", "")
    here = student.url.removesuffix("#concept")
    assert here.endswith(student.locator("[name=next]").get_attribute("value"))

    student.go_back()
    expect(panel.get_by_role("heading", level=2)).to_have_text(re.compile("spring tide", re.I))
    assert student.url == first
    student.go_back()
    expect(panel).to_have_count(0)
    assert student.url.endswith(GRAPH)
    student.go_forward()
    expect(panel.get_by_role("heading", level=2)).to_have_text(re.compile("spring tide", re.I))
    assert student.evaluate("window.isTheSame") and complaints == []


def test_who_is_logged_out_meanwhile_is_asked_to_log_in_and_then_shown_the_concept(student):
    node(student, "spring tide").focus()
    student.context.clear_cookies(name="sessionid")

    student.keyboard.press("Enter")

    expect(student.get_by_role("heading", level=1)).to_have_text("Log in")
    assert re.search(r"next=.*concept%3D\d+", student.url)


def test_on_a_phone_the_picture_stays_over_the_concept_it_opened(phone):
    phone.set_viewport_size({**PHONE, "height": 640})
    expect(phone.locator("[data-live]")).to_be_visible()
    node(phone, "spring tide").evaluate("node => node.focus()")
    node(phone, "spring tide").locator("circle").last.tap()

    expect(phone.locator("#concept h2")).to_be_in_viewport()
    expect(node(phone, "spring tide")).to_be_in_viewport()


def test_a_chapter_s_link_leaves_its_concepts(student):
    everything = student.locator(".nodes a").count()

    student.get_by_role("link", name="The sea moves").click()

    expect(node(student, "spring tide")).to_have_count(0)
    expect(node(student, "tidal range")).to_be_visible()
    assert student.locator(".nodes a").count() < everything


@pytest.fixture
def phone(graph_made, site, browser, base_url):
    context = browser.new_context(
        base_url=base_url, viewport=PHONE, has_touch=True, is_mobile=True, locale="en"
    )
    page = context.new_page()
    new_student(page, "sea")
    page.goto(GRAPH)
    yield page
    context.close()


def pinch(page: Page, start: float, end: float) -> None:
    """Move two fingers on the picture from one distance to another."""
    box = page.locator("[data-map] svg").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touches = page.context.new_cdp_session(page)

    def send(kind: str, apart: float | None) -> None:
        points = [] if apart is None else [{"x": x - apart, "y": y}, {"x": x + apart, "y": y}]
        touches.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    send("touchStart", start)
    for step in range(1, 6):
        send("touchMove", start + (end - start) * step / 5)
    send("touchEnd", None)


def test_two_fingers_zoom_on_a_phone_where_letters_can_be_read(phone):
    phone.locator("[data-map]").scroll_into_view_if_needed()
    before = view(phone)
    assert 13 * scale(phone) > 10  # pixels of a letter

    pinch(phone, 30, 90)

    assert view(phone)[2] < before[2]
    assert phone.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    node(phone, "spring tide").evaluate("node => node.focus()")
    node(phone, "spring tide").locator("circle").last.tap()
    expect(phone.locator("#concept")).to_be_in_viewport()


def test_without_scripts_the_picture_is_links_and_all_stands_in_words(student, browser, base_url):
    page = without_scripts(browser, student, base_url, viewport=PHONE)
    page.goto(GRAPH)
    expect(page.get_by_role("button", name="Zoom in")).to_be_hidden()
    page.get_by_text(re.compile(r"\d+ concepts in words")).click()
    page.locator(".all-concepts").get_by_role("link", name="neap tide").first.click()

    expect(page.locator("#concept")).to_contain_text("a tide with a small range")
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_graph_can_be_used_by_everybody(student, scheme, complaints):
    student.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    found = []
    for size in (PHONE, {"width": 1280, "height": 900}):
        student.set_viewport_size(size)
        student.goto(GRAPH)
        student.locator(".all-concepts summary").click()
        found += violations(student)
        node(student, "spring tide").evaluate("node => node.focus()")
        student.keyboard.press("Enter")
        expect(student.locator("#concept")).to_be_visible()
        found += violations(student)

    assert found == []
    assert complaints == []
