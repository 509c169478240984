"""What is made of a course beside the chat: the jobs that make it, and the items they made.

A job (`StudyArtefact`) leaves items behind: terms of the word cloud, concepts and relations of the
knowledge graph, questions of the quiz. The items belong to the course and outlive the job; a later
job brings them in line with what it finds, see `learning.artefacts.keeping`.
"""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from learning.models.course import Chapter, Course
from learning.models.job import Job


class StudyArtefact(Job):
    """One job: what it makes of which course or chapter, for whom, how far it is, what came."""

    class Kind(models.TextChoices):
        WORDCLOUD = "wordcloud", _("word cloud")
        KNOWLEDGE_GRAPH = "knowledge_graph", _("knowledge graph")
        QUIZ = "quiz", _("quiz")

    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    course = models.ForeignKey(
        Course, models.CASCADE, related_name="artefacts", verbose_name=_("course")
    )
    chapter = models.ForeignKey(
        Chapter,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="artefacts",
        verbose_name=_("chapter"),
        help_text=_("Empty: all chapters of the course."),
    )
    only_changed = models.BooleanField(
        _("changed chapters only"),
        default=False,
        help_text=_("Leave alone what was made of chapters whose text is still the same."),
    )
    chapters_total = models.PositiveIntegerField(_("chapters"), default=0)
    # Primary key → hash of the text it was made of. A job that is tried again goes on after them.
    chapters_done = models.JSONField(_("chapters done"), default=dict)
    # {"made": {"question": 40}, "dropped": {"the quote is not in the passage": 2}}
    counts = models.JSONField(_("counts"), default=dict)
    model = models.CharField(_("model"), max_length=200, blank=True)

    class Meta(Job.Meta):
        verbose_name = _("study job")
        verbose_name_plural = _("study jobs")
        indexes = [models.Index(fields=["status", "alive_at"], name="learning_job_status")]
        constraints = [
            # One that waits is enough: it will read the text as it is when it begins.
            models.UniqueConstraint(
                fields=["course", "kind"],
                condition=models.Q(status="pending", chapter=None),
                name="one_waiting_job_per_course",
            ),
            models.UniqueConstraint(
                fields=["chapter", "kind"],
                condition=models.Q(status="pending"),
                name="one_waiting_job_per_chapter",
            ),
        ]

    def __str__(self) -> str:
        of = f"{self.course} · {self.chapter}" if self.chapter_id else str(self.course)
        return f"{self.get_kind_display()}: {of}"

    def leave_to_who_waits(self) -> None:
        if not self.only_changed:
            same = {"course": self.course_id, "chapter": self.chapter_id, "kind": self.kind}
            waiting = StudyArtefact.objects.filter(**same, status=Job.Status.PENDING)
            waiting.update(only_changed=False)

    @property
    def dropped_shown(self) -> list[tuple[str, int]]:
        """What was thrown away, most frequent first: the reason in the reader's language, count."""
        dropped = self.counts.get("dropped", {})
        return [(gettext(why), n) for why, n in sorted(dropped.items(), key=lambda each: -each[1])]


class StudyItemQuerySet(models.QuerySet):
    def shown_to(self, user):
        """The items that a reader of their course may be shown: approved, on open passages.

        A relation is shown with both of its concepts or not at all. Staff see no more than that
        here: what waits for them is in the review.
        """
        return self.filter(
            models.Q(source=None) | _is_shown(user, "source"),
            models.Q(target=None) | _is_shown(user, "target"),
            _is_shown(user),
        )

    def kinds_shown_to(self, user) -> set[str]:
        """The kinds of which a reader may be shown anything."""
        return set(self.shown_to(user).order_by().values_list("kind", flat=True).distinct())


def _is_shown(user, which: str = "") -> models.Q:
    """Say of an item, or of the one that a field names, that it is approved and stands open."""
    passages = ItemPassage.objects.visible_to(user).filter(item=models.OuterRef(which or "pk"))
    status = f"{which}__status" if which else "status"
    return models.Q(models.Exists(passages), **{status: StudyItem.Status.APPROVED})


