"""manage.py reindex: parse, call `rag.indexing`, show the report."""

import sys

from django.core.management.base import BaseCommand, CommandError

from rag.errors import RetrievalError
from rag.indexing import indexed_collections, reindex, rollback
from rag.sources import get_source


class Command(BaseCommand):
    help = "Bring the search index in line with the courses."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--course", metavar="SLUG", help="only this course; default: all")
        parser.add_argument("--full", action="store_true", help="embed everything anew")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
        switch = parser.add_mutually_exclusive_group()
        switch.add_argument(
            "--activate", action="store_true", default=True, help="search the new index (default)"
        )
        switch.add_argument(
            "--no-activate",
            action="store_false",
            dest="activate",
            help="build it, but search the old one; a later reindex need not embed it again",
        )
        parser.add_argument(
            "--rollback", action="store_true", help="go back to the index before the present one"
        )

    def handle(self, *, course, full, dry_run, activate, rollback, **options) -> None:
        collections = self._wanted(course)
        if rollback:
            self._roll_back(collections)
            return
        with _Bar(self.stderr) as bar:
            try:
                report = reindex(
                    [course] if course else None,
                    full=full,
                    dry_run=dry_run,
                    activate=activate,
                    progress=bar,
                )
            except RetrievalError as error:
                raise CommandError(str(error)) from error
        for failure in report.failures:
            self.stderr.write(self.style.ERROR(str(failure)))
        self.stdout.write(self.style.SUCCESS(str(report)))
        if report.failures:
            sys.exit(1)

    def _wanted(self, course: str | None) -> list[str]:
        known = sorted({*get_source().collections(), *indexed_collections()})
        if course and course not in known:
            raise CommandError(
                f"There is no course “{course}”. Known: {', '.join(known) or 'none yet'}."
            )
        return [course] if course else known

    def _roll_back(self, collections: list[str]) -> None:
        problems = []
        for collection in collections:
            try:
                version = rollback(collection)
            except RetrievalError as error:
                problems.append(str(error))
            else:
                self.stdout.write(
                    self.style.SUCCESS(
                        f"{collection}: back to the index of {version.created_at:%Y-%m-%d %H:%M}. "
                        "The next reindex, which saving a chapter starts, goes forward again."
                    )
                )
        if problems and len(problems) == len(collections):
            raise CommandError(" ".join(problems))
        for problem in problems:
            self.stderr.write(self.style.WARNING(problem))


class _Bar:
    """A progress bar for each collection, where stderr is a terminal."""

    def __init__(self, stderr) -> None:
        self.is_shown = stderr.isatty()
        self.bar = None

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *exception) -> None:
        if self.bar is not None:
            self.bar.close()

    def __call__(self, done: int, total: int, collection: str) -> None:
        if not self.is_shown:
            return
        if self.bar is None or self.bar.desc != f"{collection}: ":
            if self.bar is not None:
                self.bar.close()
            from tqdm import tqdm  # where nobody watches, or nothing is done, it is not needed

            self.bar = tqdm(desc=collection, unit=" passages", file=sys.stderr)
        self.bar.total = total
        self.bar.update(done - self.bar.n)
