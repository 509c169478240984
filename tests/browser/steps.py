"""What a student does, in the words of the tests."""

import json
import re
import uuid

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, WebSocketRoute, expect

from tests.catalogs import untranslated_texts

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def sign_up(page: Page) -> str:
    """Make a new student and be logged in as them."""
    name = f"ada{uuid.uuid4().hex[:8]}"
    page.goto("/accounts/signup/")
    page.fill("[name=username]", name)
    page.fill("[name=email]", f"{name}@example.org")
    page.fill("[name=password1]", "a-long-phrase-42")
    page.fill("[name=password2]", "a-long-phrase-42")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("button", name="Log out")).to_be_attached()
    return name


def new_student(page: Page, chapter: str, site_url: str = "", *, course: str = "tides") -> None:
    """Be a new student, enrolled in a course and on one of its chapters, at once."""
    name = f"ada{uuid.uuid4().hex[:8]}"

    def post(path: str, **fields: str) -> None:
        page.request.get(f"{site_url}/accounts/signup/")  # gives the token
        cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
        form = {"csrfmiddlewaretoken": cookies["csrftoken"], **fields}
        assert page.request.post(f"{site_url}{path}", form=form, max_redirects=0).status == 302

    password = "a-long-phrase-42"
    email = f"{name}@example.org"
    post("/accounts/signup/", username=name, email=email, password1=password, password2=password)
    post(f"/courses/{course}/enrol/")
    page.goto(f"{site_url}/courses/{course}/chapters/{chapter}/")
    expect(page.locator("[data-send]")).to_be_enabled()  # the page listens to keys


def log_in(page: Page, site_url: str, name: str, password: str) -> None:
    page.context.clear_cookies()
    page.goto(f"{site_url}/accounts/login/")
    page.fill("[name=username]", name)
    page.fill("[name=password]", password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site_url}/")


def choose_chinese(page: Page) -> None:
    """Press the button in the foot of a student's page."""
    page.get_by_role("button", name="简体中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")


def open_chapter(page: Page, title: str) -> None:
    """Enrol in the course of tides and open one of its chapters."""
    page.goto("/")
    page.get_by_role("link", name="Tides").first.click()
    page.get_by_role("button", name="Enrol").first.click()
    page.get_by_role("link", name=title).first.click()
    expect(page.get_by_role("heading", level=1, name=title)).to_be_visible()


def ask(page: Page, question: str) -> None:
    expect(page.locator("[data-send]")).to_be_enabled()  # the page listens to keys
    page.locator("[data-question]").fill(question)
    page.locator("[data-question]").press("Enter")


def last_answer(page: Page) -> Locator:
    return page.locator("article.answer").last


def words(page: Page) -> Locator:
    """The text of the last answer, without its sources and its status."""
    return last_answer(page).locator("[data-blocks]")


def expect_end(page: Page, status: str = "complete") -> None:
    expect(last_answer(page)).to_have_attribute("data-state", status)
    expect(page.locator("[data-send]")).to_be_visible()


def mark_words(page: Page) -> str:
    """Mark the first words of a chapter; return them."""
    return page.evaluate(
        """() => {
          const block = document.querySelector("[data-text] p");
          getSelection().setBaseAndExtent(block.firstChild, 0, block.firstChild, 12);
          return getSelection().toString().trim();
        }"""
    )


