"""Starting a conversation, and reading it; the talking itself goes through the websocket."""

from django.contrib.auth.decorators import login_required
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from learning.llm.base import get_chat_model
from learning.models import Chapter, Conversation, Course, Message
from learning.rendering import render_blocks
from learning.views.access import turned_away, visible_chapter, visible_course


@require_POST
@login_required
def start(request, course_slug):
    """Begin a conversation; redirects to it, or describes it in JSON where that is asked for."""
    course = visible_course(request, course_slug)
    wants_json = request.get_preferred_type(["text/html", "application/json"]) == "application/json"
    if elsewhere := turned_away(request, course):
        if wants_json:
            return JsonResponse({"message": _("You are not enrolled in this course.")}, status=403)
        return elsewhere
    slug = request.POST.get("chapter")
    chapter = visible_chapter(request, course, slug) if slug else None
    conversation = Conversation.objects.create(user=request.user, course=course, chapter=chapter)
    if wants_json:
        return JsonResponse(
            {
                "id": str(conversation.pk),
                "url": conversation.get_absolute_url(),
                "socket": socket_path(conversation),
            },
            status=201,
        )
    return redirect(conversation)


@login_required
def conversation(request, conversation_id):
    conversation = get_object_or_404(
        Conversation.objects.select_related("course", "chapter"),
        pk=conversation_id,
        user=request.user,
    )
    if not conversation.course.is_read_by(request.user):
        raise Http404
    return render(
        request,
        "learning/conversation.html",
        {
            "course": conversation.course,
            "conversations": conversations_of(request.user, conversation.course)[:20],
            **chat_context(request, conversation.course, conversation, conversation.chapter),
        },
    )


def conversations_of(user, course: Course) -> QuerySet[Conversation]:
    """Return a student's conversations in which something was asked, newest first."""
    asked = Message.objects.filter(conversation=OuterRef("pk"))
    return user.conversations.filter(Exists(asked), course=course)


def chat_context(
    request, course: Course, conversation: Conversation | None, chapter: Chapter | None
) -> dict:
    """Return what the chat on a page shows and what chat.js needs to go on from there."""
    return {
        "conversation": conversation,
        "socket": socket_path(conversation) if conversation else "",
        "start_url": reverse("conversation_start", args=[course.slug]),
        "chat_chapter": chapter,
        "entries": _entries(conversation) if conversation else [],
        "tutor": get_chat_model(),
    }


def socket_path(conversation: Conversation) -> str:
    return f"/ws/conversations/{conversation.pk}/"


def _entries(conversation: Conversation) -> list[dict]:
    """Return each message with its text as blocks of HTML and with its sources."""
    entries = []
    for message in conversation.messages.prefetch_related("citations__chapter__course"):
        citations = list(message.citations.all())
        addresses = {citation.number: citation.url for citation in citations}
        is_answer = message.role == Message.Role.ASSISTANT
        entries.append(
            {
                "message": message,
                "is_answer": is_answer,
                # What `render_blocks` returns went through the sanitizer.
                "blocks": [mark_safe(html) for html in render_blocks(message.text, addresses)]  # noqa: S308
                if is_answer
                else [],
                "sources": [
                    {
                        "number": citation.number,
                        "title": citation.title,
                        "url": citation.url,
                        "is_cited": citation.is_cited,
                        "quote": mark_safe("".join(render_blocks(citation.quote))),  # noqa: S308
                    }
                    for citation in citations
                ],
            }
        )
    return entries
