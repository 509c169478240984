"""Who logs in. A model of our own from the first migration on, since it cannot be swapped later."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """A student, a teacher or a member of staff."""

    allows_tracing = models.BooleanField(
        _("words kept in traces"),
        default=True,
        help_text=_("Off: traces of this person's questions hold times and counts, and no words."),
    )
