"""What is made of a course follows its chapters: saved or deleted.

This listens to the rows themselves, as `privacy` does; `update()` and `bulk_update()`, which the
product does not use on chapters, tell nobody. What a chapter's items stand on is brought
in line at once, in the same transaction; what is to be made anew is asked for when all is written.
"""

import logging
from dataclasses import dataclass

from django.db import DatabaseError, connections, transaction
from django.db.models.signals import post_save, pre_delete
from django.dispatch import receiver

from learning.models import Chapter, Course

logger = logging.getLogger(__name__)


@receiver(post_save, sender=Chapter)
def _saved(instance: Chapter, created: bool, raw: bool, using: str, update_fields, **kwargs):
    if raw or (update_fields is not None and not {"text", "course"} & set(update_fields)):
        return
    # Here, not above: this module is loaded by every command.
    from learning.artefacts import standing

    if not created:
        standing.follow(instance)
    _update_on_commit(instance.course_id, using)


@receiver(pre_delete, sender=Chapter)
def _to_be_deleted(instance: Chapter, **kwargs):
    from learning.artefacts import standing

    standing.leave(instance)  # what is left to stand on has not changed: nothing is made anew


@dataclass(frozen=True)
class _Update:
    """Asks for what is to be made anew of a course; equal for the same course."""

    course_id: int

    def __call__(self) -> None:
        from learning.artefacts import requesting

        try:
            if course := Course.objects.filter(pk=self.course_id).first():
                requesting.request_update(course)
        except DatabaseError:  # the chapter is saved, and that is what was asked for
            logger.exception("what was made of course %s is not brought up to date", self.course_id)


def _update_on_commit(course_id: int, using: str) -> None:
    """Once in a transaction, however many chapters an import writes."""
    update = _Update(course_id)
    if all(waiting != update for _, waiting, *_ in connections[using].run_on_commit):
        transaction.on_commit(update, using=using)
