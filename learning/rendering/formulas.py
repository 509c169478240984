"""TeX in Markdown: where a formula begins and ends, and how it becomes MathML.

Formulas stand in `$…$`, `$$…$$`, `\\(…\\)`, `\\[…\\]` and fences marked `math`. A display formula
is recognised by its first line alone and ends at its closing mark or at an empty line, so a formula
that is still being streamed is one block from its first character on.
"""

import functools
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import math_core
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from mdit_py_plugins.dollarmath import dollarmath_plugin

_CONVERTER = math_core.LatexToMathML(fancy_error=False, max_expansions=200)
# For formulas with commands of their own, which may call themselves.
_MACRO_CONVERTER = math_core.LatexToMathML(fancy_error=False, max_expansions=50)
_DEFINES = re.compile(r"\\g?def|command")
_CLOSING = {"$$": "$$", r"\[": r"\]"}
_LABEL = re.compile(r"\\label\s*\{[^{}]*\}")
_STYLE = re.compile(r' style="([^"]*)"')
# The content security policy forbids style attributes; site.css gives these classes their meaning.
_CLASS_OF_STYLE = {
    "text-align:left": "m-left",
    "text-align:right": "m-right",
    "padding-left:0": "m-tight-left",
    "padding-right:0": "m-tight-right",
    "padding-left:1em": "m-wide-left",
    "width:100%": "m-full",
    "width:50%": "m-half",
}
_LONGEST_FORMULA = 20_000
_LONGEST_WITH_MACROS = 1_000
# math_core calls itself for whatever nests, 1.6 kB of stack a character, and an overflow ends the
# whole process. Few characters fit on any thread's stack; the longest formula on this deep one.
_LONGEST_ON_ANY_STACK = 60
_DEEP_STACK_BYTES = 64 * 1024**2  # of addresses: memory is taken by what does nest
_DEEPEST_MATHML = 100  # elements; browsers give up at 512
_stack_size = threading.Lock()
_TAG = re.compile(r"<[^>]*>")
_PUNCTUATION = re.compile(r"[.,;:!?)\]’”、。，；：！？）】]+")
_LONGEST_UNBOXED = 24  # characters: what fits beside a word on the narrowest phone


@functools.lru_cache(maxsize=256)  # an answer that is being written is rendered 25 times a second
def to_mathml(tex: str, *, display: bool) -> str:
    """Return the formula as MathML; broken TeX as its own source in `<code class="math-error">`."""
    if len(tex) > _LONGEST_FORMULA:
        return _source(tex, "math-error")
    tex = _LABEL.sub("", tex)
    attempts = [tex]
    if display and r"\tag" in tex:  # allowed in numbered environments only
        attempts.append(rf"\begin{{equation}}{tex}\end{{equation}}")
    for attempt in attempts:
        if mathml := _convert(attempt, display):
            return _STYLE.sub(_as_classes, mathml)
    return _source(tex, "math-error")


def _convert(tex: str, display: bool) -> str | None:
    """Return the MathML; None for what is broken, or nests deeper than a page can show."""
    has_macros = _DEFINES.search(tex) is not None
    if len(tex) <= _LONGEST_ON_ANY_STACK and not has_macros:
        return _mathml(_CONVERTER, tex, display)
    if len(tex) > _LONGEST_WITH_MACROS and has_macros:
        return None
    converter = _MACRO_CONVERTER if has_macros else _CONVERTER
    mathml = _on_deep_stack(_mathml, converter, tex, display)
    return mathml if mathml and _depth(mathml) <= _DEEPEST_MATHML else None


def _mathml(converter: math_core.LatexToMathML, tex: str, display: bool) -> str | None:
    try:
        return converter.convert_with_local_state(tex, displaystyle=display)
    except math_core.LatexError:
        return None


def _on_deep_stack(function, *args):
    with ThreadPoolExecutor(1) as thread:
        with _stack_size:  # the size is for whatever threads the process starts meanwhile
            size_before = threading.stack_size(_DEEP_STACK_BYTES)
            try:
                result = thread.submit(function, *args)
            finally:
                threading.stack_size(size_before)
        return result.result()


def _depth(mathml: str) -> int:
    depth = deepest = 0
    for tag in _TAG.findall(mathml):
        if tag.startswith("</"):
            depth -= 1
        elif not tag.endswith("/>"):
            depth += 1
            deepest = max(deepest, depth)
    return deepest


