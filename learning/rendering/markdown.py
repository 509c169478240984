"""The Markdown parser: CommonMark with tables, strikethrough, formulas, and code in colours.

Knows nothing of chapters or answers; those two build theirs with `new_parser` and cut its tokens
into top-level blocks with `top_level_blocks`.
"""

import functools
import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from learning.rendering.formulas import formula_plugin, to_mathml

_COLOURS = HtmlFormatter(nowrap=True)
_LONGEST_COLOURED_CODE = 50_000
_PLAIN_TAG = re.compile(r"<(?:br\s*/?|/?(?:sub|sup|kbd|mark|u|small))>", re.IGNORECASE)


def new_parser(*, raw_html: bool) -> MarkdownIt:
    """Return a parser; without `raw_html`, tags are text, apart from a few that carry nothing."""
    parser = MarkdownIt("commonmark", {"html": raw_html})
    parser.enable(["table", "strikethrough"])
    parser.use(formula_plugin)
    if not raw_html:
        parser.inline.ruler.before("html_inline", "plain_tag", _plain_tag)
    for rule, function in {
        "fence": _render_fence,
        "code_block": _render_indented_code,
        "image": _render_picture,
        "table_open": lambda *_: '<div class="table" tabindex="0"><table>\n',
        "table_close": lambda *_: "</table></div>\n",
        "th_open": _render_cell,
        "td_open": _render_cell,
    }.items():
        parser.add_render_rule(rule, function)
    return parser


def top_level_blocks(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """Cut a document's tokens into those of each top-level block; the first one has its lines."""
    block: list[Token] = []
    depth = 0
    for token in tokens:
        block.append(token)
        depth += token.nesting
        if depth == 0:
            yield block
            block = []


def plain_text(token: Token) -> str:
    """Return what an inline token says, without its markup."""
    parts = []
    for child in token.children or []:
        if child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif child.type != "html_inline":
            parts.append(child.content)
    return "".join(parts).strip()


def _plain_tag(state: StateInline, silent: bool) -> bool:
    found = _PLAIN_TAG.match(state.src, state.pos)
    if not found:
        return False
    if not silent:
        state.push("html_inline", "", 0).content = found[0]
    state.pos = found.end()
    return True


def _render_fence(renderer, tokens, index, options, env) -> str:
    token = tokens[index]
    language = token.info.split(maxsplit=1)[0].lower() if token.info.strip() else ""
    if language == "math":
        formula = to_mathml(token.content, display=True)
        return f'<div class="math-block" tabindex="0">{formula}</div>\n'
    # Colours are many times the work, and code that is being streamed comes 25 times a second.
    if not _is_closed(token):
        return _pre(escapeHtml(token.content))
    return _pre(_coloured(token.content, language))


def _is_closed(fence: Token) -> bool:
    """Whether the fence has a last line: one line more than the first and what it holds."""
    lines = fence.map[1] - fence.map[0]
    return fence.content[-1:] in ("", "\n") and lines == fence.content.count("\n") + 2


def _render_indented_code(renderer, tokens, index, options, env) -> str:
    return _pre(escapeHtml(tokens[index].content))


def _pre(html: str) -> str:
    return f'<pre class="code" tabindex="0"><code>{html}</code></pre>\n'


def _coloured(code: str, language: str) -> str:
    lexer = _lexer(language) if language and len(code) <= _LONGEST_COLOURED_CODE else None
    return highlight(code, lexer, _COLOURS) if lexer else escapeHtml(code)


@functools.lru_cache(maxsize=256)
def _lexer(language: str):
    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def _render_picture(renderer, tokens, index, options, env) -> str:
    if shown := tokens[index].meta.get("shown"):  # one that the course has: pictures.py
        return shown
    # Others would be fetched from wherever their address points: readers get the description.
    description = plain_text(tokens[index])
    return f'<span class="picture">{escapeHtml(description)}</span>' if description else ""


def _render_cell(renderer, tokens, index, options, env) -> str:
    token = tokens[index]
    alignment = str(token.attrs.get("style", "")).removeprefix("text-align:")
    return f'<{token.tag} class="align-{alignment}">' if alignment else f"<{token.tag}>"
