"""Read the passages of an index version, taking over what the version before it has in memory.

Documents are immutable and shared by versions, so after one edited chapter only its passages are
read and cut into words. The sockets of students live in this process as well: between passages
other threads get their turn.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from rag.bm25 import Vocabulary, WordCounts
from rag.chunking import embedded_text
from rag.lexical import tokens
from rag.models import Chunk, Document, IndexVersion

READ_TOGETHER = 20  # documents

# With the time it was made: a restored database may give its number to another.
DocumentId = tuple[int, datetime]


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage as it was indexed."""

    chunk_id: int
    document_key: str
    title: str
    heading_path: tuple[str, ...]
    text: str
    start: int
    end: int

    @property
    def embedded_text(self) -> str:
        return embedded_text(self.heading_path, self.text)


class LoadedRow(NamedTuple):
    """A passage, and what the rankers read of it."""

    passage: StoredPassage
    words: WordCounts
    unknown_share: float


LoadedDocument = tuple[LoadedRow, ...]


def load_documents(
    version: IndexVersion, known: Mapping[DocumentId, LoadedDocument], vocabulary: Vocabulary
) -> dict[DocumentId, LoadedDocument]:
    """Return all documents of a version: the known ones as they are, the others from the database.

    The words of the known ones are counted by the same vocabulary.
    """
    held = Document.objects.filter(versions=version).order_by("pk")
    ids: list[DocumentId] = list(held.values_list("pk", "created_at"))
    created_at = dict(one for one in ids if one not in known)
    rows: dict[DocumentId, list[LoadedRow]] = {one: [] for one in created_at.items()}
    for document_id, row in _read(list(created_at), vocabulary):
        rows[document_id, created_at[document_id]].append(row)
    return {one: known[one] if one in known else tuple(rows[one]) for one in ids}


def _read(document_ids: list[int], vocabulary: Vocabulary) -> Iterator[tuple[int, LoadedRow]]:
    for at in range(0, len(document_ids), READ_TOGETHER):
        found = (
            Chunk.objects.filter(document__in=document_ids[at : at + READ_TOGETHER])
            .order_by("pk")
            .values_list(
                "document_id",
                "vector__unknown_share",
                "pk",
                "document__key",
                "document__title",
                "heading_path",
                "text",
                "start",
                "end",
            )
        )
        for document_id, unknown_share, pk, key, title, path, text, start, end in found:
            passage = StoredPassage(pk, key, title, tuple(path), text, start, end)
            words = vocabulary.count(tokens(passage.embedded_text))
            yield document_id, LoadedRow(passage, words, unknown_share)
            time.sleep(0)  # the event loop may be waiting
