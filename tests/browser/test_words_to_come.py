"""Text whose HTML is still to come is shown as it will look: each letter once, none taken back.

The server sends HTML more seldom than text; the line makes it as seldom as it may ever be.
"""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.scripted import delta, finished
from tests.browser.steps import Line, ask, expect_end, last_answer, new_student, words

ANSWER = """\
The sea **rises** twice a day [1], in *two* waves 🌊 — and it falls twice.

1. At high water it stands highest [1];
   that is the moment to sail.
2. At low water it stands lowest:
   - on the beach,
   - and in the harbour.

```python
def height(hours):
    # of the water, in metres

    return 2 + 2 * cos(hours / 12.4)
```

涨潮时**水位：**上升。退潮时水位下降。

| time | height |
|---|---|
| three | four |

> The moon pulls the water & the earth.

That is `all` there is."""

WATCH = """() => {
  window.seen = [];
  window.plain = 0;
  new MutationObserver(() => {
    const blocks = document.querySelector("article.answer:last-of-type [data-blocks]");
    if (!blocks) return;
    if (blocks.querySelector("[data-tail]")) plain += 1;
    seen.push(blocks.textContent);
  }).observe(document.querySelector("[data-log]"), {
    childList: true, characterData: true, subtree: true,
  });
}"""


def letters(text: str) -> str:
    """Without what Markdown may take for its own later: signs, and the numbers of a list."""
    return re.sub(r"[\W\d_]", "", text)


def pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


class SeldomHTML:
    """Holds HTML back, so that it comes with each so-manieth frame, and late."""

    def __init__(self, line: Line, every: int):
        self.every, self.count, self.held, self.reaches = every, 0, {}, 0
        line.changes = self._change

    def _change(self, frame: dict) -> list[dict]:
        if frame["type"] == "turn.finished":
            return [*self._html(frame["turn"]), frame]
        if frame["type"] != "turn.delta":
            return [frame]
        late = self._html(frame["turn"]) if self.count % self.every == 0 else []
        self.count += 1
        if frame["blocks"]:
            self.held |= {block["i"]: block["html"] for block in frame["blocks"]}
            self.reaches = frame["at"] + len(frame["text"])
        return [{**frame, "blocks": []}, *late]

    def _html(self, turn: str) -> list[dict]:
        """What was held back: of the text up to where it reaches."""
        held, self.held = self.held, {}
        blocks = [{"i": i, "html": html} for i, html in sorted(held.items())]
        empty = {"type": "turn.delta", "turn": turn, "at": self.reaches, "text": ""}
        return [{**empty, "blocks": blocks}] if blocks else []


@pytest.mark.parametrize("every", [1, 3, 8])
def test_each_letter_is_shown_once_in_its_place_and_the_end_is_the_page_of_the_server(
    site, page: Page, every
):
    line = Line(page)
    SeldomHTML(line, every)
    new_student(page, "sea")
    site.openai.answers(*pieces(ANSWER, 7), pace_seconds=0.03)
    page.evaluate(WATCH)

    ask(page, "What does the sea do?")

    expect_end(page)
    whole = letters(words(page).inner_text())
    seen = [letters(text) for text in page.evaluate("seen") if text]
    assert [text for text in seen if not whole.startswith(text)] == []
    assert seen == sorted(seen, key=len), "letters were taken back"
    assert page.evaluate("plain") > 3
    assert "resume" not in line.sent_types()
    at_the_end = words(page).inner_html()
    page.reload()
    assert words(page).inner_html() == at_the_end


@pytest.fixture
def answer(server, page: Page):
    """The last answer's text; a turn has begun."""
    new_student(page, "sea")
    server.answers("What is water?", "t1")
    return words(page)


@pytest.mark.parametrize(
    ("html", "before", "after", "shown"),
    [
        ("<p>Wet</p>", "Wet ", "and cold", "Wet and cold"),
        ("<ul>\n<li>Wet</li>\n</ul>", "- Wet", " and cold", "Wet and cold"),
        ("<pre><code>x = 1\n</code></pre>", "```\nx = 1\n", "y = *x\n``", "x = 1\ny = *x"),
        ("<p>Wet</p>", "Wet", " and **cold", "Wet and"),
        ("<p>Wet</p>", "Wet", " [1", "Wet"),
        ("<p>Wet</p>", "Wet\n\n", "New paragraph", "Wet"),
        ("<p>Wet $x</p>", "Wet \\(x", " + y", "Wet $x + y"),
        ("<p>2</p>", "2", ". point of a list", "2"),
        ("<div class='table'><table><tr><td>a</td></tr></table></div>", "| a |", " b", "a"),
        ("<pre><code>x\n</code></pre>", "```\nx\n```", "\nWords after it", "x"),
        ("", "", "First words", "First words"),
        ("", "", "- a list", ""),
    ],
)
def test_only_what_will_surely_look_the_same_is_shown_before_its_html(
    server, answer, html, before, after, shown
):
    if before:
        server.say(delta("t1", 0, before, html))
    server.say(delta("t1", len(before), after))
    server.say({"type": "turn.queued", "turn": "t1", "ahead": 7})  # and it was read

    expect(last_answer(answer.page)).to_contain_text("7 questions are before")
    assert answer.text_content().strip() == shown


def test_the_html_of_earlier_words_leaves_later_words_standing(server, answer):
    server.say(delta("t1", 0, "One ", "<p>One</p>"), delta("t1", 4, "two "))
    server.say(delta("t1", 4, "", "<p><em>One</em></p>"))
    expect(answer).to_have_text("One two")
    server.say(delta("t1", 8, "", "<p><em>One</em> two</p>"), finished("t1", 8))
    expect(last_answer(answer.page)).to_have_attribute("data-state", "complete")
    assert answer.inner_html() == '<div class="block"><p><em>One</em> two</p></div>'


def test_an_end_without_the_html_of_the_last_words_is_not_believed(server, answer):
    server.say(delta("t1", 0, "One ", "<p>One</p>"), delta("t1", 4, "two"), finished("t1", 7))
    server.wait_for("resume")


def test_an_answer_is_followed_until_its_question_is_at_the_top(server, answer):
    page = answer.page
    html = "".join(f"<p>Line {n}</p>" for n in range(100))

    server.say(delta("t1", 0, "x", html))

    expect(answer).to_contain_text("Line 99")
    page.wait_for_timeout(100)
    expect(page.locator("article.question")).to_be_in_viewport(ratio=1)
    expect(answer.get_by_text("Line 0", exact=True)).to_be_in_viewport()


def test_a_reader_who_scrolls_up_is_left_there_and_one_at_the_bottom_is_taken_along(server, answer):
    page = answer.page
    log = page.locator("[data-log]")

    def grow(lines: int) -> None:
        html = "".join(f"<p>Line {n}</p>" for n in range(lines))
        server.say(delta("t1", lines, "x", html))
        expect(answer).to_contain_text(f"Line {lines - 1}")

    def distance() -> float:
        page.wait_for_timeout(100)
        return log.evaluate("log => log.scrollHeight - log.scrollTop - log.clientHeight")

    server.say(delta("t1", 0, "x" * 100, "<p>Line</p>"))
    grow(100)
    log.hover()
    page.mouse.wheel(0, 50_000)
    page.wait_for_timeout(100)
    grow(101)
    assert distance() < 2
    page.mouse.wheel(0, -500)
    page.wait_for_timeout(100)
    grow(102)
    assert distance() > 400
    page.mouse.wheel(0, 5_000)
    page.wait_for_timeout(100)
    grow(103)
    assert distance() < 2
