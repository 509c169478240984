"""Hostile words in a real browser: none of them runs, and nothing leaves for another host."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import ask, last_answer, new_student
from tests.hostile import HOSTILE
from tests.servers.site import prepare_site

# Whatever of the texts runs calls `zqx`; a browser that never heard of it would only complain.
WATCH = """
  window.xss = [];
  window.zqx = () => window.xss.push(location.href);
"""
QUESTION = "Why?\n" + "\n".join(HOSTILE[:20])
# Each text in a block of its own: one must not hide the next from the parser.
ANSWER = "\n\n".join(["Because [1]:", *HOSTILE])


@pytest.fixture
def watched(page: Page) -> Page:
    page.add_init_script(WATCH)
    page.asked_for = []
    page.on("request", lambda request: page.asked_for.append(request.url))
    return page


@pytest.fixture(scope="module")
def hostile_course(session_site, tmp_path_factory) -> Iterator[str]:
    """A course whose chapter, title and file name hold the texts; not indexed, and not for long."""
    folder = tmp_path_factory.mktemp("hostile") / "course"
    folder.mkdir()
    file = folder / "01-<img src=x onerror=zqx()>.md"
    file.write_text("# One " + HOSTILE[3] + "\n\n" + "\n\n".join(HOSTILE), encoding="utf-8")
    title = HOSTILE[0] + HOSTILE[3]
    command = ["import_course", str(folder), "--open", "--slug", "hostile", "--title", title]
    prepare_site(session_site.data, [command])
    yield "/courses/hostile/"
    remove = "from learning.models import Course; Course.objects.filter(slug='hostile').delete()"
    prepare_site(session_site.data, [["shell", "-v", "0", "-c", remove]])


def talk(page: Page) -> None:
    ask(page, QUESTION)
    # The first question of a site waits for its models.
    expect(last_answer(page)).to_have_attribute("data-state", "complete", timeout=60_000)


def expect_nothing_ran(page: Page) -> None:
    assert page.evaluate("window.xss") == []
    own = page.evaluate("location.origin")
    strange = [url for url in page.asked_for if not url.startswith((own, "data:", "blob:"))]
    assert strange == []


def test_nothing_a_model_or_a_student_writes_runs_in_the_chat(site, watched):
    new_student(watched, "tables")
    site.openai.answers(*[ANSWER[at : at + 150] for at in range(0, len(ANSWER), 150)])
    talk(watched)
    answer = watched.locator("article.answer").last
    expect(answer.locator("[data-blocks]")).to_contain_text("evil.example")
    expect_nothing_ran(watched)
    blocks = answer.locator("[data-blocks]")
    assert blocks.locator("a:not(.cite)").count() == 0
    assert blocks.locator("img, svg, iframe, form, style, script").count() == 0

    watched.reload()
    expect(watched.locator("article.answer").last).to_contain_text("evil.example")
    expect_nothing_ran(watched)
    watched.goto("/accounts/privacy/")
    expect_nothing_ran(watched)


def test_nothing_in_a_course_runs_on_its_pages(site, watched, hostile_course):
    new_student(watched, "tables")
    watched.goto("/")
    expect_nothing_ran(watched)
    watched.goto(hostile_course)
    watched.locator("form[action$='/enrol/'] button").click()
    expect_nothing_ran(watched)
    watched.locator(".chapters a").first.click()
    expect(watched.locator("[data-text]")).to_contain_text("zqx")
    expect_nothing_ran(watched)
    abroad = watched.locator("[data-text] a[href^='http']")
    for link in abroad.all():
        assert set(link.get_attribute("rel").split()) >= {"noopener", "noreferrer", "nofollow"}


def test_nothing_that_was_asked_and_answered_runs_before_staff(site, watched, hostile_course):
    new_student(watched, "tables")
    site.openai.answers(ANSWER)
    talk(watched)
    watched.context.clear_cookies()
    watched.goto("/admin/login/?next=/admin/")
    watched.fill("[name=username]", "staff")
    watched.fill("[name=password]", "staff")
    watched.locator("main [type=submit], #login-form [type=submit]").first.click()
    expect(watched.locator("#nav-sidebar-apps")).to_be_visible()

    lists = ["learning/conversation", "learning/message", "tracing/tracerecord", "learning/chapter"]
    for name in [*lists, "learning/course"]:
        watched.goto(f"/admin/{name}/")
        first = watched.locator(f"#result_list a[href*='/{name}/'][href*='/change/']").first
        expect(first).to_be_attached()
        expect_nothing_ran(watched)
        watched.goto(first.get_attribute("href"))
        expect(watched.locator("html")).not_to_have_attribute("x-cloak", "")
        expect_nothing_ran(watched)
    for address in ("/admin/", "/admin/?days=1", "/admin/search/?s=zqx"):
        watched.goto(address)
        expect_nothing_ran(watched)
