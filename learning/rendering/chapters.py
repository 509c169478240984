"""A chapter's text becomes a page: blocks that know their place in the source, and its contents.

A citation names a stretch of the source in characters; `RenderedChapter.html` marks the blocks
that it touches.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify
from django.utils.translation import get_language
from markdown_it.token import Token

from learning.documents.pages import page_of
from learning.pages import page_label
from learning.rendering.markdown import new_parser, plain_text, top_level_blocks
from learning.rendering.pictures import (
    Pictures,
    ShownPicture,
    addresses_in,
    path_of,
    show_pictures,
)
from learning.rendering.safety import clean_chapter_html, clean_source

PARSER = new_parser(raw_html=True)
# What the page around the text uses; a heading "Main" becomes "main-1".
_IDS_OF_THE_PAGE = ("main", "tutor", "question")
# Files that become chapters: links from one to another lead to its page.
_LINKED_FILES = (".md", ".markdown", ".pdf", ".docx", ".pptx", ".html", ".htm")
_DETAILS_OPEN = re.compile(r"<details\b", re.IGNORECASE)
_DETAILS_CLOSE = re.compile(r"</details\b", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n?|\n")


class Block(NamedTuple):
    """One top-level block; `start` and `end` are offsets in the source, in code points."""

    start: int
    end: int
    html: str


class Heading(NamedTuple):
    level: int
    text: str
    anchor: str


@dataclass(frozen=True)
class RenderedChapter:
    blocks: tuple[Block, ...]
    contents: tuple[Heading, ...]

    def html(self, cited: tuple[int, int] | None = None) -> SafeString:
        """Return the whole text; blocks that overlap the cited stretch carry the class `cited`.

        The first of them also holds an element with the id `p-<start of the stretch>`, so that the
        citation's address leads there even when its passage begins in the middle of a block.
        """
        parts = []
        anchor_wanted = cited is not None
        for start, end, html in self.blocks:
            is_cited = cited is not None and start < cited[1] and end > cited[0]
            anchor = ""
            if is_cited and anchor_wanted:
                anchor_wanted = False
                if cited[0] != start:
                    anchor = f'<span id="p-{cited[0]}"></span>'
            parts.append(
                f'<div class="block{" cited" if is_cited else ""}" id="p-{start}"'
                f' data-start="{start}" data-end="{end}">{anchor}{html}</div>\n'
            )
        return mark_safe("".join(parts))  # noqa: S308 - every block was cleaned


def render_chapter(
    text: str,
    *,
    source_path: str = "",
    chapter_urls: Mapping[str, str] | None = None,
    pictures: Pictures | None = None,
) -> RenderedChapter:
    """Render a chapter's Markdown.

    `chapter_urls` maps the source files of the course's chapters, in order, to their pages: a link
    to one of them, as seen from `source_path`, leads to that page; to another file, nowhere.
    `pictures` are those of the course that it may show; others are their descriptions.
    Marks of pages and slides show their numbers, in the language of the reader.
    """
    urls = tuple((chapter_urls or {}).items())
    return _render(text, source_path, urls, tuple((pictures or {}).items()), get_language() or "")


@functools.lru_cache(maxsize=128)
def _render(
    text: str,
    source_path: str,
    chapter_urls: tuple[tuple[str, str], ...],
    pictures: tuple[tuple[str, ShownPicture], ...],
    language: str,
) -> RenderedChapter:
    # Line ends may be of two characters, as a form sends them, and offsets count them.
    line_starts = [0, *(found.end() for found in _LINE_END.finditer(text))]
    line_starts.append(len(text))
    env: dict = {}
    tokens = PARSER.parse(clean_source(text), env)
    _turn_links(tokens, source_path, dict(chapter_urls))
    show_pictures(tokens, source_path, dict(pictures))

    blocks, contents, taken = [], [], set(_IDS_OF_THE_PAGE)
    for parts in _with_folded_parts(list(top_level_blocks(tokens))):
        block = parts[0]
        html = "".join(PARSER.renderer.render(part, PARSER.options, env) for part in parts)
        html = clean_chapter_html(html).strip() or _page_mark(block[0], language)
        first, last = block[0].map[0], parts[-1][0].map[1]
        start = line_starts[first]
        end = line_starts[min(last, len(line_starts) - 1)]
        end = start + len(text[start:end].rstrip(" \t\r\n"))
        if block[0].type == "heading_open":
            heading = _heading(block, taken)
            contents.append(heading)
            html = html.replace(f"<h{heading.level}", f'<h{heading.level} id="{heading.anchor}"', 1)
        if html:
            blocks.append(Block(start, end, html))
    return RenderedChapter(tuple(blocks), tuple(contents))


def _page_mark(token: Token, language: str) -> str:
    page = page_of(token.content) if token.type == "html_block" else None
    if page is None:
        return ""
    return format_html('<p class="page-mark" lang="{}">{}</p>', language, page_label(page))


def _with_folded_parts(blocks: list[list[Token]]) -> Iterator[list[list[Token]]]:
    """Put the blocks from `<details>` to its `</details>` together: cleaned alone, it would end."""
    opened = [
        len(_DETAILS_OPEN.findall(html)) - len(_DETAILS_CLOSE.findall(html))
        for html in (block[0].content if block[0].type == "html_block" else "" for block in blocks)
    ]
    at = 0
    while at < len(blocks):
        end = at + 1
        if opened[at] > 0:
            depths = enumerate(accumulate(opened[at:]), start=at + 1)
            end = next((place for place, depth in depths if depth <= 0), end)
        yield blocks[at:end]
        at = end


def _heading(block: list[Token], taken: set[str]) -> Heading:
    text = plain_text(block[1])
    slug = anchor = slugify(text, allow_unicode=True) or "section"
    number = 1
    # "p-…" belongs to passages.
    while anchor in taken or anchor.startswith("p-"):
        anchor = f"{slug}-{number}" if not slug.startswith("p-") else f"section-{slug}-{number}"
        number += 1
    taken.add(anchor)
    return Heading(int(block[0].tag[1]), text, anchor)


def linked_file(link: Token, source_path: str) -> str:
    """Return which file of the course a link leads to, as seen from `source_path`; "" if none."""
    return path_of(str(link.attrs.get("href", "")), source_path)


def pictures_named(text: str, source_path: str) -> dict[str, str]:
    """Return the files of the course that a text shows as pictures: each address with its path."""
    if "![" not in text and "<img" not in text.lower():
        return {}
    named = {address: path_of(address, source_path) for address in addresses_in(PARSER.parse(text))}
    return {address: path for address, path in named.items() if path}


def _turn_links(tokens: list[Token], source_path: str, chapter_urls: dict[str, str]) -> None:
    # A file that became several chapters begins with the first of them.
    first_parts: dict[str, str] = {}
    for path, url in chapter_urls.items():
        if (file := path.rpartition("#")[0]).endswith(_LINKED_FILES):
            first_parts.setdefault(file, url)
    for token in tokens:
        for child in token.children or []:
            if child.type != "link_open":
                continue
            path = linked_file(child, source_path)
            if not path.lower().endswith(_LINKED_FILES):
                continue
            if url := chapter_urls.get(path) or first_parts.get(path):
                _, hash_mark, fragment = str(child.attrs["href"]).partition("#")
                child.attrs["href"] = f"{url}{hash_mark}{fragment}"
            else:
                del child.attrs["href"]
