"""A title of one line: words as they were written, but formulas and code as such.

Nothing else is Markdown here: a title is mostly a student's question, and stands inside a link.
"""

import functools

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

from learning.rendering.formulas import formula_plugin
from learning.rendering.safety import clean_html


@functools.lru_cache(maxsize=512)  # a list shows the same ones again and again
def render_title(title: str) -> SafeString:
    """Return the HTML of a title; a formula that was cut off stays as it was written."""
    return mark_safe(clean_html(_parser().renderInline(title)))  # noqa: S308 - it is clean


@functools.cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("zero").enable("backticks").use(formula_plugin)
    # A formula on a line of its own would tear the title apart.
    parser.renderer.rules["math_inline_double"] = parser.renderer.rules["math_inline"]
    return parser
