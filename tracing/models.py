"""What is kept of a trace. These rows are the truth; Langfuse holds a copy, sent from here."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class ExportState(models.TextChoices):
    """How far the copy has come."""

    LOCAL = "local", _("kept here only")
    NEW = "new", _("waiting to be sent")
    CONFIRMED = "confirmed", _("in Langfuse")
    REJECTED = "rejected", _("refused by Langfuse")


class Exported(models.Model):
    """A row that has a copy elsewhere."""

    export_state = models.CharField(
        _("export"), max_length=10, choices=ExportState, default=ExportState.LOCAL
    )
    exported_at = models.DateTimeField(_("exported"), null=True, blank=True)
    export_error = models.TextField(_("what the export said"), blank=True)
    export_attempts = models.PositiveIntegerField(_("attempts"), default=0)
    # Not to be sent before: the backoff after a failure, and the lease while a process sends it.
    export_after = models.DateTimeField(_("not before"), null=True, blank=True)

    class Meta:
        abstract = True


class Outcome(models.TextChoices):
    """`observations.Status`, for the rows."""

    RUNNING = "running", _("running")
    OK = "ok", _("ok")
    ERROR = "error", _("error")
    CANCELLED = "cancelled", _("stopped")
    INTERRUPTED = "interrupted", _("interrupted")


class Recorded(models.Model):
    """What a trace and an observation have in common."""

    id = models.CharField(_("id"), primary_key=True, max_length=64, editable=False)
    name = models.CharField(_("name"), max_length=200)
    status = models.CharField(_("status"), max_length=12, choices=Outcome, default=Outcome.RUNNING)
    status_message = models.TextField(_("what happened"), blank=True)
    input = models.JSONField(_("input"), null=True)
    output = models.JSONField(_("output"), null=True)
    metadata = models.JSONField(_("metadata"), default=dict)
    started_at = models.DateTimeField(_("started"))
    ended_at = models.DateTimeField(_("ended"), null=True)
    duration_ms = models.FloatField(_("duration (ms)"), null=True)
    first_token_ms = models.FloatField(_("time to first token (ms)"), null=True)
    model = models.CharField(_("model"), max_length=200, blank=True)
    input_tokens = models.PositiveIntegerField(_("input tokens"), null=True)
    output_tokens = models.PositiveIntegerField(_("output tokens"), null=True)
    total_tokens = models.PositiveIntegerField(_("tokens"), null=True)
    usage_is_estimate = models.BooleanField(_("tokens estimated"), default=False)

    class Meta:
        abstract = True


class TraceRecord(Recorded, Exported):
    """One piece of work: a chat turn, a reindex, a job; its tokens are the answering model's."""

    user_id = models.CharField(_("user"), max_length=100, blank=True)
    session_id = models.CharField(_("session"), max_length=100, blank=True)
    request_id = models.CharField(_("request"), max_length=64, blank=True)
    release = models.CharField(_("release"), max_length=100, blank=True)
    tags = models.JSONField(_("tags"), default=list)
    # Host, process and its start: who to ask whether a RUNNING row still runs.
    process = models.CharField(_("process"), max_length=120, blank=True)

    class Meta:
        ordering = ["-started_at"]
        verbose_name = _("trace")
        verbose_name_plural = _("traces")
        indexes = [
            models.Index(fields=["-started_at"], name="trace_newest"),
            models.Index(fields=["session_id", "-started_at"], name="trace_by_session"),
            models.Index(fields=["user_id", "-started_at"], name="trace_by_user"),
            models.Index(fields=["name", "-started_at"], name="trace_by_name"),
            models.Index(
                fields=["export_after", "started_at"],
                name="trace_waiting",
                condition=models.Q(export_state="new"),
            ),
            models.Index(
                fields=["process"], name="trace_running", condition=models.Q(status="running")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} · {self.started_at:%Y-%m-%d %H:%M:%S}"


class ObservationRecord(Recorded):
    """A step inside a trace."""

    class Kind(models.TextChoices):
        SPAN = "SPAN", _("span")
        GENERATION = "GENERATION", _("generation")

    trace = models.ForeignKey(
        TraceRecord, models.CASCADE, related_name="observations", verbose_name=_("trace")
    )
    # By id: a parent may have been left out of a cut trace.
    parent_id = models.CharField(_("inside"), max_length=64, blank=True)
    position = models.PositiveIntegerField(_("position"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    model_parameters = models.JSONField(_("model parameters"), default=dict)

    class Meta:
        ordering = ["position"]
        verbose_name = _("observation")
        verbose_name_plural = _("observations")
        indexes = [models.Index(fields=["trace", "position"], name="observation_order")]

    def __str__(self) -> str:
        return self.name


class ScoreRecord(Exported):
    """A judgement of a trace, one per name. `value` None: taken back, to be removed elsewhere."""

    id = models.CharField(_("id"), primary_key=True, max_length=64, editable=False)
    # By id: a score may arrive before its trace is written, and outlive it.
    trace_id = models.CharField(_("trace"), max_length=64, db_index=True)
    name = models.CharField(_("name"), max_length=100)
    value = models.FloatField(_("value"), null=True)
    comment = models.TextField(_("comment"), blank=True)
    updated_at = models.DateTimeField(_("changed"))

    class Meta:
        ordering = ["-updated_at"]
        verbose_name = _("score")
        verbose_name_plural = _("scores")
        indexes = [
            models.Index(
                fields=["export_after", "updated_at"],
                name="score_waiting",
                condition=models.Q(export_state="new"),
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} = {self.value}"
