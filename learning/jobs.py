"""The life of a background job around its doing, whatever it makes: see `learning.models.Job`.

queue(job)          within the transaction that writes its row
claim(Model, pk)    for its worker: the job, or None where another has it
cancel(job)         at once, or as soon as its worker looks
retry(job)          goes on where it was
revive()            queues what a killed worker, or a lost queue, has left
"""

import logging
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from learning.models import CourseImport, Job, StudyArtefact

logger = logging.getLogger(__name__)

Status = Job.Status
AnyJob = TypeVar("AnyJob", bound=Job)

# A running job says every second that it lives; a worker that swaps may be late.
DEAD_AFTER = timedelta(seconds=30)
# A queue may have lost its task, with its Redis; a second task for one row does nothing.
LOST_AFTER = timedelta(minutes=10)
# One that waits for so long while none runs may have no worker.
LONG_WAIT = timedelta(seconds=30)
MOST_ATTEMPTS = 3
UNFINISHED = (Status.PENDING, Status.RUNNING)

KILLED = gettext_noop("Its worker was ended three times; the log of the worker may say why.")
REPLACED = gettext_noop("Another job of the same kind was queued meanwhile.")


def queue(job: Job) -> None:
    """Have a worker do a job that waits, once the row is written."""
    from learning import tasks

    task = {StudyArtefact: tasks.generate_artefact, CourseImport: tasks.import_upload}[type(job)]

    def enqueue():  # a named function: Django logs its name
        task.enqueue(str(job.pk))

    # Robust: a queue that is away must not cost who asked their page. `revive` finds the row.
    transaction.on_commit(enqueue, robust=True)


def claim(model: type[AnyJob], pk: UUID | str) -> AnyJob | None:
    """Take a job that waits; None where it does not."""
    now = timezone.now()
    is_mine = model.objects.filter(pk=pk, status=Status.PENDING).update(
        status=Status.RUNNING,
        attempts=F("attempts") + 1,
        started_at=now,
        alive_at=now,
        finished_at=None,
        message="",
        detail="",
    )
    return model.objects.select_related("course", "requested_by").get(pk=pk) if is_mine else None


def held(job: AnyJob) -> QuerySet[AnyJob]:
    """The row of a running job, as long as it is who asks that has it: each claim has its begin."""
    return type(job).objects.filter(pk=job.pk, status=Status.RUNNING, started_at=job.started_at)


def cancel(job: Job) -> bool:
    """End a job: one that waits at once, one that runs within seconds. False: it is over."""
    mine = type(job).objects.filter(pk=job.pk)
    waited = mine.filter(status=Status.PENDING)
    if waited.update(status=Status.CANCELLED, finished_at=timezone.now()):
        return True
    return bool(mine.filter(status=Status.RUNNING).update(is_cancel_wanted=True))


def retry(job: Job) -> bool:
    """Queue a job again that has failed or was cancelled; it goes on where it was.

    False where it is neither, or where another one like it waits.
    """
    ended = type(job).objects.filter(pk=job.pk, status__in=(Status.FAILED, Status.CANCELLED))
    return _queue_again(ended, attempts=0)


def give_back(job: Job) -> bool:
    """Queue a running job again whose worker is told to end; it counts as no attempt."""
    unwanted = held(job).filter(is_cancel_wanted=True)
    if unwanted.update(status=Status.CANCELLED, finished_at=timezone.now()):
        return False
    return _queue_again(held(job), attempts=job.attempts - 1)


def revive() -> int:
    """Queue again what nobody works at any more; return how many jobs. For now and then."""
    return sum(_revive(model) for model in Job.__subclasses__())


def is_nobody_working() -> bool:
    """Whether a job waits for long while no other runs: then there may be no worker."""
    long_ago = timezone.now() - LONG_WAIT
    kinds = Job.__subclasses__()
    return any(
        model.objects.filter(status=Status.PENDING, queued_at__lt=long_ago).exists()
        for model in kinds
    ) and not any(
        model.objects.filter(status=Status.RUNNING, alive_at__gte=long_ago).exists()
        for model in kinds
    )


def _revive(model: type[Job]) -> int:
    now = timezone.now()
    dead = model.objects.filter(status=Status.RUNNING, alive_at__lt=now - DEAD_AFTER)
    dead.filter(is_cancel_wanted=True).update(status=Status.CANCELLED, finished_at=now)
    given_up = dead.filter(attempts__gte=MOST_ATTEMPTS).update(
        status=Status.FAILED, message=KILLED, finished_at=now
    )
    kind = model._meta.model_name
    if given_up:
        logger.warning("%d jobs (%s) given up: their workers were ended", given_up, kind)
    lost = model.objects.filter(status=Status.PENDING, queued_at__lt=now - LOST_AFTER)
    revived = 0
    for found in (dead, lost):
        for pk in list(found.values_list("pk", flat=True)):
            revived += _queue_again(found.filter(pk=pk))
    if revived:
        logger.warning("%d jobs (%s) queued again", revived, kind)
    return revived


def _queue_again(jobs: QuerySet, **fields) -> bool:
    """Put one job, if it is still among these, back into the queue."""
    job = jobs.first()
    if job is None:
        return False
    try:
        with transaction.atomic():
            fields |= {"status": Status.PENDING, "queued_at": timezone.now(), "message": ""}
            if not jobs.filter(pk=job.pk).update(**fields, detail="", is_cancel_wanted=False):
                return False
            queue(job)
            return True
    except IntegrityError:
        # Another one like it waits: it will do the same, if it is to do as much.
        job.leave_to_who_waits()
        jobs.filter(pk=job.pk, status=Status.RUNNING).update(
            status=Status.CANCELLED, message=REPLACED, finished_at=timezone.now()
        )
        return False
