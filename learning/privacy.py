"""What a student wants forgotten is forgotten in the traces too.

Whoever deletes a conversation, by whatever way (its student, staff in the admin, the end of a
course or an account), deletes the words of its traces: this listens to the rows themselves.
"""

import logging

from django.db import DatabaseError, transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from learning.leaving import end_talk_on_commit
from learning.models import Conversation, User
from learning.tasks import remove_words, remove_words_of_conversation
from tracing import privacy, pseudonym
from tracing.models import ContentState, TraceRecord

logger = logging.getLogger(__name__)

# Beyond it, half a second of work: not while a page waits, and other students' rows with it.
AT_ONCE = 1_000


def forget_words(user: User) -> bool:
    """Remove the words of a person's traces; return whether it is done, or will be soon."""
    name = pseudonym(user)
    with_words = TraceRecord.objects.filter(user_id=name, content_state=ContentState.KEPT)
    if with_words[: AT_ONCE + 1].count() > AT_ONCE:
        remove_words.enqueue(name)
        return False
    privacy.blank_user(name)
    return True


@receiver(post_delete, sender=Conversation)
def _conversation_deleted(instance: Conversation, using: str, **kwargs) -> None:
    # After the commit, each on its own: a rollback brings everything back, and what one of them
    # cannot do must not keep the other from it.
    conversation_id = instance.pk

    def forget():
        try:
            privacy.blank_session(str(conversation_id))
        except DatabaseError:
            logger.exception("the words of a deleted conversation are removed a little later")
            remove_words_of_conversation.enqueue(str(conversation_id))

    end_talk_on_commit(conversation_id, using)
    transaction.on_commit(forget, using=using, robust=True)


@receiver(post_delete, sender=User)
def _user_deleted(instance: User, using: str, **kwargs) -> None:
    """What they asked for outside of conversations; these are forgotten one by one."""
    name = pseudonym(instance)

    def forget():
        try:
            privacy.blank_user(name)
        except DatabaseError:
            logger.exception("the words of a deleted account are removed a little later")
            remove_words.enqueue(name)

    transaction.on_commit(forget, using=using, robust=True)
