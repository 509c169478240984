"""Cut a passage of Markdown into what can be quoted from it.

A quote is a sentence, a list item or a row of a table, with the display formula, code, table or
list that it leads to. Formulas, code and tables come whole or not at all; of a table that no
sentence leads to, each row is told in words: "Function: sine; Derivative: cosine".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from learning.rendering.fragments import mended


class Kind(StrEnum):
    SENTENCE = "sentence"
    ITEM = "item"
    FORMULA = "formula"
    CODE = "code"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Unit:
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Quote:
    """`text` is the sentence; `block` what it leads to; `ending` a sentence that goes on after.

    `cells` is what distinguishes a row from the others: the heads stand in every one.
    """

    text: str
    block: str = ""
    ending: str = ""
    is_item: bool = False  # of a list, or a row
    cells: str = ""

    @property
    def words(self) -> str:
        return self.cells or f"{self.text} {self.ending}"

    @property
    def found_by(self) -> str:
        """The words it is looked for by: what stands in its table, too."""
        return f"{self.words} {self.block}" if self.block.startswith("|") else self.words

    @property
    def length(self) -> int:
        return len(self.text) + len(self.block) + len(self.ending)


_ITEM = re.compile(r"\s{0,3}(?:[-*+]|\d{1,3}[.)])\s+(?=\S)")
_IN_ITEM = re.compile(r"\s{2,}\S")
_CELL_END = re.compile(r"(?<!\\)\|")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s")
_RULE = re.compile(r"\s{0,3}([-*_])(\s*\1){2,}\s*$")
_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})")
_TABLE_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")

# Where a full stop ends nothing: code, formulas, links.
_PROTECTED = re.compile(r"`[^`]+`|\$[^$]+\$|\\\(.+?\\\)|\[[^\]]*\]\([^)]*\)")
_LINK = re.compile(r"!?\[([^\]]*)\]\((?!https?:)[^)]*\)")
_SENTENCE_END = re.compile(
    r"[.!?]+[\"'”’)\]*_]*(?=\s+[^\sa-z])"  # a capital, a digit, a formula or bold type follows
    r"|[。！？]+[”’」』）]*"
)
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|cf|vs|resp|Fig|Eq|No|Dr|Mr|Mrs|Prof|St|[A-Z])\.$")
_FINISHED = re.compile(r"[.!?。！？…][\"'”’)\]」』）*_]*$")
_LEADS_TO_BLOCK = re.compile(
    r"\b(table|program|code|example|formula|equation|following|follows|below|function|lines)\b"
    r"|下表|下面|如下|程序|代码|公式|例如",
    re.IGNORECASE,
)


def quotes(markdown: str) -> list[Quote]:
    """Return the quotes of a passage, in reading order and without overlap."""
    units = [unit for unit in _units(mended(markdown)) if unit.text]
    found: list[Quote] = []
    index = 0
    while index < len(units):
        unit, index = units[index], index + 1
        if unit.kind is Kind.TABLE:
            found.extend(_rows(unit.text.split("\n")))
            continue
        if unit.kind not in (Kind.SENTENCE, Kind.ITEM):
            continue  # a block that no sentence leads to says nothing by itself
        leads_on = unit.kind is Kind.SENTENCE and not _FINISHED.search(unit.text)
        block, ending = "", ""
        following = units[index].kind if index < len(units) else None
        if leads_on and following is Kind.ITEM:
            items = []
            while index < len(units) and units[index].kind is Kind.ITEM:
                items.append(f"- {units[index].text}")
                index += 1
            block = "\n".join(items)
        elif following is Kind.FORMULA or (
            following in (Kind.CODE, Kind.TABLE) and (leads_on or _LEADS_TO_BLOCK.search(unit.text))
        ):
            block, index = units[index].text, index + 1
            if leads_on and index < len(units) and _goes_on(units[index]):
                ending, index = units[index].text, index + 1
        elif leads_on and (unit.text.endswith((":", "：")) or len(unit.text) < 20):
            continue  # what it leads to was left in the next passage; or a caption, a stray word
        found.append(Quote(unit.text.rstrip(), block, ending, unit.kind is Kind.ITEM))
    return found


def _rows(table: list[str]) -> Iterator[Quote]:
    """Tell each row in words, as its table stands in no sentence."""
    heads = _cells(table[0])
    if not any(heads):
        return  # its head was left in the passage before: what the cells mean cannot be told
    is_chinese = _CHINESE.search(" ".join(table))
    colon, semicolon = ("：", "；") if is_chinese else (": ", "; ")
    for line in table[2:]:
        cells = _cells(line)
        told = [
            f"{head}{colon}{cell}" if head else cell
            for head, cell in zip(heads, cells, strict=False)
            if cell
        ]
        if len(told) > 1:
            yield Quote(semicolon.join(told), is_item=True, cells=" ".join(cells))


def _cells(line: str) -> list[str]:
    """Return what stands between the bars of a row; a bar written `\\|` is none."""
    cells = _CELL_END.split(line.strip().removeprefix("|"))
    if not cells[-1].strip():
        cells.pop()
    return [_tidy(cell).replace("\\|", "|") for cell in cells]


def _goes_on(unit: Unit) -> bool:
    return unit.kind is Kind.SENTENCE and unit.text[0].islower()


def _units(markdown: str) -> Iterator[Unit]:
    lines = iter(markdown.splitlines())
    paragraph: list[str] = []
    is_item = False
    is_paused = False  # an empty line in a list item: it goes on if the next line is indented
    table: list[str] = []

    def finished() -> Iterator[Unit]:
        nonlocal is_item, is_paused
        text = " ".join(paragraph)
        if is_item and text:
            yield Unit(Kind.ITEM, _tidy(text))
        else:
            yield from (Unit(Kind.SENTENCE, sentence) for sentence in sentences(text))
        # A table whose head was left in the passage before would show as bars and dashes.
        if len(table) > 2 and _TABLE_RULE.match(table[1]):
            yield Unit(Kind.TABLE, "\n".join(table))
        paragraph.clear()
        table.clear()
        is_item = is_paused = False

    for line in lines:
        stripped = line.strip()
        if is_paused and stripped and not _IN_ITEM.match(line):
            yield from finished()
        if fence := _FENCE.match(line):
            yield from finished()
            yield Unit(Kind.CODE, _until(lines, line, fence.group(1)))
        elif stripped.startswith(("$$", "\\[")):
            yield from finished()
            closing = "$$" if stripped.startswith("$$") else "\\]"
            is_whole = len(stripped) > 2 and stripped.endswith(closing)
            yield Unit(Kind.FORMULA, stripped if is_whole else _until(lines, stripped, closing))
        elif stripped.startswith("|"):
            if paragraph:
                yield from finished()
            table.append(stripped)
        elif not stripped and is_item:
            is_paused = True
        elif not stripped or _HEADING.match(line) or _RULE.match(line):
            yield from finished()
        elif item := _ITEM.match(line):
            yield from finished()
            is_item = True
            paragraph.append(line[item.end() :].strip())
        else:
            if table:
                yield from finished()
            paragraph.append(stripped.lstrip("> "))
    yield from finished()


def _until(lines: Iterator[str], opening: str, closing: str) -> str:
    """Return the block from its opening to its closing line; nothing when it was cut off."""
    block = [opening]
    for line in lines:
        block.append(line)
        if line.strip().endswith(closing):
            return "\n".join(block)
    return ""


def sentences(paragraph: str) -> Iterator[str]:
    """Cut running text into sentences, never inside a formula, code or a link."""
    protected = [match.span() for match in _PROTECTED.finditer(paragraph)]
    start = 0
    for match in _SENTENCE_END.finditer(paragraph):
        end = match.end()
        if any(first < end < last for first, last in protected):
            continue
        if _ABBREVIATION.search(paragraph, start, end):
            continue
        # Bold type that closes here is part of the sentence; where it opens, of the next one.
        if paragraph.startswith("**", end) and paragraph.count("**", start, end) % 2:
            end += 2
        yield _tidy(paragraph[start:end])
        start = end
    if rest := _tidy(paragraph[start:]):
        yield rest


def _tidy(sentence: str) -> str:
    """Drop what only works on the chapter's page, and bold marks that a cut has left alone."""
    sentence = _LINK.sub(r"\1", sentence.strip())
    return sentence.replace("**", "") if sentence.count("**") % 2 else sentence
