"""The rows of a turn: each function is one unit of work, called in a thread, one hop for all of it.

Knows no socket, no model and no event loop.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from learning.citations import citations_for, titles_of
from learning.events import Ask
from learning.models import Chapter, Citation, Conversation, Message
from rag.search import RetrievedChunk
from tracing import Usage

# A running turn says every few seconds that it lives; one that has not for so long is dead.
HEARTBEAT_SECONDS = 5.0
DEAD_AFTER = timedelta(seconds=20)


class Rejected(Exception):
    """A question that starts no turn; `code` is the protocol's, the text is for the student."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


@dataclass
class Question:
    """A saved question, and what its answer may stand on."""

    asked: Message
    answer: Message
    chapter: Chapter | None
    history: Sequence[Message]
    readable_chapters: frozenset[int]


def save_question(conversation: Conversation, ask: Ask, *, trace_id: str, model: str) -> Question:
    """Save the question and an empty running answer; raise Rejected where there is no turn to be.

    The database itself holds the rules: one running turn per conversation, one turn per ask id.
    """
    course, user = conversation.course, conversation.user
    if not ask.text:
        raise Rejected("empty", _("Write a question first."))
    longest = settings.TUTOR["QUESTION_CHARACTERS"]
    if len(ask.text) > longest:
        raise Rejected(
            "too_long",
            _("The question has %(length)d characters; %(longest)d is the most.")
            % {"length": len(ask.text), "longest": longest},
        )
    mark_interrupted(conversation.pk)
    chapters = {chapter.slug: chapter for chapter in course.chapters.visible_to(user).defer("text")}
    chapter = chapters.get(ask.chapter)
    history = list(conversation.messages.order_by("created_at").only("role", "text", "status"))
    try:
        with transaction.atomic():
            asked = conversation.messages.create(
                role=Message.Role.USER, text=ask.text, ask_id=ask.id, chapter=chapter
            )
            answer = conversation.messages.create(
                role=Message.Role.ASSISTANT,
                status=Message.Status.RUNNING,
                reply_to=asked,
                trace_id=trace_id,
                model=model,
                saved_at=timezone.now(),
            )
            # By query: another tab may have given it its title since this one was opened.
            rows = Conversation.objects.filter(pk=conversation.pk)
            rows.filter(title="").update(title=ask.text.splitlines()[0][:80])
            rows.update(updated_at=timezone.now())
    except IntegrityError:
        raise Rejected("busy", _("The tutor is still answering your last question.")) from None
    return Question(
        asked=asked,
        answer=answer,
        chapter=chapter,
        history=history,
        readable_chapters=frozenset(chapter.pk for chapter in chapters.values()),
    )


def answer_to(conversation_id: UUID, ask_id: str) -> Message | None:
    """The answer to a question that was asked before with this id."""
    return _answers(conversation_id).filter(reply_to__ask_id=ask_id).first()


def latest_answer(conversation_id: UUID) -> Message | None:
    return _answers(conversation_id).order_by("-created_at").first()


def _answers(conversation_id: UUID) -> QuerySet[Message]:
    return Message.objects.filter(
        conversation_id=conversation_id, role=Message.Role.ASSISTANT
    ).select_related("reply_to", "conversation__user")


def citations_of(message: Message) -> list[Citation]:
    """Return what an answer stands on, as its student may see it now."""
    return list(citations_for(message.conversation.user).filter(message=message))


def save_citations(
    answer: Message, passages: Sequence[RetrievedChunk], *, is_weak: bool
) -> list[Citation]:
    """Keep the passages that the answer is given to stand on, numbered from 1, best first."""
    chapters = (
        Chapter.objects.select_related("course")
        .defer("text")
        .in_bulk([int(passage.document_key) for passage in passages])
    )
    titles = titles_of(passages, chapters.values())
    citations = Citation.objects.bulk_create(
        Citation(
            message=answer,
            number=number,
            chapter=chapters.get(int(passage.document_key)),
            title=title,
            quote=passage.text,
            start=passage.start,
            end=passage.end,
            score=passage.score,
        )
        for number, (passage, title) in enumerate(zip(passages, titles, strict=True), start=1)
    )
    if is_weak:
        Message.objects.filter(pk=answer.pk).update(is_weakly_sourced=True)
    return citations


def save_partial(answer_id: UUID, text: str) -> None:
    """Save what was said so far, and that the turn lives."""
    Message.objects.filter(pk=answer_id, status=Message.Status.RUNNING).update(
        text=text, saved_at=timezone.now()
    )


def save_answer(
    answer_id: UUID,
    text: str,
    *,
    status: Message.Status,
    usage: Usage | None,
    error: str,
    cited: Collection[int],
) -> bool:
    """End the turn: the whole text, how it ended, what it cost, the numbers of what it cites.

    Returns whether there is still an answer to save: its conversation may have been deleted.
    """
    now = timezone.now()
    with transaction.atomic():
        is_there = Message.objects.filter(pk=answer_id).update(
            text=text,
            status=status,
            error=error[:300],
            input_tokens=usage.input if usage else None,
            output_tokens=usage.output if usage else None,
            finished_at=now,
            saved_at=now,
        )
        Citation.objects.filter(message_id=answer_id, number__in=cited).update(is_cited=True)
    return bool(is_there)


def mark_interrupted(conversation_id: UUID | None = None) -> int:
    """Mark running answers whose process has died; return how many there were."""
    running = Message.objects.filter(
        status=Message.Status.RUNNING, saved_at__lt=timezone.now() - DEAD_AFTER
    )
    if conversation_id is not None:
        running = running.filter(conversation_id=conversation_id)
    return running.update(status=Message.Status.INTERRUPTED, finished_at=timezone.now())
