"""The knowledge graph of a course: a picture, the chosen concept, and all of it in words."""

from django.http import Http404
from django.shortcuts import render

from learning.graph_drawing import draw
from learning.graphs import Concept, shown_graph
from learning.models import Course, ItemPassage, StudyItem
from learning.views.access import turned_away, visible_chapter, visible_course, ways_to_make
from learning.views.item_panel import ItemPanel, item_panel

MOST_DRAWN = 60  # that can be read at a glance
MOST_DRAWN_AT_ALL = 150  # more nobody can tell apart


def graph(request, course_slug):
    course = visible_course(request, course_slug)
    if elsewhere := turned_away(request, course):
        return elsewhere
    whole = shown_graph(course, request.user)
    slug = request.GET.get("chapter")
    chapter = visible_chapter(request, course, slug) if slug else None
    shown = whole.of_chapter(chapter.pk) if chapter else whole
    chosen = None
    if wanted := request.GET.get("concept"):
        chosen = whole.concept(wanted)
        if chosen is None:
            raise Http404
    drawn = shown.concepts[: MOST_DRAWN_AT_ALL if "all" in request.GET else MOST_DRAWN]
    in_picture = chosen and shown.concept(wanted)
    if in_picture:
        drawn = list(dict.fromkeys([*drawn, in_picture, *in_picture.neighbours]))
    return render(
        request,
        "learning/graph.html",
        {
            "course": course,
            "chapter": chapter,
            "chapters": course.chapters.visible_to(request.user)
            .filter(pk__in=whole.chapter_ids)
            .defer("text"),
            "graph": shown,
            "drawing": draw(drawn, in_picture),
            # Next to a picture of some, these in words; all of them where all are asked for.
            "in_words": shown.concepts if "all" in request.GET else drawn,
            "can_show_more": "all" not in request.GET and len(drawn) < len(shown.concepts),
            **ways_to_make(request, course, StudyItem.Kind.CONCEPT),
            "chosen": chosen,
            "panel": _panel(chosen, course, request.user) if chosen else None,
        },
    )


def _panel(concept: Concept, course: Course, user) -> ItemPanel:
    passages = ItemPassage.objects.visible_to(user).filter(item=concept.id)
    passages = passages.select_related("chapter").defer("chapter__text")
    return item_panel(StudyItem.objects.get(pk=concept.id), list(passages), course)
