"""Do one job: claim it, go through its chapters, keep what was found, say how it ended.

Runs in a worker. Each chapter is saved when it is done, so a job that was cut off goes on where it
was. One that is cancelled, taken over by another worker, or in a worker that is told to end stops
at once, in the middle of a model's answer too: see `heart`.
"""

import asyncio
import contextvars
import logging
import time
from collections import Counter
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from learning import jobs
from learning.artefacts.asking import Asker
from learning.artefacts.base import Harvest, Maker, maker_of
from learning.artefacts.keeping import keep, known_items
from learning.artefacts.passages import (
    ChapterText,
    CourseText,
    read_chapter,
    read_course,
    text_hash,
)
from learning.artefacts.requesting import chapters_done
from learning.heart import Heart, Stopped, Why
from learning.llm.base import get_chat_model
from learning.llm.errors import ChatModelError
from learning.models import Chapter, Course, StudyArtefact, StudyItem
from tracing import Status as TraceStatus
from tracing import content, pseudonym, span, trace
from tracing.observations import Trace

logger = logging.getLogger(__name__)

Status = StudyArtefact.Status
PREVIEW_ITEMS = 10
RESTS = 6  # times as long as a chapter has kept the processor
LONGEST_REST_SECONDS = 3.0

FAILED = _("Something went wrong; the trace and the log say what.")
MODEL_FAILED = _("The model could not be asked.")
NOTHING_USABLE = _("The model's answers could not be used.")
SOME_UNUSABLE = _(
    "For some chapters the model's answers could not be used; the others are done. Try again."
)
NO_TEXT = _("There is no chapter with text.")
GONE = _("The chapter has no text any more.")


def generate(job_id: UUID | str, *, rests: bool = False) -> str:
    """Do a job that waits; return the status it ended in. One that does not wait is left alone.

    `rests`: between chapters, for several times as long as it has computed. Students who ask
    meanwhile have the processor then, and SQLite, which has one writer at a time.
    """
    job = jobs.claim(StudyArtefact, job_id)
    if job is None:
        row = StudyArtefact.objects.filter(pk=job_id)
        return row.values_list("status", flat=True).first() or ""
    with Heart(job) as heart:
        return _Run(job, heart, rests=rests).run()


