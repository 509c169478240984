"""The index of a labelled set: a collection of its own, written the way courses are."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from django.utils.text import slugify

from rag.evaluation.labelled_set import LabelledSet
from rag.models import EVALUATION_PREFIX, IndexVersion
from rag.sources import DocumentSource, SourceDocument

KEY_LENGTH = 200  # what an index takes
TITLE_LENGTH = 500


def collection_of(folder: Path) -> str:
    """Return the collection that a set is indexed in: one for each folder.

    The index follows the folder: after a change in it, only what changed is embedded anew.
    """
    place = folder.resolve()
    name = slugify(place.name, allow_unicode=True)[:100] or "set"
    return f"{EVALUATION_PREFIX}{name}-{hashlib.sha256(bytes(place)).hexdigest()[:8]}"


def indexed_sets() -> list[str]:
    """Return the collections of all sets that have an index."""
    versions = IndexVersion.objects.filter(collection__startswith=EVALUATION_PREFIX)
    return sorted(versions.values_list("collection", flat=True).distinct())


class LabelledSetSource(DocumentSource):
    """Supplies a labelled set as one collection, each passage as a document."""

    def __init__(self, labelled: LabelledSet) -> None:
        self.labelled = labelled
        self.collection = collection_of(labelled.folder)
        self.passage_ids = {_key(passage_id): passage_id for passage_id in labelled.passages}

    def collections(self) -> list[str]:
        return [self.collection]

    def documents(self, collection: str) -> Iterator[SourceDocument]:
        for passage in self.labelled.passages.values():
            if passage.text.strip():  # as with a chapter: without text there is nothing to find
                yield SourceDocument(
                    key=_key(passage.id),
                    title=passage.title[:TITLE_LENGTH],
                    text=passage.text,
                    language=self.labelled.language,
                )


def _key(passage_id: str) -> str:
    if len(passage_id) <= KEY_LENGTH and passage_id.isprintable():
        return passage_id
    # Too long, or with characters that a database refuses.
    return hashlib.sha256(json.dumps(passage_id).encode()).hexdigest()
