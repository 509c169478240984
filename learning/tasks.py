"""Work that is done behind the page, by `manage.py db_worker`."""

from django_tasks import task

from rag.indexing import reindex


@task()
def reindex_course(slug: str) -> str:
    """Bring the search index of one course in line with its chapters."""
    return str(reindex([slug]))
