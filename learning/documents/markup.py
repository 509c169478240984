"""HTML elements become Markdown: markdownify, with tables, code and plain text in our own way."""

import re

from bs4 import Tag
from markdownify import ATX, BACKSLASH, MarkdownConverter

from learning.documents.plain import clean, escape, joint

# Between cells and rows until the table is put together; `clean` took them out of all texts.
_CELL, _ROW = "\x1f", "\x1e"
_LINE_JOIN = re.compile(r"[ \t]*\n\s*")
_LANGUAGE = re.compile(r"(?:language|lang|highlight|brush:?)[-\s]([\w+#-]+)")
_TEX_DELIMITED = re.compile(r"\\\(.+?\\\)|\\\[.+?\\\]|\$\$.+?\$\$", re.DOTALL)
_NUMBERED = re.compile(r"^(\d{1,9})\\(?=[.)])")


def to_markdown(root: Tag, *, has_tex: bool = False) -> str:
    """Convert an element; `has_tex`: formulas stand in its text, between TeX's own marks."""
    return _Converter(has_tex).convert_soup(root).strip("\n")


class _Converter(MarkdownConverter):
    class Options(MarkdownConverter.DefaultOptions):
        heading_style = ATX
        newline_style = BACKSLASH
        bullets = "-"
        sub_symbol = "<sub>"
        sup_symbol = "<sup>"
        autolinks = False

    def __init__(self, has_tex: bool) -> None:
        super().__init__()
        self.has_tex = has_tex

    def escape(self, text, parent_tags):
        text = _LINE_JOIN.sub(lambda found: _joint(text, found), clean(text))
        if not self.has_tex:
            return escape(text)
        parts, end = [], 0
        for formula in _TEX_DELIMITED.finditer(text):
            parts += [escape(text[end : formula.start()]), formula[0]]
            end = formula.end()
        return "".join([*parts, escape(text[end:])])

    def convert_hN(self, n, el, text, parent_tags):
        # "1." begins no list inside a heading, and citations show the heading as it is written.
        return super().convert_hN(n, el, _NUMBERED.sub(r"\1", text.strip()), parent_tags)

    def convert_a(self, el, text, parent_tags):
        address = clean(str(el.get("href") or "")).strip()
        scheme = re.match(r"[a-z][a-z0-9+.-]*:", address, re.IGNORECASE)
        leads_nowhere = not address or address.startswith("#") or not text.strip()
        if leads_nowhere or (scheme and scheme[0].lower() not in ("http:", "https:", "mailto:")):
            return text
        if re.search(r"[\s()<>]", address):
            address = re.sub(r"[<>\n]", "", address)
            address = f"<{address}>"
        before, words, after = re.fullmatch(r"(\s*)(.*?)(\s*)", text, re.DOTALL).groups()
        return f"{before}[{words}]({address}){after}"

    def convert_img(self, el, text, parent_tags):
        description = " ".join(clean(str(el.get("alt") or "")).split())
        address = _LINE_JOIN.sub("", clean(str(el.get("src") or ""))).strip()
        # Of a picture elsewhere, or inside the page, the description is all that is kept.
        if re.match(r"[a-z][a-z0-9+.-]*:|//", address, re.IGNORECASE) or "\n" in address:
            address = ""
        if re.search(r"[\s()<>]", address):
            address = f"<{re.sub(r'[<>]', '', address)}>"
        return f"![{escape(description)}]({address})" if description or address else ""

    def convert_pre(self, el, text, parent_tags):
        code = clean(el.get_text()).strip("\n")
        if not code.strip():
            return ""
        if "_inline" in parent_tags:
            return f"`{' '.join(code.split())}`" if "`" not in code else escape(code)
        classes = " ".join(
            " ".join(one.get("class", [])) for one in (el, el.find("code") or el) if one
        )
        language = _LANGUAGE.search(classes)
        return fence(code, language[1] if language else "")

    def convert_td(self, el, text, parent_tags):
        span = str(el.get("colspan", "1"))
        width = min(int(span), 50) if span.isdecimal() else 1
        return " ".join(text.split()) + _CELL * max(1, width)

    convert_th = convert_td

    def convert_tr(self, el, text, parent_tags):
        return text.strip(" \n") + _ROW

    def convert_caption(self, el, text, parent_tags):
        return _ROW + text.strip() + _ROW

    def convert_table(self, el, text, parent_tags):
        rows, captions = [], []
        for row in text.split(_ROW):
            *cells, rest = row.split(_CELL)
            if cells:
                rows.append([" ".join(cell.split()) for cell in cells])
            elif rest.strip():
                captions.append(" ".join(rest.split()))
        if "_inline" in parent_tags:  # a table in a table's cell
            return " ".join(filter(None, captions + [cell for row in rows for cell in row]))
        return "\n\n" + "\n\n".join(filter(None, [*captions, table(rows)])) + "\n\n"

    def convert_dt(self, el, text, parent_tags):
        text = " ".join(text.split())
        return f"\n\n**{text}**\n\n" if text else ""

    def convert_dd(self, el, text, parent_tags):
        return f"\n\n{text.strip()}\n\n" if text.strip() else ""

    def convert_figure(self, el, text, parent_tags):
        return f"\n\n{text.strip()}\n\n" if text.strip() else ""

    def convert_tex(self, el, text, parent_tags):
        """Our own element: `html.py` and `docx.py` put the TeX of a formula into it."""
        tex = re.sub(r"\s+", " ", el.get_text()).strip()
        if not tex:
            return ""
        if el.get("display") and "_inline" not in parent_tags:
            return f"\n\n$$\n{tex}\n$$\n\n"
        return f"${tex}$"


def _joint(text: str, found: re.Match) -> str:
    if found.start() == 0 or found.end() == len(text):
        return " "
    return joint(text[: found.start()], text[found.end() :])


def fence(code: str, language: str = "") -> str:
    """Return a fenced block whose fence does not occur in the code."""
    longest = max(map(len, re.findall(r"`{3,}", code)), default=2)
    ticks = "`" * (longest + 1)
    return f"\n\n{ticks}{language}\n{code}\n{ticks}\n\n"


def table(rows: list[list[str]]) -> str:
    """Return rows of Markdown as a table, the first row as its head; "" if nothing is in it."""
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    width = max(map(len, rows), default=0)
    if width == 0:
        return ""
    if width == 1:  # a box round text, not a table
        return "\n\n".join(row[0] for row in rows)
    rows = [[_cell(cell) for cell in row] + [""] * (width - len(row)) for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|" + " --- |" * width)
    return "\n".join(lines)


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)