def answer_quiz_question(page: Page, words: str = "neap tide") -> str:
    """Answer the question that is shown by keyboard, right or wrong; return the mark."""
    expect(page.locator("#quiz-question")).to_be_focused()
    page.keyboard.press("Tab")  # the first thing after the heading is the answer
    if page.locator("#answer").count():
        expect(page.locator("#answer")).to_be_focused()
        page.keyboard.type(words)
    else:
        page.keyboard.press("Space")
    page.keyboard.press("Enter")
    result = page.locator("#result")
    expect(result).to_be_focused()
    return result.get_attribute("data-mark")


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the focus is there."""
    expect(wanted).to_be_visible()
    for _ in range(120):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("the Tab key does not lead there")


def press(page: Page, role: str, name: str) -> None:
    """Go to a button or link with the Tab key, and press Enter."""
    tab_to(page, page.get_by_role(role, name=name, exact=True).first)
    page.keyboard.press("Enter")


# A composition of an input method, as Chinese and Japanese are written with: letters stand in the
# field, and Enter is about them.
def compose(page: Page, letters: str) -> None:
    """Begin one in what has the focus."""
    place = {"selectionStart": len(letters), "selectionEnd": len(letters)}
    devtools = page.context.new_cdp_session(page)
    devtools.send("Input.imeSetComposition", {"text": letters, **place})


def choose(page: Page, words: str) -> None:
    """End one with these words."""
    page.context.new_cdp_session(page).send("Input.insertText", {"text": words})


# What a person sees or hears of a page: each text with its language, and whether it is the page's
# own, not a course's or a person's.
HEARD = """() => {
  const NOT_WORDS = "script, style, noscript, math, pre, code, .material-symbols-outlined";
  const heard = [];
  const tell = (element, words) => {
    const text = words?.replace(/\\s+/g, " ").trim();
    const shown = element.closest("select") ?? element;
    if (!text || !shown.checkVisibility({ visibilityProperty: true })) return;
    if (element.closest(NOT_WORDS)) return;
    const place = element.closest("[lang]");
    const isOthers = element.closest("[dir=auto], .prose, .who");
    const language = place.getAttribute("lang");
    heard.push({ text, language, own: place.matches(":root") && !isOthers });
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) tell(walker.currentNode.parentElement, walker.currentNode.data);
  for (const element of document.body.querySelectorAll("*")) {
    for (const name of ["aria-label", "aria-description", "title", "placeholder", "alt"])
      tell(element, element.getAttribute(name));
    if (element.matches("input:is([type=submit], [type=button])")) tell(element, element.value);
    for (const pseudo of ["::before", "::after"]) {
      const content = getComputedStyle(element, pseudo).content;
      if (content.startsWith('"')) tell(element, JSON.parse(content));
    }
  }
  heard.push({ text: document.title, language: document.documentElement.lang, own: false });
  return heard;
}"""
TWO_WORDS = re.compile(r"[^\u3400-\u9fff]*\b[A-Za-z]{2,} [A-Za-z]{2,}\b[^\u3400-\u9fff]*")
FIXED_WORDS = {"scrollable content"}  # a script's of the admin's theme


def untranslated(page: Page) -> list[str]:
    """English of the product that a page in Chinese shows or says, a line for each text.

    That is every text of the catalogs of two words or more; and in what is neither a course's nor
    anybody's own, those of one word, and any two English words in a text without Chinese.
    """
    page.wait_for_load_state()
    is_one_word, has_words = untranslated_texts()

    def is_english(text: str, language: str, own: bool) -> bool:
        if not language.lower().startswith("zh") or text in FIXED_WORDS:
            return False
        is_alone = is_one_word.fullmatch(text) or TWO_WORDS.fullmatch(text)
        return bool(has_words.search(text) or (own and is_alone))

    return [f"{page.url}: {one['text']}" for one in page.evaluate(HEARD) if is_english(**one)]


def violations(page: Page) -> list[str]:
    """What axe finds on a page against WCAG 2.2 AA, a line for each element."""
    only = {"runOnly": {"type": "tag", "values": WCAG}, "resultTypes": ["violations"]}
    found = Axe().run(page, options=only).response["violations"]
    return [
        f"{page.url}: {broken['id']}: {json.dumps(node['target'])}: {node['failureSummary']}"
        for broken in found
        for node in broken["nodes"]
    ]


def without_scripts(browser: Browser, page: Page, base_url: str, **options) -> Page:
    """A page of the same visitor in a browser without scripts; close its context at the end."""
    context = browser.new_context(
        base_url=base_url,
        storage_state=page.context.storage_state(),
        java_script_enabled=False,
        locale="en",
        **options,
    )
    return context.new_page()


class Line:
    """The websocket of a page, between browser and server: frames can be lost, the line cut."""

    def __init__(self, page: Page):
        self.sent: list[dict] = []  # by the page
        self.connections = 0
        self.loses = lambda frame: False  # what of the server's frames does not arrive
        self.changes = lambda frame: [frame]  # what arrives instead of one
        self.is_down = False
        self.is_silent = False  # nothing arrives either way, and nobody is told
        page.route_web_socket(re.compile("/ws/"), self._connect)

    def _connect(self, route: WebSocketRoute) -> None:
        self.connections += 1
        if self.is_down:
            route.close(code=1011)
            return
        server = route.connect_to_server()
        connection = self.connections

        def from_page(message):
            self.sent.append(json.loads(message))
            if not self.is_silent or connection != self.connections:
                server.send(message)

        def from_server(message):
            frame = json.loads(message)
            if not self.is_silent and not self.loses(frame):
                for changed in self.changes(frame):
                    route.send(message if changed is frame else json.dumps(changed))

        route.on_message(from_page)
        server.on_message(from_server)
        self._ends = (server, route)

    def cut(self) -> None:
        for end in self._ends:
            end.close(code=1011)

    def sent_types(self) -> list[str]:
        return [frame["type"] for frame in self.sent]
