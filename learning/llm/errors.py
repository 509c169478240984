"""What can go wrong with a chat model.

ChatModelError
├── ChatModelUnavailable   time-out, 5xx, connection lost              retry
├── RateLimited            429                                         retry later
├── ContextTooLong         the prompt does not fit
├── RequestRefused         bad key, bad model name, no credit
├── EmptyAnswer            it ended without a word
└── AnswerCutOff           it broke off after the first word: keep what came

`str(error)` is the technical detail for traces and logs; it never holds a key.
"""

from django.utils.translation import gettext_lazy as _


class ChatModelError(Exception):
    """Base class; raise one of the leaves. `shown_to_user` is what a student may read."""

    # Whether the same request may succeed if it is sent again, nothing having been shown yet.
    retryable = False
    shown_to_user = _("The tutor could not answer. Please try again.")


class ChatModelUnavailable(ChatModelError):
    retryable = True
    shown_to_user = _("The tutor cannot be reached at the moment. Please try again in a minute.")


class RateLimited(ChatModelError):
    retryable = True
    shown_to_user = _("The tutor is answering too many questions. Please try again in a minute.")

    def __init__(self, detail: str, *, retry_after_seconds: float | None = None):
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class ContextTooLong(ChatModelError):
    shown_to_user = _("This conversation has grown too long for the tutor. Please begin a new one.")


class RequestRefused(ChatModelError):
    shown_to_user = _("The tutor is not set up correctly. Please tell your teacher.")


class EmptyAnswer(ChatModelError):
    shown_to_user = _("The tutor had no answer to this. Please ask in other words.")


class AnswerCutOff(ChatModelError):
    shown_to_user = _("The answer broke off. You can ask again.")
