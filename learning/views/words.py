"""The word cloud of a course, and the passages behind a word."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.http import Http404
from django.shortcuts import render

from learning.graphs import shown_names
from learning.models import Course, ItemPassage, StudyItem
from learning.views.access import turned_away, visible_chapter, visible_course, ways_to_make
from learning.views.item_panel import item_panel

MOST_WORDS = 60
SIZES = 8


@dataclass(slots=True)
class Word:
    item: StudyItem
    name: str
    weight: float
    size: int = 1  # of SIZES


def words(request, course_slug):
    course = visible_course(request, course_slug)
    if elsewhere := turned_away(request, course):
        return elsewhere
    slug = request.GET.get("chapter")
    chapter = visible_chapter(request, course, slug) if slug else None
    passages = _passages(course, request.user)
    items = StudyItem.objects.filter(course=course, kind=StudyItem.Kind.TERM)
    items = {item.pk: item for item in items.shown_to(request.user) if item.pk in passages}
    chosen = None
    if wanted := request.GET.get("word"):
        chosen = next((item for item in items.values() if str(item.pk) == wanted), None)
        if chosen is None:
            raise Http404
    found = _words(items.values(), passages, chapter)
    shown = found if "all" in request.GET else found[:MOST_WORDS]
    _give_sizes(shown)
    return render(
        request,
        "learning/words.html",
        {
            "course": course,
            "chapter": chapter,
            "chapters": _chapters_with_words(course, request.user, items, passages),
            "words": shown,
            "word_count": len(found),
            "chosen": chosen,
            "panel": item_panel(chosen, passages[chosen.pk], course) if chosen else None,
            **ways_to_make(request, course, StudyItem.Kind.TERM),
        },
    )


def _passages(course: Course, user) -> dict[int, list[ItemPassage]]:
    """Return the passages that a reader may see, by the item that stands on them."""
    found = defaultdict(list)
    for passage in ItemPassage.objects.visible_to(user).filter(
        item__course=course, item__kind=StudyItem.Kind.TERM
    ).select_related("chapter").defer("chapter__text"):  # fmt: skip
        found[passage.item_id].append(passage)
    return dict(found)


def _chapters_with_words(course, user, items, passages) -> list:
    with_words = {passage.chapter_id for pk in items for passage in passages[pk]}
    chapters = course.chapters.visible_to(user).defer("text")
    return [chapter for chapter in chapters if chapter.pk in with_words]


def _words(
    items: Iterable[StudyItem], passages: dict[int, list[ItemPassage]], chapter
) -> list[Word]:
    """Return the words, the weightiest first."""
    found = []
    for item in items:
        here = [p for p in passages[item.pk] if chapter is None or p.chapter_id == chapter.pk]
        if here:
            # Named as everywhere, not as in this chapter alone.
            name = shown_names(item, passages[item.pk])[0]
            found.append(Word(item, name, sum(passage.weight for passage in here)))
    return sorted(found, key=lambda word: (-word.weight, word.name))


def _give_sizes(words: Sequence[Word]) -> None:
    """Half by weight and half by rank: one word far ahead does not make all others small."""
    if not words:
        return
    most, least = math.sqrt(words[0].weight), math.sqrt(words[-1].weight)
    for rank, word in enumerate(words):
        by_weight = (math.sqrt(word.weight) - least) / ((most - least) or 1.0)
        by_rank = 1 - rank / len(words)
        word.size = 1 + round((SIZES - 1) * (by_weight + by_rank**2) / 2)
