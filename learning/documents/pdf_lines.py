"""The lines of a PDF page, with their place and size; what repeats on every page left out."""

import ctypes
import re
from collections import defaultdict
from dataclasses import dataclass

import pypdfium2
import pypdfium2.raw as pdfium

from learning.documents.plain import CJK, clean

SOFT_HYPHEN = "\u2010"  # at a line's end: of the line, not of the word
_LINE_HYPHENS = (2, 0xFFFE)  # what pdfium returns for a hyphen that the line's end made
GAP = "\t"  # wider than a space: the next cell of a table, or of a column
_GAP_SIZES = 1.6
_MONOSPACED = re.compile(rb"mono|courier|consol|menlo|typewriter|cmtt|sourcecode", re.IGNORECASE)
_BOLD = re.compile(rb"bold|black|heavy|semibold|demi|cmbx", re.IGNORECASE)
_CJK_SPACE = re.compile(f"(?<=[{CJK}]) (?=[{CJK}])")
_LEADERS = re.compile(r"(?:\s?[.·…]){5,}\s*\d+$")  # of a table of contents
_EDGE_LINES = 2
_HEADER_ABOVE, _FOOTER_BELOW = 0.85, 0.14  # of the page's height
_SAME_PLACE = 3.0  # points


@dataclass
class Line:
    """One line of text; places in points from the page's lower left. `bottom` is the baseline."""

    text: str
    page: int
    left: float
    right: float
    bottom: float
    size: float
    height: float  # of the page
    is_code: bool = False
    is_bold: bool = False

    @property
    def cells(self) -> list[str]:
        return self.text.split(GAP)


def lines_of(page: pypdfium2.PdfPage, number: int) -> list[Line]:
    """Return a page's lines in the order of its content."""
    text_page = page.get_textpage()
    try:
        return _Reader(text_page.raw, number, page.get_height()).lines(text_page.count_chars())
    finally:
        text_page.close()


