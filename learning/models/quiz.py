"""What students answered to the questions of a quiz."""

import uuid

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from learning.models.artefact import StudyItem
from learning.models.course import Chapter, Course


class QuizAttempt(models.Model):
    """A student's way through some questions of a course, in a fixed order."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="quiz_attempts",
        verbose_name=_("student"),
    )
    course = models.ForeignKey(
        Course, models.CASCADE, related_name="quiz_attempts", verbose_name=_("course")
    )
    chapter = models.ForeignKey(
        Chapter,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("chapter"),
        help_text=_("The chapter it was about; empty: the whole course."),
    )
    started_at = models.DateTimeField(_("begun"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        ordering = ["-started_at"]
        verbose_name = _("quiz attempt")
        verbose_name_plural = _("quiz attempts")
        indexes = [models.Index(fields=["user", "course", "-started_at"])]

    def __str__(self) -> str:
        return f"{self.user} · {self.course} · {self.started_at:%Y-%m-%d %H:%M}"

    def get_absolute_url(self) -> str:
        return reverse("quiz_attempt", args=[self.course.slug, self.pk])


class QuizAnswer(models.Model):
    """One question of an attempt, and what the student answered; `given` None: not yet.

    Keeps the question as it was asked: an edit of the item changes no mark given before.
    """

    attempt = models.ForeignKey(
        QuizAttempt, models.CASCADE, related_name="answers", verbose_name=_("attempt")
    )
    item = models.ForeignKey(
        StudyItem,
        models.SET_NULL,
        null=True,
        related_name="answers",
        verbose_name=_("question"),
    )
    # The chapter of its passage: results are counted by it when the item has gone.
    chapter = models.ForeignKey(
        Chapter, models.SET_NULL, null=True, related_name="+", verbose_name=_("chapter")
    )
    position = models.PositiveSmallIntegerField(_("position"))
    asked = models.JSONField(_("as asked"), default=dict)  # the item's content
    given = models.JSONField(_("answer"), null=True, blank=True)
    mark = models.FloatField(_("mark"), null=True, blank=True)  # 0 to 1
    answered_at = models.DateTimeField(_("answered"), null=True, blank=True)

    class Meta:
        ordering = ["position"]
        verbose_name = _("quiz answer")
        verbose_name_plural = _("quiz answers")
        constraints = [
            models.UniqueConstraint(fields=["attempt", "position"], name="one_answer_per_place")
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.asked.get('text', '')[:60]}"
