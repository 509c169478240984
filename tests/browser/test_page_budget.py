"""What a student's pages cost, on a phone that has none of them yet.

Bytes are counted as Lighthouse counts them: what came over the network, headers and all.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from django.urls import URLPattern
from playwright.sync_api import Browser, Page, expect

from learning.urls import urlpatterns
from tests.browser.steps import choose_chinese, log_in, untranslated

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
BUDGET = 150_000  # bytes, without images
REQUESTS = 30

# Where each page of learning/urls.py is seen, by its name there; "{talk}" is a long conversation,
# "{attempt}" a quiz that has begun, "{key}" of a link to enrol by.
PAGES = {
    "home": ["/"],
    "course": ["/courses/calculus/", "/courses/tides/"],
    "chapter": [
        "/courses/calculus/chapters/series/",  # formulas and code
        "/courses/long/chapters/whole/",
        "/courses/machine-learning-zh/chapters/neural-networks/",
        "/courses/calculus/chapters/limits/?passage=0-400",
    ],
    "course_history": ["/courses/calculus/history/", "/courses/calculus/history/?q=nothing"],
    "course_quiz": ["/courses/calculus/quiz/", "/courses/tides/quiz/"],
    "quiz_attempt": ["{attempt}", "{attempt}?question=1", "{ended}"],
    "course_graph": ["/courses/calculus/graph/", "/courses/calculus/graph/?all=1"],
    "course_words": ["/courses/calculus/words/", "/courses/calculus/words/?all=1"],
    "conversation": ["{talk}"],
    "conversation_delete": ["{talk}delete/"],
    "account": ["/accounts/"],
    "password": ["/accounts/password/"],
    "privacy": ["/accounts/privacy/"],
}
PAGES_OF_VISITORS = {
    "home": ["/", "/nowhere/"],
    "course": ["/courses/calculus/"],
    "login": ["/accounts/login/"],
    "signup": ["/accounts/signup/"],
    "password_reset": ["/accounts/password/reset/"],
    "password_reset_sent": ["/accounts/password/reset/sent/"],
    "password_reset_confirm": ["/accounts/password/reset/MQ/used-up/"],
}
# Are sent to, or fetched by a script, or kept as a file.
NOT_PAGES = {
    "enrol",
    "enrol_by_link",
    "read",
    "course_image",
    "conversation_start",
    "course_suggestions",
    "quiz_start",
    "conversation_show",
    "conversation_rename",
    "conversation_export",
    "conversation_suggestions",
    "conversation_feedback",
    "logout",
    "set_language",
}


@dataclass
class Visit:
    """What one visit to a page cost."""

    address: str
    status: int = 0
    html: str = ""
    scripts: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    english: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)  # of each request, in bytes
    images: set[str] = field(default_factory=set)

    @property
    def bytes(self) -> int:
        return sum(size for request, size in self.sizes.items() if request not in self.images)


def visit(browser: Browser, address: str, cookies: list) -> Visit:
    """Go there with an empty cache."""
    context = browser.new_context(**PHONE, locale="en")
    context.add_cookies(cookies)
    page = context.new_page()
    seen = Visit(address)
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")

    def responded(event):
        if event["type"] == "Image":
            seen.images.add(event["requestId"])

    def loaded(event):
        seen.sizes[event["requestId"]] = event["encodedDataLength"]

    def requested(request):
        seen.hosts.add(urlsplit(request.url).netloc)
        if request.resource_type == "script":
            seen.scripts.add(urlsplit(request.url).path)

    devtools.on("Network.responseReceived", responded)
    devtools.on("Network.loadingFinished", loaded)
    page.on("request", requested)
    page.on("websocket", lambda socket: seen.hosts.add(urlsplit(socket.url).netloc))
    response = page.goto(address, wait_until="networkidle")
    seen.status, seen.html = response.status, response.text()
    seen.english = untranslated(page)
    context.close()
    return seen


@pytest.fixture(scope="module")
def visits(session_delivered, browser) -> list[Visit]:
    """One to each page, in Chinese: its texts take more bytes, and nobody has looked at it less."""
    site = session_delivered
    context = browser.new_context(base_url=site.url, locale="en")
    page = context.new_page()
    page.goto("/")
    choose_chinese(page)
    cookies_of_visitors = context.cookies()
    log_in(page, site.url, "mei", site.password)
    page.goto("/")
    choose_chinese(page)
    places = {**conversation(page), **attempts(page)}
    cookies = context.cookies()
    context.close()
    return [
        visit(browser, site.url + address.format(**places), worn)
        for pages, worn in ((PAGES, cookies), (PAGES_OF_VISITORS, cookies_of_visitors))
        for addresses in pages.values()
        for address in addresses
    ]


def conversation(page: Page) -> dict[str, str]:
    page.goto("/courses/calculus/")
    return {"talk": page.get_by_role("link", name="Long answers").get_attribute("href")}


def attempts(page: Page) -> dict[str, str]:
    """Begin a quiz and answer one question; come to the end of another."""
    found = {}
    for name, course in (("attempt", "calculus"), ("ended", "machine-learning-zh")):
        page.goto(f"/courses/{course}/quiz/")
        page.locator("main form button").first.click()
        while not page.locator("#quiz-end").count():
            found[name] = urlsplit(page.url).path
            page.locator("[name=pass]").click()
            if name == "attempt":
                break
            page.locator(".quiz-next a").click()
    return found


def test_every_page_of_a_student_is_visited_here():
    def names(patterns):
        for each in patterns:
            yield from [each.name] if isinstance(each, URLPattern) else names(each.url_patterns)

    assert set(names(urlpatterns)) == {*PAGES, *PAGES_OF_VISITORS, *NOT_PAGES}, (
        "say in PAGES where the new page is seen, or in NOT_PAGES that it is none"
    )


def test_every_page_is_shown(visits):
    missing = {urlsplit(seen.address).path for seen in visits if seen.status != 200}
    assert missing == {"/nowhere/"}


def test_no_page_is_heavier_than_its_budget(visits):
    heavy = {seen.address: seen.bytes for seen in visits if seen.bytes > BUDGET}
    assert heavy == {}
    busy = {seen.address: len(seen.sizes) for seen in visits if len(seen.sizes) > REQUESTS}
    assert busy == {}


def test_no_page_asks_another_host(visits, session_delivered):
    assert {host for seen in visits for host in seen.hosts} == {
        urlsplit(session_delivered.url).netloc
    }


def test_no_script_waits_for_another_to_be_asked_for(visits):
    late = {
        f"{seen.address}: {script}"
        for seen in visits
        for script in seen.scripts
        if f'"{script}"' not in seen.html
    }
    assert late == set(), "name what is imported in the page, as _chat_scripts.html does"


def test_what_is_named_ahead_is_used(visits):
    named = {
        f"{seen.address}: {script}"
        for seen in visits
        for script in re.findall(r'modulepreload" href="([^"]+)"', seen.html)
        if script not in seen.scripts
    }
    assert named == set()


def test_no_page_in_chinese_shows_our_english(visits):
    assert [text for seen in visits for text in seen.english] == []


# --- How files and pages are sent ----------------------------------------------------------------


def test_files_are_packed_and_kept_for_good_and_pages_packed_and_not_kept(delivered, visitor: Page):
    heard = []
    visitor.on("response", lambda response: heard.append(response))
    log_in(visitor, delivered.url, "mei", delivered.password)
    visitor.goto("/courses/calculus/chapters/series/", wait_until="networkidle")

    for response in heard:
        headers = response.headers
        path = urlsplit(response.url).path
        if path.startswith("/static/"):
            assert re.search(r"\.[0-9a-f]{12}\.\w+$", path), path
            assert headers["cache-control"] == "max-age=315360000, public, immutable", path
            assert headers["content-encoding"] == "gzip", path
        elif response.status == 200:
            assert "no-store" in headers["cache-control"], path
            if response.request.resource_type == "document":
                assert headers["content-encoding"] == "gzip", path
    assert len([each for each in heard if "/static/" in each.url]) > 20


@pytest.mark.parametrize("address", ["/courses/calculus/chapters/series/", "/courses/tides/"])
def test_a_page_is_read_without_a_script(delivered, browser, address):
    context = browser.new_context(base_url=delivered.url, java_script_enabled=False, locale="en")
    page = context.new_page()
    log_in(page, delivered.url, "mei", delivered.password)
    page.goto(address)

    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert len(page.locator("main").inner_text()) > 100
    context.close()


def test_nothing_moves_when_the_scripts_of_a_long_conversation_come(delivered, visitor: Page):
    visitor.set_viewport_size(PHONE["viewport"])
    visitor.add_init_script("""
        window.moved = 0;
        new PerformanceObserver((list) => {
          for (const shift of list.getEntries()) if (!shift.hadRecentInput) moved += shift.value;
        }).observe({ type: "layout-shift", buffered: true });
    """)
    log_in(visitor, delivered.url, "mei", delivered.password)
    visitor.goto("/courses/calculus/")
    visitor.get_by_role("link", name="Long answers").click()
    expect(visitor.locator("[data-send]")).to_be_enabled()

    assert visitor.evaluate("moved") < 0.1  # what browsers' makers call good
