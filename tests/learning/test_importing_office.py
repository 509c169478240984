"""Word documents and presentations become chapters."""

import io
import zipfile

import pytest
from pptx import Presentation
from pptx.util import Inches

from learning.documents import docx as docx_reader
from learning.documents.kinds import read
from learning.documents.parts import DocumentFault
from tests.learning.documents import archive, docx, paragraph, word_table

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


def test_a_list_that_begins_deep_is_no_code(tmp_path):
    deck = Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    body = slide.placeholders[1].text_frame
    body.text, body.paragraphs[0].level = "first", 1
    for words, level in (("second", 1), ("deeper", 4), ("back", 0), ("again", 2)):
        item = body.add_paragraph()
        item.text, item.level = words, level
    path = tmp_path / "deck.pptx"
    deck.save(path)

    (part,) = read(path, lambda done, of: None)

    assert part.text.endswith("- first\n- second\n    - deeper\n- back\n    - again")


def begun_with(content: bytes, name: str, beginning: str, encoding: str = "utf-8") -> bytes:
    """An Office file in which one part begins with something of ours."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        entries = {entry: file.read(entry) for entry in file.namelist()}
    root = entries[name].decode().partition("?>")[2] or entries[name].decode()
    entries[name] = (beginning + root.strip()).encode(encoding)
    return archive(entries)


DOCTYPE = '<!DOCTYPE x [<!ENTITY a "aaaa">]>'


@pytest.mark.parametrize(
    "name, beginning, encoding",
    [
        ("word/document.xml", DOCTYPE, "utf-8"),
        ("word/document.xml", f"<?xml version='1.0'?><!--{'x' * 9_000}-->\n{DOCTYPE}", "utf-8"),
        ("word/document.xml", f"<?xml version='1.0' encoding='UTF-16'?>{DOCTYPE}", "utf-16"),
        ("word/styles.xml", DOCTYPE, "utf-8"),
        ("_rels/.rels", DOCTYPE, "utf-8"),
        ("[Content_Types].xml", DOCTYPE, "utf-8"),
    ],
)
def test_a_word_document_that_declares_entities_is_refused(tmp_path, name, beginning, encoding):
    path = tmp_path / "book.docx"
    path.write_bytes(begun_with(docx(paragraph("Words.")), name, beginning, encoding))

    with pytest.raises(DocumentFault) as fault:
        read(path, lambda done, of: None)

    assert (fault.value.code, fault.value.detail) == (
        "damaged",
        f"{name}: a document type declaration",
    )


def test_a_presentation_that_declares_entities_is_refused(tmp_path):
    deck, file = Presentation(), io.BytesIO()
    deck.slides.add_slide(deck.slide_layouts[0]).shapes.title.text = "Limits"
    deck.save(file)
    path = tmp_path / "deck.pptx"
    path.write_bytes(begun_with(file.getvalue(), "ppt/slides/slide1.xml", DOCTYPE))

    with pytest.raises(DocumentFault, match="damaged"):
        read(path, lambda done, of: None)


def test_a_part_that_never_comes_to_its_root_is_refused(tmp_path):
    path = tmp_path / "book.docx"
    path.write_bytes(
        begun_with(docx(paragraph("x")), "word/styles.xml", f"<!--{'x ' * 400_000}-->")
    )

    with pytest.raises(DocumentFault, match="damaged"):
        read(path, lambda done, of: None)


@pytest.mark.parametrize(
    "beginning, encoding",
    [
        ("<?xml version='1.0' encoding='UTF-16'?>", "utf-16"),
        ("\ufeff<?xml version='1.0'?><!-- <!DOCTYPE x> --><?mso x?>", "utf-8"),
    ],
)
def test_what_may_stand_before_the_text_of_a_word_document_does(tmp_path, beginning, encoding):
    path = tmp_path / "book.docx"
    content = docx(paragraph("<!DOCTYPE html> begins a page.".replace("<", "‹")))
    path.write_bytes(begun_with(content, "word/document.xml", beginning, encoding))

    (part,) = read(path, lambda done, of: None)

    assert "begins a page." in part.text
