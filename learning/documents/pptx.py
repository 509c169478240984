"""A presentation becomes one part: each slide under its title, and its notes below."""

import re
from collections.abc import Iterator
from pathlib import Path

from pptx import Presentation
from pptx.enum.shapes import MSO_SHAPE_TYPE, PP_PLACEHOLDER
from pptx.exc import PackageNotFoundError

from learning.documents import office, omml
from learning.documents.markup import table
from learning.documents.pages import Page
from learning.documents.parts import DocumentFault, Part, Progress
from learning.documents.plain import clean, depth_under, escape, is_mostly_chinese, one_line

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_LEFT_OUT = {
    PP_PLACEHOLDER.DATE,
    PP_PLACEHOLDER.FOOTER,
    PP_PLACEHOLDER.HEADER,
    PP_PLACEHOLDER.SLIDE_NUMBER,
}
# Descriptions that the program wrote itself.
_NO_DESCRIPTION = re.compile(
    r"(?:A (?:picture|close up|screenshot) .*Description automatically generated.*)|\S+\.\w{3,4}",
    re.DOTALL,
)


def read(path: Path, progress: Progress) -> list[Part]:
    office.check_ole(path)
    office.open_archive(path, "ppt").close()
    try:
        slides = list(Presentation(str(path)).slides)
    except (PackageNotFoundError, KeyError, ValueError, OSError, AttributeError) as error:
        raise DocumentFault("damaged", f"{type(error).__name__}: {error}") from error
    title, texts = "", []
    for number, slide in enumerate(slides, start=1):
        progress(number - 1, len(slides))
        if slide._element.get("show") == "0":
            continue  # the teacher has hidden it
        heading = _title(slide)
        blocks = list(_blocks(slide))
        if not texts and heading:
            title = heading
        elif heading:
            blocks.insert(0, f"## {escape(heading).replace(chr(92) + '.', '.')}")
        if notes := _notes(slide):
            blocks.append(notes)
        texts.append("\n\n".join([Page("slide", number).mark(), *blocks]))
        has_text = bool(blocks or heading)
        texts = texts if has_text else texts[:-1]
    return [Part("", title, "\n\n".join(texts))]


def _title(slide) -> str:
    shape = slide.shapes.title
    return one_line(clean(shape.text_frame.text).replace("\v", " ")) if shape is not None else ""


def _blocks(slide) -> Iterator[str]:
    for shape in _in_reading_order(slide.shapes):
        if shape.is_placeholder and shape.placeholder_format.type in _LEFT_OUT:
            continue
        if slide.shapes.title is not None and shape.shape_id == slide.shapes.title.shape_id:
            continue
        if shape.has_text_frame:
            yield from _paragraphs(shape)
        elif shape.has_table:
            yield table([[_line(cell.text) for cell in row.cells] for row in shape.table.rows])
        elif description := _description(shape):
            yield f"![{escape(description)}]()"


def _in_reading_order(shapes) -> Iterator:
    flat = list(_flat(shapes))
    # Rows of about a fifth of a slide: shapes beside each other are read from left to right.
    yield from sorted(flat, key=lambda shape: ((shape.top or 0) // 900_000, shape.left or 0))


def _flat(shapes) -> Iterator:
    for shape in shapes:
        if shape.shape_type == MSO_SHAPE_TYPE.GROUP:
            yield from _flat(shape.shapes)
        else:
            yield shape


def _paragraphs(shape) -> Iterator[str]:
    """Yield lists and paragraphs: the text of a slide's body is a list, that of a box is not."""
    is_body = shape.is_placeholder and shape.placeholder_format.type in (
        PP_PLACEHOLDER.BODY,
        PP_PLACEHOLDER.OBJECT,
        PP_PLACEHOLDER.VERTICAL_BODY,
    )
    items: list[str] = []
    open_levels: list[int] = []
    for paragraph in shape.text_frame.paragraphs:
        words = _words(paragraph._p)
        if not words:
            continue
        settings = paragraph._p.find(_A + "pPr")
        has_mark = _has_mark(settings, is_body)
        if not has_mark:
            if items:
                yield "\n".join(items)
                items, open_levels = [], []
            yield words
            continue
        is_numbered = settings is not None and settings.find(_A + "buAutoNum") is not None
        indent = "    " * depth_under(open_levels, paragraph.level)
        items.append(f"{indent}{'1.' if is_numbered else '-'} {words}")
    if items:
        yield "\n".join(items)


def _has_mark(settings, is_body: bool) -> bool:
    if settings is None:
        return is_body
    if settings.find(_A + "buNone") is not None:
        return False
    marks = (_A + "buChar", _A + "buAutoNum", _A + "buBlip")
    return is_body or any(settings.find(mark) is not None for mark in marks)


def _words(paragraph) -> str:
    """Return a paragraph in one line of Markdown, its formulas as TeX."""
    parts: list[str] = []
    for child in paragraph:
        if child.tag in (_A + "r", _A + "fld"):
            parts.append(escape(clean(child.findtext(_A + "t") or "")))
        elif child.tag == _A + "br":
            parts.append(" ")
        else:
            for formula in child.iter(omml.M + "oMath"):
                if not any(above.tag == _FALLBACK for above in formula.iterancestors()):
                    parts.append(f"${omml.to_tex(formula)}$")
    return one_line("".join(parts)) if "".join(parts).strip() else ""


def _line(text: str) -> str:
    return escape(" ".join(clean(text.replace("\v", "\n")).split()))


def _description(shape) -> str:
    properties = shape._element.xpath(".//p:cNvPr")
    description = " ".join(clean(properties[0].get("descr") or "").split()) if properties else ""
    return "" if _NO_DESCRIPTION.fullmatch(description) else description


def _notes(slide) -> str:
    if not slide.has_notes_slide or slide.notes_slide.notes_text_frame is None:
        return ""
    paragraphs = [
        _words(paragraph._p) for paragraph in slide.notes_slide.notes_text_frame.paragraphs
    ]
    paragraphs = [words for words in paragraphs if words]
    if not paragraphs:
        return ""
    label = "备注：" if is_mostly_chinese("".join(paragraphs)) else "Notes: "
    paragraphs[0] = f"**{label.strip()}** {paragraphs[0]}"
    return "\n>\n".join(f"> {words}" for words in paragraphs)
