"""An HTML page becomes a chapter: what it says, in any encoding, and nothing that runs."""

import pytest

from learning.documents.html import decode
from learning.documents.kinds import read
from learning.documents.parts import DocumentFault
from learning.rendering import render_chapter


def read_html(tmp_path, html: str | bytes):
    path = tmp_path / "page.html"
    path.write_bytes(html if isinstance(html, bytes) else html.encode())
    (part,) = read(path, lambda done, of: None)
    return part


def text_of(tmp_path, html: str) -> str:
    return read_html(tmp_path, html).text


def test_only_the_main_content_is_kept(tmp_path):
    text = text_of(
        tmp_path,
        "<title>Site</title><header>Logo</header><nav>Menu</nav><main><h1>Limits</h1><p>Text.</p>"
        "<script>alert(1)</script><style>p{}</style></main><aside>Ads</aside><footer>©</footer>",
    )

    assert text == "# Limits\n\nText."


def test_a_title_in_the_header_of_the_page_is_kept(tmp_path):
    text = text_of(tmp_path, "<header><h1>Limits</h1><p>Slogan</p></header><p>Text.</p>")

    assert text == "# Limits\n\nText."


def test_scripts_never_survive(tmp_path):
    text = text_of(
        tmp_path,
        '<p>a<script>alert(1)</script><a href="javascript:alert(2)">b</a>'
        '<img src=x onerror="alert(3)" alt="c"></p><p>&lt;script&gt;alert(4)&lt;/script&gt;</p>',
    )
    html = str(render_chapter(text).html())

    assert "alert(1)" not in text
    assert "javascript" not in html
    assert "onerror" not in html
    assert "&lt;script&gt;alert(4)" in html


def test_plain_text_is_shown_as_it_was(tmp_path):
    shown = "a*b*c costs $5 and $6, &amp;amp; [x](y) `code` 1. # &lt;tag&gt; \\(x\\)"

    html = str(render_chapter(text_of(tmp_path, f"<p>{shown}</p>")).html())

    assert shown in html


def test_lists_tables_and_code_keep_their_form(tmp_path):
    text = text_of(
        tmp_path,
        "<ul><li>one<ol><li>inner</li></ol></li><li>two</li></ul>"
        "<table><tr><th>a</th><th>b|c</th></tr><tr><td>1</td><td><p>2</p><p>3</p></td></tr></table>"
        '<pre><code class="language-python">def f():\n\n    return "```"</code></pre>',
    )

    assert "- one\n  1. inner\n- two" in text
    assert "| a | b\\|c |\n| --- | --- |\n| 1 | 2 3 |" in text
    assert '````python\ndef f():\n\n    return "```"\n````' in text


def test_formulas_come_back_as_tex(tmp_path):
    text = text_of(
        tmp_path,
        '<script src="mathjax.js"></script><p>So \\(x_1^2\\) and <span class="katex"><math>'
        '<mi>y</mi><annotation encoding="application/x-tex">y^2</annotation></math>'
        '<span aria-hidden="true">y2</span></span>.</p>',
    )

    assert text == "So \\(x_1^2\\) and $y^2$."


def test_lines_of_chinese_are_joined_without_spaces(tmp_path):
    assert text_of(tmp_path, "<p>极限描述函数\n  的行为，用 Python\n编写</p>") == (
        "极限描述函数的行为，用 Python编写"
    )


@pytest.mark.parametrize(
    "head, encoding",
    [
        ('<meta charset="gb2312">', "gb18030"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=GBK">', "gb18030"),
        ("", "gb18030"),
        ("", "utf-8"),
        ('<meta charset="gbk">', "utf-8"),
        ("", "utf-8-sig"),
        ("", "utf-16"),
        ('<meta charset="big5">', "big5"),
    ],
)
def test_the_encoding_is_found(head, encoding):
    words = "極限描述函數的行為" if encoding == "big5" else "极限描述函数的行为，以及连续性"

    assert words in decode(f"{head}<p>{words}</p>".encode(encoding))


def test_western_pages_are_not_taken_for_chinese():
    assert "Käse" in decode("<p>Käse, Öl und Brötchen</p>".encode("cp1252"))


def test_an_encoding_that_nobody_knows_is_told():
    with pytest.raises(DocumentFault, match="encoding"):
        decode(b"<p>\x81\x8d\xff\xff\x90</p>")


def test_half_surrogates_and_nul_do_not_get_through(tmp_path):
    text = text_of(tmp_path, "<p>a&#xD800;b&#0;c\0d</p>")

    assert text.encode()
    assert "\0" not in text
