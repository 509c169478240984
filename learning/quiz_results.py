"""What the teacher of a course sees of its quiz: counts by chapter, the hardest questions.

No student is named; what staff answer to try it out is left out.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Avg, Count, QuerySet
from django.utils.translation import gettext as _

from learning.artefacts.items import SHORT, TRUE_FALSE
from learning.models import Chapter, Course, ItemPassage, QuizAnswer, StudyItem

HARDEST, MOST_GIVEN = 10, 6


@dataclass(frozen=True, slots=True)
class ChapterResults:
    chapter: Chapter
    questions: int  # approved
    students: int
    answers: int
    share: float | None  # of all marks that could be had; None without an answer


@dataclass(frozen=True, slots=True)
class Given:
    words: str
    count: int
    is_right: bool
    is_typed: bool  # by a student: shown as it is, with no link or formula made of it


@dataclass(frozen=True, slots=True)
class HardQuestion:
    item: StudyItem
    answers: int
    share: float
    given: Sequence[Given]  # what was answered, most frequent first


@dataclass(slots=True)
class Results:
    students: int = 0
    answers: int = 0
    share: float | None = None
    chapters: list[ChapterResults] = field(default_factory=list)
    hardest: list[HardQuestion] = field(default_factory=list)


def results(course: Course) -> Results:
    """Add up what students have answered in a course."""
    answers = QuizAnswer.objects.filter(
        attempt__course=course, answered_at__isnull=False, attempt__user__is_staff=False
    ).order_by()
    whole = answers.aggregate(**_SUMS)
    return Results(
        students=whole["students"],
        answers=whole["given"],
        share=whole["share"],
        chapters=_by_chapter(course, answers),
        hardest=_hardest(answers),
    )


_SUMS = {
    "students": Count("attempt__user", distinct=True),
    "given": Count("pk"),
    "share": Avg("mark"),
}


def _by_chapter(course: Course, answers: QuerySet[QuizAnswer]) -> list[ChapterResults]:
    approved = ItemPassage.objects.filter(
        item__course=course,
        item__kind=StudyItem.Kind.QUESTION,
        item__status=StudyItem.Status.APPROVED,
    ).order_by()
    questions = dict(
        approved.values_list("chapter").annotate(count=Count("item", distinct=True)).distinct()
    )
    sums = {row["chapter"]: row for row in answers.values("chapter").annotate(**_SUMS)}
    nothing = {"students": 0, "given": 0, "share": None}
    found = []
    for chapter in course.chapters.defer("text"):
        row = sums.get(chapter.pk, nothing)
        found.append(
            ChapterResults(
                chapter, questions.get(chapter.pk, 0), row["students"], row["given"], row["share"]
            )
        )
    return found


def _hardest(answers: QuerySet[QuizAnswer]) -> list[HardQuestion]:
    rows = answers.filter(item__status=StudyItem.Status.APPROVED).values("item")
    rows = rows.annotate(given_count=Count("pk"), share=Avg("mark")).filter(share__lt=1)
    rows = list(rows.order_by("share", "-given_count", "item")[:HARDEST])
    items = StudyItem.objects.in_bulk([row["item"] for row in rows])
    return [
        HardQuestion(
            items[row["item"]],
            row["given_count"],
            row["share"],
            _given(answers.filter(item=row["item"])),
        )
        for row in rows
    ]


def _given(answers: QuerySet[QuizAnswer]) -> list[Given]:
    """Count what was answered; of several picks, each."""
    counts: Counter[tuple[str, bool, bool]] = Counter()
    for asked, given, mark in answers.values_list("asked", "given", "mark"):
        counts.update(_words(asked, given, mark))
    return [
        Given(words, count, is_right, is_typed)
        for (words, is_right, is_typed), count in counts.most_common(MOST_GIVEN)
    ]


def _words(asked: dict, given, mark: float) -> list[tuple[str, bool, bool]]:
    if not given:
        return [(_("(no answer)"), False, False)]
    if asked["type"] == SHORT:
        return [(given, mark == 1, True)]
    options = [_("True"), _("False")] if asked["type"] == TRUE_FALSE else asked["options"]
    return [(options[place], place in asked["right"], False) for place in given]
