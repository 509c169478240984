"""Do one job: claim it, go through its chapters, keep what was found, say how it ended.

Runs in a worker. Each chapter is saved when it is done, so a job that was cut off goes on where it
was. While it runs it says every second that it lives, and looks whether it is to stop; a job that
another worker has taken over by then is left to that one.
"""

import asyncio
import contextlib
import contextvars
import logging
import threading
from collections import Counter
from uuid import UUID

from django.db import connections
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from learning.artefacts.asking import Asker
from learning.artefacts.base import Harvest, Maker, maker_of
from learning.artefacts.keeping import keep, known_items
from learning.artefacts.passages import ChapterText, CourseText, read_course
from learning.llm.base import get_chat_model
from learning.llm.errors import ChatModelError
from learning.models import StudyArtefact, StudyItem
from tracing import Status as TraceStatus
from tracing import pseudonym, trace
from tracing.observations import Trace

logger = logging.getLogger(__name__)

Status = StudyArtefact.Status
BEAT_SECONDS = 1.0
PREVIEW_ITEMS = 10

FAILED = _("Something went wrong; the trace and the log say what.")
MODEL_FAILED = _("The model could not be asked.")
NOTHING_USABLE = _("The model's answers could not be used.")
NO_TEXT = _("There is no chapter with text.")
GONE = _("The chapter has no text any more.")


class Stopped(BaseException):
    """The job was cancelled, or another worker has it now."""


def generate(job_id: UUID | str) -> str:
    """Do a job that waits; return the status it ended in. One that does not wait is left alone."""
    if not _claim(job_id):
        return (
            StudyArtefact.objects.filter(pk=job_id).values_list("status", flat=True).first() or ""
        )
    job = StudyArtefact.objects.select_related("course", "chapter", "requested_by").get(pk=job_id)
    with _Heart(job) as heart:
        _Run(job, heart).run()
    return job.status


def _claim(job_id: UUID | str) -> bool:
    now = timezone.now()
    waiting = StudyArtefact.objects.filter(pk=job_id, status=Status.PENDING)
    return 1 == waiting.update(
        status=Status.RUNNING,
        attempts=F("attempts") + 1,
        started_at=now,
        alive_at=now,
        finished_at=None,
        message="",
        detail="",
    )


