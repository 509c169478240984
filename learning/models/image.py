"""Pictures of a course, as its chapters show them."""

from typing import BinaryIO

from django.core.files import File
from django.core.files.storage import storages
from django.db import models, transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from learning import roles
from learning.models.course import Chapter, Course


class CourseImageQuerySet(models.QuerySet):
    def visible_to(self, user, course: Course):
        """The pictures of a course that one of its readers may see: those of visible chapters."""
        of_course = self.filter(course=course)
        if roles.looks_after(user, course):
            return of_course  # a chapter that is being written shows what none has shown before
        visible = course.chapters.visible_to(user).order_by().values("pk")
        return of_course.filter(chapters__in=visible).distinct()


class CourseImage(models.Model):
    """One picture under the path that it has in the course's folder.

    Its file is named for its content, so two paths of the same picture share one, and its address
    never shows another picture.
    """

    class Kind(models.TextChoices):
        PNG = "png", "PNG"
        JPEG = "jpg", "JPEG"
        GIF = "gif", "GIF"
        WEBP = "webp", "WebP"
        SVG = "svg", "SVG"

    course = models.ForeignKey(
        Course, models.CASCADE, related_name="images", verbose_name=_("course")
    )
    path = models.CharField(_("source file"), max_length=500)
    chapters = models.ManyToManyField(
        Chapter, related_name="images", verbose_name=_("chapters that show it")
    )
    kind = models.CharField(_("kind"), max_length=4, choices=Kind)
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    width = models.PositiveIntegerField(_("width"))
    height = models.PositiveIntegerField(_("height"))
    size = models.PositiveIntegerField(_("size in bytes"))

    objects = CourseImageQuerySet.as_manager()

    class Meta:
        verbose_name = _("picture")
        verbose_name_plural = _("pictures")
        constraints = [
            models.UniqueConstraint(fields=["course", "path"], name="one_image_per_path")
        ]
        indexes = [models.Index(fields=["course", "sha256"], name="learning_image_content")]

    def __str__(self) -> str:
        return self.path

    def get_absolute_url(self) -> str:
        return reverse("course_image", args=[self.course.slug, self.sha256, self.kind])

    @property
    def file_name(self) -> str:
        return f"{self.course_id}/{self.sha256}.{self.kind}"

    def keep(self, content: BinaryIO) -> None:
        """Put its file where all machines of the site find it, unless it is there already."""
        storage = storages["images"]
        # A process that was killed may have left a part of it.
        if not storage.exists(self.file_name) or storage.size(self.file_name) != self.size:
            storage.save(self.file_name, File(content))

    def discard_file(self) -> None:
        """Delete its file, once this is committed and where no other row has the same."""
        same = CourseImage.objects.filter(course_id=self.course_id, sha256=self.sha256)

        def delete_file():  # a named function: Django logs its name
            if not same.exists():
                storages["images"].delete(self.file_name)

        transaction.on_commit(delete_file, robust=True)

    def read(self) -> bytes:
        with storages["images"].open(self.file_name) as file:
            return file.read()


@receiver(post_delete, sender=CourseImage)
def _deleted(instance: CourseImage, **kwargs):
    instance.discard_file()
