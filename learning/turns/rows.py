"""The rows of a turn: each function is one unit of work, called in a thread, one hop for all of it.

Knows no socket, no model and no event loop.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Field, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from learning import limits
from learning.branches import Branches, shown_end
from learning.citations import citations_for, titles_of
from learning.events import Ask
from learning.models import Chapter, Citation, Conversation, Message
from rag.search import RetrievedChunk
from tracing import Usage

# A running turn says every few seconds that it lives; one that has not for so long is dead.
HEARTBEAT_SECONDS = 5.0
DEAD_AFTER = timedelta(seconds=20)
MOST_HISTORY = 60  # messages


class Rejected(Exception):
    """A question that starts no turn; `code` is the protocol's, the text is for the student."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


@dataclass
class Question:
    """A saved question, where it stands in its conversation, and what its answer may stand on."""

    asked: Message
    answer: Message
    chapter: Chapter | None
    history: Sequence[Message]
    readable_chapters: frozenset[int]
    after: UUID | None  # the turn that it follows
    versions: Sequence[UUID]  # the turns at its place, this one included
    questions_left: int | None


@dataclass
class StoredTurn:
    """An answer as it is stored, and where its turn stands in its conversation."""

    answer: Message
    after: UUID | None  # the turn that it follows
    versions: Sequence[UUID]  # the turns at its place, this one included


def save_question(conversation: Conversation, ask: Ask, *, trace_id: str, model: str) -> Question:
    """Save the question and an empty running answer; raise Rejected where there is no turn to be.

    The database itself holds the rules: one running turn per conversation, one turn per ask id, so
    many questions a day.
    """
    course, user = conversation.course, conversation.user
    _check_length(ask.text)
    branches = Branches(conversation.pk)
    replaced = _replaced_by(ask, branches)
    end = shown_end(conversation, branches)
    after = branches.before(ask.instead_of) if replaced else end
    chapters = {chapter.slug: chapter for chapter in course.chapters.visible_to(user).defer("text")}
    chapter = chapters.get(ask.chapter)
    asked = Message(
        conversation=conversation,
        role=Message.Role.USER,
        text=ask.text,
        ask_id=ask.id,
        chapter=chapter,
        reply_to_id=after,
        instead_of_id=replaced,
    )
    answer = Message(
        conversation=conversation,
        role=Message.Role.ASSISTANT,
        status=Message.Status.RUNNING,
        reply_to=asked,
        trace_id=trace_id,
        model=model,
        saved_at=timezone.now(),
    )
    try:
        left = _insert(asked, answer)
    except IntegrityError:
        # The turn that is in the way may be one of a process that has died.
        if not mark_interrupted(conversation.pk):
            raise _busy() from None
        try:
            left = _insert(asked, answer)
        except IntegrityError:
            raise _busy() from None
    others = branches.versions(ask.instead_of) if ask.instead_of else []
    return Question(
        asked=asked,
        answer=answer,
        chapter=chapter,
        history=_messages(branches.path(after)),
        readable_chapters=frozenset(chapter.pk for chapter in chapters.values()),
        after=after,
        versions=[*others, answer.pk],
        questions_left=left,
    )


def _check_length(text: str) -> None:
    if not text:
        raise Rejected("empty", _("Write a question first."))
    longest = settings.TUTOR["QUESTION_CHARACTERS"]
    if len(text) > longest:
        raise Rejected(
            "too_long",
            _("The question has %(length)d characters; %(longest)d is the most.")
            % {"length": len(text), "longest": longest},
        )


def _replaced_by(ask: Ask, branches: Branches) -> UUID | None:
    """Return the question whose place this one takes, if it takes one."""
    if ask.instead_of is None:
        return None
    replaced = branches.question_of(ask.instead_of)
    if replaced is None:
        raise Rejected("unknown_turn", _("This question is not there any more. Reload the page."))
    return replaced


def _insert(asked: Message, answer: Message) -> int | None:
    """Save both sides of a turn, count the question, and return how many are left today."""
    conversation = asked.conversation
    has_tokens_left = limits.has_tokens_left(conversation.course)  # no lock is held meanwhile
    with transaction.atomic():
        Message.objects.bulk_create([asked, answer])
        conversation.title = conversation.title or asked.text.splitlines()[0][:80]
        conversation.shown = answer
        conversation.save(update_fields=["title", "shown", "updated_at"])
        # Last, so that a question that is rejected for another reason does not count, and one that
        # is sent twice is known as such.
        if not has_tokens_left:
            raise Rejected("quota", limits.tokens_used_up())
        is_allowed, left = limits.count_question(conversation.user, conversation.course)
        if not is_allowed:
            raise Rejected("quota", limits.used_up(conversation.course))
    return left


