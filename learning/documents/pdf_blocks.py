"""Lines of a PDF become blocks: paragraphs, headings, list items, tables and code.

A PDF says where letters stand, not what they are; this reads it as a person does, from the
distances, indents and sizes.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from learning.documents.pdf_lines import GAP, SOFT_HYPHEN, Line, body_size
from learning.documents.plain import CJK, joint

_BULLET = re.compile(r"^[•◦▪‣∙●○■□▸►➢➤✓✔❖⁃·–—*-][\s\t]+(?=\S)")
_NUMBER = re.compile(r"^(?:\((\d{1,3})\)|(\d{1,3})[.)])[\s\t]+(?=\S)")
_SENTENCE_END = re.compile(r"[.!?:;…。！？：；][\"'”’」』）)\]]*$")
_LETTER = re.compile(r"[^\W\d_]")
_HEADING_FROM = 1.15  # times the size of the text
_FOOTNOTE_BELOW = 0.92
_LONGEST_HEADING = 200
_SAME_SIZE = 0.08


@dataclass
class Block:
    """`kind`: paragraph, heading, item, table or code. `level`: of a heading or a list item."""

    kind: str
    lines: list[Line]
    text: str = ""
    level: int = 0
    number: int | None = None
    rows: list[list[str]] = field(default_factory=list)

    @property
    def page(self) -> int:
        return self.lines[0].page

    @property
    def size(self) -> float:
        return self.lines[0].size


def blocks_of(pages: list[list[Line]]) -> list[Block]:
    """Return the blocks of a document in order; a paragraph may end pages after it began."""
    body = body_size([line for lines in pages for line in lines])
    leading = _leadings(pages)
    blocks: list[Block] = []
    for lines in pages:
        numbers = _open_numbers(blocks, body)
        page_blocks = list(_page_blocks(lines, body, leading, numbers))
        if page_blocks:
            page_blocks = _joined_to(blocks, page_blocks, body)
        blocks += page_blocks
    for block in blocks:
        _finish(block)
    _set_heading_levels(blocks)
    return [block for block in blocks if block.text or block.rows]


def _open_numbers(blocks: list[Block], body: float) -> set[int]:
    """Return the numbers of the list that the pages so far end with: it may go on."""
    numbers = set()
    for block in reversed(blocks):
        if block.kind == "item":
            numbers |= {block.number} - {None}
        elif not _is_footnote(block, body):
            break
    return numbers


def _page_blocks(
    lines: list[Line], body: float, leading: dict[float, float], numbers: set[int]
) -> Iterator[Block]:
    """Yield a page's blocks; `numbers`: of the list above."""
    block: Block | None = None
    for place, line in enumerate(lines):
        kind, number = _kind(line, lines, place, body, block, numbers)
        if block and _goes_on(block, line, kind, leading, lines[place:]):
            block.lines.append(line)
            continue
        if number is not None:
            numbers.add(number)
        elif kind != "item" and (block or kind != "paragraph"):
            numbers.clear()  # but for what goes on from the page before
        if block:
            yield block
        block = Block(kind, [line], number=number)
    if block:
        yield block


def _kind(
    line: Line,
    lines: list[Line],
    place: int,
    body: float,
    before: Block | None,
    numbers: set[int],
) -> tuple[str, int | None]:
    if line.is_code and (len(line.text) > 1 or (before and before.kind == "code")):
        return "code", None
    if line.size >= _HEADING_FROM * body and _LETTER.search(line.text):
        return "heading", None
    if _BULLET.match(line.text):
        return "item", None
    if (found := _NUMBER.match(line.text)) and _may_be_item(
        int(found[1] or found[2]), before, numbers, lines[place + 1 :]
    ):
        return "item", int(found[1] or found[2])
    if GAP in line.text and _is_row(line, lines, place):
        return "table", None
    if _is_bold_heading(line, lines, place):
        return "heading", None
    return "paragraph", None


def _may_be_item(number: int, before: Block | None, numbers: set[int], later: list[Line]) -> bool:
    if number == 1:
        is_followed = any(re.match(r"\(?2[.)]", line.text) for line in later[:12])
        return is_followed or before is None or before.kind != "paragraph" or _is_ended(before)
    return number - 1 in numbers


