"""What a teacher sees first in the admin: their courses, and what happened in each."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from learning.course_questions import DAYS
from learning.models import Course, Enrolment, Message, StudyItem
from learning.roles import courses_of

MOST_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Overview:
    courses: list[Course]  # each with `students`, `questions`, `thumbs_down` and `waiting`
    more: int  # how many are not shown
    days: int = DAYS  # questions and thumbs are of so many


def overview(user) -> Overview:
    """Return the courses that a person looks after, the busiest first: two queries."""
    since = timezone.now() - timedelta(days=DAYS)
    answers = Message.objects.filter(
        conversation__course=OuterRef("pk"),
        conversation__user__is_staff=False,
        role=Message.Role.ASSISTANT,
        created_at__gte=since,
    ).exclude(status=Message.Status.RUNNING)
    down = Count("pk", filter=Q(feedback__is_helpful=False))
    waiting = StudyItem.objects.filter(course=OuterRef("pk"), status=StudyItem.Status.PENDING)
    courses = courses_of(user).annotate(
        students=_counted(Enrolment.objects.filter(course=OuterRef("pk"))),
        questions=_counted(answers, by="conversation__course"),
        thumbs_down=_counted(answers, down, by="conversation__course"),
        waiting=_counted(waiting),
    )
    shown = list(courses.order_by("-questions", "title", "pk")[:MOST_SHOWN])
    more = courses_of(user).count() - len(shown) if len(shown) == MOST_SHOWN else 0
    return Overview(shown, more)


def _counted(rows: QuerySet, what=None, *, by: str = "course") -> Coalesce:
    # Not joined: each would multiply with the others.
    counts = rows.order_by().values(by).annotate(_count=what or Count("pk"))
    return Coalesce(Subquery(counts.values("_count")), 0)
