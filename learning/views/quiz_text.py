"""Questions and options as HTML: Markdown with formulas, and the blank of a sentence."""

import re

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from learning.rendering import render_quote

_TAG = re.compile(r"(<[^>]*>)")
_BLANK = re.compile("_{4,}")
_ONE_PARAGRAPH = re.compile(r"<p>((?:(?!</?p>).)*)</p>", re.DOTALL)
# What would begin a list, a heading or a quotation at the beginning of an option: "+ C", "2."
_BLOCK_MARK = re.compile(r"^(\d{1,9}(?=[.)](?:\s|$))|(?=[-+*#>=](?:\s|$|#)))")


def shown(text: str) -> SafeString:
    """Return the HTML of a question or an explanation, with a blank that can be heard as well."""
    # Escaped: two blanks would be bold type.
    html = render_quote(_BLANK.sub(r"\\_\\_\\_\\_", text))
    blank = format_html(
        '<span class="blank"><span class="visually-hidden">{}</span></span>', _("blank")
    )
    parts = _TAG.split(html)
    parts[::2] = [_BLANK.sub(str(blank), part) for part in parts[::2]]
    return mark_safe("".join(parts))  # noqa: S308 - the sanitizer's, and a blank


def shown_in_line(text: str) -> SafeString:
    """The same for an option: what stands in a label is one line, not a block."""
    line = " ".join(text.split())
    html = shown(_BLOCK_MARK.sub(r"\1\\", line))
    found = _ONE_PARAGRAPH.fullmatch(html)
    return mark_safe(found[1]) if found else html  # noqa: S308 - a part of what was safe