def _busy() -> Rejected:
    return Rejected("busy", _("The tutor is still answering your last question."))


def _messages(path: Sequence[UUID]) -> list[Message]:
    """Return the last messages of a path, oldest first; more than any prompt can hold."""
    newest = path[-MOST_HISTORY:]
    found = Message.objects.only("role", "text", "status").in_bulk(newest)
    return [found[pk] for pk in newest if pk in found]


def turn_asked_for(conversation_id: UUID, ask_id: str) -> StoredTurn | None:
    """Return the turn that a question with this id began before."""
    answer = _answers(conversation_id).filter(reply_to__ask_id=ask_id).first()
    return _stored(answer, Branches(conversation_id)) if answer else None


def newest_turn(conversation_id: UUID) -> StoredTurn | None:
    """Return the last turn of the path that is shown; one that runs is always that."""
    conversation = Conversation.objects.filter(pk=conversation_id).only("shown").first()
    if conversation is None:
        return None
    branches = Branches(conversation_id)
    answer = _answers(conversation_id).filter(pk=shown_end(conversation, branches)).first()
    return _stored(answer, branches) if answer else None


def _stored(answer: Message, branches: Branches) -> StoredTurn:
    return StoredTurn(answer, branches.before(answer.pk), branches.versions(answer.pk))


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
    for citation in citations:
        citation.url  # noqa: B018 - reckoned and kept here, not on the event loop
    return citations


def running_answer(conversation_id: UUID) -> UUID | None:
    running = Message.objects.filter(conversation_id=conversation_id, status=Message.Status.RUNNING)
    return running.values_list("pk", flat=True).first()


def save_partials(texts: Mapping[UUID, str]) -> None:
    """Save what answers say so far, and that their turns live; all of them, or none."""
    # One statement with many values: two hundred queries a second cost more to build than to do.
    fields = [Message._meta.get_field(name) for name in ("text", "saved_at", "id", "status")]
    text, saved_at, pk, status = (connection.ops.quote_name(field.column) for field in fields)
    table = connection.ops.quote_name(Message._meta.db_table)
    update = f"UPDATE {table} SET {text} = %s, {saved_at} = %s WHERE {pk} = %s AND {status} = %s"  # noqa: S608 - only names
    now = timezone.now()
    rows = [(said, now, answer_id, Message.Status.RUNNING) for answer_id, said in texts.items()]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(update, [_stored_values(fields, row) for row in rows])


def _stored_values(fields: Sequence[Field], values: Sequence) -> list:
    pairs = zip(fields, values, strict=True)
    return [field.get_db_prep_save(value, connection) for field, value in pairs]


def save_answer(
    answer_id: UUID,
    text: str,
    *,
    status: Message.Status,
    model: str,
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
            model=model,
            error=error[:300],
            input_tokens=usage.input if usage else None,
            output_tokens=usage.output if usage else None,
            finished_at=now,
            saved_at=now,
        )
        if cited:
            Citation.objects.filter(message_id=answer_id, number__in=cited).update(is_cited=True)
    return bool(is_there)


def give_question_back(question: Question, conversation: Conversation) -> int | None:
    """Let a question that got no word of an answer not count; return how many are left today."""
    return limits.give_back(conversation.user, conversation.course, question.asked.created_at)


def mark_interrupted(conversation_id: UUID | None = None, *, but: Collection[UUID] = ()) -> int:
    """Mark running answers whose process has died; return how many there were."""
    running = Message.objects.filter(
        status=Message.Status.RUNNING, saved_at__lt=timezone.now() - DEAD_AFTER
    )
    if conversation_id is not None:
        running = running.filter(conversation_id=conversation_id)
    if but:
        running = running.exclude(pk__in=but)  # alive, though the database was away for long
    if not running.exists():
        return 0  # reading waits for nobody, and writing does, on SQLite
    return running.update(status=Message.Status.INTERRUPTED, finished_at=timezone.now())
