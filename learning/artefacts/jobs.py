"""The life of a study job around its doing: asked for, cancelled, tried again, found dead.

request(course, Kind.QUIZ, by=staff)     a row that waits; one that waits already is enough
cancel(job)                              at once, or as soon as its worker looks
retry(job)                               goes on where it was
revive()                                 queues what a killed worker, or a lost queue, has left
"""

import logging
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from learning.artefacts.passages import text_hash
from learning.models import Chapter, Course, StudyArtefact

logger = logging.getLogger(__name__)

Kind = StudyArtefact.Kind
Status = StudyArtefact.Status

# A running job says every second that it lives; a worker that swaps may be late.
DEAD_AFTER = timedelta(seconds=30)
# A queue may have lost its task, with its Redis; a second task for one row does nothing.
LOST_AFTER = timedelta(minutes=10)
MOST_ATTEMPTS = 3
UNFINISHED = (Status.PENDING, Status.RUNNING)

KILLED = gettext_noop("Its worker was ended three times; the log of the worker may say why.")
REPLACED = gettext_noop("Another job of the same kind was queued meanwhile.")


def request(
    course: Course, kind: Kind | str, *, chapter: Chapter | None = None, by=None, **options: bool
) -> StudyArtefact:
    """Have an artefact made of a course, or of one chapter; return the job.

    A job that waits already is returned as it is: it will read the text as it is when it begins.
    `by` is whom it is attributed to. Option `only_changed`: leave alone what was made of chapters
    whose text is still the same.
    """
    try:
        with transaction.atomic():
            job = StudyArtefact.objects.create(
                course=course, chapter=chapter, kind=Kind(kind), requested_by=by, **options
            )
            _enqueue(job)
            return job
    except IntegrityError:
        waiting = StudyArtefact.objects.filter(course=course, chapter=chapter, kind=kind)
        job = waiting.filter(status=Status.PENDING).first()
        if job is None:  # it has begun between the two
            return request(course, kind, chapter=chapter, by=by, **options)
        if job.only_changed and not options.get("only_changed"):
            # Who asks for all of it is not served by a job that makes what has changed.
            if not waiting.filter(pk=job.pk, status=Status.PENDING).update(
                only_changed=False, requested_by=by
            ):
                return request(course, kind, chapter=chapter, by=by, **options)
            job.refresh_from_db()
        return job


def request_update(course: Course) -> list[StudyArtefact]:
    """Have what was made of a course before made again, of chapters that have changed since.

    Attributed to who asked for it last. Where nothing has changed there is no job. Of a course
    that was never gone through as a whole, chapters that nobody asked for are left alone.
    """
    now = {
        str(pk): text_hash(text)
        for pk, text in course.chapters.exclude(text="").values_list("pk", "text")
    }
    requested = []
    for kind in Kind:
        made = StudyArtefact.objects.filter(course=course, kind=kind).exclude(
            Q(chapters_done={}) & ~Q(status=Status.RUNNING)
        )
        last = made.select_related("requested_by").order_by("-created_at").first()
        if last is None:
            continue
        done = chapters_done(course, kind)
        whole = made.filter(chapter=None, status__in=(Status.READY, *UNFINISHED))
        if whole.exists():
            chapters = [None] if any(done.get(pk) != now[pk] for pk in now) else []
        else:
            changed = [pk for pk in now if pk in done and done[pk] != now[pk]]
            chapters = list(course.chapters.filter(pk__in=changed))
        requested += [
            request(course, kind, chapter=chapter, by=last.requested_by, only_changed=True)
            for chapter in chapters
        ]
    return requested


def chapters_done(course: Course, kind: Kind | str) -> dict[str, str]:
    """The chapters that jobs of this kind have gone through, each with its last text's hash."""
    done: dict[str, str] = {}
    made = StudyArtefact.objects.filter(course=course, kind=kind).order_by("started_at")
    for chapters in made.values_list("chapters_done", flat=True):
        done.update(chapters)
    return done


def held(job: StudyArtefact) -> QuerySet[StudyArtefact]:
    """The row of a running job, as long as it is who asks that has it: each claim has its begin."""
    return StudyArtefact.objects.filter(pk=job.pk, status=Status.RUNNING, started_at=job.started_at)


def cancel(job: StudyArtefact) -> bool:
    """End a job: one that waits at once, one that runs within seconds. False: it is over."""
    mine = StudyArtefact.objects.filter(pk=job.pk)
    waited = mine.filter(status=Status.PENDING)
    if waited.update(status=Status.CANCELLED, finished_at=timezone.now()):
        return True
    return bool(mine.filter(status=Status.RUNNING).update(is_cancel_wanted=True))


def retry(job: StudyArtefact) -> bool:
    """Queue a job again that has failed or was cancelled; it goes on after its last chapter.

    False where it is neither, or where another one like it waits.
    """
    return _queue_again(
        StudyArtefact.objects.filter(pk=job.pk, status__in=(Status.FAILED, Status.CANCELLED)),
        attempts=0,
    )


def revive() -> int:
    """Queue again what nobody works at any more; return how many jobs. For now and then."""
    now = timezone.now()
    dead = StudyArtefact.objects.filter(status=Status.RUNNING, alive_at__lt=now - DEAD_AFTER)
    dead.filter(is_cancel_wanted=True).update(status=Status.CANCELLED, finished_at=now)
    given_up = dead.filter(attempts__gte=MOST_ATTEMPTS).update(
        status=Status.FAILED, message=KILLED, finished_at=now
    )
    if given_up:
        logger.warning("%d study jobs given up: their workers were ended", given_up)
    lost = StudyArtefact.objects.filter(status=Status.PENDING, queued_at__lt=now - LOST_AFTER)
    revived = 0
    for found in (dead, lost):
        for pk in list(found.values_list("pk", flat=True)):
            revived += _queue_again(found.filter(pk=pk))
    if revived:
        logger.warning("%d study jobs queued again", revived)
    return revived


def give_back(job: StudyArtefact) -> bool:
    """Queue a running job again whose worker is told to end; it counts as no attempt."""
    unwanted = held(job).filter(is_cancel_wanted=True)
    if unwanted.update(status=Status.CANCELLED, finished_at=timezone.now()):
        return False
    return _queue_again(held(job), attempts=job.attempts - 1)


def _queue_again(jobs, **fields) -> bool:
    """Put one job, if it is still among these, back into the queue."""
    job = jobs.first()
    if job is None:
        return False
    try:
        with transaction.atomic():
            fields |= {"status": Status.PENDING, "queued_at": timezone.now(), "message": ""}
            if not jobs.filter(pk=job.pk).update(**fields, detail="", is_cancel_wanted=False):
                return False
            _enqueue(job)
            return True
    except IntegrityError:
        # Of this course and kind another one waits: it will do the same, if it is to do as much.
        if not job.only_changed:
            same = {"course": job.course_id, "chapter": job.chapter_id, "kind": job.kind}
            StudyArtefact.objects.filter(**same, status=Status.PENDING).update(only_changed=False)
        jobs.filter(pk=job.pk, status=Status.RUNNING).update(
            status=Status.CANCELLED, message=REPLACED, finished_at=timezone.now()
        )
        return False


def _enqueue(job: StudyArtefact) -> None:
    from learning.tasks import generate_artefact

    def enqueue():  # a named function: Django logs its name
        generate_artefact.enqueue(str(job.pk))

    # Robust: a queue that is away must not cost who asked their page. `revive` finds the row.
    transaction.on_commit(enqueue, robust=True)
