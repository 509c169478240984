"""What a reader sees of the passages that an answer stands on."""

from django.db.models import Prefetch, QuerySet

from learning.models import Chapter, Citation


def citations_for(user) -> QuerySet[Citation]:
    """Return citations as this reader sees them; filter them further, or prefetch with them.

    A chapter that the reader cannot see, by now, is None, so no address leads there. The quote
    stays: they have been told it.
    """
    readable = Chapter.objects.visible_to(user).select_related("course").defer("text")
    return Citation.objects.prefetch_related(Prefetch("chapter", readable))
