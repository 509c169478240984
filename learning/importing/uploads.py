"""What staff upload becomes a course: received in a page, read by a worker.

    receive([("limits.md", file)], by=teacher, course=course)   a job that waits
    import_upload(job.pk)            in the worker: reads, writes, makes searchable

The archive is kept until its job is done, so that one whose worker was killed, or that failed, can
be done again.
"""

import logging
import tempfile
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.core.files import File
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone, translation
from django.utils.text import slugify
from django.utils.translation import gettext_noop

from learning import jobs
from learning.heart import Heart, Stopped, Why
from learning.importing.archive import pack, unpack
from learning.importing.files import CourseImportError, slug_of
from learning.importing.outline import read_outline
from learning.importing.writing import ImportReport, write_outline
from learning.models import Course, CourseImport
from learning.roles import looks_after_all
from learning.tasks import reindex_soon
from rag.errors import RetrievalError
from rag.indexing import reindex
from tracing import Status as TraceStatus
from tracing import pseudonym, span, trace

logger = logging.getLogger(__name__)

Status = CourseImport.Status
READING_PERCENT = 70  # the rest is making it searchable
SHOW_SECONDS = 0.5
KEPT_FOR = timedelta(days=7)  # so long an import that failed can be tried again

FAILED = gettext_noop("Something went wrong; the trace and the log say what.")
ARCHIVE_GONE = gettext_noop("What was uploaded is not there any more. Upload it again.")
INDEXING = gettext_noop("making it searchable")
SEARCHED_LATER = gettext_noop("The course is there; the tutor finds what is new a little later.")
SOME_LEFT_OUT = gettext_noop("Some files could not be used; their chapters are as they were.")


def receive(
    files: Iterable[tuple[str, UploadedFile]],
    *,
    by,
    course: Course | None = None,
    is_whole: bool = False,
    **of_a_new_course,
) -> CourseImport:
    """Keep uploaded files, each with its path in their folder, and have a worker import them.

    One zip archive stands for what it holds. Without a `course` they become a new one, with the
    `title`, `language` and `is_open` that are given. `is_whole`: chapters whose files are not
    among these are unpublished. Raises CourseImportError for a name that is none.
    """
    files = list(files)
    (path, first), *others = files
    is_archive = not others and path.lower().endswith(".zip")
    job = CourseImport(
        course=course,
        requested_by=by,
        name=_name_of(path, len(others)),
        is_whole=is_whole or course is None,
        reader_language=translation.get_language() or "en",
        **of_a_new_course,
    )
    packed = first if is_archive else pack(files)
    try:
        with transaction.atomic():
            job.archive.save(f"{job.pk}.zip", File(packed), save=False)
            job.save(force_insert=True)
            jobs.queue(job)
    finally:
        packed.close()
    return job


def import_upload(job_id: UUID | str) -> str:
    """Do an import that waits; return the status it ended in. One that does not is left alone."""
    job = jobs.claim(CourseImport, job_id)
    if job is None:
        row = CourseImport.objects.filter(pk=job_id)
        return row.values_list("status", flat=True).first() or ""
    with translation.override(job.reader_language), Heart(job) as heart:
        return _Run(job, heart).run()


def discard_old() -> int:
    """Delete the archives of imports that nobody has tried again; for now and then."""
    long_ago = timezone.now() - KEPT_FOR
    old = CourseImport.objects.filter(finished_at__lt=long_ago).exclude(archive="")
    for job in old:
        job.archive.delete(save=False)
        CourseImport.objects.filter(pk=job.pk).update(archive="")
    return len(old)


def _name_of(path: str, others: int) -> str:
    """What an upload is called: its file, its folder, or the first of several files."""
    folder, _, name = path.partition("/")
    if not others:
        return path.rpartition("/")[2][:200]
    return folder[:200] if name else f"{path[:190]} + {others}"


