"""Study jobs as they are asked for: by staff, and when a chapter has changed.

request(course, Kind.QUIZ, by=staff)     a row that waits; one that waits already is enough
request_update(course)                   what was made of it before, of the chapters that changed

What becomes of a job afterwards: `learning.jobs`.
"""

from django.db import IntegrityError, transaction
from django.db.models import Q

from learning.artefacts.passages import text_hash
from learning.jobs import UNFINISHED, queue
from learning.models import Chapter, Course, StudyArtefact

Kind = StudyArtefact.Kind
Status = StudyArtefact.Status


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
            queue(job)
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
