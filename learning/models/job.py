"""What every job has that a worker does behind the pages; `learning.jobs` tells its life."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class Job(models.Model):
    class Status(models.TextChoices):
        PENDING = "pending", _("queued")
        RUNNING = "running", _("running")
        READY = "ready", _("ready")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("asked for by"),
    )
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.PENDING)
    is_cancel_wanted = models.BooleanField(_("to be cancelled"), default=False, editable=False)
    # In English, and translated where it is shown; `detail` is what another program said.
    message = models.CharField(_("message"), max_length=300, blank=True)
    detail = models.TextField(_("detail"), blank=True)
    trace_id = models.CharField(_("trace"), max_length=64, blank=True, db_index=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    created_at = models.DateTimeField(_("asked for"), auto_now_add=True)
    queued_at = models.DateTimeField(_("queued"), default=timezone.now)
    started_at = models.DateTimeField(_("begun"), null=True, blank=True)
    alive_at = models.DateTimeField(
        _("last sign of life"),
        null=True,
        editable=False,
        help_text=_("A running job says here that it lives."),
    )
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        abstract = True
        ordering = ["-created_at"]

    @property
    def message_shown(self) -> str:
        """Why it failed, in the reader's language."""
        return gettext(self.message) if self.message else ""

    @property
    def is_over(self) -> bool:
        return self.status not in (self.Status.PENDING, self.Status.RUNNING)

    def leave_to_who_waits(self) -> None:
        """Have the job like it that waits do as much; for kinds of which only one may wait."""
