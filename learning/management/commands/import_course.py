"""`manage.py import_course PATH`: a folder of files becomes a course, or updates it."""

import contextlib
import sys

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from learning.importing import CourseImportError, import_course
from learning.models import User
from learning.tasks import reindex_soon


class Command(BaseCommand):
    help = (
        "Make a folder of Markdown, PDF, DOCX, PPTX and HTML files into a course, or bring that "
        "course up to date."
    )

    def add_arguments(self, parser):
        languages = [code for code, _ in settings.LANGUAGES]
        parser.add_argument("path", help="a folder of such files, or one of them")
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

        parser.add_argument(
            "--teacher", default="", metavar="USERNAME", help="who looks after it, beside the staff"
        )

    def handle(self, *, path, slug, title, language, teacher, **options):
        teachers = User.objects.filter(username=teacher, is_staff=True) if teacher else ()
        if teacher and not teachers:
            raise CommandError(
                f"There is no member of staff “{teacher}”. Make the account first, with the group "
                "Teacher. Nothing was imported."
            )
        try:
            with _Bar(self.stderr) as bar:
                report = import_course(
                    path,
                    slug=slug,
                    title=title,
                    language=language,
                    is_open=options["open"],
                    progress=bar,
                )
        except CourseImportError as error:
            raise CommandError(str(error)) from error
        report.course.teachers.add(*teachers)
        reindex_soon(report.course.slug)
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
        if not (report.added or report.changed):
            return
        self.stdout.write(
            "It will be searchable within seconds where a worker runs (make run starts one); "
            f"or run: manage.py reindex --course {report.course.slug}"
        )


class _Bar(contextlib.AbstractContextManager):
    """A bar over the files and their pages, where a person watches."""

    def __init__(self, stream) -> None:
        self.bar = tqdm(
            total=100,
            desc="Reading",
            unit="%",
            bar_format="{desc}: {percentage:3.0f} %|{bar}| {elapsed} {postfix}",
            file=sys.stderr,
            disable=not stream.isatty(),
            leave=False,
            delay=1,
        )

    def __call__(self, name: str, done: float) -> None:
        self.bar.set_postfix_str(name, refresh=False)
        self.bar.update(100 * done - self.bar.n)

    def __exit__(self, *_) -> None:
        self.bar.close()