def formula_plugin(md: MarkdownIt) -> None:
    """Teach a parser all four ways of writing a formula."""
    dollarmath_plugin(
        md,
        allow_labels=False,
        allow_space=False,
        allow_digits=False,
        double_inline=True,
    )
    interrupts = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    md.block.ruler.at("math_block", _display_formula, interrupts)
    md.inline.ruler.before("escape", "math_bracket", _bracket_formula)
    md.core.ruler.after("inline", "formula_end", _keep_together)
    md.add_render_rule("math_inline", _render_inline)
    md.add_render_rule("math_inline_double", _render_display)
    md.add_render_rule("math_block", _render_display)


def _display_formula(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    if state.is_code_block(first):
        return False
    start = state.bMarks[first] + state.tShift[first]
    opening = state.src[start : start + 2]
    if opening not in _CLOSING:
        return False
    closing = _CLOSING[opening]
    text = state.src[start + 2 : state.eMarks[first]]
    body, found, after = text.partition(closing)
    if found and after.strip():
        return False  # text follows on the same line: a paragraph with a formula in it
    if silent:
        return True

    lines = [body]
    line = first + 1
    while not found and line < last and not state.isEmpty(line):
        if state.sCount[line] < state.blkIndent:
            break  # the list item or quotation that holds the formula ends here
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
        body, found, after = text.partition(closing)
        lines.append(body)
        line += 1
    state.line = line

    extent = [first, line]
    if after.strip():
        state.push("formula_open", "div", 1).map = extent
    token = state.push("math_block", "math", 0)
    token.block, token.map, token.markup = True, extent, opening
    token.content = "\n".join(lines).strip()
    token.info = "" if found else "open"
    if after.strip():
        state.push("paragraph_open", "p", 1).map = extent
        inline = state.push("inline", "", 0)
        inline.content, inline.map, inline.children = after.strip(), extent, []
        state.push("paragraph_close", "p", -1)
        state.push("formula_close", "div", -1)
    return True


def _bracket_formula(state: StateInline, silent: bool) -> bool:
    opening = state.src[state.pos : state.pos + 2]
    if opening not in (r"\(", r"\["):
        return False
    end = state.src.find(r"\)" if opening == r"\(" else r"\]", state.pos + 2, state.posMax)
    if end < 0 or not state.src[state.pos + 2 : end].strip():
        return False
    if not silent:
        kind = "math_inline" if opening == r"\(" else "math_inline_double"
        token = state.push(kind, "math", 0)
        token.content, token.markup = state.src[state.pos + 2 : end], opening
    state.pos = end + 2
    return True


def _keep_together(state: StateCore) -> None:
    """Give a formula the marks that follow it: browsers begin a line with them otherwise."""
    for token in state.tokens:
        for formula, text in pairwise(token.children or ()):
            if formula.type == "math_inline" and text.type == "text":
                if found := _PUNCTUATION.match(text.content):
                    formula.meta["after"] = found[0]
                    text.content = text.content[found.end() :]


def _render_inline(renderer, tokens, index, options, env) -> str:
    formula = to_mathml(tokens[index].content, display=False)
    # Browsers do not break a formula into lines; one that may be wider than a phone scrolls.
    is_long = len(_TAG.sub("", formula)) > _LONGEST_UNBOXED
    if is_long:
        formula = f'<span class="formula">{formula}</span>'
    after = tokens[index].meta.get("after")
    return f'<span class="kept">{formula}{after}</span>' if after else formula


def _render_display(renderer, tokens, index, options, env) -> str:
    token = tokens[index]
    if token.info == "open":  # still being written, or never closed
        formula = _source(token.markup + token.content, "math-pending")
    else:
        formula = to_mathml(token.content, display=True)
    if not token.block:
        return formula
    return f'<div class="math-block" tabindex="0">{formula}</div>\n'


def _source(tex: str, css_class: str) -> str:
    return f'<code class="{css_class}">{escapeHtml(tex)}</code>'


def _as_classes(style: re.Match) -> str:
    classes = []
    for declaration in style[1].replace(" ", "").split(";"):
        name, _, _ = declaration.partition(":")
        if name.startswith("border-"):
            classes.append(f"m-line-{name.removeprefix('border-')}")
        elif declaration in _CLASS_OF_STYLE:
            classes.append(_CLASS_OF_STYLE[declaration])
    return f' class="{" ".join(classes)}"' if classes else ""
