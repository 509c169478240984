"""Answer one question in a conversation: search, prompt, stream, save.

Knows nothing of websockets: events go to `emit`, a function that takes them and does not wait.
Whatever way a turn ends — done, stopped, failed, the server told to go — what was said so far is
saved and traced.

Never yields: it pushes events, so no context variable of a span can leak out of a generator.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Collection
from contextlib import aclosing, suppress
from functools import partial
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from learning import events
from learning.events import Ask, Event
from learning.llm import availability, endings
from learning.llm.base import ChatMessage, ChatModel, StreamChunk, model_named
from learning.llm.errors import AnswerCutOff, ChatModelError
from learning.models import Citation, Conversation, Course, Message
from learning.prompts import build_messages, history_count, passage_count
from learning.rendering import addresses_in
from learning.turns import rows
from learning.turns.places import NoPlace, places
from learning.turns.reading import read
from learning.turns.rows import Question
from learning.turns.showing import Emit, Showing
from rag import database
from rag.errors import RetrievalError
from rag.search import SearchResult, search
from tracing import Status, Usage, generation, pseudonym, span, trace
from tracing.observations import Generation

logger = logging.getLogger(__name__)

# What ended so without a word does not count as a question of today.
WORDLESS = Message.Status.FAILED, Message.Status.INTERRUPTED


class Turn:
    """One question and the answer being written for it."""

    def __init__(self, conversation: Conversation, ask: Ask, emit: Emit):
        self.conversation = conversation
        self.ask = ask
        self.emit = emit
        course = conversation.course
        self.model = model_named(course.chat_model)
        self.trace = trace(
            "ai_chat",
            session_id=str(conversation.pk),
            user_id=pseudonym(conversation.user),
            tags=["assistant", "course", f"course:{course.slug}"],
            input={"user_message": ask.text},
            capture_content=conversation.user.allows_tracing,
        )
        self.id = ""  # of the assistant's Message, once it is saved
        self.question: Question | None = None
        self.status = Message.Status.RUNNING
        self.error = ""  # in words for the student
        self.usage: Usage | None = None
        self.citations: list[Citation] = []
        self.is_weak = False
        self.task: asyncio.Task | None = None
        self._showing = Showing(emit)
        self._left_again: int | None = None  # questions, when this one did not count
        self._ended_by_server = self._is_deserted = False

    @property
    def text(self) -> str:
        """What was said so far."""
        return self._showing.text

    async def save_question(self) -> None:
        """Save the question and the empty answer; raises Rejected, and then nothing is traced."""
        self.question = await database.write(
            rows.save_question,
            self.conversation,
            self.ask,
            trace_id=self.trace.id,
            model=self.model.name,
        )
        self.id = self._showing.turn_id = str(self.question.answer.pk)
        chapter = self.question.chapter
        self.trace.input["chapter_id"] = chapter.pk if chapter else None
        if self.ask.instead_of:
            self.trace.metadata["instead_of"] = str(self.ask.instead_of)

    async def run(self) -> None:
        """Answer the saved question, and say how it ended."""
        began = time.monotonic()
        # A cancel is recorded by then, and this is the task's outermost frame.
        with suppress(asyncio.CancelledError):
            await self._run_traced()
        self.emit(
            events.finished(
                self.id, self.status, self.text, self.usage, self.error, left=self._left_again
            )
        )
        logger.info(
            "turn ended: %s",
            self.status,
            extra={
                "trace_id": self.trace.id,
                "conversation": str(self.conversation.pk),
                "seconds": round(time.monotonic() - began, 3),
                "tokens": self.usage.total if self.usage else None,
            },
        )

    async def _run_traced(self) -> None:
        async with self.trace as traced:
            try:
                self.emit(self._started())
                await self._take_place()
                try:
                    async with asyncio.timeout(settings.TUTOR["ANSWER_SECONDS"]):
                        await self._answer(await self._retrieve())
                finally:
                    places.give_back()
                self.status = Message.Status.COMPLETE
            except asyncio.CancelledError:
                if self._ended_by_server:
                    self.status = Message.Status.INTERRUPTED
                    traced.status, traced.status_message = Status.INTERRUPTED, "the server ended"
                else:
                    self.status = Message.Status.STOPPED
                    if self._is_deserted:
                        self.error = _("It was stopped: nobody had this page open any more.")
                raise
            except (ChatModelError, RetrievalError, NoPlace) as error:
                self._fail(error, str(error.shown_to_user))
            except TimeoutError as error:
                self._fail(error, str(AnswerCutOff.shown_to_user))
            except Exception as error:
                logger.exception("a turn failed")
                self._fail(error, _("The tutor could not answer. Please try again."))
            finally:
                traced.output = {
                    "response": self.text,
                    "response_length": len(self.text),
                    "response_preview": self.text[:500],
                    **({"error": traced.status_message} if traced.status is Status.ERROR else {}),
                }
                await _to_the_end(self._save_answer())

    async def _take_place(self) -> None:
        if places.is_free():
            await places.take(self._tell_place)
            return
        with span("queue", input={"ahead": places.waiting}):
            await places.take_in_time(self._tell_place)

    def _tell_place(self, ahead: int) -> None:
        self.emit(events.queued(self.id, ahead))

    async def _retrieve(self) -> SearchResult:
        found = await search(
            self.ask.text,
            collection=self.conversation.course.slug,
            keys={str(chapter) for chapter in self.question.readable_chapters},
            limit=settings.TUTOR["PASSAGES"],
        )
        self.is_weak = found.is_weak
        self.citations = await database.write(
            rows.save_citations, self.question.answer, found.passages, is_weak=found.is_weak
        )
        self._showing.stands_on(
            {c.number: c.url for c in self.citations}, addresses_in(c.quote for c in self.citations)
        )
        self.emit(events.sources(self.id, self.citations, is_weak=found.is_weak))
        return found

    async def _answer(self, found: SearchResult) -> None:
        """Let a model answer; one that fails before its first word leaves it to the next."""
        try:
            models = availability.models_to_ask(self.conversation.course.chat_model)
            for self.model in models:
                try:
                    await self._ask(self.model, found)
                    return
                except ChatModelError as error:
                    availability.failed(self.model, error)
                    is_over = self.text or not error.another_may_answer
                    if is_over or self.model is models[-1]:
                        raise
        finally:
            self._showing.flush()
            self.trace.metadata["cited"] = _marks(found, self._showing.cited)

    async def _ask(self, model: ChatModel, found: SearchResult) -> None:
        messages = self._prompt(model, found)
        with generation("llm_call", model=model.name, input=messages) as answer:
            try:
                async with aclosing(model.stream(messages, passages=found.passages)) as stream:
                    await read(stream, partial(self._take, answer))
            finally:
                # A call that nothing came back from is billed by nobody.
                if answer.usage is None and self.text:
                    answer.usage = model.estimate_usage(messages, self.text)
                answer.output = self.text
                self.usage = answer.usage

    def _take(self, answer: Generation, chunk: StreamChunk) -> None:
        if chunk.text:
            if not self.text:
                availability.answered(self.model)
            answer.chunk_received()
            self._say(chunk.text)
        if chunk.usage is not None:
            answer.usage = chunk.usage
        if chunk.finish_reason:
            answer.metadata["finish_reason"] = chunk.finish_reason
            self.error = endings.note(chunk.finish_reason)

    def _say(self, text: str) -> None:
        self._showing.say(text)
        if len(self.text) > settings.TUTOR["ANSWER_CHARACTERS"]:
            raise AnswerCutOff("the model does not come to an end")

    def _prompt(self, model: ChatModel, found: SearchResult) -> list[ChatMessage]:
        question, course = self.question, self.conversation.course
        messages = build_messages(
            course_title=course.title,
            chapter_title=question.chapter.title if question.chapter else None,
            question=self.ask.text,
            passages=found.passages,
            history=question.history,
            model=model,
            is_weak=found.is_weak,
            guides=course.stance == Course.Stance.GUIDE,
            notes=course.tutor_notes,
        )
        self.trace.metadata["given"] = _marks(found, range(1, passage_count(messages) + 1))
        self.trace.input = {
            **self.trace.input,
            "system_prompt": messages[0].content,
            "conversation_history_count": history_count(messages),
            "messages_count": len(messages),
        }
        return messages

    # --- How it ends -------------------------------------------------------------------------

    def stop(self) -> None:
        """End it: the student wants no more of it."""
        # A tick later: a task that is cancelled before its first step never runs at all.
        if self.task:
            self.task.get_loop().call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        # Once only, and not while it is being saved: a cancel would end the saving.
        if self.status is Message.Status.RUNNING and not self.task.cancelling():
            self.task.cancel()

    def nobody_is_there(self) -> None:
        """End it: nobody has had the conversation open for long."""
        self._is_deserted = True
        self.stop()

    def server_ends(self) -> None:
        """End it: this process goes."""
        self._ended_by_server = True
        self.stop()

    def _fail(self, error: Exception, shown: str) -> None:
        self.trace.fail(error)
        self.status, self.error = Message.Status.FAILED, shown

    async def _save_answer(self) -> None:
        for pause in (0.2, 1.0, None):
            try:
                is_there = await database.write(
                    rows.save_answer,
                    UUID(self.id),
                    self.text,
                    status=self.status,
                    model=self.model.name,
                    usage=self.usage,
                    error=self.error,
                    cited=self._showing.cited,
                )
                if not is_there:
                    # Deleted while it was answered: no word of it may be left, in the trace too.
                    self.trace.capture_content = False
                elif not self.text and self.status in WORDLESS:
                    self._left_again = await database.write(
                        rows.give_question_back, self.question, self.conversation
                    )
                return
            except Exception:
                if pause is None:
                    # The last partial save stands, and the sweep will say that it was interrupted.
                    logger.exception("an answer could not be saved")
                    return
                await asyncio.sleep(pause)

    # --- What tabs are told ------------------------------------------------------------------

    def _started(self) -> Event:
        return events.started(
            self.id,
            self.ask.id,
            self.ask.text,
            after=self.question.after,
            versions=self.question.versions,
            left=self.question.questions_left,
        )

    def snapshot(self) -> Event:
        """All there is, for a tab that comes now; the others get what they lack first."""
        self._showing.flush()
        return events.snapshot(
            self.id,
            self.status,
            self.text,
            self._showing.blocks(),
            self.citations,
            ask_id=self.ask.id,
            question=self.ask.text,
            after=self.question.after,
            versions=self.question.versions,
            is_weak=self.is_weak,
            message=self.error,
        )


def _marks(found: SearchResult, numbers: Collection[int]) -> list[dict[str, int]]:
    """Name passages for the trace: the mark [n] each has in prompt and answer, and its chunk."""
    return [{"n": n, "id": found.passages[n - 1].chunk_id} for n in sorted(numbers)]


async def _to_the_end(work: Awaitable[None]) -> None:
    """Await to the end even when cancelled in the middle."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
