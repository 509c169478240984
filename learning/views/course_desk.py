"""What the teacher of a course does beside editing it, in the admin; the admin gives the addresses.

Try a question, see what students asked in vain, enrol students.
"""

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from learning import course_questions, enrolling, limits
from learning.links import trace_links
from learning.models import Chapter, Course
from learning.rendering import render_quote
from rag.errors import RetrievalError
from rag.search import RetrievedChunk, search_sync

LONGEST_QUESTION = 500


def _page(request, course: Course, template: str, title: str, **context):
    context |= {
        **admin.site.each_context(request),
        "title": title,
        "course": course,
        # For the theme's trail at the top of the page.
        "opts": Course._meta,
        "original": course,
    }
    return render(request, f"admin/learning/{template}.html", context)


def _need(request, *permissions: str) -> None:
    if not request.user.has_perms(permissions):
        raise PermissionDenied


@require_http_methods(["GET", "HEAD"])
def try_question(request, course: Course):
    """Show what the tutor would read for a question; no model is asked."""
    _need(request, "learning.view_course", "learning.view_chapter")
    question = " ".join(request.GET.get("q", "").split())[:LONGEST_QUESTION]
    found, problem = None, ""
    if question:
        chapters = Chapter.objects.filter(course=course).published().defer("text")
        by_key = {str(chapter.pk): chapter for chapter in chapters}
        try:
            found = search_sync(question, collection=course.slug, keys=by_key.keys())
        except RetrievalError as error:
            problem = str(error)
    passages = [
        {
            "number": number,
            "title": " › ".join(passage.heading_path),
            "url": _address(by_key.get(passage.document_key), course, passage),
            "html": render_quote(passage.text),
            "score": passage.score,
            "positions": [
                passage.lexical_position,
                passage.dense_position,
                passage.fused_position,
                passage.rerank_position,
            ],
        }
        for number, passage in enumerate(found or (), start=1)
    ]
    return _page(
        request,
        course,
        "try_question",
        _("Try a question"),
        question=question,
        problem=problem,
        is_weak=bool(found is not None and found.is_weak),
        passages=passages,
    )


def _address(chapter: Chapter | None, course: Course, passage: RetrievedChunk) -> str:
    if chapter is None:  # it was closed or deleted since it was indexed
        return ""
    chapter.course = course
    place = f"?passage={passage.start}-{passage.end}#p-{passage.start}"
    return chapter.get_absolute_url() + place


@require_http_methods(["GET", "HEAD"])
def questions(request, course: Course):
    """Show use and cost, thumbs down, and what the course covers badly."""
    _need(request, "learning.view_course", "learning.view_message")
    may_trace = request.user.has_perm("tracing.view_tracerecord")
    return _page(
        request,
        course,
        "course_questions",
        _("What students ask"),
        days=course_questions.DAYS,
        least=course_questions.LEAST_STUDENTS,
        use=course_questions.use(course),
        tokens_today=limits.tokens_today(course),
        thumbs=[
            {"thumb": thumb, "trace": trace_links(thumb.message.trace_id) if may_trace else ""}
            for thumb in course_questions.down_voted(course)
        ],
        uncovered=[
            {
                "group": group,
                "answers": [
                    {"answer": one, "trace": trace_links(one.trace_id) if may_trace else ""}
                    for one in group.answers
                ],
            }
            for group in course_questions.uncovered(course)
        ],
    )


@require_http_methods(["GET", "HEAD", "POST"])
def enrol(request, course: Course):
    """Enrol students by a list, and give out, renew or remove the link by which they enrol."""
    _need(request, "learning.add_enrolment")
    done = None
    if request.method == "POST":
        if request.POST.get("do") == "link":
            _need(request, "learning.change_course")
            enrolling.new_key(course)
            messages.success(request, _("There is a new link; an older one is of no use any more."))
            return redirect(request.path)
        if request.POST.get("do") == "unlink":
            _need(request, "learning.change_course")
            enrolling.remove_key(course)
            messages.success(request, _("The link is gone."))
            return redirect(request.path)
        names = request.POST.get("names", "").replace(",", "\n").replace(";", "\n").splitlines()
        if len(names) > enrolling.MOST_NAMES:
            messages.error(
                request,
                _("At most %(most)d names at a time.") % {"most": enrolling.MOST_NAMES},
            )
        elif not any(map(str.strip, names)):
            messages.error(request, _("Write a name or an e-mail address first."))
        else:
            done = enrolling.enrol_all(course, names)
    link = ""
    if course.enrolment_key:
        link = request.build_absolute_uri(course.enrolment_url)
    return _page(
        request,
        course,
        "enrol_list",
        _("Enrol students"),
        done=done,
        rest="\n".join([*done.unknown, *done.several]) if done else "",
        link=link,
        may_link=request.user.has_perm("learning.change_course"),
    )
