"""The results of a course's quiz, for its teacher, in the admin; the admin gives the address."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _

from learning.artefacts.review import Queue
from learning.models import Chapter, Course, StudyItem
from learning.quiz_results import results
from learning.roles import courses_of
from learning.views.quiz_text import shown, shown_in_line
from learning.views.review import address

MAY = ("learning.view_course", "learning.view_quizattempt")


def quiz_results(request, course_id):
    if not request.user.has_perms(MAY):
        raise PermissionDenied
    course = get_object_or_404(courses_of(request.user), pk=course_id)
    found = results(course)
    may_review = request.user.has_perm("learning.view_studyitem")
    may_open = request.user.has_perm("learning.view_chapter")
    context = {
        **admin.site.each_context(request),
        "title": _("Quiz results"),
        "course": course,
        # For the theme's trail at the top of the page.
        "opts": Course._meta,
        "original": course,
        "results": found,
        "share": _percent(found.share),
        "chapters": [
            (each, _percent(each.share), _chapter_url(each.chapter) if may_open else "")
            for each in found.chapters
        ],
        "hardest": [
            {
                "text": shown(each.item.content["text"]),
                "review_url": _review_of(each.item) if may_review else "",
                "answers": each.answers,
                "share": _percent(each.share),
                "given": [
                    (
                        one.words if one.is_typed else shown_in_line(one.words),
                        one.count,
                        one.is_right,
                    )
                    for one in each.given
                ],
            }
            for each in found.hardest
        ],
    }
    return render(request, "admin/learning/quiz_results.html", context)


def _chapter_url(chapter: Chapter) -> str:
    return reverse("admin:learning_chapter_change", args=[chapter.pk])


def _review_of(item: StudyItem) -> str:
    return address(Queue(item.course_id, item.kind, item.status), item.pk)


def _percent(share: float | None) -> int | None:
    return None if share is None else round(100 * share)
