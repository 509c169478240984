"""Answer one question in a conversation: search, prompt, stream, save.

Knows nothing of websockets: events go to `emit`, an async callable. Whatever way a turn ends —
done, stopped, failed, the server told to go — what was said so far is saved and traced.

Never yields: it pushes events, so no context variable of a span can leak out of a generator.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing, suppress
from uuid import UUID

from channels.db import database_sync_to_async
from django.conf import settings
from django.utils.html import format_html
from django.utils.translation import gettext as _

from learning import events
from learning.events import Ask, Event
from learning.llm.base import ChatMessage, get_chat_model
from learning.llm.errors import AnswerCutOff, ChatModelError
from learning.models import Citation, Conversation, Message
from learning.prompts import build_messages, history_count, passage_count
from learning.rendering import AnswerRenderer
from learning.turns import rows
from learning.turns.rows import Question
from rag.errors import RetrievalError
from rag.search import SearchResult, search
from tracing import Status, Usage, generation, pseudonym, trace

logger = logging.getLogger(__name__)

FRAME_SECONDS = 0.04  # text is sent at once, then at most this often
SAVE_SECONDS = 1.0

Emit = Callable[[Event], Awaitable[None]]


class Turn:
    """One question and the answer being written for it."""

    def __init__(self, conversation: Conversation, ask: Ask, emit: Emit):
        self.conversation = conversation
        self.ask = ask
        self.emit = emit
        self.model = get_chat_model()
        course = conversation.course
        self.trace = trace(
            "ai_chat",
            session_id=str(conversation.pk),
            user_id=pseudonym(conversation.user),
            tags=["assistant", "course", f"course:{course.slug}"],
            input={"user_message": ask.text},
            capture_content=conversation.user.allows_tracing,
        )
        self.id = ""  # of the assistant's Message, once it is saved
        self.text = ""
        self.status = Message.Status.RUNNING
        self.error = ""
        self.usage: Usage | None = None
        self.citations: list[Citation] = []
        self.is_weak = False
        self.renderer = AnswerRenderer()
        self.ended_by_server = False
        self.task: asyncio.Task | None = None
        self._shown = 0  # how much of the text the tabs have
        self._news = asyncio.Event()
        self._said_all = asyncio.Event()

    async def save_question(self) -> Question:
        """Save the question and the empty answer; raises Rejected, and then nothing is traced."""
        question = await database_sync_to_async(rows.save_question)(
            self.conversation, self.ask, trace_id=self.trace.id, model=self.model.name
        )
        self.id = str(question.answer.pk)
        self.trace.input["chapter_id"] = question.chapter.pk if question.chapter else None
        return question

    async def run(self, question: Question) -> None:
        """Answer the saved question, and say how it ended."""
        with suppress(
            asyncio.CancelledError
        ):  # recorded by then; this is the task's outermost frame
            await self._run_traced(question)
        await self.emit(
            events.finished(self.id, self.status, self.text, self.usage, message=self.error)
        )

    async def _run_traced(self, question: Question) -> None:
        async with self.trace as traced:
            saving = asyncio.create_task(self._keep_saving())
            try:
                await self.emit(events.started(self.id, self.ask.id, self.ask.text))
                async with asyncio.timeout(settings.TUTOR["ANSWER_SECONDS"]):
                    found = await self._retrieve(question)
                    try:
                        await self._answer(self._prompt(question, found), found)
                    finally:
                        traced.metadata["cited"] = _marks(found, self.renderer.cited)
                self.status = Message.Status.COMPLETE
            except asyncio.CancelledError:
                if self.ended_by_server:
                    self.status = Message.Status.INTERRUPTED
                    traced.status, traced.status_message = Status.INTERRUPTED, "the server ended"
                else:
                    self.status = Message.Status.STOPPED
                raise
            except (ChatModelError, RetrievalError) as error:
                self._fail(error, str(error.shown_to_user))
            except TimeoutError as error:
                self._fail(error, str(AnswerCutOff.shown_to_user))
            except Exception as error:
                logger.exception("a turn failed")
                self._fail(error, _("The tutor could not answer. Please try again."))
            finally:
                saving.cancel()
                traced.output = {
                    "response": self.text,
                    "response_length": len(self.text),
                    "response_preview": self.text[:500],
                    **({"error": traced.status_message} if traced.status is Status.ERROR else {}),
                }
                await _to_the_end(self._save_answer())

    def _prompt(self, question: Question, found: SearchResult) -> list[ChatMessage]:
        messages = build_messages(
            course_title=self.conversation.course.title,
            chapter_title=question.chapter.title if question.chapter else None,
            question=self.ask.text,
            passages=found.passages,
            history=question.history,
            model=self.model,
            is_weak=found.is_weak,
        )
        self.trace.metadata["given"] = _marks(found, range(1, passage_count(messages) + 1))
        self.trace.input = {
            **self.trace.input,
            "system_prompt": messages[0].content,
            "conversation_history_count": history_count(messages),
            "messages_count": len(messages),
        }
        return messages

    async def _retrieve(self, question: Question) -> SearchResult:
        found = await search(
            self.ask.text,
            collection=self.conversation.course.slug,
            keys={str(chapter) for chapter in question.readable_chapters},
            limit=settings.TUTOR["PASSAGES"],
        )
        self.is_weak = found.is_weak
        self.citations = await database_sync_to_async(rows.save_citations)(
            question.answer, found.passages, is_weak=found.is_weak
        )
        self.renderer = AnswerRenderer({c.number: c.url for c in self.citations})
        await self.emit(events.sources(self.id, self.citations, is_weak=found.is_weak))
        return found

    async def _answer(self, messages: list[ChatMessage], found: SearchResult) -> None:
        """Stream the answer; the frames go out beside it at their own pace."""
        showing = asyncio.create_task(self._show())
        try:
            with generation("llm_call", model=self.model.name, input=messages) as answer:
                try:
                    async with aclosing(
                        self.model.stream(messages, passages=found.passages)
                    ) as stream:
                        async for chunk in stream:
                            if chunk.text:
                                answer.chunk_received()
                                self._say(chunk.text)
                            if chunk.usage is not None:
                                answer.usage = chunk.usage
                            if chunk.finish_reason:
                                answer.metadata["finish_reason"] = chunk.finish_reason
                finally:
                    # A call that nothing came back from is billed by nobody.
                    if answer.usage is None and self.text:
                        answer.usage = self.model.estimate_usage(messages, self.text)
                    answer.output = self.text
                    self.usage = answer.usage
        finally:
            self._said_all.set()
            self._news.set()
            # Not cancelled: a frame that is half on its way to the tabs arrives.
            await showing

    def _say(self, text: str) -> None:
        self.text += text
        self._news.set()
        if len(self.text) > settings.TUTOR["ANSWER_CHARACTERS"]:
            raise AnswerCutOff("the model does not come to an end")

    async def _show(self) -> None:
        """Send what is new: the first words at once, then gathered into frames."""
        while not self._said_all.is_set():
            await self._news.wait()
            self._news.clear()
            began = time.perf_counter()
            await self._show_what_is_new()
            # A long table or list is rendered whole for each frame: what takes long comes seldom,
            # and other students' frames have the loop in between.
            pause = max(FRAME_SECONDS, 8 * (time.perf_counter() - began))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._said_all.wait(), pause)
        await self._show_what_is_new()

    async def _show_what_is_new(self) -> None:
        at, text = self._shown, self.text
        if at == len(text):
            return
        self._shown = len(text)
        try:
            changed = self.renderer.feed(text)
        except Exception:
            # How it looks must not decide whether the answer arrives.
            logger.exception("an answer could not be rendered")
            changed = [(len(self.renderer.blocks), format_html("<p>{}</p>", text[at:]))]
        await self.emit(events.delta(self.id, at, text[at:], changed))

    async def _keep_saving(self) -> None:
        """Save the text as it grows, and at least the fact that the turn lives."""
        saved_text, saved_at = "", time.monotonic()
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            is_silent = time.monotonic() - saved_at >= rows.HEARTBEAT_SECONDS
            if self.text != saved_text or is_silent:
                text = self.text
                try:
                    await database_sync_to_async(rows.save_partial)(UUID(self.id), text)
                except Exception:
                    # The database is away for a moment: the answer goes on, the next second saves.
                    logger.warning("a partial answer could not be saved", exc_info=True)
                else:
                    saved_text, saved_at = text, time.monotonic()

    async def _save_answer(self) -> None:
        for pause in (0.2, 1.0, None):
            try:
                is_there = await database_sync_to_async(rows.save_answer)(
                    UUID(self.id),
                    self.text,
                    status=self.status,
                    usage=self.usage,
                    error=self.error,
                    cited=self.renderer.cited,
                )
                if not is_there:
                    # Deleted while it was answered: no word of it may be left, in the trace too.
                    self.trace.capture_content = False
                return
            except Exception:
                if pause is None:
                    # The last partial save stands, and the sweep will say that it was interrupted.
                    logger.exception("an answer could not be saved")
                    return
                await asyncio.sleep(pause)

    def _fail(self, error: Exception, shown: str) -> None:
        self.trace.fail(error)
        self.status, self.error = Message.Status.FAILED, shown

    def snapshot(self) -> Event:
        # What the tabs have, not what the model has said: the next delta begins where this ends.
        return events.snapshot(
            self.id,
            self.status,
            self.text[: self._shown],
            enumerate(self.renderer.blocks),
            self.citations,
            ask_id=self.ask.id,
            is_weak=self.is_weak,
            message=self.error,
        )


def _marks(found: SearchResult, numbers: Iterable[int]) -> list[dict[str, int]]:
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
