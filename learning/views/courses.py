"""Home, a course, a chapter with the tutor beside it."""

import re
import uuid
from collections import defaultdict
from collections.abc import Iterable

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.http import require_POST

from learning import enrolling, readings
from learning.chapter_images import shown_pictures
from learning.citations import where_now
from learning.models import Chapter, Course, StudyItem
from learning.rendering import render_chapter
from learning.views.access import login_first, turned_away, visible_chapter, visible_course
from learning.views.conversations import chat_context, conversations_of

NEWEST = 5  # conversations on a course's page; the history has all
ON_A_CARD = 4  # chapters that tell of a course without a summary
_PASSAGE = re.compile(r"(\d{1,9})-(\d{1,9})")


def home(request):
    visible = Course.objects.visible_to(request.user)
    mine = Course.objects.none()
    if request.user.is_authenticated:
        mine = visible.filter(enrolments__user=request.user)
    others = _with_chapters(request.user, visible.exclude(pk__in=mine.values("pk")))
    return render(
        request,
        "learning/home.html",
        {"my_courses": _with_places(request.user, mine), "other_courses": others},
    )


def _with_chapters(user, courses: Iterable[Course]) -> list[Course]:
    """Give each course `chapter_count` and its `first_chapters`, for a card."""
    courses = list(courses)
    chapters = defaultdict(list)
    visible = Chapter.objects.visible_to(user).filter(course__in=courses)
    for chapter in visible.defer("text", "summary"):
        chapters[chapter.course_id].append(chapter)
    for course in courses:
        course.chapter_count = len(chapters[course.pk])
        course.first_chapters = chapters[course.pk][:ON_A_CARD]
        course.shown_chapters = chapters[course.pk]
    return courses


def _with_places(user, courses: Iterable[Course]) -> list[Course]:
    """The same, and how far a student has read; the course that was open last comes first."""
    courses = _with_chapters(user, courses)
    if not courses:
        return []
    seen = readings.progress(user, [c for course in courses for c in course.shown_chapters])
    places = readings.last_opened(user, courses)
    for course in courses:
        _give_place(course, course.shown_chapters, seen, places)
    order = {course: number for number, course in enumerate(places)}
    return sorted(courses, key=lambda course: order.get(course.pk, len(order)))


def _give_place(course: Course, chapters: list[Chapter], seen: dict, places: dict) -> None:
    """Give a course `place`, the chapter to go on with, and how many chapters were read."""
    for chapter in chapters:
        chapter.course = course
        chapter.seen = seen.get(chapter.pk, 0)
        chapter.is_read = chapter.seen >= readings.READ
    course.place = last = places.get(course.pk)
    if last in chapters and chapters[at := chapters.index(last)].is_read:
        # It was read to its end, and is left behind where there is more to read.
        course.place = next((each for each in chapters[at:] if not each.is_read), last)
    course.chapter_count = len(chapters)
    course.read_count = sum(chapter.is_read for chapter in chapters)


def course(request, course_slug):
    course = visible_course(request, course_slug)
    is_reader = course.is_read_by(request.user)
    chapters = list(course.chapters.visible_to(request.user).defer("text"))
    if is_reader:
        seen = readings.progress(request.user, chapters)
        _give_place(course, chapters, seen, readings.last_opened(request.user, [course]))
    return render(
        request,
        "learning/course.html",
        {
            "course": course,
            "chapters": chapters,
            "is_reader": is_reader,
            "study": StudyItem.objects.filter(course=course).kinds_shown_to(request.user)
            if is_reader
            else (),
            "now": timezone.now(),
            "conversations": conversations_of(request.user, course)[:NEWEST] if is_reader else (),
        },
    )


@require_POST
def enrol(request, course_slug):
    if not request.user.is_authenticated:
        return login_first(course_slug)
    course = visible_course(request, course_slug)
    enrolling.enrol(request.user, course)
    return redirect(course)


def chapter(request, course_slug, chapter_slug):
    course = visible_course(request, course_slug)
    if elsewhere := turned_away(request, course):
        return elsewhere
    chapter = visible_chapter(request, course, chapter_slug)
    cited = _cited(request)
    stands_at = where_now(chapter, *cited, request.user) if cited else None
    if stands_at != cited and stands_at is not None:
        query = request.GET.copy()
        query["passage"] = f"{stands_at[0]}-{stands_at[1]}"
        return redirect(f"{chapter.get_absolute_url()}?{query.urlencode()}#p-{stands_at[0]}")
    readings.opened(request.user, chapter)
    siblings = list(course.chapters.visible_to(request.user).defer("text"))
    for sibling in siblings:
        sibling.course = course  # spares a query per address
    place = siblings.index(chapter)
    rendered = render_chapter(
        chapter.text,
        source_path=chapter.source_path,
        chapter_urls={s.source_path: s.get_absolute_url() for s in siblings if s.source_path},
        pictures=shown_pictures(chapter.images.all()),
    )
    return render(
        request,
        "learning/chapter.html",
        {
            "course": course,
            "chapter": chapter,
            "now": timezone.now(),
            "number": place + 1,
            "chapters": siblings,
            "previous": siblings[place - 1] if place else None,
            "next": siblings[place + 1] if place + 1 < len(siblings) else None,
            "text": rendered.html(stands_at),
            "has_lost_passage": cited is not None and stands_at is None,
            "about_this": _about_this(course),
            "study": StudyItem.objects.filter(passages__chapter=chapter).kinds_shown_to(
                request.user
            ),
            "contents": [heading for heading in rendered.contents if heading.level in (2, 3)],
            **chat_context(
                request, course, _conversation_beside(request, course, chapter), chapter
            ),
        },
    )


@require_POST
def read(request, course_slug, chapter_slug):
    """Take how much of a chapter its reader has seen: `percent`, sent by the page now and then."""
    course = visible_course(request, course_slug)
    if turned_away(request, course):
        return HttpResponse(status=403)
    chapter = visible_chapter(request, course, chapter_slug)
    percent = request.POST.get("percent", "")
    if not re.fullmatch(r"\d{1,3}", percent):
        return HttpResponse(status=400)
    readings.seen(request.user, chapter, int(percent))
    return HttpResponse(status=204)


def _about_this(course: Course) -> str:
    """What is asked about words that a reader has marked, in the course's language: `{words}`."""
    with override(course.language):
        return _("Please explain: “{words}”")


def _cited(request) -> tuple[int, int] | None:
    """Read `?passage=1042-1622`, as a citation's address has it."""
    found = _PASSAGE.fullmatch(request.GET.get("passage", ""))
    return (int(found[1]), int(found[2])) if found and int(found[1]) < int(found[2]) else None


def _conversation_beside(request, course, chapter):
    """The one a citation led here from, else the last one begun from this chapter."""
    mine = request.user.conversations.filter(course=course)
    try:
        wanted = mine.filter(pk=uuid.UUID(request.GET.get("conversation", ""))).first()
    except ValueError:
        wanted = None
    return wanted or conversations_of(request.user, course).filter(chapter=chapter).first()
