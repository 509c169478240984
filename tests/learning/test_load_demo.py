"""The demo: two courses, three people, and no known password on a public site."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from learning.models import Chapter, Course, Enrolment, User
from learning.roles import courses_of

pytestmark = pytest.mark.django_db


def load(**options) -> str:
    out = StringIO()
    call_command("load_demo", stdout=out, **options)
    return out.getvalue()


def test_it_brings_two_open_courses_and_three_people(settings, client):
    settings.DEBUG = True

    load()

    assert list(Course.objects.values_list("slug", "language", "is_open").order_by("slug")) == [
        ("calculus", "en", True),
        ("machine-learning-zh", "zh-hans", True),
    ]
    student, staff = User.objects.get(username="student"), User.objects.get(username="staff")
    assert student.enrolments.count() == 2
    assert (student.is_staff, staff.is_staff, staff.is_superuser) == (False, True, True)
    assert student.check_password("student")
    assert staff.check_password("staff")
    teacher = User.objects.get(username="teacher")
    assert (teacher.is_staff, teacher.is_superuser) == (True, False)
    assert teacher.check_password("teacher")
    assert [group.name for group in teacher.groups.all()] == ["Teacher"]
    assert set(courses_of(teacher)) == set(Course.objects.all())


def test_the_courses_are_large_enough_to_search_in(settings):
    settings.DEBUG = True

    load()

    assert Chapter.objects.filter(course__slug="calculus").count() >= 8
    assert Chapter.objects.filter(course__slug="machine-learning-zh").count() >= 5


def test_a_second_time_it_changes_nothing_and_says_so(settings):
    settings.DEBUG = True
    load()
    student = User.objects.get(username="student")
    student.set_password("my own")
    student.save()
    Course.objects.filter(slug="calculus").update(title="Edited")
    tables = (Course, Chapter, Enrolment, User)
    before = [list(model.objects.values()) for model in tables]

    said = load(password="another")

    assert [list(model.objects.values()) for model in tables] == before
    assert said.count("here already") == 5


def test_somebody_who_is_called_teacher_already_is_given_nothing(settings):
    settings.DEBUG = True
    somebody = User.objects.create_user("teacher", password="my own")

    load()

    somebody.refresh_from_db()
    assert not somebody.is_staff
    assert not somebody.groups.exists() and not somebody.taught_courses.exists()


def test_a_public_site_gets_no_known_password(settings):
    settings.DEBUG = False

    with pytest.raises(CommandError, match="--password"):
        load()

    assert not User.objects.exists()
    assert not Course.objects.exists()


def test_a_public_site_gets_the_password_it_was_given(settings):
    settings.DEBUG = False

    load(password="a long one 7")

    assert User.objects.get(username="staff").check_password("a long one 7")
