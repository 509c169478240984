"""A PDF becomes chapters that read like text: whole paragraphs, headings, lists, code, pages."""

import pytest

from learning.documents.kinds import read
from learning.importing import import_course
from learning.rendering import render_chapter
from tests.learning.documents import Line, lines, pdf

BODY = lines(
    "A limit describes how a function behaves near a point, without ask-",
    "ing for its value there. It is the first idea of the whole calculus and",
    "everything else in this course is built upon it.",
    top=150,
)


def read_pdf(tmp_path, *pages, outline=()):
    path = tmp_path / "book.pdf"
    path.write_bytes(pdf(*pages, outline=outline))
    return read(path, lambda done, of: None)


def text_of(tmp_path, *pages) -> str:
    (part,) = read_pdf(tmp_path, *pages)
    return part.text


def test_lines_become_paragraphs_and_hyphens_at_their_ends_go(tmp_path):
    text = text_of(tmp_path, BODY + lines("A new paragraph begins here.", top=210))

    assert text == (
        "<!-- page 1 -->\n\n"
        "A limit describes how a function behaves near a point, without asking for its value "
        "there. It is the first idea of the whole calculus and everything else in this course is "
        "built upon it.\n\n"
        "A new paragraph begins here."
    )


def test_chinese_lines_are_joined_without_spaces(tmp_path):
    text = text_of(
        tmp_path,
        lines(
            "线性回归用一条直线来预测数值例如房价与面积之间的关系学习率太大时参数会",
            "来回震荡甚至发散学习率太小时训练需要很长的时间才能收敛所以要慢慢地尝试",
            "直到损失不再下降为止。",
        ),
    )

    assert "参数会来回震荡" in text
    assert "慢慢地尝试直到" in text


def test_what_looks_like_markup_is_shown_as_it_was(tmp_path):
    texts = ("a*b*c costs $5 and $6", "1. Alone", "# no heading", "<tag> & [x](y) _code_")
    pages = [[Line(text, 100 + 60 * place) for place, text in enumerate(texts)]]

    text = text_of(tmp_path, *pages)

    html = str(render_chapter(text).html())
    assert "a*b*c costs $5 and $6" in html
    assert "<p># no heading</p>" in html
    assert "&lt;tag&gt; &amp; [x](y) _code_" in html


def test_headers_footers_and_page_numbers_are_dropped(tmp_path):
    pages = [
        [Line("Calculus I", 30, size=9), *BODY, Line(f"- {number} -", 820, size=9)]
        for number in range(1, 5)
    ]

    text = text_of(tmp_path, *pages)

    assert "Calculus I" not in text
    assert "- 2 -" not in text
    assert text.count("A limit describes") == 4


def test_a_running_header_that_changes_is_known_by_its_page_numbers(tmp_path):
    pages = [[Line(f"Chapter {n}: On {n * 'x'} {n + 8}", 30), *BODY] for n in range(1, 5)]

    assert "Chapter" not in text_of(tmp_path, *pages)


def test_each_page_is_marked_and_a_paragraph_over_its_end_stays_whole(tmp_path):
    first = [
        *BODY,
        *lines("This sentence goes on when the page", "has ended long ago and then", top=780),
    ]
    second = lines("it comes to its own end.", top=80) + lines("More.", top=140)

    text = text_of(tmp_path, first, second)

    whole = (
        "This sentence goes on when the page has ended long ago and then it comes to its own end."
    )
    assert text.endswith(f"{whole}\n\n<!-- page 2 -->\n\nMore.")


def test_large_type_makes_headings_and_the_first_is_the_title(tmp_path):
    (part,) = read_pdf(
        tmp_path,
        [
            Line("Limits", 60, size=24),
            *BODY,
            Line("One side only", 230, size=15),
            *lines("From the left.", top=260),
        ],
    )

    assert part.title == "Limits"
    assert "\n\n## One side only\n\nFrom the left." in part.text


def test_lists_keep_their_items(tmp_path):
    text = text_of(
        tmp_path,
        [
            *BODY,
            *lines("1. First we choose a number", "2. Then we halve it", top=250),
            *lines("- with a dash", "- and another", top=310),
        ],
    )

    assert "1. First we choose a number\n2. Then we halve it" in text
    assert "- with a dash\n- and another" in text


def test_a_list_over_the_end_of_a_page_stays_a_list(tmp_path):
    first = [
        *BODY,
        *lines("1. First we choose a number", top=250),
        *lines("- which is large", top=264, left=100),
        *lines(
            "- or which is so small that nobody will ever be able to see it in the",
            top=278,
            left=100,
        ),
    ]
    second = [
        *lines("picture of its curve", top=60, left=100),
        *lines("- or zero", top=74, left=100),
        *lines("2. Then we halve it", "3. Then we stop", top=88),
    ]

    text = text_of(tmp_path, first, second)

    assert text.endswith(
        "1. First we choose a number\n    - which is large\n"
        "    - or which is so small that nobody will ever be able to see it in the picture of its "
        "curve\n\n<!-- page 2 -->\n\n- or zero\n2. Then we halve it\n3. Then we stop"
    )
    html = str(render_chapter(text).html())
    assert "<code" not in html
    assert '<ol start="2">' in html


