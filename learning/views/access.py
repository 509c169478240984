"""Who may open what. Whatever a person may not know of is "not found" to them."""

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from learning import roles
from learning.models import Chapter, Course, StudyItem


def visible_course(request, slug: str) -> Course:
    """Return a course that this person may know of, or raise Http404."""
    return get_object_or_404(Course.objects.visible_to(request.user), slug=slug)


def visible_chapter(request, course: Course, slug: str) -> Chapter:
    """Return a chapter that a reader of the course may see, or raise Http404."""
    chapter = get_object_or_404(course.chapters.visible_to(request.user), slug=slug)
    chapter.course = course
    return chapter


def ways_to_make(request, course: Course, kind: str) -> dict[str, str]:
    """Return where staff go on who find nothing of a kind of items: to the review, or to make it.

    `review_url` where some wait, else `making_url`; what a person may not do is missing.
    """
    user = request.user
    if not roles.looks_after(user, course):
        return {}
    waiting = course.items.filter(kind=kind, status=StudyItem.Status.PENDING)
    if user.has_perm("learning.view_studyitem") and waiting.exists():
        return {"review_url": reverse("admin:learning_studyitem_review")}
    if user.has_perm("learning.change_course"):
        return {"making_url": reverse("admin:learning_course_change", args=[course.pk])}
    return {}


def login_first(course_slug: str) -> HttpResponse:
    """Send a visitor who pressed a button of a course to log in, and from there to its page.

    Not back to the button's own address: what is posted there cannot be opened by a link.
    """
    return redirect_to_login(reverse("course", args=[course_slug]))


def turned_away(request, course: Course) -> HttpResponse | None:
    """Return where to send somebody who may not read the course yet; None for its readers."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if course.is_read_by(request.user):
        return None
    messages.info(request, _("Enrol in this course to read its chapters and ask its tutor."))
    return redirect(course)
