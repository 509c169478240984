"""`manage.py load_demo`: two courses and three people to try the product with."""

from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

import learning
from learning.importing import CourseImportError, import_course
from learning.models import Course, Enrolment
from learning.roles import TEACHER

FOLDER = Path(learning.__file__).parent / "demo"
# Folder names are also the courses' slugs.
COURSES = ("calculus", "machine-learning-zh")


class Command(BaseCommand):
    help = "Load the demo courses, and the users student, teacher and staff (password as the name)."

    def add_arguments(self, parser):
        parser.add_argument(
            "--password", help="for all three users; needed where DJANGO_DEBUG is off"
        )

    def handle(self, *, password, **options):
        if not settings.DEBUG and not password:
            raise CommandError(
                "This site may be public (DJANGO_DEBUG is off), and the demo users' passwords are "
                "known to everybody: choose one with --password."
            )
        courses = [self.course(slug) for slug in COURSES]
        student = self.user("student", password)
        self.teacher(password, courses)
        self.user("staff", password, is_staff=True, is_superuser=True)
        for course in courses:
            _, is_new = Enrolment.objects.get_or_create(user=student, course=course)
            if is_new:
                self.stdout.write(f"student is enrolled in {course.title}.")

    def course(self, slug: str) -> Course:
        course = Course.objects.filter(slug=slug).first()
        if course:
            # Not imported again: somebody may have worked on it meanwhile.
            self.stdout.write(f"{course.title} ({slug}) is here already; left as it is.")
            return course
        try:
            report = import_course(FOLDER / slug, slug=slug, is_open=True)
        except CourseImportError as error:
            raise CommandError(str(error)) from error
        if report.problems:
            raise CommandError("; ".join(f"{path}: {why}" for path, why in report.problems))
        self.stdout.write(self.style.SUCCESS(str(report)))
        return report.course

    @transaction.atomic
    def teacher(self, password: str | None, courses: list[Course]) -> None:
        if get_user_model().objects.filter(username="teacher").exists():
            # May be somebody real, who is given no role and no course.
            self.user("teacher", password)
            return
        teacher = self.user("teacher", password, is_staff=True)
        # Made if it is missing, with no rights: staff without a role would see every course.
        group, _ = Group.objects.get_or_create(name=TEACHER)
        teacher.groups.add(group)
        teacher.taught_courses.add(*courses)

    def user(self, name: str, password: str | None, **rights):
        User = get_user_model()
        user = User.objects.filter(username=name).first()
        if user:
            self.stdout.write(f"User {name} is here already; the password is as it was.")
            return user
        user = User.objects.create_user(name, f"{name}@example.org", password or name, **rights)
        self.stdout.write(self.style.SUCCESS(f"User {name} was created."))
        return user
