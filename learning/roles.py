"""Who looks after which courses. The one place that says so; pages and the admin ask here.

A role is a group: what its members may do is the group's permissions, which a superuser changes as
they like. Of whom they may do it is said here:

    Teacher          of the courses that name them among their teachers
    anybody else on the staff, and superusers: of every course

Students are in no group.
"""

from django.apps import apps
from django.db.models import QuerySet
from django.utils.translation import gettext_noop

# Names of groups, made by migration 0006; the admin keeps them from being renamed or deleted.
TEACHER = gettext_noop("Teacher")
STAFF = gettext_noop("Staff")
TRACE_AUDITOR = gettext_noop("Trace auditor")
ROLES = (TEACHER, STAFF, TRACE_AUDITOR)


def looks_after_all(user) -> bool:
    """Whether a person looks after every course; of two roles, the wider one counts."""
    if not (user.is_authenticated and user.is_staff):
        return False
    if user.is_superuser:
        return True
    roles = set(user.groups.filter(name__in=(TEACHER, STAFF)).values_list("name", flat=True))
    return STAFF in roles or TEACHER not in roles


def courses_of(user) -> QuerySet:
    """Return the courses that a person looks after; of students: none."""
    courses = apps.get_model("learning", "Course").objects.all()
    if looks_after_all(user):
        return courses
    if not (user.is_authenticated and user.is_staff):
        return courses.none()
    return courses.filter(teachers=user)


def looks_after(user, course) -> bool:
    return looks_after_all(user) or courses_of(user).filter(pk=course.pk).exists()


def students_of(user) -> QuerySet:
    """Return the people whom a person meets in their courses; everybody, who looks after all."""
    users = apps.get_model("learning", "User").objects.all()
    if looks_after_all(user):
        return users
    enrolments = apps.get_model("learning", "Enrolment").objects
    met = enrolments.filter(course__in=courses_of(user)).order_by().values("user")
    return users.filter(pk__in=met)
