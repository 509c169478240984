"""Who leaves a course, or is switched off, hears no more of an answer that is being written.

This listens to the rows themselves, as `privacy` does: enrolments end in the admin, by an import
of accounts, or with a course.
"""

from uuid import UUID

from asgiref.sync import async_to_sync
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from learning import roles
from learning.models import Conversation, Enrolment, Message, User


@receiver(post_delete, sender=Enrolment)
def _left(instance: Enrolment, using: str, **kwargs) -> None:
    of_course = Conversation.objects.filter(user=instance.user_id, course=instance.course_id)
    user = User.objects.filter(pk=instance.user_id).first()
    if user is None or not roles.courses_of(user).filter(pk=instance.course_id).exists():
        _end_running(of_course, using)


@receiver(post_save, sender=User)
def _switched_off(instance: User, using: str, **kwargs) -> None:
    if not instance.is_active:
        _end_running(Conversation.objects.filter(user=instance), using)


def _end_running(conversations: QuerySet[Conversation], using: str) -> None:
    running = Message.objects.filter(conversation__in=conversations, status=Message.Status.RUNNING)
    for conversation_id in running.values_list("conversation_id", flat=True):
        end_talk_on_commit(conversation_id, using)


def end_talk_on_commit(conversation_id: UUID, using: str) -> None:
    """Stop what is being answered in a conversation, and send its tabs away."""

    def end_talk():  # a named function: Django logs its name
        # Here, not above: this module is loaded by every command, and turns bring search along.
        from learning import turns

        async_to_sync(turns.gone)(conversation_id)

    transaction.on_commit(end_talk, using=using, robust=True)
