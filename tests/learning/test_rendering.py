"""Markdown becomes safe HTML, alike in chapters, in history and while it streams."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.rendering import (
    AnswerRenderer,
    addresses_in,
    language_of,
    render_blocks,
    render_chapter,
    render_quote,
)

HOSTILE = [
    "<script>alert(1)</script>",
    "text <script>alert(1)</script> text",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><animate onbegin=alert(1)></svg>",
    "<iframe src='https://evil.example'></iframe>",
    "<a href='javascript:alert(1)'>a</a>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](java&#x0A;script:alert(1))",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "[a](vbscript:alert(1))",
    "![a](data:image/svg+xml;base64,AA)",
    "![a](https://evil.example/pixel.png)",
    "![a](x 'onerror=alert(1)')",
    "<javascript:alert(1)>",
    "$\\href{javascript:alert(1)}{x}$",
    "$$\\text{<img src=x onerror=alert(1)>}$$",
    "$\\style{background:url(https://evil.example)}{x}$",
    "$\\color{red}x$ $$\\begin{aligned}a&=b\\end{aligned}$$",
    "<p style='background:url(https://evil.example)'>x</p>",
    "# <img src=x onerror=alert(1)> heading <b onclick=alert(1)>b</b>",
    "```<script>\nalert(1)\n```",
    "```py\n</code></pre><script>alert(1)</script>\n```",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table>",
    "<form action=//evil.example><input name=password><button>go</button></form>",
    "<b id=main class=composer name=cookie>x</b>",
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
    "| <img src=x onerror=alert(1)> | b |\n|:--|--:|\n| [x](javascript:1) | y |",
]
LOADS_OR_RUNS = re.compile(
    r"<(?:script|img|svg|iframe|object|embed|form|input|button|style|link|meta|base|video|audio)\b"
    r"|<[^>]*\s(?:on\w+|style|src|srcset|xlink:href|formaction|name)\s*="
    r"|<[^>]*href=\"\s*(?:javascript|data|vbscript):",
    re.IGNORECASE,
)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_runs_or_loads_gets_through(text):
    for html in (render_chapter(text).html(), *render_blocks(text)):
        assert not LOADS_OR_RUNS.search(html)


def test_a_heading_shows_no_markup_in_the_contents():
    chapter = render_chapter('## <img src=x onerror="alert(1)"> The *idea* of $x$\n\ntext')

    assert [tuple(heading) for heading in chapter.contents] == [
        (2, "The idea of x", "the-idea-of-x")
    ]


def test_headings_of_one_name_get_anchors_of_their_own():
    chapter = render_chapter("## Proof\n\n## Proof\n\n## p-7\n\n## 证明\n\n## ???")

    anchors = [heading.anchor for heading in chapter.contents]
    assert anchors[:2] == ["proof", "proof-1"]
    assert anchors[3:] == ["证明", "section"]
    assert not anchors[2].startswith("p-")
    for anchor in anchors:
        assert f'<h2 id="{anchor}"' in chapter.html()


def test_every_block_knows_its_place_in_the_source():
    text = "# 题目 😀\n\nFirst *paragraph*\nof two lines.\n\n- a\n- b\n\n```py\nx = 1\n```\n"

    blocks = render_chapter(text).blocks

    assert [text[block.start : block.end] for block in blocks] == [
        "# 题目 😀",
        "First *paragraph*\nof two lines.",
        "- a\n- b",
        "```py\nx = 1\n```",
    ]


def test_offsets_count_both_characters_of_a_form_s_line_ends():
    text = "one\r\n\r\ntwo\r\n\r\nthree"

    assert [text[b.start : b.end] for b in render_chapter(text).blocks] == ["one", "two", "three"]


def test_a_citation_marks_every_block_it_touches_and_no_other():
    text = "one one\n\ntwo two\n\nthree three"

    html = render_chapter(text).html(cited=(12, 20))

    assert re.findall(r'class="block( cited)?" id="p-(\d+)"', html) == [
        ("", "0"),
        (" cited", "9"),
        (" cited", "18"),
    ]
    assert html.index('id="p-9"') < html.index('<span id="p-12">') < html.index("two two")


def test_a_citation_of_a_whole_block_adds_no_second_id():
    html = render_chapter("one\n\ntwo").html(cited=(5, 8))

    assert html.count('id="p-5"') == 1
    assert "<span" not in html


def test_a_link_to_a_sibling_file_leads_to_its_chapter():
    html = render_chapter(
        "[limits](02-limits.md#laws) [up](../01-intro.md) [none](99-none.md) [out](https://a.example/b.md)",
        source_path="part/03-x.md",
        chapter_urls={"part/02-limits.md": "/c/limits/", "01-intro.md": "/c/intro/"},
    ).html()

    assert 'href="/c/limits/#laws"' in html
    assert 'href="/c/intro/"' in html
    assert "99-none" not in html
    assert 'href="https://a.example/b.md" rel="noopener noreferrer nofollow"' in html


@pytest.mark.parametrize(
    "text", ["$x^2$", r"\(x^2\)", "$$\nx^2\n$$", r"\[ x^2 \]", "a $$x^2$$ b", "```math\nx^2\n```"]
)
def test_every_way_of_writing_a_formula_becomes_mathml(text):
    (html,) = render_blocks(text)

    assert "<msup><mi>x</mi><mn>2</mn></msup>" in html
    assert "x^2" not in html


def test_broken_tex_shows_its_source():
    (html,) = render_blocks(r"so $\frac{1}{$ is")

    assert r'<code class="math-error">\frac{1}{</code>' in html


def test_a_formula_in_the_line_that_may_be_wider_than_a_phone_gets_a_box_that_scrolls():
    short, long = render_blocks("$a + b$\n\n$" + " + ".join("abcdefghijklmnop") + "$")

    assert "formula" not in short
    assert '<span class="formula"><math>' in long


def test_prices_are_not_formulas():
    assert render_blocks("It costs $5, and $10 later.") == ["<p>It costs $5, and $10 later.</p>"]


def test_columns_of_a_formula_keep_their_sides_without_inline_styles():
    (html,) = render_blocks(r"$$\begin{aligned}a&=b\end{aligned}$$")

    assert '<mtd class="m-right m-tight-right">' in html
    assert " style=" not in html


def test_code_is_coloured_by_classes():
    (html,) = render_blocks("```python\nfor x in y: pass\n```")

    assert '<span class="k">for</span>' in html


@pytest.mark.parametrize(
    "text",
    [
        "```python\nfor x in y: pass",
        "```python\nfor x in y: pass\n",
        "```python\nfor x in y: pass\n\n",
        "~~~~python\nfor x in y: pass\n~~~",
        "- item\n\n  ```python\n  for x in y: pass\n",
    ],
)
def test_code_gets_its_colours_once_its_fence_is_closed(text):
    (html,) = render_blocks(text)

    assert "for x in y: pass" in html
    assert '<pre class="code" tabindex="0"><code>' in html


@pytest.mark.parametrize("text", ["```python\n```", "```python\n\n```", "~~~python\nx = 1\n~~~~"])
def test_a_closed_fence_is_code_however_little_it_holds(text):
    (html,) = render_blocks(text)

    assert html.endswith("</code></pre>")
    assert ("<span" in html) == ("x = 1" in text)


def test_a_stream_reads_each_finished_item_of_a_list_once():
    renderer = AnswerRenderer()
    text = "".join(f"- item *{number}* with $x$\n" for number in range(50))
    renderer.feed(text)
    (read, *_) = renderer._inlines["item *7* with $x$"]

    renderer.feed(f"{text}- the last one")

    assert renderer._inlines["item *7* with $x$"][0] is read
    assert list(renderer._inlines)[-1] == "the last one"


def test_a_picture_is_replaced_by_its_description():
    (html,) = render_blocks("![A plant in the sun](https://a.example/plant.png)")

    assert html == '<p><span class="picture">A plant in the sun</span></p>'


def test_a_folded_part_of_a_chapter_holds_the_paragraphs_up_to_its_end():
    text = (
        "Try it.\n\n<details>\n<summary>Solution</summary>\n\nIt is $4$.\n\n"
        "<details><summary>Why</summary>\n\n- so\n\n</details>\n\nQ.E.D.\n\n</details>\n\nAfter."
    )

    first, folded, after = render_chapter(text).blocks

    assert folded.html.startswith("<details>\n<summary>Solution</summary>")
    assert folded.html.endswith("</details>")
    for inside in ("<mn>4</mn>", "<li>so</li>", "<p>Q.E.D.</p>"):
        assert inside in folded.html
    assert folded.html.count("<details>") == folded.html.count("</details>") == 2
    assert text[folded.start : folded.end].endswith("Q.E.D.\n\n</details>")
    assert (first.html, after.html) == ("<p>Try it.</p>", "<p>After.</p>")


def test_a_folded_part_without_an_end_does_not_swallow_the_chapter():
    blocks = render_chapter("<details>\n\none\n\ntwo").blocks

    assert [block.html for block in blocks][1:] == ["<p>one</p>", "<p>two</p>"]


def test_an_answer_shows_tags_as_they_were_written_but_breaks_lines():
    assert render_blocks("a <div> and<br>b") == ["<p>a &lt;div&gt; and<br>b</p>"]


def test_citation_marks_become_links_to_their_passages():
    (html,) = render_blocks("So [1], [2, 3] and [4].", {1: "/c/?a=1&b=2#p-1", 2: "/x", 3: ""})

    assert re.findall(r'<a class="cite" href="([^"]*)" data-n="(\d)"[^>]*>(\d)</a>', html) == [
        ("/c/?a=1&amp;b=2#p-1", "1", "1"),
        ("/x", "2", "2"),
    ]
    assert '<a class="cite" data-n="3"' in html
    assert "[4]" in html


@pytest.mark.parametrize(
    "text", ["`a[1]`", "```\na[1]\n```", "$a[1]$", "[1](https://a.example)", "\\[1]"]
)
def test_only_prose_cites(text):
    assert "cite" not in render_blocks(text, {1: "/x"})[0]


def test_a_quote_says_the_words_of_a_link_to_another_file_and_leads_nowhere():
    html = render_quote("See [limits](02-limits.md#why) and [this](https://example.org/x).")
    assert "See limits and" in html and "02-limits.md" not in html
    assert 'href="https://example.org/x"' in html


def test_the_rest_of_a_table_is_a_table():
    html = render_quote("| sin | cos |\n| $|x|$ | 1 \\| 2 |\n\nNext.")

    assert "<td>sin</td>" in html and html.count("<tr>") == 3
    assert "| sin" not in html and "<p>Next.</p>" in html


def test_a_table_with_its_head_stays_as_it_is():
    assert "<th>a</th>" in render_quote("| a | b |\n|---|---|\n| 1 | 2 |")


@pytest.mark.parametrize(
    ("passage", "code"),
    [
        ("x = 1  # **one**\n```\n\nWords.", "x = 1  # **one**\n"),
        ("x = 1\n```\n\n```text\n1\n```\n\nWords.", "x = 1\n"),
        ("Words.\n\n```\nx = 1", "x = 1"),
        ("Words.\n\n```\nx = 1\n```\n\n```\ny", "x = 1\n"),
    ],
)
def test_half_a_block_of_code_is_code(passage, code):
    html = render_quote(passage)

    assert f"<code>{code}</code>" in html
    assert "<p>Words.</p>" in html


@pytest.mark.parametrize(
    ("text", "of_course", "language"),
    [
        ("It is so.", "en", "en"),
        ("It is so.", "fr", "fr"),
        ("It is so.", "zh-hans", "en"),
        ("梯度下降（gradient descent）是一种方法。", "en", "zh-hans"),
        ("The word 梯度 means gradient, a vector of slopes.", "en", "en"),
        ("$1$ [2]", "zh-hans", "zh-hans"),
    ],
)
def test_an_answer_is_in_chinese_or_in_the_language_of_its_course(text, of_course, language):
    assert language_of(text, of_course) == language


def test_the_marks_after_a_formula_stay_with_it():
    assert re.search(
        r'<span class="kept"><math>.*</math>\).</span> Next', render_blocks("(Is $x$). Next")[0]
    )
    renderer = AnswerRenderer()
    for end in (8, 9, 14):
        renderer.feed("It is $L$. Next"[:end] + "\n\nMore")
    assert "".join(renderer.blocks).count(".</span>") == 1


LEADS_AWAY = [
    ("[click](https://evil.example/?q=limit)", "click (https://evil.example/?q=limit)"),
    ("[click](<https://evil.example/?q=what I asked>)", "what%20I%20asked)"),
    ('[click](https://evil.example/?q=x "a title")', "click (https://evil.example/?q=x)"),
    ("<https://evil.example/?q=limit>", "https://evil.example/?q=limit"),
    ("[**a** `b`](HTTPS://EVIL.example/)", "<strong>a</strong> <code>b</code> (HTTPS://"),
    ("[click](//evil.example/?q=limit)", "click (//evil.example/?q=limit)"),
    ("[click](/\\\\evil.example/?q=limit)", "click"),
    ("[click](mailto:eve@evil.example?body=limit)", "click (mailto:eve@evil.example?body=limit)"),
    ("<eve@evil.example>", "eve@evil.example"),
    ("[](https://evil.example/?q=limit)", "https://evil.example/?q=limit"),
    ("[![a plant](https://evil.example/p.png)](https://evil.example/)", "a plant"),
    ("| [click](https://evil.example/) |\n|---|\n", "click (https://evil.example/)"),
    ("[a page](/conversations/4b7c/)", "a page"),
    ("[a page](/courses/secret/chapters/one/?passage=1-9#p-1)", "a page"),
    ("[a page](roots/../../secret/)", "a page"),
    ("[a place](#main)", "a place"),
]


@pytest.mark.parametrize(("text", "shown"), LEADS_AWAY)
def test_an_answer_links_nowhere_that_its_passages_do_not(text, shown):
    sources = {1: "/courses/plants/chapters/roots/?passage=1-9#p-1", 2: ""}
    known = addresses_in(["See https://evil.example.org/ and [this](https://example.org/?q=)."])

    html = "".join(render_blocks(text, sources, known))

    assert "<a" not in html and "<img" not in html
    assert shown in html


PASSAGES = [
    ("See [a book](https://example.org/book?a=1&b=2).", "https://example.org/book?a=1&b=2"),
    ("It stands at https://example.org/book.", "https://example.org/book"),
    ("见https://example.org/书。", "https://example.org/书"),
    ("(https://example.org/Limit_(maths))", "https://example.org/Limit_(maths)"),
    ("<https://example.org/>", "https://example.org/"),
    ("[r]\n\n[r]: https://example.org/r 'title'", "https://example.org/r"),
    ("Write to [us](mailto:us@example.org).", "mailto:us@example.org"),
]


@pytest.mark.parametrize(("passage", "address"), PASSAGES)
def test_an_address_that_stands_in_a_passage_is_a_link_in_its_answer(passage, address):
    (html,) = render_blocks(f"[more](<{address}> 'a title') [1]", {}, addresses_in([passage]))

    assert html.startswith('<p><a href="') and html.endswith(">more</a> [1]</p>")
    assert 'rel="noopener noreferrer nofollow"' in html
    assert "title" not in html
    assert "<a" not in render_blocks(f"[more](<{address}>)")[0]
    assert "<a" not in render_blocks(f"[more](<{address}x>)", {}, addresses_in([passage]))[0]


def test_an_answer_may_link_the_page_of_a_passage_wherever_on_it():
    sources = {1: "/courses/plants/chapters/roots/?passage=1-9#p-1"}

    (html,) = render_blocks("[here](/courses/plants/chapters/roots/#soil)", sources)

    assert '<a href="/courses/plants/chapters/roots/#soil"' in html


def test_words_of_a_strange_link_are_text_at_every_moment_while_they_are_written():
    text = "So [click *me*](https://evil.example/?q=1) and [on](https://example.org/a) go [1]."
    known = addresses_in(["[on](https://example.org/a)"])
    renderer = AnswerRenderer({1: "/x"}, known)
    for end in range(len(text) + 1):
        renderer.feed(text[:end])
        linked = re.findall(r"<a [^>]*>", "".join(renderer.blocks))
        assert not any("evil.example" in link for link in linked)

    assert renderer.blocks == render_blocks(text, {1: "/x"}, known)
    assert "click <em>me</em> (https://evil.example/?q=1) and <a" in renderer.blocks[0]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_whatever_a_passage_holds_its_addresses_can_be_found(text):
    for address in addresses_in([f"http://{text}", f"[a](https://{text})"]):
        assert address.lower().startswith(("http://", "https://", "mailto:"))


def test_links_of_a_chapter_tell_nobody_where_they_were_clicked():
    html = render_chapter("[a](https://a.example/) <a href='https://b.example/' rel=opener>b</a>")

    assert html.html().count('rel="noopener noreferrer nofollow"') == 2
    assert "opener>" not in html.html()


def test_what_an_answer_cites_is_what_it_links():
    text = (
        "First [1], then [2、3].\n\n```\na[4]\n```\n\n$b[5]$ `c[6]` [7](/x) [8, 99]\n\n"
        "| [9] |\n|---|\n"
    )
    numbers = range(1, 10)
    renderer = AnswerRenderer(dict.fromkeys(numbers, "/x"))
    for end in [*range(0, len(text), 5), len(text)]:
        renderer.feed(text[:end])

    assert renderer.cited == {1, 2, 3, 9}


def test_characters_that_cannot_be_shown_do_no_harm():
    assert render_blocks("a\0b\ud83dc") == ["<p>a\ufffdb\ufffdc</p>"]
    assert "a\ufffdb" in render_chapter("a\0b\udc00").html()


@pytest.mark.parametrize(
    "unclosed", ["```py\nx = 1\n", "$$\nx +", "\\[ x", "| a | b |\n|--", "**bo", "$x", "[a](b"]
)
def test_what_is_not_closed_yet_stays_in_its_block(unclosed):
    blocks = render_blocks(f"before\n\n{unclosed}")

    assert blocks[0] == "<p>before</p>"
    assert len(blocks) == 2


def test_a_formula_that_never_closes_leaves_the_rest_alone():
    blocks = render_blocks("$$\nx +\n\nafter")

    assert blocks == [
        '<div class="math-block" tabindex="0"><code class="math-pending">$$x +</code></div>',
        "<p>after</p>",
    ]


def test_a_stream_sends_only_what_changed():
    renderer = AnswerRenderer()

    assert renderer.feed("one") == [(0, "<p>one</p>")]
    assert renderer.feed("one\n\ntwo") == [(1, "<p>two</p>")]
    assert renderer.feed("one\n\ntwo\n\n## th") == [(2, "<h2>th</h2>")]
    assert renderer.feed("one\n\ntwo\n\n## th") == []


def test_a_block_that_joins_the_one_before_is_taken_back():
    renderer = AnswerRenderer()
    renderer.feed("1. one\n\n2")

    changed = dict(renderer.feed("1. one\n\n2. two"))

    assert changed[1] == ""
    assert changed[0].count("<li>") == 2


def test_a_line_that_looked_like_a_table_returns_to_its_paragraph():
    renderer = AnswerRenderer()
    text = "text\n| a | b |\n|---|---|"

    assert len(renderer.feed(text)) == 2
    renderer.feed(f"{text} no")

    assert renderer.blocks == render_blocks(f"{text} no")
    assert len(renderer.blocks) == 1


def test_a_long_answer_is_not_read_again_from_its_beginning():
    renderer = AnswerRenderer()
    text = "".join(f"Paragraph {number} with *words* and $x$.\n\n" for number in range(200))
    renderer.feed(text)

    assert renderer._certain_text > len(text) - 100


PIECES = st.sampled_from(
    [
        "\n", "\n\n", "  ", "    ", "word ", "- a", "* ", "-", "1", ". ", "1. x", "2", "> q", "# h",
        "##", "=", "---", "```", "```py\n", "~~~", "|", "| a | b |\n", "|---|---|\n", "$", "$$",
        "\\[", "\\]", "\\(", "x^2", "\\frac{", "[1]", "[", "](", "[r]: /x\n", "<b>", "<!--", "<br>",
        "*", "**", "_", "`", "\t", "\r\n", "\r", "\0", "中文", "😀", "&amp;", "\\", "!",
        "\u3000", "\x0c",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(PIECES, max_size=5).map("".join), max_size=12))
def test_a_stream_ends_up_where_rendering_the_whole_does(deltas):
    renderer = AnswerRenderer({1: "/x"})
    shown: dict[int, str] = {}
    text = ""
    for delta in deltas:
        text += delta
        shown.update(renderer.feed(text))
        whole = render_blocks(text, {1: "/x"})
        assert renderer.blocks == whole
        assert [shown[i] for i in sorted(shown) if shown[i]] == whole


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES | st.text(max_size=8), max_size=30).map("".join))
def test_any_text_renders_and_its_blocks_lie_in_the_source_in_order(text):
    chapter = render_chapter(text)

    at = 0
    for block in chapter.blocks:
        assert at <= block.start < block.end <= len(text)
        at = block.start
    assert not LOADS_OR_RUNS.search(chapter.html((0, len(text))))
