"""What a student thinks of an answer: kept in a row, and told to its trace as a score.

The row is the truth, comment and all. The trace hears the reason, which is ours, and the comment
only where the student allows their words in traces.
"""

from learning.events import UNSTORABLE
from learning.models import Feedback, Message
from tracing import conf, score

LONGEST_COMMENT = Feedback._meta.get_field("comment").max_length
UP, DOWN, NONE = VALUES = "up", "down", "none"


class BadFeedback(ValueError):
    """What was sent is no feedback."""


def judge(answer: Message, value: str, *, reason: str = "", comment: str = "") -> Feedback | None:
    """Keep a thumb for an answer and score its trace; "none" takes both back.

    Reason and comment go with a thumb down only. Raises BadFeedback for an unknown value or reason,
    or a comment that is too long.
    """
    comment = "\n".join(UNSTORABLE.sub("", comment).splitlines()).strip()
    if value not in VALUES or (reason and reason not in Feedback.Reason):
        raise BadFeedback("there is no such value or reason")
    if len(comment) > LONGEST_COMMENT:
        raise BadFeedback(f"a comment has at most {LONGEST_COMMENT} characters")
    if value == NONE:
        Feedback.objects.filter(message=answer).delete()
        _tell_trace(answer, None)
        return None
    if value == UP:
        reason = comment = ""
    feedback, _is_new = Feedback.objects.update_or_create(
        message=answer,
        defaults={"is_helpful": value == UP, "reason": reason, "comment": comment},
    )
    _tell_trace(answer, feedback)
    return feedback


def value_of(feedback: Feedback | None) -> str:
    """Return the thumb as it is said to and by the page."""
    if feedback is None:
        return NONE
    return UP if feedback.is_helpful else DOWN


def _tell_trace(answer: Message, feedback: Feedback | None) -> None:
    if not answer.trace_id:
        return
    name = conf.get("FEEDBACK_SCORE")
    if feedback is None:
        score(answer.trace_id, name, None)
        return
    words = [feedback.reason]
    if answer.conversation.user.allows_tracing:
        words.append(feedback.comment)
    said = ": ".join(filter(None, words))
    score(answer.trace_id, name, 1 if feedback.is_helpful else 0, comment=said)
