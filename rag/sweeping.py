"""Remove what no index version holds any more."""

import logging
from datetime import timedelta

from django.db import DatabaseError, transaction
from django.utils import timezone

from rag.locking import hold_versions
from rag.models import ChunkVector, Document, IndexVersion

logger = logging.getLogger(__name__)

# A version that has been in the making for longer is left from a run that died.
LONGEST_RUN = timedelta(days=1)


def sweep(collection: str) -> None:
    """Remove the revisions that no version holds, then the vectors that no passage uses.

    Where the database refuses, the log says so: what is left is in nobody's way, and the next
    sweep finds it.
    """
    try:
        _sweep(collection)
    except DatabaseError:
        logger.exception("what the index of %s no longer holds could not be removed", collection)


def _sweep(collection: str) -> None:
    unheld = Document.objects.filter(collection=collection, versions__isnull=True)
    _delete(Document, unheld)
    with transaction.atomic():
        hold_versions()  # a run that begins now looks for vectors when these are gone
        # A run that is under way, or was killed, has vectors whose passages are not stored yet.
        building = IndexVersion.objects.filter(status=IndexVersion.Status.BUILDING)
        if building.filter(created_at__gt=timezone.now() - LONGEST_RUN).exists():
            return
        _delete(ChunkVector, ChunkVector.objects.filter(chunks__isnull=True))


def _delete(model: type[Document | ChunkVector], rows) -> None:
    """Delete by key; else Django reads whole rows, vectors and all, to delete them."""
    ids = list(rows.values_list("pk", flat=True))
    for at in range(0, len(ids), 500):
        model.objects.filter(pk__in=ids[at : at + 500]).only("pk").delete()
