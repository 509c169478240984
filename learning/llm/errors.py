"""What can go wrong with a chat model.

ChatModelError
├── ChatModelUnavailable   5xx, connection lost                        retry        away
│   └── ChatModelTimeout   no connection, or no first word, in time                 away
├── RateLimited            429                                         retry later  away
├── ModelAway              it has failed so often that it is not asked
├── ContextTooLong         the prompt does not fit
├── RequestRefused         this request is not what it takes
│   └── AccessRefused      nor is any other: bad key, bad model name, no credit     away
├── ContentFiltered        a filter of the provider's let no answer through
├── EmptyAnswer            it ended without a word
│   └── OnlyThought        … because thinking had used up its length
└── AnswerCutOff           it broke off after the first word: keep what came
    └── AnswerFiltered     … because a filter of the provider's ended it

`str(error)` is the technical detail for traces and logs; it never holds a key.
"""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy


class ChatModelError(Exception):
    """Base class; raise one of the leaves. `shown_to_user` is what a student may read."""

    # Whether the same request may succeed if it is sent again, nothing having been shown yet.
    retryable = False
    # Whether the provider is at fault, and not this question: `availability` counts these.
    is_away = False
    # Whether it is worth putting the same question to another model.
    another_may_answer = False
    shown_to_user: str | Promise = _("The tutor could not answer. Please try again.")


class ChatModelUnavailable(ChatModelError):
    retryable = is_away = another_may_answer = True
    shown_to_user = _("The tutor cannot be reached at the moment. Please try again in a minute.")


class ChatModelTimeout(ChatModelUnavailable):
    # Who has waited for so long already is not made to wait as long again.
    retryable = False
    shown_to_user = _("The tutor took too long to begin. Please try again in a minute.")


class RateLimited(ChatModelError):
    retryable = is_away = another_may_answer = True
    shown_to_user = _("The tutor is answering too many questions. Please try again in a minute.")

    def __init__(self, detail: str, *, retry_after_seconds: float | None = None):
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class ModelAway(ChatModelError):
    """No model is asked at the moment; the next one will be in `again_in_seconds`."""

    def __init__(self, detail: str, *, again_in_seconds: float = 60):
        super().__init__(detail)
        self.again_in_seconds = again_in_seconds

    @property
    def shown_to_user(self) -> str:
        if self.again_in_seconds < 55:
            count = max(5, -int(-self.again_in_seconds // 5) * 5)  # up to the next five
            words = ngettext_lazy(
                "The tutor's model does not answer at the moment. It is tried again in about "
                "%(count)d second; the course is there to read meanwhile.",
                "The tutor's model does not answer at the moment. It is tried again in about "
                "%(count)d seconds; the course is there to read meanwhile.",
                "count",
            )
        else:
            count = max(1, -int(-self.again_in_seconds // 60))
            words = ngettext_lazy(
                "The tutor's model does not answer at the moment. It is tried again in about "
                "%(count)d minute; the course is there to read meanwhile.",
                "The tutor's model does not answer at the moment. It is tried again in about "
                "%(count)d minutes; the course is there to read meanwhile.",
                "count",
            )
        return words % {"count": count}


class ContextTooLong(ChatModelError):
    shown_to_user = _("This conversation has grown too long for the tutor. Please begin a new one.")


class RequestRefused(ChatModelError):
    another_may_answer = True
    shown_to_user = _("The tutor is not set up correctly. Please tell your teacher.")


class AccessRefused(RequestRefused):
    is_away = True


class ContentFiltered(ChatModelError):
    shown_to_user = _("The tutor may not answer this. Please ask in other words.")


class EmptyAnswer(ChatModelError):
    another_may_answer = True
    shown_to_user = _("The tutor had no answer to this. Please ask in other words.")


class OnlyThought(EmptyAnswer):
    shown_to_user = _("The tutor thought for too long about this. Please ask for less at once.")


class AnswerCutOff(ChatModelError):
    shown_to_user = _("The answer broke off. You can ask again.")


class AnswerFiltered(AnswerCutOff):
    shown_to_user = _("The tutor may not go on with this answer. Please ask in other words.")
