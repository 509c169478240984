"""Courses, their chapters, and who is enrolled in them."""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from learning import roles


class CourseQuerySet(models.QuerySet):
    def visible_to(self, user):
        """The courses a person may know of: open ones, their own, and those they look after."""
        if not user.is_authenticated:
            return self.filter(is_open=True)
        if roles.looks_after_all(user):
            return self
        known = models.Q(is_open=True) | models.Q(enrolments__user=user)
        if user.is_staff:
            known |= models.Q(pk__in=roles.courses_of(user).order_by().values("pk"))
        return self.filter(known).distinct()


class Course(models.Model):
    class Stance(models.TextChoices):
        ANSWER = "answer", _("answers directly")
        GUIDE = "guide", _("guides with hints")

    slug = models.SlugField(_("slug"), max_length=80, unique=True, allow_unicode=True)
    title = models.CharField(_("title"), max_length=200)
    summary = models.TextField(_("summary"), blank=True)
    language = models.CharField(
        _("language"), max_length=10, choices=settings.LANGUAGES, default="en"
    )
    is_open = models.BooleanField(
        _("open"), default=False, help_text=_("Anyone who is logged in may enrol.")
    )
    questions_per_day = models.PositiveIntegerField(
        _("questions a day"),
        null=True,
        blank=True,
        help_text=_(
            "How many each student may ask in this course on one day. Empty: as many as the site "
            "allows; 0: as many as they like."
        ),
    )
    tokens_per_day = models.PositiveIntegerField(
        _("tokens a day"),
        null=True,
        blank=True,
        help_text=_(
            "How many the answers to all students together may take on one day, read and written. "
            "Empty or 0: as many as they take."
        ),
    )
    stance = models.CharField(
        _("stance of the tutor"),
        max_length=10,
        choices=Stance,
        default=Stance.ANSWER,
        help_text=_("A guide asks back and gives hints before it tells an answer."),
    )
    tutor_notes = models.TextField(
        _("notes for the tutor"),
        blank=True,
        max_length=2_000,
        help_text=_("Added to what the model is told, such as how exercises are to be treated."),
    )
    chat_model = models.CharField(
        _("chat model"),
        max_length=200,
        blank=True,
        help_text=_("Another model of the same provider, for this course. Empty: the site's."),
    )
    teachers = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        blank=True,
        related_name="taught_courses",
        verbose_name=_("teachers"),
        help_text=_("Staff with the role of a teacher look after these courses alone."),
    )
    enrolment_key = models.CharField(
        _("key of the enrolment link"),
        max_length=40,
        blank=True,
        db_index=True,
        help_text=_("Whoever has the link may enrol. Empty: there is no link."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = CourseQuerySet.as_manager()

    class Meta:
        ordering = ["title"]
        verbose_name = _("course")
        verbose_name_plural = _("courses")

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("course", args=[self.slug])

    @property
    def enrolment_url(self) -> str:
        """The address of the enrolment link; "" while there is none."""
        key = self.enrolment_key
        return reverse("enrol_by_link", args=[self.slug, key]) if key else ""

    def is_read_by(self, user) -> bool:
        """Whether a person may read the chapters and ask the tutor."""
        if not user.is_authenticated:
            return False
        return roles.looks_after(user, self) or self.enrolments.filter(user=user).exists()


class ChapterQuerySet(models.QuerySet):
    def published(self):
        return self.filter(published_at__lte=timezone.now())

    def visible_to(self, user):
        """The chapters a reader of the course may see: published ones; who looks after it: all."""
        if not user.is_staff:
            return self.published()
        if roles.looks_after_all(user):
            return self
        own = roles.courses_of(user).order_by().values("pk")
        return self.filter(models.Q(published_at__lte=timezone.now()) | models.Q(course__in=own))


class Chapter(models.Model):
    course = models.ForeignKey(
        Course, models.CASCADE, related_name="chapters", verbose_name=_("course")
    )
    slug = models.SlugField(_("slug"), max_length=120, allow_unicode=True)
    title = models.CharField(_("title"), max_length=200)
    summary = models.TextField(_("summary"), blank=True)
    position = models.PositiveIntegerField(_("position"), default=0)
    text = models.TextField(_("text"), blank=True, help_text=_("Markdown, with $math$ and code."))
    source_path = models.CharField(
        _("source file"), max_length=500, blank=True, help_text=_("What an import made it from.")
    )
    published_at = models.DateTimeField(
        _("published"),
        null=True,
        blank=True,
        default=timezone.now,
        help_text=_("Students see the chapter, and the tutor quotes it to them, from then on."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = ChapterQuerySet.as_manager()

    class Meta:
        ordering = ["position", "pk"]
        verbose_name = _("chapter")
        verbose_name_plural = _("chapters")
        constraints = [
            models.UniqueConstraint(fields=["course", "slug"], name="one_slug_per_course")
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("chapter", args=[self.course.slug, self.slug])


class Enrolment(models.Model):
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="enrolments",
        verbose_name=_("student"),
    )
    course = models.ForeignKey(
        Course, models.CASCADE, related_name="enrolments", verbose_name=_("course")
    )
    created_at = models.DateTimeField(_("since"), auto_now_add=True)

    class Meta:
        verbose_name = _("enrolment")
        verbose_name_plural = _("enrolments")
        constraints = [
            models.UniqueConstraint(fields=["user", "course"], name="enrolled_once_per_course")
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.course}"


class Reading(models.Model):
    """How far a student has read a chapter, and when they last had it open."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="readings",
        verbose_name=_("student"),
    )
    chapter = models.ForeignKey(
        Chapter, models.CASCADE, related_name="+", verbose_name=_("chapter")
    )
    furthest = models.PositiveSmallIntegerField(
        _("furthest"), default=0, help_text=_("How much of the page was seen, in per cent.")
    )
    opened_at = models.DateTimeField(_("last open"), default=timezone.now)

    class Meta:
        verbose_name = _("reading")
        verbose_name_plural = _("readings")
        constraints = [
            models.UniqueConstraint(fields=["user", "chapter"], name="one_reading_per_chapter")
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.chapter}: {self.furthest} %"
