"""The results of a course's quiz, for its teacher, in the admin; the admin gives the address."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _

from learning.models import Course
from learning.quiz_results import results
from learning.views.quiz_text import shown, shown_in_line

MAY = ("learning.view_course", "learning.view_quizattempt")


def quiz_results(request, course_id):
    if not request.user.has_perms(MAY):
        raise PermissionDenied
    course = get_object_or_404(Course, pk=course_id)
    found = results(course)
    context = {
        **admin.site.each_context(request),
        "title": _("Quiz results"),
        "course": course,
        "results": found,
        "share": _percent(found.share),
        "chapters": [(each, _percent(each.share)) for each in found.chapters],
        "hardest": [
            {
                "text": shown(each.item.content["text"]),
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


def _percent(share: float | None) -> int | None:
    return None if share is None else round(100 * share)
