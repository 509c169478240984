"""How far a student has read: opened, seen to so many per cent, and where to go on."""

from collections.abc import Sequence

from django.utils import timezone

from learning.models import Chapter, Course, Reading, User

READ = 90  # per cent: the last lines of a page are links and exercises


def opened(user: User, chapter: Chapter) -> None:
    """Remember that a student has this chapter open."""
    now = timezone.now()
    mine = Reading.objects.filter(user=user, chapter=chapter)
    if not mine.update(opened_at=now):
        Reading.objects.get_or_create(user=user, chapter=chapter, defaults={"opened_at": now})


def seen(user: User, chapter: Chapter, percent: int) -> None:
    """Remember how much of a chapter a student has seen; less than before changes nothing."""
    percent = max(0, min(100, percent))
    Reading.objects.get_or_create(user=user, chapter=chapter)
    mine = Reading.objects.filter(user=user, chapter=chapter)
    mine.filter(furthest__lt=percent).update(furthest=percent)


def progress(user: User, chapters: Sequence[Chapter]) -> dict[int, int]:
    """Return how much of each of these chapters a student has seen, in per cent; by its id."""
    mine = Reading.objects.filter(user=user, chapter__in=chapters)
    return dict(mine.values_list("chapter", "furthest"))


def last_opened(user: User, courses: Sequence[Course]) -> dict[int, Chapter]:
    """Return the chapter that a student had open last in each of these courses; by the course."""
    found: dict[int, Chapter] = {}
    mine = Reading.objects.filter(
        user=user, chapter__in=Chapter.objects.visible_to(user).filter(course__in=courses)
    )
    rows = mine.select_related("chapter__course").defer("chapter__text").order_by("-opened_at")
    for reading in rows:
        found.setdefault(reading.chapter.course_id, reading.chapter)
    return found