class _Run:
    def __init__(self, job: StudyArtefact, heart: "_Heart"):
        self.job = job
        self.heart = heart
        self.maker: Maker = maker_of(job.kind)
        self.asker = None if get_chat_model().quotes_only else Asker()
        self.made: Counter[str] = Counter(job.counts.get("made", {}))
        self.dropped: Counter[str] = Counter(job.counts.get("dropped", {}))
        self.status, self.message, self.detail = Status.RUNNING, "", ""

    def run(self) -> None:
        asked_by = self.job.requested_by
        with trace(
            f"generate_{self.job.kind}",
            user_id=pseudonym(asked_by) if asked_by else "",
            tags=["job"],
            input={
                "course": self.job.course.slug,
                "chapter": self.job.chapter.slug if self.job.chapter else None,
                "options": {"only_changed": self.job.only_changed},
            },
            capture_content=asked_by is None or asked_by.allows_tracing,
            metadata={"job": str(self.job.pk), "attempt": self.job.attempts},
        ) as traced:
            StudyArtefact.objects.filter(pk=self.job.pk).update(trace_id=traced.id)
            try:
                self._make()
                self._judge()
            except Stopped:
                self.status = Status.CANCELLED
                traced.status, traced.status_message = TraceStatus.CANCELLED, "cancelled"
            except ChatModelError as error:
                traced.fail(error)
                self._fail(MODEL_FAILED, str(error))
            except Exception as error:
                logger.exception("the job %s failed", self.job.pk)
                traced.fail(error)
                self._fail(FAILED)
            else:
                if self.status is Status.FAILED:
                    traced.fail(self.message)
            finally:
                traced.output = self._output()
                self._finish(traced)

    def _make(self) -> None:
        course = read_course(self.job.course)
        chapters = self._chapters(course)
        if not chapters:
            self._fail(GONE if self.job.chapter_id else NO_TEXT)
            return
        self.heart.check()
        self.job.chapters_total = len(chapters)
        done = {**self._done_before(), **self.job.chapters_done}
        todo = [chapter for chapter in chapters if done.get(str(chapter.id)) != chapter.text_hash]
        self._save_progress()
        self.maker.prepare(course)
        # One event loop for all chapters, so that the model's connections last.
        with asyncio.Runner() as runner:
            for chapter in todo:
                known = known_items(self.maker, course.id, chapter.id)
                harvest = runner.run(
                    self._make_one(chapter, known), context=contextvars.copy_context()
                )
                self._keep(harvest, chapter)
        self.heart.check()
        self.maker.settle(course.id)

    def _chapters(self, course: CourseText) -> list[ChapterText]:
        if self.job.chapter_id:
            return [chapter for chapter in course.chapters if chapter.id == self.job.chapter_id]
        return list(course.chapters)

    def _done_before(self) -> dict[str, str]:
        """The texts that earlier jobs have seen, where those need not be gone through again."""
        done: dict[str, str] = {}
        if self.job.only_changed:
            earlier = StudyArtefact.objects.filter(course=self.job.course_id, kind=self.job.kind)
            for chapters in earlier.order_by("created_at").values_list("chapters_done", flat=True):
                done.update(chapters)
        return done

    async def _make_one(self, chapter: ChapterText, known: list[StudyItem]) -> Harvest:
        making = asyncio.ensure_future(self.maker.make(chapter, self.asker, known))
        self.heart.on_stop = lambda: making.get_loop().call_soon_threadsafe(making.cancel)
        try:
            self.heart.check()
            return await making
        except asyncio.CancelledError:
            raise Stopped from None
        finally:
            self.heart.on_stop = None
            making.cancel()

    def _keep(self, harvest: Harvest, chapter: ChapterText) -> None:
        self.heart.check()
        self.made.update(keep(harvest, self.maker, chapter, self.job))
        self.dropped.update(harvest.dropped)
        self.job.chapters_done = {**self.job.chapters_done, str(chapter.id): chapter.text_hash}
        self._save_progress()

    def _save_progress(self) -> None:
        self.job.counts = {"made": dict(self.made), "dropped": dict(self._all_dropped())}
        self.job.save(update_fields=["chapters_total", "chapters_done", "counts"])

    def _all_dropped(self) -> Counter[str]:
        return self.dropped + (self.asker.unusable if self.asker else Counter())

    def _judge(self) -> None:
        if self.status is Status.FAILED:
            return
        if self.asker and self.asker.unusable and not self.asker.usable:
            # Nothing of it is done: tried again, it begins anew.
            self.job.chapters_done = {}
            self._fail(NOTHING_USABLE)
        else:
            self.status = Status.READY

    def _fail(self, message: str, detail: str = "") -> None:
        self.status, self.message, self.detail = Status.FAILED, message, detail

    def _output(self) -> dict:
        newest = StudyItem.objects.filter(artefact=self.job).order_by("-weight", "pk")
        return {
            "status": str(self.status),
            "made": dict(self.made),
            "dropped": dict(self._all_dropped()),
            "chapters": len(self.job.chapters_done),
            "preview": [str(item)[:120] for item in newest[:PREVIEW_ITEMS]],
        }

    def _finish(self, traced: Trace) -> None:
        self.job.status, self.job.finished_at = self.status, timezone.now()
        mine = StudyArtefact.objects.filter(
            pk=self.job.pk, status=Status.RUNNING, attempts=self.job.attempts
        )
        mine.update(
            status=self.status,
            message=self.message,
            detail=self.detail,
            counts={"made": dict(self.made), "dropped": dict(self._all_dropped())},
            chapters_done=self.job.chapters_done,
            model=self.asker.model_name if self.asker else get_chat_model().name,
            finished_at=self.job.finished_at,
            is_cancel_wanted=False,
        )


class _Heart(contextlib.AbstractContextManager):
    """Says, beside the work, that a job lives; notices that it is to stop."""

    def __init__(self, job: StudyArtefact):
        self.job = job
        self.on_stop = None  # called, in this thread, when the job is to stop
        self._is_stopped = False
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="study-job-heart", daemon=True)

    def __enter__(self) -> "_Heart":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ends.set()
        self._thread.join()

    def check(self) -> None:
        """Raise Stopped where the job is to stop."""
        if self._is_stopped or not self._may_go_on():
            self._is_stopped = True
            raise Stopped

    def _beat(self) -> None:
        while not self._ends.wait(BEAT_SECONDS):
            try:
                if not self._may_go_on():
                    self._is_stopped = True
                    if on_stop := self.on_stop:
                        on_stop()
            except Exception:  # a database that is away for a moment is no reason to stop
                logger.exception("the job %s could not say that it lives", self.job.pk)
        connections.close_all()

    def _may_go_on(self) -> bool:
        mine = StudyArtefact.objects.filter(
            pk=self.job.pk,
            status=Status.RUNNING,
            attempts=self.job.attempts,
            is_cancel_wanted=False,
        )
        return mine.update(alive_at=timezone.now()) == 1
