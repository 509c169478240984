"""Files that staff have uploaded, to become a course or to bring one up to date."""

from django.conf import settings
from django.core.files.storage import storages
from django.db import models, transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils.translation import gettext_lazy as _

from learning.models.course import Course
from learning.models.job import Job


def upload_storage():
    return storages["uploads"]


class CourseImport(Job):
    """One upload: a zip archive, kept until its job is done, and what came of it."""

    course = models.ForeignKey(
        Course,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="imports",
        verbose_name=_("course"),
        help_text=_("Empty until a new course is made."),
    )
    archive = models.FileField(_("files"), upload_to="imports", storage=upload_storage, blank=True)
    name = models.CharField(_("name"), max_length=200, help_text=_("Of what was uploaded."))
    is_whole = models.BooleanField(
        _("the whole course"),
        default=False,
        help_text=_("Chapters whose files are not among these are unpublished."),
    )
    # For a new course; empty ones are read from its files.
    title = models.CharField(_("title"), max_length=200, blank=True)
    language = models.CharField(_("language"), max_length=10, blank=True)
    is_open = models.BooleanField(_("open"), default=False)
    # The language in which its report is written.
    reader_language = models.CharField(
        _("language of the report"), max_length=10, default=settings.LANGUAGE_CODE
    )
    doing = models.CharField(_("doing"), max_length=300, blank=True)
    percent = models.PositiveSmallIntegerField(_("done, in per cent"), default=0)
    # {"added": [titles], "changed": […], "unpublished": […], "unchanged": 3,
    #  "problems": [[file, what to do], …], "notes": [[file, what to do], …]}
    report = models.JSONField(_("report"), default=dict)

    class Meta(Job.Meta):
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        indexes = [models.Index(fields=["status", "alive_at"], name="learning_import_status")]

    def __str__(self) -> str:
        return self.name


@receiver(post_delete, sender=CourseImport)
def _delete_archive(instance: CourseImport, **kwargs):
    if instance.archive:  # deleted with its course, most often
        transaction.on_commit(lambda: instance.archive.delete(save=False), robust=True)
