"""Who may open what. Whatever a person may not know of is "not found" to them."""

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from learning.models import Chapter, Course


def visible_course(request, slug: str) -> Course:
    """Return a course that this person may know of, or raise Http404."""
    return get_object_or_404(Course.objects.visible_to(request.user), slug=slug)


def visible_chapter(request, course: Course, slug: str) -> Chapter:
    """Return a chapter that a reader of the course may see, or raise Http404."""
    chapter = get_object_or_404(course.chapters.visible_to(request.user), slug=slug)
    chapter.course = course
    return chapter


def review_url(request) -> str:
    """Return where this person can review what was made of courses; "" for who may not."""
    if request.user.is_staff and request.user.has_perm("learning.view_studyitem"):
        return reverse("admin:learning_studyitem_review")
    return ""


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
