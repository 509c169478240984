"""An answer becomes HTML block by block, whole or while it is being written.

A finished block never changes: link definitions and setext headings, with which a later line
could reach back, are off. So the stream re-reads only from the last place that is certain.
"""

import re
from collections.abc import Mapping

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.rules_inline import StateInline

from learning.rendering.markdown import new_parser, top_level_blocks
from learning.rendering.safety import clean_html, clean_source

_MARK = re.compile(r"\[(\d{1,3}(?:\s*[,，、;]\s*\d{1,3})*)\](?!\()")


def render_blocks(text: str, sources: Mapping[int, str] | None = None) -> list[str]:
    """Return the HTML of each top-level block.

    `sources` maps the numbers that the answer may cite to the addresses of their passages: `[2]`
    becomes a link when 2 is among them, and stays as written otherwise and in code and formulas.
    """
    return [html for _, html in _render(_readable(text), sources or {})]


class AnswerRenderer:
    """Render an answer that grows.

    `blocks` always equals `render_blocks` of what was fed last. One per answer; not shared.
    """

    def __init__(self, sources: Mapping[int, str] | None = None) -> None:
        self.sources = sources or {}
        self.blocks: list[str] = []
        self._certain_blocks = 0
        self._certain_text = 0  # offset in the text where the blocks that may change begin

    def feed(self, text: str) -> list[tuple[int, str]]:
        """Take the whole answer so far; return (index, HTML) of each block that is new or changed.

        A block that went away comes with empty HTML (a "2" becomes one with the list before it
        when its dot arrives).
        """
        rest = _readable(text)[self._certain_text :]
        rendered = _render(rest, self.sources)
        blocks = self.blocks[: self._certain_blocks] + [html for _, html in rendered]
        before = self.blocks + [""] * (len(blocks) - len(self.blocks))
        after = blocks + [""] * (len(before) - len(blocks))
        self.blocks = blocks
        self._advance(rest, rendered)
        return [(i, html) for i, html in enumerate(after) if html != before[i]]

    def _advance(self, rest: str, rendered: list[tuple[int, str]]) -> None:
        """Move to the last block that stands after an empty line and whose first line is complete.

        No later line can join such a block to the one before it, or cut it elsewhere.
        """
        lines = rest.split("\n")
        for index in range(len(rendered) - 1, 0, -1):
            line = rendered[index][0]
            if line < len(lines) - 1 and not lines[line - 1].strip(" \t"):
                self._certain_blocks += index
                self._certain_text += sum(len(skipped) + 1 for skipped in lines[:line])
                return


def _readable(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return clean_source(text)


def _render(text: str, sources: Mapping[int, str]) -> list[tuple[int, str]]:
    """Return (first line, HTML) of each top-level block."""
    env = {"sources": sources}
    return [
        (
            block[0].map[0],
            clean_html(_PARSER.renderer.render(block, _PARSER.options, env)).strip(),
        )
        for block in top_level_blocks(_PARSER.parse(text, env))
    ]


def _citation(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] != "[" or state.linkLevel:
        return False
    found = _MARK.match(state.src, state.pos)
    if not found:
        return False
    numbers = [int(number) for number in re.findall(r"\d+", found[1])]
    if not all(number in state.env.get("sources", ()) for number in numbers):
        return False
    if not silent:
        token = state.push("citation", "a", 0)
        token.meta = {"numbers": numbers}
    state.pos = found.end()
    return True


def _render_citation(renderer, tokens, index, options, env) -> str:
    return "".join(
        f'<a class="cite" href="{escapeHtml(env["sources"][number] or "#")}"'
        f' data-n="{number}">{number}</a>'
        for number in tokens[index].meta["numbers"]
    )


def _answer_parser() -> MarkdownIt:
    parser = new_parser(raw_html=False)
    parser.disable(["reference", "lheading"])
    parser.inline.ruler.before("link", "citation", _citation)
    parser.add_render_rule("citation", _render_citation)
    return parser


_PARSER = _answer_parser()
