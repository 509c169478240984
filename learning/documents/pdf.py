"""A PDF becomes one part, or one for each top-level entry of its outline.

Without an outline, a long one is cut every so many pages: a book on one page cannot be read.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pypdfium2

from learning.documents.markup import fence, table
from learning.documents.pages import Page
from learning.documents.parts import DocumentFault, Part, Progress
from learning.documents.pdf_blocks import Block, blocks_of
from learning.documents.pdf_lines import lines_of, without_running_lines
from learning.documents.plain import clean, depth_under, escape, key_of, title_of

MOST_PAGES = 5_000
LONGEST_CHAPTER = 60  # pages, where there is no outline
PAGES_OF_A_CHAPTER = 30
_FEW_WORDS = 100  # before the first chapter: not a chapter of its own
_NO_TITLE = re.compile(
    r"(?:Microsoft Word|Microsoft PowerPoint|PowerPoint|untitled|无标题|文档)\b.*"
    r"|.*\.(?:docx?|pptx?|tex|dvi|indd|html?|pages|odt|wps)|\W*",
    re.IGNORECASE,
)


@dataclass
class Entry:
    """An entry of the outline: `depth` from 0, `page` from 1, `top` in points from below."""

    title: str
    depth: int
    page: int
    top: float | None


def read(path: Path, progress: Progress) -> list[Part]:
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        code = "encrypted" if "password" in str(error).lower() else "damaged"
        raise DocumentFault(code, str(error)) from error
    with document:
        count = len(document)
        if count > MOST_PAGES:
            raise DocumentFault("too_many_pages", str(MOST_PAGES))
        pages = []
        for index in range(count):
            progress(index, count)
            pages.append(_lines(document, index))
        entries = _outline(document)
        title = " ".join(clean(document.get_metadata_value("Title")).split())
    _check_text(pages)
    blocks = blocks_of(without_running_lines(pages))
    title = "" if _NO_TITLE.fullmatch(title) else title
    if entries:
        return _at_entries(blocks, entries, title)
    title = _take_title(blocks) or title
    if count > LONGEST_CHAPTER:
        return _at_pages(blocks, count, title or title_of(clean(path.name)))
    return [Part("", title, to_markdown(blocks))]


def _lines(document, index: int):
    try:
        page = document[index]
    except pypdfium2.PdfiumError:  # one broken page does not cost the others
        return []
    try:
        return lines_of(page, index + 1)
    finally:
        page.close()


def _check_text(pages) -> None:
    text = "".join(line.text for lines in pages for line in lines)
    if sum(map(str.isalnum, text)) < max(10, len(pages)):
        raise DocumentFault("no_text")
    # Fonts that do not say which letters they draw.
    unreadable = sum(char == "\ufffd" or "\ue000" <= char <= "\uf8ff" for char in text)
    if unreadable > 0.3 * len(text):
        raise DocumentFault("garbled")


def _outline(document) -> list[Entry]:
    """Return the outline's entries from the level of its chapters on; [] if it has not two."""
    entries = []
    for mark in document.get_toc(max_depth=6):
        destination = mark.get_dest()
        title = " ".join(clean(mark.get_title()).split())
        index = destination.get_index() if destination else None
        if not title or index is None or not 0 <= index < len(document):
            continue
        _mode, view = destination.get_view()
        top = view[1] if len(view) > 1 else None
        entries.append(Entry(title, mark.level, index + 1, top))
    # A book's title alone at the top: its chapters are one level below.
    for depth in range(6):
        if sum(entry.depth == depth for entry in entries) >= 2:
            return [
                Entry(entry.title, entry.depth - depth, entry.page, entry.top)
                for entry in entries
                if entry.depth >= depth
            ]
    return []