def _tidy_up() -> None:
    """Bring what was written into SQLite's file now; else it falls to some student's question."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")


class _Run:
    def __init__(self, job: StudyArtefact, heart: Heart, *, rests: bool):
        self.job = job
        self.heart = heart
        self.rests = rests
        self.asker: Asker | None = None
        # What an earlier attempt has kept counts; what it began anew does not.
        counts = job.counts if job.chapters_done else {}
        self.made: Counter[str] = Counter(counts.get("made", {}))
        self.dropped: Counter[str] = Counter(counts.get("dropped", {}))
        self.are_all_made = True
        self.status, self.message, self.detail = Status.RUNNING, "", ""

    def run(self) -> str:
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
            jobs.held(self.job).update(trace_id=traced.id)
            try:
                self._make(maker_of(self.job.kind))
                self._judge()
            except Stopped as stopped:
                self._stop(traced, stopped.why)
            except ChatModelError as error:
                traced.fail(error)
                # Staff read it: a provider may quote our key in what it says.
                self._fail(MODEL_FAILED, content.text(error))
            except Exception as error:
                logger.exception("the job %s failed", self.job.pk)
                traced.fail(error)
                self._fail(FAILED)
            else:
                if self.status is Status.FAILED:
                    traced.fail(self.message)
            finally:
                traced.output = self._output()
                self._finish()
        return self.status

    def _make(self, maker: Maker) -> None:
        course = read_course(self.job.course)
        chapters = self._chapters(course)
        if not chapters:
            self._fail(GONE if self.job.chapter_id else NO_TEXT)
            return
        self.heart.check()
        self.asker = None if get_chat_model().quotes_only else Asker()
        self.job.chapters_total = len(chapters)
        done = dict(self.job.chapters_done)
        if self.job.only_changed:
            done = chapters_done(self.job.course, self.job.kind) | done
        todo = [chapter for chapter in chapters if done.get(str(chapter.id)) != chapter.text_hash]
        self._save_progress()
        maker.prepare(course)
        # One event loop for all chapters, so that the model's connections last.
        with asyncio.Runner() as runner:
            for chapter in todo:
                began = time.process_time()
                with span("chapter", input={"chapter": chapter.slug}) as step:
                    before = self.dropped.copy()
                    self._go_through(chapter, maker, runner)
                    step.output = {"dropped": dict(self.dropped - before)}
                if self.rests:
                    _tidy_up()
                    computed = time.process_time() - began
                    self.heart.rest(min(LONGEST_REST_SECONDS, RESTS * computed))
        self.heart.check()
        maker.settle(course.id)
        self.made = self._standing(maker)

    def _chapters(self, course: CourseText) -> list[ChapterText]:
        if self.job.chapter_id:
            return [chapter for chapter in course.chapters if chapter.id == self.job.chapter_id]
        return list(course.chapters)

    def _go_through(
        self, chapter: ChapterText | None, maker: Maker, runner: asyncio.Runner
    ) -> None:
        """Make and keep the items of a chapter; anew where its text has changed meanwhile."""
        while chapter is not None:
            self.heart.check()
            usable, unusable = self._answers()
            known = known_items(maker, self.job.course_id, chapter.id)
            harvest = runner.run(
                self._make_one(chapter, maker, known), context=contextvars.copy_context()
            )
            self.heart.check()
            if self._answers()[0] == usable and self._answers()[1] > unusable:
                # It says nothing of the chapter: what waits there stays, and it is not done.
                self.dropped.update(harvest.dropped)
                self.are_all_made = False
                return
            chapter = self._keep(harvest, maker, chapter)

    def _answers(self) -> tuple[int, int]:
        """How many answers of the model could be used so far, and how many could not."""
        return (self.asker.usable, self.asker.unusable.total()) if self.asker else (0, 0)

    async def _make_one(
        self, chapter: ChapterText, maker: Maker, known: list[StudyItem]
    ) -> Harvest:
        making = asyncio.ensure_future(maker.make(chapter, self.asker, known))
        loop = asyncio.get_running_loop()
        self.heart.on_stop = lambda: loop.call_soon_threadsafe(making.cancel)
        try:
            self.heart.check_again()
            return await making
        except asyncio.CancelledError:
            self.heart.check_again()
            raise
        finally:
            self.heart.on_stop = None
            making.cancel()

    @transaction.atomic
    def _keep(self, harvest: Harvest, maker: Maker, chapter: ChapterText) -> ChapterText | None:
        """Save what a chapter gave; return the chapter as it is now where it has another text."""
        # In the order in which an import takes them: the course first.
        Course.objects.select_for_update().get(pk=self.job.course_id)
        same = Chapter.objects.filter(pk=chapter.id, course=self.job.course_id).exclude(text="")
        now = same.select_for_update().first()
        if now is None:
            return None
        if text_hash(now.text) != chapter.text_hash:
            return read_chapter(now, chapter.language)
        self.made.update(keep(harvest, maker, chapter, self.job))
        self.dropped.update(harvest.dropped)
        self.job.chapters_done = {**self.job.chapters_done, str(chapter.id): chapter.text_hash}
        # With the items or not at all; where another worker has the job, not at all.
        self._save_progress()
        return None

    def _save_progress(self) -> None:
        self.job.counts = {"made": dict(self.made), "dropped": dict(self._all_dropped())}
        names = ("chapters_total", "chapters_done", "counts")
        if not jobs.held(self.job).update(**{name: getattr(self.job, name) for name in names}):
            raise Stopped(Why.TAKEN)

    def _all_dropped(self) -> Counter[str]:
        return self.dropped + (self.asker.unusable if self.asker else Counter())

    def _standing(self, maker: Maker) -> Counter[str]:
        """How many items of each kind stand on the chapters that were gone through."""
        items = StudyItem.objects.filter(
            course=self.job.course_id,
            kind__in=maker.item_kinds,
            passages__chapter__in=[int(pk) for pk in self.job.chapters_done],
        ).exclude(status=StudyItem.Status.REJECTED)
        counted = items.order_by().values_list("kind").annotate(Count("pk", distinct=True))
        return Counter(dict(counted))

    def _judge(self) -> None:
        if self.status is Status.FAILED:
            return
        if self.are_all_made:
            self.status = Status.READY
        else:
            self._fail(SOME_UNUSABLE if self.asker and self.asker.usable else NOTHING_USABLE)

    def _stop(self, traced: Trace, why: Why) -> None:
        is_cancelled = why is Why.CANCELLED
        traced.status = TraceStatus.CANCELLED if is_cancelled else TraceStatus.INTERRUPTED
        traced.status_message = why.value
        self.status = Status.CANCELLED if is_cancelled else Status.PENDING

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

    def _finish(self) -> None:
        if self.status is Status.PENDING:
            jobs.give_back(self.job)
            return
        jobs.held(self.job).update(
            status=self.status,
            message=self.message,
            detail=self.detail,
            counts={"made": dict(self.made), "dropped": dict(self._all_dropped())},
            chapters_done=self.job.chapters_done,
            model=self.asker.model_name if self.asker else get_chat_model().name,
            finished_at=timezone.now(),
            is_cancel_wanted=False,
        )
