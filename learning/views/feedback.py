"""The thumbs under an answer. The script sends JSON and gets it; a form leads back to the page."""

import json
import uuid

from django.contrib import messages as notices
from django.contrib.auth.decorators import login_required
from django.http import Http404, JsonResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from learning.feedback import BadFeedback, judge, value_of
from learning.models import Conversation, Message
from learning.views.conversations import own_conversation

FIELDS = "turn", "value", "reason", "comment"


@require_POST
@login_required
def feedback(request, conversation_id):
    """Keep what a student thinks of an answer: `turn`, `value` (up, down, none), `reason`…"""
    conversation = own_conversation(request, conversation_id)
    is_json = request.content_type == "application/json"
    try:
        given = _given(request, is_json=is_json)
        answer = _answer(conversation, given["turn"])
        kept = judge(answer, given["value"], reason=given["reason"], comment=given["comment"])
    except BadFeedback:
        words = _("Your feedback could not be kept. Please try again.")
        if is_json:
            return JsonResponse({"message": words}, status=400)
        notices.error(request, words)
        return redirect(conversation)
    if not is_json:
        return redirect(f"{conversation.get_absolute_url()}#feedback-{answer.pk}")
    return JsonResponse(
        {
            "turn": str(answer.pk),
            "value": value_of(kept),
            "reason": kept.reason if kept else "",
            "comment": kept.comment if kept else "",
        }
    )


def _given(request, *, is_json: bool) -> dict[str, str]:
    sent = request.POST
    if is_json:
        try:
            sent = json.loads(request.body)
        except (ValueError, RecursionError):
            raise BadFeedback("not JSON") from None
    if not hasattr(sent, "get"):
        raise BadFeedback("not an object")
    given = {name: sent.get(name, "") for name in FIELDS}
    if not all(isinstance(value, str) for value in given.values()):
        raise BadFeedback("not texts")
    return given


def _answer(conversation: Conversation, turn: str) -> Message:
    """Return a finished answer of the conversation, or raise Http404."""
    answers = conversation.messages.filter(role=Message.Role.ASSISTANT)
    try:
        answer = answers.exclude(status=Message.Status.RUNNING).get(pk=uuid.UUID(turn))
    except (ValueError, Message.DoesNotExist):
        raise Http404 from None
    answer.conversation = conversation
    return answer