def _at_entries(blocks: list[Block], entries: list[Entry], title: str) -> list[Part]:
    starts: list[tuple[int, Entry]] = []
    first = 0
    for entry in entries:
        found = _find(blocks, entry, first)
        block = blocks[found] if found < len(blocks) else None
        if block and _same(block.text, entry.title):
            block.kind, block.level = "heading", entry.depth + 1
        if entry.depth == 0:
            starts.append((found, entry))
            first = found
    parts, taken = [], set()
    before = blocks[: starts[0][0]]
    if before and len(before) < 3 and _same(before[0].text, title):
        before = before[1:]  # the title page
    if before and sum(len(block.text.split()) for block in before) > _FEW_WORDS:
        title = _take_title(before) or title
        parts.append(Part(key_of("start", taken), title, to_markdown(before)))
        before = []
    ends = [start for start, _ in starts[1:]] + [len(blocks)]
    for (start, entry), end in zip(starts, ends, strict=True):
        own = blocks[start:end]
        if own and own[0].kind == "heading" and _same(own[0].text, entry.title):
            own = own[1:]
        key = key_of(entry.title, taken)
        if before or own:
            parts.append(Part(key, entry.title, to_markdown([*before, *own], since=entry.page)))
            before = []
    return parts


def _find(blocks: list[Block], entry: Entry, first: int) -> int:
    """Return the place of the block that an entry leads to."""
    on_page = [
        place
        for place in range(first, len(blocks))
        if blocks[place].page in (entry.page, entry.page + 1)
    ]
    for place in on_page:
        if _same(blocks[place].text, entry.title):
            return place
    for place in on_page:
        block = blocks[place]
        if entry.top is None or block.page > entry.page or block.lines[0].bottom <= entry.top:
            return place
    later = (place for place in range(first, len(blocks)) if blocks[place].page > entry.page)
    return next(later, len(blocks))


def _same(words: str, title: str) -> bool:
    words, title = (re.sub(r"[\W_]+", "", one).casefold() for one in (words, title))
    return bool(title) and (
        words == title
        or (len(title) > 3 and words.endswith(title) and len(words) <= len(title) + 8)
    )


def _at_pages(blocks: list[Block], count: int, title: str) -> list[Part]:
    parts = []
    for first in range(1, count + 1, PAGES_OF_A_CHAPTER):
        last = min(count, first + PAGES_OF_A_CHAPTER - 1)
        own = [block for block in blocks if first <= block.page <= last]
        if own:
            parts.append(Part(f"{first}-{last}", f"{title} ({first}–{last})", to_markdown(own)))
    return parts


def _take_title(blocks: list[Block]) -> str:
    """Take the heading that opens the document out of it."""
    if blocks and blocks[0].kind == "heading":
        return blocks.pop(0).text[:200]
    return ""


def to_markdown(blocks: list[Block], since: int = 0) -> str:
    """Write the blocks, with a mark where each page begins.

    A mark ends a list, which begins anew after it: its items are numbered on.
    """
    texts: list[str] = []
    open_levels: list[int] = []
    shown = 0
    for place, block in enumerate(blocks):
        page = max(shown, min(since, block.page) if place == 0 and since else block.page)
        if page > shown:
            shown = page
            texts.append(Page("page", page).mark())
        is_next_item = (
            block.kind == "item"
            and place
            and blocks[place - 1].kind == "item"
            and not texts[-1].startswith("<!--")
        )
        if not is_next_item:
            open_levels = []
        depth = depth_under(open_levels, block.level) if block.kind == "item" else 0
        text = _markdown(block, depth)
        if is_next_item:
            texts[-1] += f"\n{text}"
        else:
            texts.append(text)
    return "\n\n".join(text.strip("\n") for text in texts)


def _markdown(block: Block, depth: int) -> str:
    if block.kind == "code":
        return fence(block.text)
    if block.kind == "table":
        return table([[escape(cell) for cell in row] for row in block.rows])
    text = escape(block.text)
    if block.kind == "heading":
        text = re.sub(r"^(\d+)\\(?=[.)])", r"\1", text)
        return f"{'#' * max(2, min(6, block.level))} {text}"
    if block.kind == "item":
        mark = "-" if block.number is None else f"{block.number}."
        return f"{'    ' * depth}{mark} {text}"
    return text