class _Run:
    def __init__(self, job: CourseImport, heart: Heart):
        self.job = job
        self.heart = heart
        self.status, self.message, self.detail = Status.RUNNING, "", ""
        self._shown_at = 0.0

    def run(self) -> str:
        by = self.job.requested_by
        with trace(
            "import_course",
            user_id=pseudonym(by) if by else "",
            tags=["job"],
            input={"upload": self.job.name, "course": self.job.course and self.job.course.slug},
            capture_content=by is None or by.allows_tracing,
            metadata={"job": str(self.job.pk), "attempt": self.job.attempts},
        ) as traced:
            jobs.held(self.job).update(trace_id=traced.id)
            try:
                if not self.job.report:  # else an earlier attempt has written the course
                    self._import()
                self._index()
                self.status = Status.READY
            except Stopped as stopped:
                is_cancelled = stopped.why is Why.CANCELLED
                traced.status = TraceStatus.CANCELLED if is_cancelled else TraceStatus.INTERRUPTED
                traced.status_message = stopped.why.value
                self.status = Status.CANCELLED if is_cancelled else Status.PENDING
            except CourseImportError as error:
                traced.fail(error)
                self._fail(str(error))
            except FileNotFoundError as error:
                traced.fail(error)
                self._fail(ARCHIVE_GONE)
            except Exception as error:
                logger.exception("the import %s failed", self.job.pk)
                traced.fail(error)
                self._fail(FAILED)
            finally:
                traced.output = {"status": str(self.status), "report": self.job.report}
                self._finish()
        return self.status

    def _import(self) -> None:
        course = self.job.course
        with tempfile.TemporaryDirectory(prefix="import-") as scratch:
            # Named after the upload: where nothing else gives a new course its name, this does.
            folder = Path(scratch, slug_of(self.job.name) or "course")
            folder.mkdir()
            with self.job.archive.open("rb") as archive:
                folder = unpack(archive, folder)
            self.heart.check()
            with span("read_files") as reading:
                outline = read_outline(folder, self._show_reading)
                reading.output = {"chapters": len(outline.chapters), "left_out": outline.problems}
            self.heart.check()
            with span("write_course"), transaction.atomic():
                report = write_outline(
                    folder,
                    outline,
                    slug=slugify(self.job.title, allow_unicode=True),
                    title=self.job.title,
                    language=self.job.language,
                    is_open=self.job.is_open,
                    is_new=course is None,
                    into=course,
                    is_whole=self.job.is_whole,
                )
                self._keep(report)

    def _keep(self, report: ImportReport) -> None:
        """Save what was done with the course, in one transaction with it."""
        by = self.job.requested_by
        if report.is_new and by is not None and not looks_after_all(by):
            report.course.teachers.add(by)  # or it would be nobody's
        self.job.course = report.course
        self.job.report = {
            "is_new": report.is_new,
            "added": report.added,
            "changed": report.changed,
            "unchanged": len(report.unchanged),
            "unpublished": report.unpublished,
            "problems": [list(problem) for problem in report.problems],
            "notes": [list(note) for note in report.notes],
        }
        # Not so where another worker has the job: then that one writes it.
        if not jobs.held(self.job).update(course=report.course, report=self.job.report):
            raise Stopped(Why.TAKEN)

    def _index(self) -> None:
        slug = self.job.course.slug
        self._shown_at = 0.0
        self._show(INDEXING, READING_PERCENT)
        try:
            with span("index", input={"course": slug}) as indexing:
                indexing.output = str(reindex([slug], progress=self._show_indexing))
        except RetrievalError:
            logger.exception("the import %s is not searchable yet", self.job.pk)
            reindex_soon(slug)
            self.message = SEARCHED_LATER
        if self.job.report["problems"]:
            self.message = SOME_LEFT_OUT

    def _show_reading(self, name: str, done: float) -> None:
        self._show(name, round(READING_PERCENT * done))

    def _show_indexing(self, done: int, total: int, slug: str) -> None:
        rest = (100 - READING_PERCENT) * done / max(1, total)
        self._show(INDEXING, round(READING_PERCENT + rest))

    def _show(self, doing: str, percent: int) -> None:
        """Say how far it is, a few times a second at most; raises Stopped."""
        self.heart.check_again()
        now = time.monotonic()
        if now > self._shown_at + SHOW_SECONDS:
            self._shown_at = now
            jobs.held(self.job).update(doing=doing[:300], percent=percent)

    def _fail(self, message: str) -> None:
        self.status, self.message = Status.FAILED, message[:300]
        self.detail = message if len(message) > 300 else ""

    def _finish(self) -> None:
        if self.status is Status.PENDING:
            jobs.give_back(self.job)
            return
        is_done = jobs.held(self.job).update(
            status=self.status,
            message=self.message,
            detail=self.detail,
            doing="",
            percent=100 if self.status is Status.READY else 0,
            finished_at=timezone.now(),
            is_cancel_wanted=False,
        )
        if is_done and self.status is Status.READY:
            self.job.archive.delete(save=False)
            CourseImport.objects.filter(pk=self.job.pk).update(archive="")