@pytest.mark.parametrize("kind", ["code", "table"])
def test_code_and_tables_over_the_end_of_a_page_are_two_of_their_kind(tmp_path, kind):
    def rows(top: float, *names: str) -> list[Line]:
        if kind == "code":
            return [
                Line(f"{name} = {name}({place})", top + 14 * place, font="code")
                for place, name in enumerate(names)
            ]
        return [
            Line(words, top + 15 * place, left)
            for place, name in enumerate(names)
            for words, left in ((name, 72), (f"of {name}", 222))
        ]

    text = text_of(
        tmp_path,
        [*BODY, *rows(250, "one", "two")],
        [*rows(60, "three", "four"), Line("The text goes on here.", 150)],
    )

    html = str(render_chapter(text).html())
    _, mark, second = html.partition("p. 2")
    assert mark
    assert html.count({"code": "<pre", "table": "<table"}[kind]) == 2
    assert second.index("three") < second.index("four") < second.index("The text")


def test_code_keeps_its_lines_and_indents(tmp_path):
    code = [
        Line("def half(x):", 250, font="code"),
        Line("return x / 2", 264, left=72 + 4 * 6.6, font="code"),
    ]

    assert "```\ndef half(x):\n    return x / 2\n```" in text_of(tmp_path, [*BODY, *code])


def test_columns_in_rows_become_a_table(tmp_path):
    rows = [
        Line(text, 250 + 15 * row, left=72 + 150 * column)
        for row, texts in enumerate([("Name", "Value"), ("speed", "3|4"), ("mass", "12")])
        for column, text in enumerate(texts)
    ]

    text = text_of(tmp_path, [*BODY, *rows])

    assert "| Name | Value |\n| --- | --- |\n| speed | 3\\|4 |\n| mass | 12 |" in text


def test_an_outline_gives_the_chapters(tmp_path):
    parts = read_pdf(
        tmp_path,
        [Line("1 Limits", 60, size=20), *BODY],
        [Line("2 Series", 60, size=20), *BODY],
        BODY,
        outline=[("1 Limits", 1), ("2 Series", 2)],
    )

    assert [(part.key, part.title) for part in parts] == [
        ("1-limits", "1 Limits"),
        ("2-series", "2 Series"),
    ]
    assert parts[1].text.startswith("<!-- page 2 -->\n\nA limit")
    assert "<!-- page 3 -->" in parts[1].text
    assert "1 Limits" not in parts[0].text


def test_a_chapter_that_begins_in_the_middle_of_a_page_takes_only_its_own(tmp_path):
    parts = read_pdf(
        tmp_path,
        [
            Line("极限", 60, size=20),
            *BODY,
            Line("级数", 300, size=20),
            *lines("Only of series.", top=340),
        ],
        outline=[("极限", 1), ("级数", 1)],
    )

    assert [part.key for part in parts] == ["极限", "级数"]
    assert parts[1].text == "<!-- page 1 -->\n\nOnly of series."


def test_a_long_book_without_an_outline_is_cut_every_thirty_pages(tmp_path):
    parts = read_pdf(tmp_path, *[[Line(f"Words of page {'i' * n}.", 400)] for n in range(1, 63)])

    assert [part.key for part in parts] == ["1-30", "31-60", "61-62"]
    assert parts[1].text.startswith("<!-- page 31 -->")
    assert [part.title for part in parts] == ["Book (1–30)", "Book (31–60)", "Book (61–62)"]


@pytest.mark.django_db
def test_chapters_of_a_book_are_kept_when_it_is_imported_again(tmp_path):
    book = tmp_path / "book.pdf"
    pages = [[Line("1 Limits", 60, size=20), *BODY], [Line("2 Series", 60, size=20), *BODY]]
    book.write_bytes(pdf(*pages, outline=[("1 Limits", 1), ("2 Series", 2)]))
    course = import_course(tmp_path, slug="x").course
    before = dict(course.chapters.values_list("source_path", "pk"))
    pages.insert(1, [Line("1a Sequences", 60, size=20), *BODY])
    book.write_bytes(pdf(*pages, outline=[("1 Limits", 1), ("1a Sequences", 2), ("2 Series", 3)]))

    report = import_course(tmp_path, slug="x")

    assert (report.added, report.changed) == (["1a Sequences"], ["2 Series"])
    after = dict(course.chapters.values_list("source_path", "pk"))
    assert list(after) == ["book.pdf#1-limits", "book.pdf#1a-sequences", "book.pdf#2-series"]
    assert before.items() <= after.items()


@pytest.mark.django_db
def test_a_chapter_that_a_book_no_longer_has_is_unpublished(tmp_path):
    book = tmp_path / "book.pdf"
    pages = [[Line("Limits", 60, size=20), *BODY], [Line("Series", 60, size=20), *BODY]]
    three = [*pages, [Line("Proofs", 60, size=20), *BODY]]
    book.write_bytes(pdf(*three, outline=[("Limits", 1), ("Series", 2), ("Proofs", 3)]))
    course = import_course(book, slug="x").course
    assert list(course.chapters.values_list("slug", flat=True)) == ["limits", "series", "proofs"]
    book.write_bytes(pdf(*pages, outline=[("Limits", 1), ("Series", 2)]))

    assert import_course(book, slug="x").unpublished == ["Proofs"]
    book.write_bytes(b"%PDF-1.6 broken")
    write = (tmp_path / "other.md").write_text
    write("# Other\n\nText.")

    report = import_course(tmp_path, slug="x")

    assert [problem.path for problem in report.problems] == ["book.pdf"]
    assert report.unpublished == []
    assert course.chapters.published().count() == 3
