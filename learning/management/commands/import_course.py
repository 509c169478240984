"""`manage.py import_course PATH`: a folder of Markdown becomes a course, or updates it."""

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from learning.importing import CourseImportError, import_course


class Command(BaseCommand):
    help = "Make a folder of Markdown files into a course, or bring that course up to date."

    def add_arguments(self, parser):
        languages = [code for code, _ in settings.LANGUAGES]
        parser.add_argument("path", help="a folder of Markdown files, or one such file")
        parser.add_argument("--slug", default="", help="the course's name in addresses")
        parser.add_argument("--title", default="")
        parser.add_argument(
            "--language", default="", choices=languages, metavar="|".join(languages)
        )
        parser.add_argument(
            "--open",
            action="store_true",
            default=None,
            help="anyone who is logged in may enrol",
        )

    def handle(self, *, path, slug, title, language, **options):
        try:
            report = import_course(
                path, slug=slug, title=title, language=language, is_open=options["open"]
            )
        except CourseImportError as error:
            raise CommandError(str(error)) from error
        self.show(report)
        if report.problems:
            raise CommandError(
                f"{len(report.problems)} file(s) could not be used; their chapters were left as "
                "they were. Correct them and import again."
            )

    def show(self, report) -> None:
        for word in ("added", "changed", "unpublished"):
            for chapter in getattr(report, word):
                self.stdout.write(f"  {word}: {chapter}")
        for path, reason in report.notes:
            self.stdout.write(self.style.WARNING(f"  {path}: {reason}"))
        for path, reason in report.problems:
            self.stderr.write(f"  {path}: {reason}")
        self.stdout.write(self.style.SUCCESS(str(report)))
        if report.unpublished:
            self.stdout.write(
                "The file of a removed chapter has gone: it is unpublished, not deleted, and comes "
                "back with its file."
            )
        self.stdout.write(f"To make it searchable: manage.py reindex --course {report.course.slug}")