class _Reader:
    def __init__(self, text_page, number: int, height: float) -> None:
        self.text_page = text_page
        self.number = number
        self.height = height
        self.edges = tuple(ctypes.c_double() for _ in range(4))

    def lines(self, count: int) -> list[Line]:
        lines, chars = [], []
        for index in range(count):
            code = pdfium.FPDFText_GetUnicode(self.text_page, index)
            if code in (10, 13):
                lines += self._lines(chars)
                chars = []
            elif code:
                chars.append((index, code))
        lines += self._lines(chars)
        return [line for line in lines if line.text]

    def _lines(self, chars: list[tuple[int, int]]) -> list[Line]:
        """Return the line of these characters, or lines, where pdfium has overlooked an end."""
        lines = []
        while chars:
            line, chars = self._line(chars)
            if line:
                lines.append(line)
        return lines

    def _line(self, chars: list[tuple[int, int]]) -> tuple[Line | None, list]:
        """Return the first line, and what is left over."""
        left, right = float("inf"), float("-inf")
        bottom, top = float("inf"), float("-inf")
        size = max(
            pdfium.FPDFText_GetFontSize(self.text_page, chars[place][0])
            for place in {0, len(chars) // 2}
        )
        parts: list[str] = []
        inked: list[int] = []
        rest: list[tuple[int, int]] = []
        c_left, c_right, c_bottom, c_top = self.edges
        for place, (index, code) in enumerate(chars):
            char = _character(code)
            if char == " ":
                parts.append(char)
                continue
            pdfium.FPDFText_GetCharBox(self.text_page, index, c_left, c_right, c_bottom, c_top)
            is_elsewhere = c_top.value < bottom or c_bottom.value > top
            if inked and is_elsewhere and c_left.value < right - 3 * size:
                chars, rest = chars[:place], chars[place:]
                break
            if inked and c_left.value - right > _GAP_SIZES * max(size, 4):
                while parts[-1] == " ":
                    parts.pop()
                parts.append(GAP)
            parts.append(char)
            inked.append(index)
            left, right = min(left, c_left.value), max(right, c_right.value)
            bottom, top = min(bottom, c_bottom.value), max(top, c_top.value)
        if not inked:
            return None, rest
        # A font of size 1 under a scaling matrix says nothing; the letters' height does.
        if size < 0.6 * (top - bottom) or size > 4 * (top - bottom) > 0:
            size = (top - bottom) * 1.3
        fonts = [self._font_name(inked[place]) for place in (0, len(inked) // 2, -1)]
        is_hyphenated = chars[-1][1] in _LINE_HYPHENS
        text = _CJK_SPACE.sub("", clean("".join(parts).strip(" ")))
        line = Line(
            text=text + (SOFT_HYPHEN if is_hyphenated else ""),
            page=self.number,
            left=left,
            right=right,
            bottom=self._baseline(inked),
            size=round(size * 2) / 2,
            height=self.height,
            is_code=all(map(_MONOSPACED.search, fonts)),
            is_bold=all(map(_BOLD.search, fonts)),
        )
        return line, rest

    def _baseline(self, chars: list[int]) -> float:
        x, y = self.edges[:2]
        found = []
        for index in (chars[0], chars[len(chars) // 2], chars[-1]):
            pdfium.FPDFText_GetCharOrigin(self.text_page, index, x, y)
            found.append(y.value)
        return sorted(found)[1]  # one of the three may be an index or a footnote's mark

    def _font_name(self, index: int) -> bytes:
        name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
        pdfium.FPDFText_GetFontInfo(self.text_page, index, name, 128, flags)
        return name.value


def _character(code: int) -> str:
    if code in _LINE_HYPHENS:
        return ""
    if code in (0x20, 0xA0) or 0x2000 <= code <= 0x200A:
        return " "
    if code in (0xF0B7, 0xF0A7, 0xF0D8, 0xF0FC):  # bullets of the Symbol and Wingdings fonts
        return "•"
    return chr(code) if code < 0x110000 else "\ufffd"


def without_running_lines(pages: list[list[Line]]) -> list[list[Line]]:
    """Drop headers, footers and page numbers, and the lines of a table of contents.

    Running lines stand at one place on several pages, but for their numbers, or count the pages.
    Large type stays: slides repeat their titles.
    """
    body = body_size([line for lines in pages for line in lines])
    edges = [line for lines in pages for line in _edges(lines) if line.size <= 1.2 * body]
    wanted = min(3, max(2, len(pages)))
    running: set[int] = set()
    for alike in (_without_numbers, _pages_before):
        groups = defaultdict(list)
        for line in edges:
            if (key := alike(line)) is not None:
                groups[key].append(line)
        for group in groups.values():
            for line in group:
                near = {one.page for one in group if abs(one.bottom - line.bottom) <= _SAME_PLACE}
                if len(near) >= wanted:
                    running.add(id(line))
    return [
        [line for line in lines if id(line) not in running and not _LEADERS.search(line.text)]
        for lines in pages
    ]


def _without_numbers(line: Line) -> str:
    return re.sub(r"\d+|\b[ivxlc]+\b", "#", line.text.lower()).strip()


def _pages_before(line: Line) -> int | None:
    """Return how far a line's first or last number is from its page: a header counts on."""
    found = re.match(r"\W*(\d{1,4})\b|.*?\b(\d{1,4})\W*$", line.text)
    return int(found[1] or found[2]) - line.page if found else None


def body_size(lines: list[Line]) -> float:
    """Return the size that most of the text has."""
    counts: dict[float, int] = defaultdict(int)
    for line in lines:
        counts[line.size] += len(line.text)
    return max(counts, key=counts.__getitem__, default=10.0)


def _edges(lines: list[Line]) -> list[Line]:
    """Return the first and last lines of a page that stand where headers and footers do."""
    in_order = sorted(lines, key=lambda line: -line.bottom)
    top = [line for line in in_order[:_EDGE_LINES] if line.bottom > _HEADER_ABOVE * line.height]
    return top + [
        line for line in in_order[-_EDGE_LINES:] if line.bottom < _FOOTER_BELOW * line.height
    ]
