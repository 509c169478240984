"""Work that is done behind the page, by `manage.py db_worker`."""

from django_tasks import task

from rag.indexing import reindex
from tracing import privacy


@task()
def reindex_course(slug: str) -> str:
    """Bring the search index of one course in line with its chapters."""
    return str(reindex([slug]))


@task()
def remove_words(pseudonym: str) -> int:
    """Remove the words of a person's traces; return how many had any."""
    return privacy.blank_user(pseudonym)


@task()
def remove_words_of_conversation(conversation_id: str) -> int:
    """Remove the words of a conversation's traces; return how many had any."""
    return privacy.blank_session(conversation_id)
