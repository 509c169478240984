"""Starting a conversation, and reading it; the talking itself goes through the websocket."""

import uuid
from collections.abc import Sequence
from urllib.parse import urlencode
from uuid import UUID

from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib import messages as notices
from django.contrib.auth.decorators import login_required
from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.http import Http404, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from learning import branches as branching
from learning.branches import Branches, shown_end
from learning.citations import citations_for
from learning.limits import questions_left
from learning.llm import availability
from learning.llm.base import get_chat_model
from learning.models import Chapter, Citation, Conversation, Course, Feedback, Message
from learning.rendering import addresses_in, language_of, render_blocks, render_quote
from learning.views.access import login_first, turned_away, visible_chapter, visible_course

NEWEST_MESSAGES = 60  # thirty turns; the others are a click away
DRAFT_CHARACTERS = 500  # of a question that another page proposes: it goes through an address


@require_POST
def start(request, course_slug):
    """Begin a conversation; redirects to it, or describes it in JSON where that is asked for.

    A `question` that comes along is written into its field and not asked: the student does that.
    """
    if not request.user.is_authenticated:
        return login_first(course_slug)
    course = visible_course(request, course_slug)
    wants_json = request.get_preferred_type(["text/html", "application/json"]) == "application/json"
    if elsewhere := turned_away(request, course):
        if wants_json:
            return JsonResponse({"message": _("You are not enrolled in this course.")}, status=403)
        return elsewhere
    slug = request.POST.get("chapter")
    chapter = visible_chapter(request, course, slug) if slug else None
    conversation = _empty_conversation(request.user, course, chapter)
    if wants_json:
        return JsonResponse(
            {
                "id": str(conversation.pk),
                "url": conversation.get_absolute_url(),
                "socket": socket_path(conversation),
            },
            status=201,
        )
    address = conversation.get_absolute_url()
    if question := request.POST.get("question", "").strip():
        address += "?" + urlencode({"question": question[:DRAFT_CHARACTERS]})
    return redirect(address)


def _empty_conversation(user, course: Course, chapter: Chapter | None) -> Conversation:
    """Return the one in which nothing was asked yet, or a new one: empty ones do not pile up."""
    begun_here = user.conversations.filter(course=course, chapter=chapter, title="")
    empty = begun_here.filter(messages=None).order_by("-created_at").first()
    return empty or user.conversations.create(course=course, chapter=chapter)


@login_required
def conversation(request, conversation_id):
    conversation = own_conversation(request, conversation_id)
    course = conversation.course
    chapters = course.chapters.visible_to(request.user).defer("text")
    begun_from = chapters.filter(pk=conversation.chapter_id).first()
    return render(
        request,
        "learning/conversation.html",
        {
            "course": course,
            "draft": request.GET.get("question", "")[:DRAFT_CHARACTERS],
            **chat_context(request, course, conversation, begun_from, has_all="all" in request.GET),
        },
    )


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def delete(request, conversation_id):
    """Ask whether it is meant, then delete; its traces lose their words (learning.privacy)."""
    # Its student may always, one who has left the course as well.
    mine = request.user.conversations.select_related("course")
    conversation = get_object_or_404(mine, pk=conversation_id)
    course = conversation.course
    if request.method != "POST":
        context = {"conversation": conversation, "course": course}
        return render(request, "learning/conversation_delete.html", context)
    conversation.delete()
    notices.success(request, _("The conversation is deleted."))
    if Course.objects.visible_to(request.user).filter(pk=course.pk).exists():
        return redirect(course)
    return redirect("home")


@require_POST
@login_required
def show(request, conversation_id):
    """Show the branch of a conversation that holds a turn: `turn` is one of its versions."""
    conversation = own_conversation(request, conversation_id)
    try:
        turn = uuid.UUID(request.POST.get("turn", ""))
    except ValueError:
        raise Http404 from None
    if conversation.messages.filter(status=Message.Status.RUNNING).exists():
        notices.info(request, _("Please wait until the answer is written."))
    elif branching.show(conversation, turn):
        # Here, not above: turns bring search along, and most pages do without.
        from learning import turns

        async_to_sync(turns.changed)(conversation.pk)
    else:
        raise Http404
    return redirect(conversation)


