"""How many questions a student may ask in a course on one day, and what all answers may take.

Questions are counted in a row of their own, so that deleting a conversation gives none back. Tokens
are those that the answers of the day are stored with: what is being written at this moment, and
what was deleted, is not among them. One day is a day of settings.TIME_ZONE.
"""

from datetime import date, datetime, time, timedelta

from django.conf import settings
from django.db.models import F, Sum
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from learning.models import Course, Message, QuestionCount, User


def limit_of(course: Course) -> int | None:
    """Return how many a student may ask on one day; None: as many as they like."""
    own = course.questions_per_day
    return (settings.TUTOR["QUESTIONS_PER_DAY"] if own is None else own) or None


def questions_left(user: User, course: Course) -> int | None:
    """Return how many a student may still ask today; None: as many as they like."""
    limit = limit_of(course)
    if limit is None:
        return None
    asked = _counts(user, course).values_list("asked", flat=True).first() or 0
    return max(0, limit - asked)


def count_question(user: User, course: Course) -> tuple[bool, int | None]:
    """Count one more question; return whether it is within the limit, and how many are left."""
    limit = limit_of(course)
    if limit is None:
        return True, None
    QuestionCount.objects.get_or_create(user=user, course=course, day=timezone.localdate())
    is_allowed = bool(_counts(user, course).filter(asked__lt=limit).update(asked=F("asked") + 1))
    return is_allowed, questions_left(user, course)


def give_back(user: User, course: Course, asked_at: datetime) -> int | None:
    """Let a question that got no word of an answer not count; return how many are left today."""
    day = timezone.localdate(asked_at)
    _counts(user, course, day).filter(asked__gt=0).update(asked=F("asked") - 1)
    return questions_left(user, course)


def used_up(course: Course) -> str:
    """Say to a student that today's questions are used up, and when there are new ones."""
    return _(
        "You have asked the %(limit)d questions that this course allows on one day. You can ask "
        "again from %(when)s on."
    ) % {"limit": limit_of(course), "when": _tomorrow()}


def tokens_today(course: Course) -> int:
    """Return how many tokens the course's answers of today have taken, read and written."""
    today = _beginning_of(timezone.localdate())
    answers = Message.objects.filter(
        conversation__course=course,
        # Follows from the next line, and keeps all the older conversations out of the query.
        conversation__updated_at__gte=today,
        created_at__gte=today,
        role=Message.Role.ASSISTANT,
    )
    sums = answers.aggregate(tokens=Sum(F("input_tokens") + F("output_tokens"), default=0))
    return sums["tokens"]


def has_tokens_left(course: Course) -> bool:
    """Whether the course may answer once more today; 0, like empty, is no limit."""
    return not course.tokens_per_day or tokens_today(course) < course.tokens_per_day


def tokens_used_up() -> str:
    """Say to a student that the course answers nothing more today, and when it does again."""
    return _(
        "The course has used up what its answers may take on one day. You can ask again from "
        "%(when)s on."
    ) % {"when": _tomorrow()}


def _tomorrow() -> str:
    midnight = _beginning_of(timezone.localdate() + timedelta(days=1))
    return f"{date_format(midnight, 'DATETIME_FORMAT')} {midnight.tzname()}"


def _beginning_of(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _counts(user: User, course: Course, day: date | None = None):
    return QuestionCount.objects.filter(user=user, course=course, day=day or timezone.localdate())
