"""What a course's teacher learns from its questions: use, cost, thumbs down, what is not covered.

No student is named. What the course covers badly is shown for a chapter, or for questions outside
of any, only where several students have met with it: fewer could be told apart.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Count, F, Q, QuerySet, Sum
from django.utils import timezone

from learning.models import Chapter, Course, Feedback, Message
from tracing.models import TraceRecord

DAYS = 30
LEAST_STUDENTS = 5
THUMBS_SHOWN, QUESTIONS_SHOWN = 50, 20


@dataclass(slots=True)
class Use:
    """Of the last `DAYS` days."""

    questions: int = 0
    students: int = 0
    tokens: int = 0
    cost: float | None = None  # in US dollars; None where no price is known
    helpful: int = 0
    unhelpful: int = 0


@dataclass(slots=True)
class Uncovered:
    """Questions that the course says little about, or that got no answer, asked at a chapter."""

    chapter: Chapter | None
    count: int = 0
    students: set[int] = field(default_factory=set)
    answers: list[Message] = field(default_factory=list)  # the newest; `reply_to` is the question


def use(course: Course) -> Use:
    since = timezone.now() - timedelta(days=DAYS)
    answers = _answers(course).filter(created_at__gte=since)
    sums = answers.aggregate(
        questions=Count("pk"),
        students=Count("conversation__user", distinct=True),
        tokens=Sum(F("input_tokens") + F("output_tokens"), default=0),
        helpful=Count("feedback", filter=Q(feedback__is_helpful=True)),
        unhelpful=Count("feedback", filter=Q(feedback__is_helpful=False)),
    )
    traces = TraceRecord.objects.filter(group=course.slug, started_at__gte=since)
    return Use(**sums, cost=traces.aggregate(cost=Sum("cost"))["cost"])


def down_voted(course: Course) -> Sequence[Feedback]:
    """Return the newest thumbs down, each with its answer and question."""
    thumbs = Feedback.objects.filter(message__conversation__course=course, is_helpful=False)
    thumbs = thumbs.select_related("message__reply_to", "message__conversation__course")
    return list(thumbs.order_by("-updated_at")[:THUMBS_SHOWN])


def uncovered(course: Course) -> list[Uncovered]:
    """Return what several students asked in vain, by chapter; the most frequent first."""
    found: dict[int | None, Uncovered] = defaultdict(lambda: Uncovered(None))
    in_vain = _answers(course).filter(
        Q(is_weakly_sourced=True) | Q(status=Message.Status.FAILED), reply_to__isnull=False
    )
    rows = in_vain.select_related("reply_to", "conversation").order_by("-created_at")
    for answer in rows.iterator(chunk_size=500):
        group = found[answer.reply_to.chapter_id]
        group.count += 1
        group.students.add(answer.conversation.user_id)
        if len(group.answers) < QUESTIONS_SHOWN:
            group.answers.append(answer)
    chapters = course.chapters.in_bulk([pk for pk in found if pk is not None])
    for pk, group in found.items():
        group.chapter = chapters.get(pk)
    several = [group for group in found.values() if len(group.students) >= LEAST_STUDENTS]
    return sorted(several, key=lambda group: -group.count)


def _answers(course: Course) -> QuerySet[Message]:
    return Message.objects.filter(
        conversation__course=course,
        conversation__user__is_staff=False,
        role=Message.Role.ASSISTANT,
    ).exclude(status=Message.Status.RUNNING)