def own_conversation(request, conversation_id: UUID) -> Conversation:
    """Return a conversation of this person in a course that they may read, or raise Http404."""
    mine = request.user.conversations.select_related("course")
    conversation = get_object_or_404(mine, pk=conversation_id)
    if not conversation.course.is_read_by(request.user):
        raise Http404
    conversation.user = request.user
    return conversation


def conversations_of(user, course: Course) -> QuerySet[Conversation]:
    """Return a student's conversations in which something was asked, newest first."""
    return all_conversations_of(user).filter(course=course)


def all_conversations_of(user) -> QuerySet[Conversation]:
    """The same, of all courses."""
    asked = Message.objects.filter(conversation=OuterRef("pk"))
    return user.conversations.filter(Exists(asked)).select_related("course")


def chat_context(
    request,
    course: Course,
    conversation: Conversation | None,
    chapter: Chapter | None,
    *,
    has_all: bool = False,
) -> dict:
    """Return what the chat on a page shows and what chat.js needs to go on from there.

    Of a long conversation it shows the newest turns, unless the page `has_all`.
    """
    entries, earlier_url = [], ""
    if conversation:
        branches = Branches(conversation.pk)
        path = branches.path(shown_end(conversation, branches))
        if not has_all and len(path) > NEWEST_MESSAGES:
            path = path[-NEWEST_MESSAGES:]
            earlier_url = f"{conversation.get_absolute_url()}?all=1"
        entries = _entries(path, branches, request.user, course)
    return {
        "conversation": conversation,
        "socket": socket_path(conversation) if conversation else "",
        "start_url": reverse("conversation_start", args=[course.slug]),
        "chat_chapter": chapter,
        "entries": entries,
        "earlier_url": earlier_url,
        "tutor": get_chat_model(),
        "notice": availability.notice(),
        "left": questions_left(request.user, course) if request.user.is_authenticated else None,
        "longest_question": settings.TUTOR["QUESTION_CHARACTERS"],
        "reasons": Feedback.Reason.choices,
    }


def socket_path(conversation: Conversation) -> str:
    return f"/ws/conversations/{conversation.pk}/"


def _entries(path: Sequence[UUID], branches: Branches, reader, course: Course) -> list[dict]:
    messages = Message.objects.select_related("feedback").prefetch_related(
        Prefetch("citations", citations_for(reader))
    )
    found = messages.in_bulk(path)
    return [_entry(found[pk], branches, course) for pk in path if pk in found]


def _entry(message: Message, branches: Branches, course: Course) -> dict:
    """Return a message with its text as blocks of HTML, its sources, and its other versions.

    `rest`: the sources that an answer which names some does not name.
    """
    if message.role != Message.Role.ASSISTANT:
        return {"message": message}
    versions = branches.versions(message.pk)
    citations = list(message.citations.all())
    cited = {citation.number: citation.url for citation in citations}
    quoted = addresses_in(citation.quote for citation in citations)
    named = [citation for citation in citations if citation.is_cited] or citations
    return {
        "message": message,
        "is_answer": True,
        "feedback": getattr(message, "feedback", None),
        "versions": versions if len(versions) > 1 else (),
        "version": versions.index(message.pk) + 1,
        # What `render_blocks` returns went through the sanitizer.
        "blocks": [mark_safe(html) for html in render_blocks(message.text, cited, quoted)],  # noqa: S308
        "language": language_of(message.text, course.language),
        "sources": [_source(citation) for citation in named],
        "rest": [_source(citation) for citation in citations if citation not in named],
    }


def _source(citation: Citation) -> dict:
    return {
        "number": citation.number,
        "title": citation.title,
        "url": citation.url,
        "quote": render_quote(citation.quote),
    }
