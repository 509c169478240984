"""What a reader is shown of a term or a concept: for `_item_panel.html`.

The words come from the passages that the reader may see, and from staff where they have edited the
item: neither a name nor a definition tells of a chapter that is not published.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import override

from learning.artefacts.base import name_key
from learning.artefacts.keeping import names_of
from learning.artefacts.passages import holds
from learning.graphs import shown_names
from learning.models import Chapter, Course, ItemPassage, StudyItem
from learning.rendering import render_quote

SHOWN_AT_ONCE = 3  # passages; a word of a long course stands on a hundred

_TAG = re.compile(r"(<[^>]*>)")
_UNMARKED = ("math", "code", "pre", "mark")


@dataclass(frozen=True)
class ShownPassage:
    title: str
    url: str
    html: SafeString  # with its form in <mark>


@dataclass(frozen=True)
class ItemPanel:
    """`passages` are those that tell most, in the order of the course; `more` the others."""

    item: StudyItem
    name: str
    aliases: list[str]
    definition: SafeString
    passages: list[ShownPassage]
    more: list[tuple[Chapter, list[ShownPassage]]]  # folded away at first
    question: str  # for the tutor, in the course's language
    chapter_slug: str  # that most of it stands in


def item_panel(item: StudyItem, passages: Sequence[ItemPassage], course: Course) -> ItemPanel:
    """Make the panel of an item; `passages` are those of it that the reader may see, not none."""
    names = _names(item, passages)
    name = names[0]
    telling = sorted(passages, key=lambda passage: (not passage.definition, -passage.weight))
    first = [passage for passage in passages if passage in telling[:SHOWN_AT_ONCE]]
    more = groupby((each for each in passages if each not in first), attrgetter("chapter"))
    with override(course.language):
        question = _("What does “%(name)s” mean?") % {"name": name}
    return ItemPanel(
        item=item,
        name=name,
        aliases=names[1:],
        definition=render_quote(_definition(item, passages)),
        passages=[_shown(passage, names, course) for passage in first],
        more=[(chapter, [_shown(each, names, course) for each in rest]) for chapter, rest in more],
        question=question,
        chapter_slug=max(passages, key=lambda passage: passage.weight).chapter.slug,
    )


def marked(html: str, forms: Iterable[str]) -> SafeString:
    """Put <mark> round these words where the text of sanitized HTML holds them, as whole words.

    Not in formulas and code.
    """
    pattern = re.compile("|".join(map(_pattern, sorted(forms, key=len, reverse=True))), re.I)
    parts, unmarked = [], 0
    for part in _TAG.split(html):
        if tag := re.match(r"<(/?)(\w+)", part):
            if tag[2].lower() in _UNMARKED:
                unmarked += -1 if tag[1] else 1
        elif not unmarked:
            part = pattern.sub(r"<mark>\g<0></mark>", part)
        parts.append(part)
    return mark_safe("".join(parts))  # noqa: S308 - only <mark> was added to what was safe


def _pattern(form: str) -> str:
    words = r"\s+".join(re.escape(escape(word)) for word in form.split())
    before = r"(?<![A-Za-z0-9_])" if re.match(r"[A-Za-z0-9_]", form) else ""
    after = r"(?:e?s)?(?![A-Za-z0-9_])" if re.search(r"[A-Za-z0-9_]$", form) else ""
    return before + words + after


def _names(item: StudyItem, passages: Sequence[ItemPassage]) -> list[str]:
    """What a reader of these passages may know it is called: by their forms, and by what they hold.

    A passage that says "SGD (stochastic gradient descent)" has one form and tells both names.
    """
    names = shown_names(item, passages)
    known = {name_key(name) for name in names}
    for name in names_of(item):
        if name_key(name) not in known and any(holds(p.quote, name) for p in passages):
            names.append(name)
    return names


def _shown(passage: ItemPassage, names: Sequence[str], course: Course) -> ShownPassage:
    passage.chapter.course = course
    html = marked(render_quote(passage.quote), {*names, passage.form} - {""})
    return ShownPassage(passage.title, passage.url, html)


def _definition(item: StudyItem, passages: Iterable[ItemPassage]) -> str:
    if item.is_edited and item.content.get("definition"):
        return item.content["definition"]
    return next((passage.definition for passage in passages if passage.definition), "")
