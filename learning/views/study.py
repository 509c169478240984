"""Quiz, knowledge graph and word cloud of a course: the pages stand before anything was made."""

from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from learning.views.access import turned_away, visible_course


def quiz(request, course_slug):
    return _page(
        request,
        course_slug,
        _("Quiz"),
        _("Questions about the chapters, to find out what has stayed with you."),
    )


def graph(request, course_slug):
    return _page(
        request,
        course_slug,
        _("Knowledge graph"),
        _("The ideas of the course, and how they hang together."),
    )


def words(request, course_slug):
    return _page(
        request,
        course_slug,
        _("Word cloud"),
        _("The words this course uses most, at a glance."),
    )


def _page(request, course_slug, title, explanation):
    course = visible_course(request, course_slug)
    if elsewhere := turned_away(request, course):
        return elsewhere
    return render(
        request,
        "learning/study.html",
        {"course": course, "title": title, "explanation": explanation},
    )