class StudyItem(models.Model):
    """A term, a concept, a relation or a question, with the passages of the course it stands on.

    `content` is what `learning.artefacts.items` says of its kind. Students see approved ones only.
    """

    class Kind(models.TextChoices):
        TERM = "term", _("term")
        CONCEPT = "concept", _("concept")
        RELATION = "relation", _("relation")
        QUESTION = "question", _("question")

    class Status(models.TextChoices):
        PENDING = "pending", _("waiting")
        APPROVED = "approved", _("approved")
        REJECTED = "rejected", _("rejected")

    course = models.ForeignKey(
        Course, models.CASCADE, related_name="items", verbose_name=_("course")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    # What makes it the same item when a later job finds it again.
    key = models.CharField(_("key"), max_length=64)
    content = models.JSONField(_("content"), default=dict)
    weight = models.FloatField(_("weight"), default=0.0)
    # Of a relation: the concepts it leads from and to.
    source = models.ForeignKey(
        "self",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="relations_out",
        verbose_name=_("from"),
    )
    target = models.ForeignKey(
        "self",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="relations_in",
        verbose_name=_("to"),
    )
    artefact = models.ForeignKey(
        StudyArtefact,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="items",
        verbose_name=_("made by"),
    )
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.PENDING)
    note = models.CharField(
        _("note"), max_length=300, blank=True, help_text=_("Why it waits again, in words.")
    )
    is_edited = models.BooleanField(
        _("edited"), default=False, help_text=_("By staff: later jobs leave its words alone.")
    )
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("reviewed by"),
    )
    reviewed_at = models.DateTimeField(_("reviewed"), null=True, blank=True)
    created_at = models.DateTimeField(_("made"), auto_now_add=True)

    objects = StudyItemQuerySet.as_manager()

    class Meta:
        ordering = ["-weight", "pk"]
        verbose_name = _("study item")
        verbose_name_plural = _("study items")
        indexes = [
            models.Index(fields=["course", "kind", "status"], name="learning_item_status"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["course", "kind", "key"], name="one_item_per_key")
        ]

    def __str__(self) -> str:
        words = self.content.get("text") or self.content.get("name") or self.content.get("type")
        return str(words or self.key)

    @property
    def note_shown(self) -> str:
        return gettext(self.note) if self.note else ""


class ItemPassageQuerySet(models.QuerySet):
    def visible_to(self, user):
        """The passages in chapters that a reader of the course may see."""
        return self.filter(chapter__in=Chapter.objects.visible_to(user).order_by().values("pk"))


class ItemPassage(models.Model):
    """A passage that an item stands on: exactly `chapter.text[start:end]` when it was made.

    `learning.artefacts.standing` moves it when the chapter is edited, or takes it away.
    """

    item = models.ForeignKey(
        StudyItem, models.CASCADE, related_name="passages", verbose_name=_("item")
    )
    chapter = models.ForeignKey(
        Chapter, models.CASCADE, related_name="+", verbose_name=_("chapter")
    )
    start = models.PositiveIntegerField(
        _("start"), help_text=_("Offset in the chapter's text, in characters.")
    )
    end = models.PositiveIntegerField(_("end"))
    title = models.CharField(_("title"), max_length=400)
    quote = models.TextField(_("quote"))
    # What the passage says of a term or concept goes with it: a reader who may not see the chapter
    # sees neither the word it uses nor how it explains it.
    form = models.CharField(
        _("form"), max_length=200, blank=True, help_text=_("The words the passage calls it by.")
    )
    definition = models.TextField(_("definition"), blank=True)
    weight = models.FloatField(_("weight"), default=1.0)  # how much of the item it bears

    objects = ItemPassageQuerySet.as_manager()

    class Meta:
        ordering = ["chapter__position", "start"]
        verbose_name = _("passage of an item")
        verbose_name_plural = _("passages of items")
        constraints = [
            models.UniqueConstraint(
                fields=["item", "chapter", "start", "end"], name="one_row_per_passage"
            )
        ]

    def __str__(self) -> str:
        return f"{self.title} {self.start}–{self.end}"

    @property
    def url(self) -> str:
        """The page that shows the passage, highlighted."""
        where = reverse("chapter", args=[self.chapter.course.slug, self.chapter.slug])
        return f"{where}?passage={self.start}-{self.end}#p-{self.start}"
