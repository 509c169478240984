"""Read the structure of a Markdown document: headings, and the blocks under each, by offset."""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.front_matter import front_matter_plugin

LINE_ENDS = re.compile(r"\r\n|\r|\n")
_HEADING_MARKUP = re.compile(r"[*`]+|\s*\{#[^}]*\}\s*$")


@dataclass(frozen=True)
class Block:
    """A top-level block. `kind` says how it may be cut: paragraph, list, or lines."""

    start: int
    end: int
    kind: str
    items: tuple[int, ...] = ()  # where a list's items and a table's rows begin


def sections(text: str, title: str) -> Iterator[tuple[tuple[str, ...], list[Block]]]:
    """Yield each run of blocks under one heading, with the path of headings above it."""
    path: list[tuple[int, str]] = [(0, title)]
    blocks: list[Block] = []
    bare_heading: Block | None = None  # a heading that nothing follows is text after all
    for heading, block in _blocks(text):
        if heading is None:
            blocks.append(block)
            bare_heading = None
            continue
        level, words = heading
        if bare_heading and level <= path[-1][0]:
            blocks.append(bare_heading)
        if blocks:
            yield _names(path), blocks
        blocks, bare_heading = [], block
        path = [entry for entry in path if entry[0] < level] + [(level, words)]
    if bare_heading:
        blocks.append(bare_heading)
    if blocks:
        yield _names(path), blocks


def _names(path: list[tuple[int, str]]) -> tuple[str, ...]:
    names = [words for _, words in path if words]
    if len(names) > 1 and names[1].casefold() == names[0].casefold():
        del names[1]  # many chapters repeat their title as the first heading
    return tuple(names)


@functools.cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable("table")
    parser.use(dollarmath_plugin).use(front_matter_plugin)
    return parser.disable(["inline", "text_join"])  # blocks are all that is wanted


def _blocks(text: str) -> Iterator[tuple[tuple[int, str] | None, Block]]:
    """Yield the blocks of the document; a heading comes with its level and words."""
    line_starts = [0, *(match.end() for match in LINE_ENDS.finditer(text)), len(text)]
    tokens = _parser().parse(text)
    for index, token in enumerate(tokens):
        if token.level or token.map is None or token.nesting < 0:
            continue
        if token.type in {"hr", "front_matter"}:
            continue
        start, end = (line_starts[min(line, len(line_starts) - 1)] for line in token.map)
        if token.type == "html_block" and text[start:end].lstrip().startswith("<!--"):
            continue
        if token.type == "heading_open":
            words = _HEADING_MARKUP.sub("", tokens[index + 1].content).strip()
            yield (int(token.tag[1]), words), Block(start, end, "paragraph")
            continue
        yield None, Block(start, end, *_kind(tokens, index, line_starts))


def _kind(tokens: list[Token], index: int, line_starts: list[int]) -> tuple[str, tuple[int, ...]]:
    token = tokens[index]
    parts = {"bullet_list_open": ("list_item_open", 1), "ordered_list_open": ("list_item_open", 1)}
    parts["table_open"] = ("tr_open", 2)
    if token.type in parts:
        wanted, level = parts[token.type]
        starts = []
        for inner in tokens[index + 1 :]:
            if inner.level == 0:
                break
            if inner.type == wanted and inner.level == level and inner.map:
                starts.append(line_starts[inner.map[0]])
        return ("list" if wanted == "list_item_open" else "lines"), tuple(starts)
    if token.type in {"fence", "code_block", "math_block", "math_block_label", "html_block"}:
        return "lines", ()
    return "paragraph", ()
