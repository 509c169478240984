"""Which pictures of its course a chapter shows, kept as rows.

By them is known who may see a picture: whoever may see a chapter that shows it. This listens to
chapters that are saved; `update()` tells nobody: see `chapter_changes`.
"""

from django.db.models.signals import post_save
from django.dispatch import receiver

from learning.models import Chapter, CourseImage
from learning.rendering.chapters import pictures_named
from learning.rendering.pictures import ShownPicture


def relate(chapter: Chapter) -> None:
    """Note which of the course's pictures the chapter's text names."""
    paths = set(pictures_named(chapter.text, chapter.source_path).values())
    chapter.images.set(CourseImage.objects.filter(course=chapter.course_id, path__in=paths))


def shown_pictures(images) -> dict[str, ShownPicture]:
    """Return pictures as `render_chapter` takes them; their `course` is to be at hand."""
    return {
        image.path: ShownPicture(image.get_absolute_url(), image.width, image.height)
        for image in images.select_related("course")
    }


@receiver(post_save, sender=Chapter)
def _saved(instance: Chapter, raw: bool, update_fields, **kwargs):
    if raw or (update_fields is not None and not {"text", "course"} & set(update_fields)):
        return
    relate(instance)
