"""Work that is done behind the page, by `manage.py worker`."""

from django.db import transaction
from django_tasks import task
from django_tasks_db import DatabaseBackend

from rag.indexing import reindex
from tracing import privacy


@task()
def reindex_course(slug: str) -> str:
    """Bring the search index of one course in line with its chapters."""
    return str(reindex([slug]))


def reindex_soon(slug: str) -> None:
    """Have the search index of a course brought in line, once what is being written is written.

    However often it is asked, one run that has not begun yet is enough. Where no worker runs, it
    stays queued.
    """

    def queue_reindex():  # a named function: Django logs its name
        # A run that waits reads the text when it begins, so it will see what is written by now.
        if not _is_waiting(slug):
            reindex_course.enqueue(slug)

    # Robust: a queue that is away must not cost who saved a chapter their page.
    transaction.on_commit(queue_reindex, robust=True)


def _is_waiting(slug: str) -> bool:
    if not isinstance(reindex_course.get_backend(), DatabaseBackend):
        return False  # others do not tell what they hold; a run with nothing to do is short
    from django_tasks_db.models import DBTaskResult

    waiting = DBTaskResult.objects.ready().filter(task_path=reindex_course.module_path)
    return any(job.args_kwargs["args"] == [slug] for job in waiting.only("args_kwargs"))


@task()
def generate_artefact(job_id: str) -> str:
    """Make a word cloud, a knowledge graph or a quiz; return the status that the job ended in."""
    from learning.artefacts.generating import generate  # with what reads a model's answers

    return generate(job_id, rests=True)


@task()
def remove_words(pseudonym: str) -> int:
    """Remove the words of a person's traces; return how many had any."""
    return privacy.blank_user(pseudonym)


@task()
def remove_words_of_conversation(conversation_id: str) -> int:
    """Remove the words of a conversation's traces; return how many had any."""
    return privacy.blank_session(conversation_id)


@task()
def import_upload(job_id: str) -> str:
    """Make uploaded files into a course; return the status that the job ended in."""
    from learning.importing.uploads import import_upload  # with what reads the files

    return import_upload(job_id)
