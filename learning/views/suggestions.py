"""Questions that the chat offers, as JSON for its script: the pages do not wait for them."""

import uuid

from django.contrib.auth.decorators import login_required
from django.http import Http404, JsonResponse
from django.views.decorators.http import require_safe

from learning.branches import Branches, shown_end
from learning.models import Course, Message
from learning.suggestions import follow_ups, starters
from learning.templatetags.learning_text import html_lang
from learning.views.access import visible_chapter, visible_course
from learning.views.conversations import own_conversation


@require_safe
@login_required
def of_course(request, course_slug):
    """Questions to begin with in a `chapter`; without one, in the course."""
    course = visible_course(request, course_slug)
    if not course.is_read_by(request.user):
        raise Http404
    slug = request.GET.get("chapter")
    chapter = visible_chapter(request, course, slug) if slug else None
    return _reply(course, starters(course, chapter, request.user))


@require_safe
@login_required
def of_conversation(request, conversation_id):
    """Questions that lead on from a finished answer, `turn`; without it, from the last one."""
    conversation = own_conversation(request, conversation_id)
    try:
        turn = uuid.UUID(request.GET["turn"])
    except KeyError:
        turn = shown_end(conversation, Branches(conversation.pk))
    except ValueError:
        raise Http404 from None
    answers = conversation.messages.filter(
        role=Message.Role.ASSISTANT, status=Message.Status.COMPLETE
    )
    answer = answers.filter(pk=turn).first()
    if answer is None:
        raise Http404
    answer.conversation = conversation
    return _reply(conversation.course, follow_ups(answer, request.user))


def _reply(course: Course, questions: list[str]) -> JsonResponse:
    return JsonResponse({"language": html_lang(course.language), "suggestions": questions})
