"""A Word document becomes one part, or one for each first-level heading where it is long.

mammoth turns its styles into HTML, and that becomes Markdown as any other HTML does. Formulas,
which mammoth leaves out, are put into the text as TeX before.
"""

import re
import zipfile
from pathlib import Path

import mammoth
from bs4 import BeautifulSoup, Tag
from lxml import etree

from learning.documents import office, omml
from learning.documents.markup import to_markdown
from learning.documents.parts import DocumentFault, Part, Progress
from learning.documents.plain import clean, key_of

# A longer document, with two first-level headings or more, is a chapter for each of them.
WORDS_OF_ONE_CHAPTER = 5_000
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FORMULA = re.compile("\ue000([id])(\\d+)\ue001")
_STYLES = "\n".join(
    [
        *(f"p[style-name='标题 {n}'] => h{n}:fresh" for n in range(1, 7)),
        "p[style-name='Title'] => p.title:fresh",
        "p[style-name='标题'] => p.title:fresh",
        "p[style-name='Quote'] => blockquote > p:fresh",
        "p[style-name='Intense Quote'] => blockquote > p:fresh",
        *(
            f"p[style-name='{name}'] => pre:separator('\\n')"
            for name in ("Code", "Source Code", "HTML Preformatted", "Preformatted Text", "代码")
        ),
        *(
            f"r[style-name='{name}'] => code"
            for name in ("HTML Code", "Verbatim Char", "Code Char")
        ),
    ]
)


def read(path: Path, progress: Progress) -> list[Part]:
    office.check_ole(path)
    with office.open_archive(path, "word") as archive:
        contents, formulas = _with_formulas(archive)
        file = office.rewritten(archive, contents)
    try:
        html = mammoth.convert_to_html(
            file,
            style_map=_STYLES,
            convert_image=mammoth.images.img_element(lambda image: {}),
        ).value
    except (KeyError, ValueError, OSError, AttributeError, TypeError) as error:
        raise DocumentFault("damaged", f"{type(error).__name__}: {error}") from error
    soup = BeautifulSoup(clean(html), "html.parser")
    _put_back(soup, formulas)
    for link in soup.find_all("a"):
        if link.get_text() == "↑":  # from a footnote back to its place
            link.decompose()
    title = soup.find("p", class_="title")
    title_words = " ".join(title.extract().get_text().split()) if title else ""
    headings = [one for one in soup.find_all("h1", recursive=False) if one.get_text().strip()]
    if len(headings) < 2 or len(_WORD.findall(soup.get_text())) <= WORDS_OF_ONE_CHAPTER:
        return [Part("", title_words, to_markdown(soup))]
    return _at_headings(soup, headings, title_words)


def _at_headings(soup: BeautifulSoup, headings: list[Tag], title: str) -> list[Part]:
    parts, taken = [], set()
    holders: list[tuple[str, Tag]] = [(title, soup.new_tag("section"))]
    for child in list(soup.children):
        if any(child is heading for heading in headings):
            holders.append((" ".join(child.get_text().split()), soup.new_tag("section")))
            child.extract()
        else:
            holders[-1][1].append(child.extract())
    for name, holder in holders:
        text = to_markdown(holder)
        if text:
            parts.append(Part(key_of(name or "start", taken), name, text))
    return parts


def _with_formulas(archive: zipfile.ZipFile) -> tuple[dict[str, bytes], list[str]]:
    """Return the entries in which formulas gave way to a sign with their number, and their TeX."""
    contents, formulas = {}, []
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    for name in archive.namelist():
        if not re.fullmatch(r"word/(document\d*|footnotes|endnotes)\.xml", name):
            continue
        content = _entry(archive, name)
        if b"oMath" not in content:
            continue
        try:
            tree = etree.fromstring(content, parser)
        except etree.XMLSyntaxError as error:
            raise DocumentFault("damaged", str(error)) from error
        for formula in list(tree.iter(omml.M + "oMath")):
            parent = formula.getparent()
            is_display = parent.tag == omml.M + "oMathPara"
            run = etree.Element(_W + "r")
            etree.SubElement(
                run, _W + "t"
            ).text = f"\ue000{'d' if is_display else 'i'}{len(formulas)}\ue001"
            formulas.append(omml.to_tex(formula))
            run.tail = formula.tail
            parent.replace(formula, run)
        for group in list(tree.iter(omml.M + "oMathPara")):
            parent, at = group.getparent(), group.getparent().index(group)
            parent[at : at + 1] = [child for child in group if child.tag == _W + "r"]
        contents[name] = etree.tostring(tree, xml_declaration=True, encoding="UTF-8")
    return contents, formulas


def _entry(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except (zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
        raise DocumentFault("damaged", str(error)) from error


def _put_back(soup: BeautifulSoup, formulas: list[str]) -> None:
    for text in soup.find_all(string=_FORMULA):
        pieces, end = [], 0
        for found in _FORMULA.finditer(text):
            pieces.append(text[end : found.start()])
            tex = soup.new_tag("tex", **({"display": "1"} if found[1] == "d" else {}))
            tex.string = formulas[int(found[2])] if int(found[2]) < len(formulas) else ""
            pieces.append(tex)
            end = found.end()
        text.replace_with(*filter(None, [*pieces, text[end:]]))