def _is_row(line: Line, lines: list[Line], place: int) -> bool:
    """Whether a neighbour has as many cells, so that they are a table and not a wide space."""
    neighbours = lines[max(0, place - 1) : place] + lines[place + 1 : place + 2]
    return any(len(other.cells) == len(line.cells) for other in neighbours)


def _is_bold_heading(line: Line, lines: list[Line], place: int) -> bool:
    """Whether a numbered line in bold stands alone: how many programs write "2.1 Limits"."""
    numbered = re.match(r"^(?:\d{1,2}(?:\.\d{1,2}){0,3}\.?|第.{1,4}[章节])\s+\S", line.text)
    if not (line.is_bold and numbered and len(line.text) < 100):
        return False
    return place + 1 >= len(lines) or not lines[place + 1].is_bold


def _goes_on(
    block: Block, line: Line, kind: str, leading: dict[float, float], coming: list[Line]
) -> bool:
    last = block.lines[-1]
    distance = last.bottom - line.bottom
    if block.kind == "code":
        return kind == "code" and distance > 0
    if block.kind == "table":
        return kind == "table" and len(last.cells) == len(line.cells) and distance > 0
    if abs(last.size - line.size) > _SAME_SIZE * last.size:
        return False
    if block.kind == "heading":
        long = sum(len(one.text) for one in block.lines) > _LONGEST_HEADING
        return kind == "heading" and 0 < distance <= 1.6 * line.size and not long
    if kind != "paragraph" or distance < -0.3 * line.size:
        return False
    usual = leading.get(line.size, 1.5 * line.size)
    if distance > 1.22 * usual or distance > 2.6 * line.size:
        return False
    if block.kind == "item":
        # Text that hangs under the item's words; what stands left of the mark is none of it.
        return line.left >= block.lines[0].left - 1 and not _stands_out(block, line)
    room = _right_edge(block, coming) - last.right
    is_meant = room > _width_of_first_word(line) + line.size
    if is_meant and (_SENTENCE_END.search(last.text) or room > 12 * line.size):
        return False
    is_indented = line.left > last.left + 0.8 * line.size
    return not (is_indented and (len(block.lines) > 1 or _SENTENCE_END.search(last.text)))


def _stands_out(block: Block, line: Line) -> bool:
    """Whether a line after an item begins left of where the item's other lines do."""
    others = block.lines[1:]
    return bool(others) and line.left < min(one.left for one in others) - 0.8 * line.size


def _right_edge(block: Block, coming: list[Line]) -> float:
    """Return where lines end in this column: in the block so far, and in the next ones below."""
    last = block.lines[-1]
    edge = max(line.right for line in block.lines)
    for above, line in itertools.pairwise([last, *coming[:3]]):
        if line.bottom > above.bottom or abs(line.left - last.left) > 3 * last.size:
            break
        edge = max(edge, line.right)
    return edge


def _width_of_first_word(line: Line) -> float:
    """A line broken although the next word had room was meant to end; Chinese breaks anywhere."""
    width = (line.right - line.left) / max(1, len(line.text))
    word = re.split(rf"[\s{CJK}]", line.text, maxsplit=1)[0]
    return width * (min(len(word), 25) + 1)


def _leadings(pages: list[list[Line]]) -> dict[float, float]:
    """Return the usual distance between lines of each size."""
    distances = defaultdict(list)
    for lines in pages:
        for one, other in itertools.pairwise(lines):
            distance = one.bottom - other.bottom
            if one.size == other.size and 0.8 * one.size < distance < 2.6 * one.size:
                distances[one.size].append(distance)
    # The lower part: what stands between paragraphs is wider, and sometimes as frequent.
    return {
        size: sorted(found)[int(0.4 * (len(found) - 1))] if len(found) > 2 else median(found)
        for size, found in distances.items()
    }


