"""An HTML page becomes one part: what it says, without its menus, scripts and forms."""

import codecs
import re
from pathlib import Path

from bs4 import BeautifulSoup, Comment, Tag

from learning.documents.markup import to_markdown
from learning.documents.parts import DocumentFault, Part, Progress
from learning.documents.plain import clean

_DECLARED = re.compile(rb"""<(?:meta|\?xml)[^>]*?(?:charset|encoding)\s*=\s*["']?([\w.:-]{2,40})""")
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "ascii": "cp1252", "iso8859-1": "cp1252"}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MATH_LIBRARY = re.compile(r"mathjax|katex", re.IGNORECASE)
_NEVER = (
    "script style template noscript iframe object embed applet svg canvas audio video form button"
    " input select textarea nav dialog head link meta"
).split()
_AROUND = ("header", "footer", "aside")
_ROLES = {"navigation", "banner", "contentinfo", "search", "complementary", "dialog"}


def read(path: Path, progress: Progress) -> list[Part]:
    text = clean(decode(path.read_bytes()))
    soup = BeautifulSoup(text, "html.parser")
    title = " ".join(soup.title.get_text().split()) if soup.title else ""
    has_tex = any(
        _MATH_LIBRARY.search(f"{script.get('src', '')} {script.string or ''}")
        for script in soup.find_all("script")
    )
    _take_out_formulas(soup)
    main = _main(soup)
    if len(main.find_all("h1")) == 1:
        title = ""  # the heading says it without the name of the site
    return [Part("", title, to_markdown(main, has_tex=has_tex))]


def decode(content: bytes) -> str:
    """Read the text in the encoding that it says, or that it must be."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _decode(
                content[len(codecs.BOM_UTF8) :] if encoding == "utf-8" else content, encoding
            )
    declared = _DECLARED.search(content[:4096].replace(b"\0", b""))
    candidates = ["utf-8", "gb18030", "cp1252"]
    if declared:
        try:
            name = codecs.lookup(declared[1].decode()).name
        except LookupError:
            pass
        else:
            # Bytes that are UTF-8 are hardly ever anything else, whatever the page says.
            candidates.insert(1, _WIDER.get(name, name))
    for encoding in candidates:
        try:
            text = content.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        if encoding != "gb18030" or declared or _is_chinese(text):
            return text
    raise DocumentFault("encoding")


def _decode(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise DocumentFault("encoding") from None


def _is_chinese(text: str) -> bool:
    """Whether common characters are most of what is not ASCII: bytes may just happen to fit."""
    beyond = [char for char in text if char > "\x7f"]
    common = len("".join(beyond).encode("gb2312", "ignore")) / 2
    return common > 0.9 * len(beyond)


def _take_out_formulas(soup: BeautifulSoup) -> None:
    """Put the TeX of each formula, where the page has kept it, in place of how it is drawn."""
    for script in soup.find_all("script", type=re.compile("^math/tex")):
        _replace(soup, script, script.string or "", "display" in script["type"])
    for math in soup.find_all("math"):
        note = math.find("annotation", encoding=re.compile("tex", re.IGNORECASE))
        tex = note.get_text() if note else str(math.get("alttext") or "")
        drawn = math.find_parent(class_=re.compile("^(katex|MathJax|mwe-math-element)")) or math
        outer = drawn.find_parent(class_=("katex-display", "MathJax_Display"))
        is_display = bool(outer) or math.get("display") == "block"
        if tex.strip():
            _replace(soup, outer or drawn, tex, is_display)


def _replace(soup: BeautifulSoup, element: Tag, tex: str, is_display: bool) -> None:
    formula = soup.new_tag("tex", **({"display": "1"} if is_display else {}))
    formula.string = tex
    element.replace_with(formula)


def _main(soup: BeautifulSoup) -> Tag:
    for comment in soup.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()
    for element in soup.find_all(_is_unwanted):
        if not element.decomposed:
            element.decompose()
    mains = soup.find_all("main") or soup.find_all(attrs={"role": "main"})
    articles = mains or soup.find_all("article")
    if len(articles) == 1:
        return articles[0]
    body = soup.body or soup
    for element in body.find_all(_AROUND):
        # The title often stands in the page's header, and nowhere else.
        heading = element.find("h1") if element.name == "header" else None
        if not element.decomposed and element.find_parent(("article", "section")) is None:
            element.replace_with(heading) if heading else element.decompose()
    return body


def _is_unwanted(element: Tag) -> bool:
    style = str(element.get("style") or "").replace(" ", "").lower()
    return (
        element.name in _NEVER
        or str(element.get("role") or "").lower() in _ROLES
        or element.has_attr("hidden")
        or (str(element.get("aria-hidden")).lower() == "true" and element.name != "tex")
        or "display:none" in style
    )
