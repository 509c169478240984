"""What is kept of a trace. These rows are the truth; Langfuse holds a copy, sent from here."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class ExportState(models.TextChoices):
    """How far the copy has come."""

    LOCAL = "local", _("kept here only")
    NEW = "new", _("waiting to be sent")
    SENT = "sent", _("on its way")  # leased to a process that is sending it
    CONFIRMED = "confirmed", _("in Langfuse")
    REJECTED = "rejected", _("refused by Langfuse")


class OutboxQuerySet(models.QuerySet):
    """What the outbox asks of rows that have a copy elsewhere."""

    def waiting(self):
        """What the other side does not have yet."""
        return self.filter(export_after__isnull=False)

    def due(self, now):
        """What may be sent now, longest due first."""
        return self.filter(export_after__lte=now).order_by("export_after")

    def put_into_outbox(self, *, due_at) -> int:
        return self.update(export_state=ExportState.NEW, export_after=due_at, export_error="")


class Exported(models.Model):
    """A row that has a copy elsewhere."""

    export_state = models.CharField(
        _("export"), max_length=10, choices=ExportState, default=ExportState.LOCAL
    )
    exported_at = models.DateTimeField(_("exported"), null=True, blank=True)
    export_error = models.TextField(_("what the export said"), blank=True)
    export_attempts = models.PositiveIntegerField(_("attempts"), default=0)
    # When it is due: at once, after a backoff, or (a lease) when the process that is sending it
    # must have died. NULL: nothing to send.
    export_after = models.DateTimeField(_("due"), null=True, blank=True)

    objects = OutboxQuerySet.as_manager()

    class Meta:
        abstract = True


class Outcome(models.TextChoices):
    """`observations.Status`, for the rows."""

    RUNNING = "running", _("running")
    OK = "ok", _("ok")
    WARNING = "warning", _("warning")
    ERROR = "error", _("error")
    CANCELLED = "cancelled", _("stopped")
    INTERRUPTED = "interrupted", _("interrupted")


class ContentState(models.TextChoices):
    """Whether the words of a trace are here."""

    KEPT = "kept", _("kept")
    NOT_RECORDED = "not_recorded", _("not recorded")
    REMOVED = "removed", _("removed")


def _cost_field(name):
    # US dollars, to the billionth: one token of a cheap model costs 0.0000001.
    return models.DecimalField(name, max_digits=16, decimal_places=9, null=True)


class Recorded(models.Model):
    """What a trace and an observation have in common."""

    id = models.CharField(_("id"), primary_key=True, max_length=64, editable=False)
    name = models.CharField(_("name"), max_length=200)
    status = models.CharField(_("status"), max_length=12, choices=Outcome, default=Outcome.RUNNING)
    status_message = models.TextField(_("what happened"), blank=True)
    # The exception's class: no content, kept where the message is not.
    error_type = models.CharField(_("kind of error"), max_length=100, blank=True)
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
    cost = _cost_field(_("cost"))  # NULL: no price is known

    class Meta:
        abstract = True


class TraceRecord(Recorded, Exported):
    """One piece of work: a chat turn, a reindex, a job; its tokens are the answering model's."""

    user_id = models.CharField(_("user"), max_length=100, blank=True)
    session_id = models.CharField(_("session"), max_length=100, blank=True)
    request_id = models.CharField(_("request"), max_length=64, blank=True)
    release = models.CharField(_("release"), max_length=100, blank=True)
    tags = models.JSONField(_("tags"), default=list)
    # What the tag TRACING["GROUP_TAG"] says, e.g. the course: lists and sums are made by it.
    group = models.CharField(_("group"), max_length=200, blank=True)
    content_state = models.CharField(
        _("content"), max_length=12, choices=ContentState, default=ContentState.KEPT
    )
    # Host, process and its start: who to ask whether a RUNNING row still runs.
    process = models.CharField(_("process"), max_length=120, blank=True)

    class Meta:
        ordering = ["-started_at"]
        verbose_name = _("trace")
        verbose_name_plural = _("traces")
        permissions = [("read_content", _("Can read what was asked and answered"))]
        indexes = [
            models.Index(fields=["-started_at"], name="trace_newest"),
            models.Index(fields=["session_id", "-started_at"], name="trace_by_session"),
            models.Index(fields=["user_id", "-started_at"], name="trace_by_user"),
            models.Index(fields=["name", "-started_at"], name="trace_by_name"),
            models.Index(fields=["status", "-started_at"], name="trace_by_status"),
            models.Index(fields=["error_type", "-started_at"], name="trace_by_error"),
            models.Index(fields=["model", "-started_at"], name="trace_by_model"),
            models.Index(fields=["group", "-started_at"], name="trace_by_group"),
            models.Index(fields=["export_state", "-started_at"], name="trace_by_export"),
            models.Index(fields=["request_id"], name="trace_by_request"),
            models.Index(
                fields=["export_after"],
                name="trace_due",
                condition=models.Q(export_after__isnull=False),
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
        TraceRecord,
        models.CASCADE,
        related_name="observations",
        verbose_name=_("trace"),
        db_index=False,  # observation_order below serves
    )
    # By id: a parent may have been left out of a cut trace.
    parent_id = models.CharField(_("inside"), max_length=64, blank=True)
    position = models.PositiveIntegerField(_("position"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    model_parameters = models.JSONField(_("model parameters"), default=dict)
    input_cost = _cost_field(_("input cost"))
    output_cost = _cost_field(_("output cost"))

    class Meta:
        ordering = ["position"]
        verbose_name = _("observation")
        verbose_name_plural = _("observations")
        indexes = [
            models.Index(fields=["trace", "position"], name="observation_order"),
            # All that is asked of the few that warned, so that no row need be read. (The status,
            # always the same here, because SQLite would look it up in the row.)
            models.Index(
                fields=["-started_at", "name", "trace", "status"],
                name="observation_warned",
                condition=models.Q(status="warning"),
            ),
        ]

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
            models.Index(fields=["-updated_at"], name="score_newest"),
            models.Index(fields=["name", "-updated_at"], name="score_by_name"),
            models.Index(fields=["name", "value", "-updated_at"], name="score_by_value"),
            models.Index(
                fields=["export_after"],
                name="score_due",
                condition=models.Q(export_after__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} = {self.value}"


class ExportHealth(models.Model):
    """The last thing the other side said: one row, written by whichever process sends."""

    class State(models.TextChoices):
        WELL = "well", _("well")
        UNAVAILABLE = "unavailable", _("not available")
        FORBIDDEN = "forbidden", _("refuses the keys")

    state = models.CharField(_("state"), max_length=12, choices=State)
    message = models.TextField(_("what it said"), blank=True)
    since = models.DateTimeField(pgettext_lazy("a state", "since"))
    heard_at = models.DateTimeField(_("last heard"))

    class Meta:
        verbose_name = _("export health")
        verbose_name_plural = _("export health")

    def __str__(self) -> str:
        return f"{self.get_state_display()}: {self.message}"


class DailySummary(models.Model):
    """The sums of one day's traces of one kind: what the dashboard reads instead of the traces."""

    day = models.DateField(_("day"))
    name = models.CharField(_("name"), max_length=200)
    group = models.CharField(_("group"), max_length=200, blank=True)
    model = models.CharField(_("model"), max_length=200, blank=True)
    traces = models.PositiveIntegerField(_("traces"), default=0)
    errors = models.JSONField(_("errors"), default=dict)  # kind → how many
    # Steps that ended with a warning: name of the step → how many.
    warnings = models.JSONField(_("warnings"), default=dict)
    stopped = models.PositiveIntegerField(_("stopped"), default=0)
    interrupted = models.PositiveIntegerField(_("interrupted"), default=0)
    input_tokens = models.PositiveBigIntegerField(_("input tokens"), default=0)
    output_tokens = models.PositiveBigIntegerField(_("output tokens"), default=0)
    cost = models.DecimalField(_("cost"), max_digits=18, decimal_places=9, default=0)
    unpriced = models.PositiveIntegerField(_("without a price"), default=0)
    thumbs_up = models.PositiveIntegerField(_("thumbs up"), default=0)
    thumbs_down = models.PositiveIntegerField(_("thumbs down"), default=0)
    # Histograms, bucket → how many: unlike percentiles they can be added up (see summaries).
    first_token_buckets = models.JSONField(_("time to first token"), default=dict)
    duration_buckets = models.JSONField(_("durations"), default=dict)
    summarised_at = models.DateTimeField(_("summarised"))

    class Meta:
        ordering = ["-day"]
        verbose_name = _("daily summary")
        verbose_name_plural = _("daily summaries")
        constraints = [
            models.UniqueConstraint(
                fields=["day", "name", "group", "model"], name="one_summary_per_day_and_kind"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.name} {self.group} {self.model}"
