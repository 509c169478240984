"""Take a quiz: start, answer, marks, weak spots; and what a course's teacher sees of all of them.

A student sees approved questions on open passages only, `StudyItem.objects.shown_to`. One that is
none any more is skipped in an attempt that runs; its mark stays, its words are not shown again.
"""

import json
import random
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.utils import timezone
from django.utils.crypto import salted_hmac

from learning.models import Chapter, Course, ItemPassage, QuizAnswer, QuizAttempt, StudyItem

MOST_QUESTIONS = 10


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt as its student sees it: `answers` are those given and those still to be asked."""

    row: QuizAttempt
    answers: Sequence[QuizAnswer]
    open_items: Collection[int]  # whose words may be shown

    @property
    def given(self) -> list[QuizAnswer]:
        return [answer for answer in self.answers if answer.answered_at]

    @property
    def next(self) -> QuizAnswer | None:
        return next((answer for answer in self.answers if not answer.answered_at), None)

    @property
    def wrong(self) -> list[QuizAnswer]:
        return [answer for answer in self.given if answer.mark < 1]

    @property
    def marks(self) -> float:
        return sum(answer.mark for answer in self.given)

    def is_open(self, answer: QuizAnswer) -> bool:
        return answer.item_id in self.open_items


@dataclass(slots=True)
class ChapterMarks:
    chapter: Chapter
    marks: float = 0.0
    answers: int = 0

    @property
    def is_weak(self) -> bool:
        return self.marks < self.answers


def questions(course: Course, user) -> QuerySet[StudyItem]:
    """Return the questions of a course that a reader may be asked."""
    items = StudyItem.objects.filter(course=course, kind=StudyItem.Kind.QUESTION)
    return items.shown_to(user)


def chapters_with_questions(course: Course, user) -> list[Chapter]:
    """Return the chapters that questions stand on, in order; `question_count` says how many."""
    passages = ItemPassage.objects.visible_to(user).filter(item__in=questions(course, user))
    counts = dict(
        passages.order_by()
        .values_list("chapter")
        .annotate(count=Count("item", distinct=True))
        .values_list("chapter", "count")
    )
    chapters = list(course.chapters.visible_to(user).filter(pk__in=counts).defer("text"))
    for chapter in chapters:
        chapter.course = course
        chapter.question_count = counts[chapter.pk]
    return chapters


@transaction.atomic
def start(
    user, course: Course, *, chapter: Chapter | None = None, among: Collection[int] | None = None
) -> QuizAttempt | None:
    """Begin an attempt with those questions that the student has met least; None: there are none.

    `among` are the items to choose from, else all of the chapter, or of the course.
    """
    items = questions(course, user)
    if chapter is not None:
        here = ItemPassage.objects.filter(item=OuterRef("pk"), chapter=chapter)
        items = items.filter(Exists(here))
    if among is not None:
        items = items.filter(pk__in=among)
    mine = Q(answers__attempt__user=user, answers__answered_at__isnull=False)
    chosen = list(items.annotate(times_met=Count("answers", filter=mine)))
    random.shuffle(chosen)
    chosen.sort(key=lambda item: item.times_met)
    del chosen[MOST_QUESTIONS:]
    if not chosen:
        return None
    attempt = QuizAttempt.objects.create(user=user, course=course, chapter=chapter)
    chapters = _chapters_of(chosen, user, chapter)
    QuizAnswer.objects.bulk_create(
        QuizAnswer(
            attempt=attempt,
            item=item,
            chapter_id=chapters[item.pk],
            position=position,
            asked=item.content,
        )
        for position, item in enumerate(chosen, start=1)
    )
    return attempt


def _chapters_of(items: Sequence[StudyItem], user, wanted: Chapter | None) -> dict[int, int]:
    """Return the chapter that each question is counted for: the one wanted, else its first."""
    found: dict[int, int] = {}
    passages = ItemPassage.objects.visible_to(user).filter(item__in=items)
    for item_id, chapter_id in passages.values_list("item", "chapter"):
        if wanted is not None and chapter_id == wanted.pk:
            found[item_id] = chapter_id
        found.setdefault(item_id, chapter_id)
    return found


def read(attempt: QuizAttempt) -> Attempt:
    """Return an attempt as its student may see it now."""
    rows = attempt.answers.select_related("item", "chapter").defer("chapter__text")
    rows = list(rows.order_by("position"))
    ids = [row.item_id for row in rows]
    shown = questions(attempt.course, attempt.user).filter(pk__in=ids)
    shown = set(shown.values_list("pk", flat=True))
    kept = [row for row in rows if row.answered_at or row.item_id in shown]
    for row in kept:
        if row.answered_at is None:
            row.asked = row.item.content  # staff may have corrected it since the attempt began
    return Attempt(attempt, kept, shown)


def answer(row: QuizAnswer, given: Any, mark: float) -> bool:
    """Keep what was answered to a question, and the question as it was asked.

    False where it was answered before: that one counts.
    """
    now = timezone.now()
    unanswered = QuizAnswer.objects.filter(pk=row.pk, answered_at=None)
    if not unanswered.update(asked=row.asked, given=given, mark=mark, answered_at=now):
        return False
    if read(row.attempt).next is None:
        QuizAttempt.objects.filter(pk=row.attempt_id, finished_at=None).update(finished_at=now)
    return True


def wording(asked: dict[str, Any]) -> str:
    """Return what is another when a question has been corrected: who saw the old one is told.

    Keyed, since it reaches the browser: nobody can try out which answer it was made with.
    """
    return salted_hmac("quiz", json.dumps(asked, sort_keys=True)).hexdigest()[:16]


def unfinished(user, course: Course) -> Attempt | None:
    """Return the attempt that a student has begun last and not finished, if it still asks."""
    mine = QuizAttempt.objects.filter(user=user, course=course).select_related("chapter")
    row = mine.order_by("-started_at").first()
    if row is None or row.finished_at is not None:
        return None
    attempt = read(row)
    return attempt if attempt.given and attempt.next else None


def past_attempts(user, course: Course) -> QuerySet[QuizAttempt]:
    """Return a student's attempts with an answer, newest first: `answered`, `marks`."""
    mine = QuizAttempt.objects.filter(user=user, course=course).annotate(
        answered=Count("answers__answered_at"), marks=Sum("answers__mark")
    )
    return mine.filter(answered__gt=0).select_related("course", "chapter").defer("chapter__text")


