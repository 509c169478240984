"""`manage.py generate quiz --course SLUG`: queue a study job, or do it here and now."""

import sys
import time

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from learning.artefacts import requesting
from learning.artefacts.generating import generate
from learning.models import Chapter, Course, StudyArtefact

POLL_SECONDS = 0.3


class Command(BaseCommand):
    help = "Make a word cloud, a knowledge graph or a quiz of a course. Staff approve its items."

    def add_arguments(self, parser):
        parser.add_argument("kind", choices=StudyArtefact.Kind.values)
        parser.add_argument("--course", required=True, metavar="SLUG")
        parser.add_argument("--chapter", metavar="SLUG", help="this chapter alone")
        parser.add_argument(
            "--wait", action="store_true", help="do it here, and return when it is done"
        )

    def handle(self, *, kind, course, chapter, wait, **options):
        course, chapter = _found(course, chapter)
        job = requesting.request(course, kind, chapter=chapter)
        if not wait:
            self.stdout.write(
                f"{job} is queued as {job.pk}. A worker makes it (make run starts one); "
                "--wait makes it here."
            )
            return
        self._work(job)
        job.refresh_from_db()
        self._show(job)

    def _work(self, job: StudyArtefact) -> None:
        """Do the job in this process, unless a worker has been quicker; either way, watch it."""
        import threading

        worker = threading.Thread(target=_generate, args=(job.pk,), daemon=True)
        worker.start()
        with tqdm(
            total=0, unit="chapter", desc=job.kind, disable=not sys.stderr.isatty(), leave=False
        ) as bar:
            while worker.is_alive() or not job.is_over:
                time.sleep(POLL_SECONDS)
                job.refresh_from_db()
                bar.total = job.chapters_total
                bar.update(len(job.chapters_done) - bar.n)
        worker.join()

    def _show(self, job: StudyArtefact) -> None:
        for reason, count in job.dropped_shown:
            self.stdout.write(self.style.WARNING(f"  left out: {reason} ({count})"))
        if job.status != StudyArtefact.Status.READY:
            words = " ".join(filter(None, [job.message_shown, job.detail]))
            raise CommandError(f"{job}: {job.get_status_display()}. {words}")
        made = ", ".join(f"{kind}: {count}" for kind, count in job.counts["made"].items())
        self.stdout.write(
            self.style.SUCCESS(
                f"{job} · {made or 'nothing'} · chapters: {len(job.chapters_done)} · "
                f"trace {job.trace_id}"
            )
        )
        if made:
            self.stdout.write("Students see an item once it is approved: Admin › Study items.")


def _generate(job_id) -> None:
    from django.db import connections

    try:
        generate(job_id)
    finally:
        connections.close_all()


def _found(course_slug: str, chapter_slug: str | None) -> tuple[Course, Chapter | None]:
    course = Course.objects.filter(slug=course_slug).first()
    if course is None:
        known = ", ".join(Course.objects.values_list("slug", flat=True)) or "none yet"
        raise CommandError(f"There is no course “{course_slug}”. Courses: {known}.")
    if chapter_slug is None:
        return course, None
    chapter = course.chapters.filter(slug=chapter_slug).first()
    if chapter is None:
        known = ", ".join(course.chapters.values_list("slug", flat=True)) or "none yet"
        raise CommandError(f"“{course_slug}” has no chapter “{chapter_slug}”. Chapters: {known}.")
    return course, chapter
