"""What can go wrong with retrieval.

RetrievalError
├── IndexMissing       nothing was indexed yet           run `manage.py reindex`
├── IndexMismatch      built by another embedding model  run `manage.py reindex`
├── ModelUnavailable   a model cannot be loaded          correct the setting it names
├── ComputeBusy        too many questions are waiting    retry
└── ComputeTimeout     the models took too long          retry
"""

from django.utils.translation import gettext_lazy as _


class RetrievalError(Exception):
    """Base class; raise one of the leaves. `shown_to_user` is what a student may read."""

    retryable = False
    shown_to_user = _("The course could not be searched. Please tell your teacher.")


class IndexMissing(RetrievalError):
    shown_to_user = _("This course is not searchable yet. Please try again later.")


class IndexMismatch(RetrievalError):
    pass


class ModelUnavailable(RetrievalError):
    pass


class ComputeBusy(RetrievalError):
    retryable = True
    shown_to_user = _("Many questions are being asked right now. Please try again in a moment.")


class ComputeTimeout(RetrievalError):
    retryable = True
    shown_to_user = _("Searching the course took too long. Please try again.")
