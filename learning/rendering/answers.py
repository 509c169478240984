"""An answer becomes HTML block by block, whole or while it is being written.

No picture is ever fetched for it, and it links only where `links.py` allows.

A finished block never changes: link definitions and setext headings, with which a later line
could reach back, are off. So the stream re-reads only from the last place that is certain.
"""

import functools
import re
from collections.abc import Mapping
from typing import NamedTuple

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from learning.rendering.fragments import mended
from learning.rendering.links import addresses_in, only_known, pages_of
from learning.rendering.markdown import new_parser, top_level_blocks
from learning.rendering.safety import clean_html, clean_source

_LETTER = re.compile(r"[^\W\d_]")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_MARK = re.compile(r"\[(\d{1,3}(?:\s*[,，、;]\s*\d{1,3})*)\](?!\()")


class _Block(NamedTuple):
    line: int  # the first one, in the text that was read
    html: str
    cited: frozenset[int]


class _Known(NamedTuple):
    """Where an answer may lead."""

    sources: Mapping[int, str]
    pages: frozenset[str]
    addresses: frozenset[str]


def _known(sources: Mapping[int, str] | None, addresses: frozenset[str]) -> _Known:
    return _Known(sources or {}, pages_of(sources or {}), addresses)


def render_blocks(
    text: str, sources: Mapping[int, str] | None = None, addresses: frozenset[str] = frozenset()
) -> list[str]:
    """Return the HTML of each top-level block.

    `sources` maps the numbers that the answer may cite to the addresses of their passages: `[2]`
    becomes a link when 2 is among them, and stays as written otherwise and in code and formulas.
    A passage without an address, "", is cited without a link.

    Links lead to the pages of the sources and to `addresses`, which `addresses_in` finds in the
    passages; of others the words and the address are shown.
    """
    return [block.html for block in _render(_readable(text), _known(sources, addresses), {})]


@functools.lru_cache(maxsize=512)  # the answers of a conversation often stand on the same passages
def render_quote(text: str) -> SafeString:
    """Return the HTML of a passage that an answer stands on.

    Its links to other chapters are files of the import and lead nowhere from here: words only.
    """
    blocks = render_blocks(mended(text), addresses=addresses_in([text]))
    return mark_safe("".join(blocks))  # noqa: S308 - every block came through clean_html


def language_of(answer: str, of_course: str) -> str:
    """Return the language of an answer, as far as its looks and its voice need it.

    Chinese, or the course's; what is not Chinese in a Chinese course is taken for English. The
    page tells it by the same rule while an answer is written, in language.js.
    """
    letters = len(_LETTER.findall(answer))
    if not letters:
        return of_course
    if len(_HAN.findall(answer)) > letters / 5:
        return "zh-hans"
    return "en" if of_course.startswith("zh") else of_course


class AnswerRenderer:
    """Render an answer that grows.

    `blocks` always equals `render_blocks` of what was fed last, and `cited` the numbers that are
    cited there. One per answer; not shared.
    """

    def __init__(
        self, sources: Mapping[int, str] | None = None, addresses: frozenset[str] = frozenset()
    ) -> None:
        self._known = _known(sources, addresses)
        self.blocks: list[str] = []
        self.cited: set[int] = set()
        self._rendered: list[_Block] = []
        self._certain_blocks = 0
        self._certain_text = 0  # offset in the text where the blocks that may change begin
        self._inlines: dict[str, list[Token]] = {}  # what the last feed read, by its source

    def feed(self, text: str) -> list[tuple[int, str]]:
        """Take the whole answer so far; return (index, HTML) of each block that is new or changed.

        A block that went away comes with empty HTML (a "2" becomes one with the list before it
        when its dot arrives).
        """
        rest = _readable(text)[self._certain_text :]
        rendered = _render(rest, self._known, self._inlines)
        self._rendered[self._certain_blocks :] = rendered
        blocks = [block.html for block in self._rendered]
        before = self.blocks + [""] * (len(blocks) - len(self.blocks))
        after = blocks + [""] * (len(before) - len(blocks))
        self.blocks = blocks
        self.cited = set().union(*(block.cited for block in self._rendered))
        self._advance(rest, rendered)
        return [(i, html) for i, html in enumerate(after) if html != before[i]]

    def _advance(self, rest: str, rendered: list[_Block]) -> None:
        """Move to the last block that stands after an empty line and whose first line is complete.

        No later line can join such a block to the one before it, or cut it elsewhere.
        """
        lines = rest.split("\n")
        for index in range(len(rendered) - 1, 0, -1):
            line = rendered[index].line
            if line < len(lines) - 1 and not lines[line - 1].strip(" \t"):
                self._certain_blocks += index
                self._certain_text += sum(len(skipped) + 1 for skipped in lines[:line])
                return


def _readable(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return clean_source(text)


def _render(text: str, known: _Known, inlines: dict[str, list[Token]]) -> list[_Block]:
    """Render a text; `inlines`, what was read before, is replaced by what is read now."""
    env: dict = {"known": known, "inlines": inlines}
    tokens = _PARSER.parse(text, env)
    inlines.clear()
    inlines.update({token.content: token.children for token in tokens if token.type == "inline"})
    blocks = []
    for block in top_level_blocks(tokens):
        env["cited"] = set()
        html = clean_html(_PARSER.renderer.render(block, _PARSER.options, env)).strip()
        blocks.append(_Block(block[0].map[0], html, frozenset(env["cited"])))
    return blocks


def _read_inlines(state: StateCore) -> None:
    """Read running text, except what was read before: in a long list, only the last item grows."""
    for token in state.tokens:
        if token.type == "inline":
            token.children = state.env["inlines"].get(token.content)
            if token.children is None:
                children: list[Token] = []
                state.md.inline.parse(token.content, state.md, state.env, children)
                known = state.env["known"]
                token.children = only_known(children, known.pages, known.addresses)


def _citation(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] != "[" or state.linkLevel:
        return False
    found = _MARK.match(state.src, state.pos)
    if not found:
        return False
    numbers = [int(number) for number in re.findall(r"\d+", found[1])]
    if not all(number in state.env["known"].sources for number in numbers):
        return False
    if not silent:
        token = state.push("citation", "a", 0)
        token.meta = {"numbers": numbers}
    state.pos = found.end()
    return True


def _render_citation(renderer, tokens, index, options, env) -> str:
    numbers = tokens[index].meta["numbers"]
    env["cited"].update(numbers)
    return "".join(_link(number, env["known"].sources[number]) for number in numbers)


def _link(number: int, address: str) -> str:
    href = f' href="{escapeHtml(address)}"' if address else ""
    return f'<a class="cite"{href} data-n="{number}">{number}</a>'


def _answer_parser() -> MarkdownIt:
    parser = new_parser(raw_html=False)
    parser.disable(["reference", "lheading"])
    parser.core.ruler.at("inline", _read_inlines)
    parser.inline.ruler.before("link", "citation", _citation)
    parser.add_render_rule("citation", _render_citation)
    return parser


_PARSER = _answer_parser()
