"""The page that a teacher's enrolment link leads students to."""

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from learning import enrolling


@require_http_methods(["GET", "HEAD", "POST"])
def enrol_by_link(request, course_slug, key):
    """Ask whether to enrol, after logging in; an address that is no good any more is not found."""
    course = enrolling.course_of(course_slug, key)
    if course is None:
        raise Http404
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if request.method == "POST" and enrolling.enrol(request.user, course):
        messages.success(request, _("You are enrolled."))
    if course.is_read_by(request.user):
        return redirect(course)
    return render(request, "learning/enrol.html", {"course": course})
