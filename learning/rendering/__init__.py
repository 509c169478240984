"""Markdown becomes HTML that is safe to show: chapters, answers in history, answers in mid-stream.

One parser and one sanitizer serve all three, so an answer looks the same while it is written and
when it is read again. Everything here is text in, text out: no database, no request.

Chapters may hold raw HTML, link definitions and setext headings. Answers may not: raw HTML is
shown as it was written, nothing further down can change a block that is already finished, and a
link leads only where a passage of the answer does: a model writes what others tell it to.
"""

from learning.rendering.answers import AnswerRenderer, language_of, render_blocks, render_quote
from learning.rendering.chapters import Block, Heading, RenderedChapter, render_chapter
from learning.rendering.links import addresses_in
from learning.rendering.titles import render_title

__all__ = [
    "AnswerRenderer",
    "Block",
    "Heading",
    "RenderedChapter",
    "addresses_in",
    "language_of",
    "render_blocks",
    "render_chapter",
    "render_quote",
    "render_title",
]