def last_answers(user, course: Course) -> list[QuizAnswer]:
    """Return a student's last answer to each question that may still be asked, newest first."""
    rows = (
        QuizAnswer.objects.filter(
            attempt__user=user,
            attempt__course=course,
            answered_at__isnull=False,
            item__in=questions(course, user),
        )
        .select_related("item", "chapter")
        .defer("chapter__text")
        .order_by("-answered_at", "-pk")
    )
    last: dict[int, QuizAnswer] = {}
    for row in rows:
        last.setdefault(row.item_id, row)
    return list(last.values())


def by_chapter(answers: Sequence[QuizAnswer], chapters: Sequence[Chapter]) -> list[ChapterMarks]:
    """Add up marks by chapter, in the order of these chapters; others are left out."""
    found: dict[int, ChapterMarks] = {}
    for row in answers:
        found.setdefault(row.chapter_id, ChapterMarks(row.chapter))
        found[row.chapter_id].marks += row.mark
        found[row.chapter_id].answers += 1
    for chapter in chapters:
        if chapter.pk in found:
            found[chapter.pk].chapter = chapter
    return [found[chapter.pk] for chapter in chapters if chapter.pk in found]


def passages_for(user, items: Collection[int]) -> dict[int, list[ItemPassage]]:
    """Return the passages of these items that a reader may see."""
    found: dict[int, list[ItemPassage]] = defaultdict(list)
    passages = ItemPassage.objects.visible_to(user).filter(item__in=items)
    for passage in passages.select_related("chapter__course").defer("chapter__text"):
        found[passage.item_id].append(passage)
    return found


def wrong_items(user, course: Course, attempt_id: UUID) -> list[int]:
    """Return the questions of one of a student's attempts that were not answered fully right."""
    wrong = QuizAnswer.objects.filter(
        attempt=attempt_id, attempt__user=user, attempt__course=course, mark__lt=1
    )
    return [pk for pk in wrong.values_list("item", flat=True) if pk is not None]