def _joined_to(blocks: list[Block], page_blocks: list[Block], body: float) -> list[Block]:
    """Put what goes on from the page before, or from another column, behind its beginning."""
    rest: list[Block] = []
    for block in page_blocks:
        is_first_on_page = not rest
        before = _last_text(rest or blocks, body)
        is_new_column = rest and rest[-1].lines[-1].bottom < block.lines[0].bottom
        if before and (is_first_on_page or is_new_column) and _continues(before, block):
            before.lines += block.lines
        else:
            rest.append(block)
    return rest


def _last_text(blocks: list[Block], body: float) -> Block | None:
    """Return the last block, footnotes passed over."""
    for block in reversed(blocks[-6:]):
        if not _is_footnote(block, body):
            return block
    return None


def _is_footnote(block: Block, body: float) -> bool:
    return block.size < _FOOTNOTE_BELOW * body and block.kind == "paragraph"


def _continues(before: Block, block: Block) -> bool:
    if block.kind != "paragraph" or before.kind not in ("paragraph", "item"):
        return False
    if abs(before.size - block.size) > _SAME_SIZE * before.size:
        return False
    last = before.lines[-1]
    # A line that a page's end has cut is full.
    widest = max(line.right - line.left for line in before.lines + block.lines)
    is_full = last.right - last.left > widest - 8 * last.size
    return is_full and block.page - last.page <= 1 and not _is_ended(before)


def _is_ended(block: Block) -> bool:
    return bool(_SENTENCE_END.search(block.lines[-1].text))


def _finish(block: Block) -> None:
    if block.kind == "code":
        block.text = _code(block.lines)
    elif block.kind == "table" and len(block.lines) > 1:
        block.rows = [[" ".join(cell.split()) for cell in line.cells] for line in block.lines]
    else:
        if block.kind == "table":
            block.kind = "paragraph"
        block.text = joined([line.text.replace(GAP, " ") for line in block.lines])
        if block.kind == "item":
            mark = _BULLET if block.number is None else _NUMBER
            block.text = mark.sub("", block.text, count=1)


def joined(lines: list[str]) -> str:
    """Join the lines of a paragraph; a word that was hyphenated at a line's end is whole again."""
    text = lines[0]
    for line in lines[1:]:
        is_hyphen = text.endswith((SOFT_HYPHEN, "-")) and _LETTER.match(text[-2:-1])
        if is_hyphen and line[:1].islower():
            text = text[:-1] + line
        elif is_hyphen:
            text = f"{text[:-1]}-{line}"
        else:
            text += joint(text, line) + line
    return " ".join(text.replace(SOFT_HYPHEN, "-").split())


def _code(lines: list[Line]) -> str:
    """Keep lines, and indents by the width of a letter."""
    left = min(line.left for line in lines)
    widths = [(line.right - line.left) / len(line.text) for line in lines if len(line.text) > 2]
    width = max(widths, default=lines[0].size * 0.6)
    code = []
    for before, line in zip([None, *lines], lines, strict=False):
        if before and before.bottom - line.bottom > 1.9 * line.size:
            code.append("")
        indent = round((line.left - left) / width) if width > 0 else 0
        code.append(
            " " * min(indent, 60) + line.text.replace(GAP, "    ").replace(SOFT_HYPHEN, "-")
        )
    return "\n".join(code)


def _set_heading_levels(blocks: list[Block]) -> None:
    """The larger the type, the higher the heading; 1 is the document's title alone.

    And the deeper an item is indented, the deeper it stands in its list.
    """
    headings = [block for block in blocks if block.kind == "heading"]
    for block in headings:
        if len(block.text) > _LONGEST_HEADING:
            block.kind = "paragraph"
    sizes = sorted({block.size for block in headings}, reverse=True)
    is_title = bool(sizes) and [block.size for block in headings].count(sizes[0]) == 1
    for block in headings:
        block.level = min(5, sizes.index(block.size) + (1 if is_title else 2))
    lefts: list[float] = []
    for block in blocks:
        if block.kind != "item":
            lefts = []
            continue
        left = block.lines[0].left
        while lefts and left < lefts[-1] - 0.5 * block.size:
            lefts.pop()
        if not lefts or left > lefts[-1] + 0.8 * block.size:
            lefts.append(left)
        block.level = len(lefts) - 1
