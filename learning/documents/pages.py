"""Pages and slides in a chapter's Markdown: a comment on a line of its own where each begins.

The mark stands after a paragraph that goes on over the end of a page, so what begins on a page
comes before the next mark.
"""

import re
from typing import NamedTuple

MARKS_BEGIN = ("<!-- page ", "<!-- slide ")
_MARK = re.compile(r"<!-- (page|slide) (\d{1,6}) -->")


class Page(NamedTuple):
    kind: str  # "page" or "slide"
    number: int

    def mark(self) -> str:
        return f"<!-- {self.kind} {self.number} -->"


def page_of(comment: str) -> Page | None:
    """Return which page a comment marks, if it is a mark and nothing else."""
    found = _MARK.fullmatch(comment.strip())
    return Page(found[1], int(found[2])) if found else None


def page_at(text: str, start: int) -> Page | None:
    """Return the page that holds the character at `start`, for text that has marks."""
    end = start
    while (begin := text.rfind("<!-- ", 0, end)) >= 0:
        if found := _MARK.match(text, begin):
            return Page(found[1], int(found[2]))
        end = begin
    return None
