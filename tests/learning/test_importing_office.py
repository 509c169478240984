"""Word documents and presentations become chapters."""

import pytest
from pptx import Presentation
from pptx.util import Inches

from learning.documents import docx as docx_reader
from learning.documents.kinds import read
from tests.learning.documents import docx, paragraph, word_table

RATIO = (
    "<m:oMath><m:f><m:num><m:r><m:t>a</m:t></m:r></m:num><m:den><m:r><m:t>b</m:t></m:r></m:den>"
    "</m:f><m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup>"
    "</m:sSup></m:oMath>"
)


def read_docx(tmp_path, *body):
    path = tmp_path / "book.docx"
    path.write_bytes(docx(*body))
    return read(path, lambda done, of: None)


def test_a_word_document_keeps_headings_lists_tables_and_code(tmp_path):
    (part,) = read_docx(
        tmp_path,
        paragraph("微积分", "Title"),
        paragraph("极限", "H1"),
        paragraph("a*b*c costs $5 and $6 <tag>"),
        paragraph("one", depth=0),
        paragraph("inner", depth=1),
        word_table(("a", "b|c"), ("1", "2")),
        paragraph("def f():", "Code"),
        paragraph("    return 1", "Code"),
    )

    assert part.title == "微积分"
    assert part.text == (
        "# 极限\n\na\\*b\\*c costs \\$5 and \\$6 \\<tag>\n\n- one\n  - inner\n\n"
        "| a | b\\|c |\n| --- | --- |\n| 1 | 2 |\n\n```\ndef f():\n    return 1\n```"
    )


def test_formulas_of_word_become_tex(tmp_path):
    (part,) = read_docx(
        tmp_path,
        paragraph(f"<w:r><w:t xml:space='preserve'>So </w:t></w:r>{RATIO}"),
        paragraph(f"<m:oMathPara>{RATIO}</m:oMathPara>"),
    )

    assert part.text == "So $\\frac{a}{b}x^{2}$\n\n$$\n\\frac{a}{b}x^{2}\n$$"


@pytest.mark.parametrize("words, keys", [(2_600, ["limits", "series"]), (100, [""])])
def test_only_a_long_document_is_a_chapter_for_each_heading(tmp_path, words, keys):
    assert docx_reader.WORDS_OF_ONE_CHAPTER == 5_000

    parts = read_docx(
        tmp_path,
        paragraph("Limits", "H1"),
        paragraph("word " * words),
        paragraph("Series", "H1"),
        paragraph("word " * words),
    )

    assert [part.key for part in parts] == keys


def test_slides_come_under_their_titles_with_notes_and_numbers(tmp_path):
    deck = Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[0])
    first.shapes.title.text = "Limits"
    first.placeholders[1].text = "Autumn"
    second = deck.slides.add_slide(deck.slide_layouts[1])
    second.shapes.title.text = "1. One side"
    body = second.placeholders[1].text_frame
    body.text = "from the left*"
    deeper = body.add_paragraph()
    deeper.text, deeper.level = "slowly", 1
    second.notes_slide.notes_text_frame.text = "Draw it."
    hidden = deck.slides.add_slide(deck.slide_layouts[5])
    hidden.shapes.title.text = "Secret"
    hidden._element.set("show", "0")
    last = deck.slides.add_slide(deck.slide_layouts[5])
    last.shapes.title.text = "表格"
    table = last.shapes.add_table(2, 2, 0, Inches(2), Inches(4), Inches(1)).table
    for row, column, text in ((0, 0, "a"), (0, 1, "b|c"), (1, 0, "1"), (1, 1, "2")):
        table.cell(row, column).text = text
    last.notes_slide.notes_text_frame.text = "讲解表格。"
    path = tmp_path / "deck.pptx"
    deck.save(path)

    (part,) = read(path, lambda done, of: None)

    assert part.title == "Limits"
    assert part.text == (
        "<!-- slide 1 -->\n\nAutumn\n\n"
        "<!-- slide 2 -->\n\n## 1. One side\n\n- from the left\\*\n    - slowly\n\n"
        "> **Notes:** Draw it.\n\n"
        "<!-- slide 4 -->\n\n## 表格\n\n| a | b\\|c |\n| --- | --- |\n| 1 | 2 |\n\n"
        "> **备注：** 讲解表格。"
    )
