"""Who logs in. A model of our own from the first migration on, since it cannot be swapped later."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A student, a teacher or a member of staff."""
