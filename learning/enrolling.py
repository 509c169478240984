"""Enrol students: by a link that their teacher passes on, or by a list of names."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import Q
from django.utils.crypto import constant_time_compare

from learning.models import Course, Enrolment, User

KEY_BYTES = 12
MOST_NAMES = 2_000


@dataclass(slots=True)
class Enrolled:
    """What became of a list: how many are new, how many were there, and who is not known."""

    new: int = 0
    there: int = 0
    unknown: list[str] = field(default_factory=list)
    several: list[str] = field(default_factory=list)  # accounts with one e-mail address


def new_key(course: Course) -> str:
    """Give a course another link; the old one is of no use any more."""
    course.enrolment_key = secrets.token_urlsafe(KEY_BYTES)
    course.save(update_fields=["enrolment_key"])
    return course.enrolment_key


def remove_key(course: Course) -> None:
    course.enrolment_key = ""
    course.save(update_fields=["enrolment_key"])


def course_of(slug: str, key: str) -> Course | None:
    """Return the course that a link leads to; None where it is not, or no longer, good."""
    course = Course.objects.filter(slug=slug).exclude(enrolment_key="").first()
    if course is None or not constant_time_compare(course.enrolment_key, key):
        return None
    return course


def enrol(user: User, course: Course) -> bool:
    """Enrol a student; False where they were enrolled before."""
    return Enrolment.objects.get_or_create(user=user, course=course)[1]


def enrol_all(course: Course, names: Iterable[str]) -> Enrolled:
    """Enrol those who have these user names or e-mail addresses, whatever their case."""
    done = Enrolled()
    for name in dict.fromkeys(filter(None, map(str.strip, names))):
        exact = User.objects.filter(username=name)
        found = list(exact or User.objects.filter(Q(username__iexact=name) | Q(email__iexact=name)))
        if not found:
            done.unknown.append(name)
        elif len(found) > 1:
            done.several.append(name)
        elif enrol(found[0], course):
            done.new += 1
        else:
            done.there += 1
    return done
