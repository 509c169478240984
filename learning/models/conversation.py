"""What was asked and answered, what the answer stands on, and what the student thought of it."""

import functools
import uuid

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from learning.models.course import Chapter, Course


class Conversation(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="conversations",
        verbose_name=_("student"),
    )
    course = models.ForeignKey(
        Course, models.CASCADE, related_name="conversations", verbose_name=_("course")
    )
    chapter = models.ForeignKey(
        Chapter,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="conversations",
        verbose_name=_("chapter"),
        help_text=_("The chapter it was begun from."),
    )
    title = models.CharField(_("title"), max_length=200, blank=True)
    # A conversation is a tree of turns: an edited question, or an answer asked for again, begins a
    # branch beside the old one. One path of it is shown, from the first turn to this answer.
    shown = models.ForeignKey(
        "Message",
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("newest answer shown"),
    )
    created_at = models.DateTimeField(_("begun"), auto_now_add=True)
    updated_at = models.DateTimeField(_("last question"), auto_now=True)

    class Meta:
        ordering = ["-updated_at"]
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        indexes = [models.Index(fields=["user", "course", "-updated_at"])]

    def __str__(self) -> str:
        return self.title or str(_("New conversation"))

    def get_absolute_url(self) -> str:
        return reverse("conversation", args=[self.pk])


class Message(models.Model):
    """One side of a turn. The assistant's row is the turn: its id is the turn's id."""

    class Role(models.TextChoices):
        USER = "user", _("student")
        ASSISTANT = "assistant", _("tutor")

    class Status(models.TextChoices):
        RUNNING = "running", _("being written")
        COMPLETE = "complete", _("complete")
        STOPPED = "stopped", _("stopped")
        FAILED = "failed", _("failed")
        INTERRUPTED = "interrupted", _("interrupted")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(
        Conversation,
        models.CASCADE,
        related_name="messages",
        verbose_name=_("conversation"),
    )
    role = models.CharField(_("role"), max_length=10, choices=Role)
    text = models.TextField(_("text"), blank=True)
    status = models.CharField(_("status"), max_length=12, choices=Status, default=Status.COMPLETE)
    created_at = models.DateTimeField(_("written"), auto_now_add=True)

    # Of the student's row.
    instead_of = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("takes the place of"),
        help_text=_("The question that was edited, or asked again."),
    )
    ask_id = models.CharField(  # noqa: DJ001 - NULL is what a unique constraint leaves out
        _("ask id"),
        max_length=100,
        null=True,
        blank=True,
        help_text=_("The browser's own id for the question: asking twice with it starts one turn."),
    )
    chapter = models.ForeignKey(
        Chapter,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("chapter"),
        help_text=_("The chapter that was open when it was asked."),
    )

    # Of both: an answer follows its question, a question the answer before it in its branch, or
    # whatever `instead_of` follows; where neither says anything, the answer written before it.
    reply_to = models.ForeignKey(
        "self",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="replies",
        verbose_name=_("follows"),
    )

    # Of the tutor's row.
    trace_id = models.CharField(
        _("trace"),
        max_length=64,
        blank=True,
        db_index=True,
        help_text=_("By id, not by foreign key: traces can be pruned and nothing breaks."),
    )
    model = models.CharField(_("model"), max_length=200, blank=True)
    error = models.CharField(
        _("error"), max_length=300, blank=True, help_text=_("In words for the student.")
    )
    is_weakly_sourced = models.BooleanField(_("weak sources"), default=False)
    input_tokens = models.PositiveIntegerField(_("input tokens"), null=True, blank=True)
    output_tokens = models.PositiveIntegerField(_("output tokens"), null=True, blank=True)
    saved_at = models.DateTimeField(
        _("last saved"),
        null=True,
        blank=True,
        help_text=_("A running answer says here, every few seconds, that it lives."),
    )
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        ordering = ["created_at"]
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        indexes = [models.Index(fields=["conversation", "created_at"])]
        constraints = [
            models.UniqueConstraint(fields=["conversation", "ask_id"], name="one_turn_per_ask"),
            models.UniqueConstraint(
                fields=["conversation"],
                condition=models.Q(status="running"),
                name="one_running_turn_per_conversation",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()}: {self.text[:60]}"


class Citation(models.Model):
    """A numbered passage that an answer was given to stand on.

    Keeps the words it quoted: a chapter may change, and an old answer still shows its source, as
    long as the chapter is open to its reader.
    """

    message = models.ForeignKey(
        Message, models.CASCADE, related_name="citations", verbose_name=_("message")
    )
    number = models.PositiveSmallIntegerField(_("number"))
    chapter = models.ForeignKey(
        Chapter,
        models.SET_NULL,
        null=True,
        related_name="citations",
        verbose_name=_("chapter"),
    )
    title = models.CharField(_("title"), max_length=400)
    quote = models.TextField(_("quote"))
    start = models.PositiveIntegerField(
        _("start"), help_text=_("Offset in the chapter's text, in characters.")
    )
    end = models.PositiveIntegerField(_("end"))
    score = models.FloatField(_("score"))
    is_cited = models.BooleanField(
        _("cited"), default=False, help_text=_("Whether the answer refers to it by its number.")
    )

    class Meta:
        ordering = ["number"]
        verbose_name = _("citation")
        verbose_name_plural = _("citations")
        constraints = [
            models.UniqueConstraint(fields=["message", "number"], name="one_number_per_message")
        ]

    def __str__(self) -> str:
        return f"[{self.number}] {self.title}"

    @functools.cached_property
    def url(self) -> str:
        """The page that shows the passage, highlighted; empty when its chapter is gone."""
        if self.chapter is None:
            return ""
        return f"{self.chapter.get_absolute_url()}?passage={self.start}-{self.end}#p-{self.start}"


class Feedback(models.Model):
    """What a student thinks of an answer: a thumb, and why. Taken back, the row is deleted."""

    class Reason(models.TextChoices):
        WRONG = "wrong", _("It is wrong.")
        UNCLEAR = "unclear", _("I do not understand it.")
        INCOMPLETE = "incomplete", _("Something is missing.")
        SOURCES = "sources", _("The sources do not fit.")
        OTHER = "other", _("Something else.")

    message = models.OneToOneField(
        Message, models.CASCADE, related_name="feedback", verbose_name=_("answer")
    )
    is_helpful = models.BooleanField(_("helpful"))
    reason = models.CharField(_("reason"), max_length=12, choices=Reason, blank=True)
    comment = models.CharField(_("comment"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")

    def __str__(self) -> str:
        return f"{'+' if self.is_helpful else '−'} {self.get_reason_display()}".strip()


class QuestionCount(models.Model):
    """How many questions a student asked in a course on one day; kept when conversations go."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("student")
    )
    course = models.ForeignKey(Course, models.CASCADE, related_name="+", verbose_name=_("course"))
    day = models.DateField(_("day"))
    asked = models.PositiveIntegerField(_("questions asked"), default=0)

    class Meta:
        verbose_name = _("count of questions")
        verbose_name_plural = _("counts of questions")
        constraints = [
            models.UniqueConstraint(fields=["user", "course", "day"], name="one_count_per_day")
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.course} · {self.day}: {self.asked}"
