"""Cut and store documents: what a reindex does with those that differ.

Vectors are found again by the hash of model and text, so a passage that stayed as it was is not
embedded twice, in whichever document or version it stands.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from django.db import transaction

from rag.chunking import Passage, split_document
from rag.embedders.base import Embedder
from rag.errors import RetrievalError
from rag.fusion import dense_weight
from rag.index_report import Failure, in_words
from rag.models import Chunk, Document, IndexVersion
from rag.sources import SourceDocument
from rag.vector_writer import (
    VECTOR_FORMAT,
    Progress,
    Superseded,
    VectorWriter,
    check_not_superseded,
    stored_vectors,
)

logger = logging.getLogger(__name__)

STORED_TOGETHER = 500  # passages, whose documents are written in one transaction
LANGUAGE_SAMPLE_CHARACTERS = 2_000  # enough to tell whether the model knows a text's language


@dataclass
class PendingDocument:
    """A document that differs from what is stored, and what was made of it so far."""

    source: SourceDocument
    content_hash: str
    former_id: int | None  # the active revision, which stays if this one fails
    passages: list[Passage] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)  # of model and passage, one for each


class IndexWriter:
    """Writes documents into one index version, and counts what it did."""

    def __init__(
        self,
        version: IndexVersion,
        embedder: Embedder,
        *,
        reuse: bool = True,
        progress: Progress | None = None,
    ) -> None:
        self.version = version
        self.embedder = embedder
        self.reuse = reuse
        self.vectors = VectorWriter(version, embedder, progress)
        self.stored_count = 0  # passages
        self.failed: list[tuple[PendingDocument, Failure]] = []

    def write(self, documents: list[PendingDocument]) -> None:
        """Index documents into the version; what fails is in `failed`.

        Raises Superseded when the version was taken away, ModelUnavailable.
        """
        documents = [document for document in documents if self._cut(document)]
        fresh = {
            known: passage
            for document in documents
            for known, passage in zip(document.hashes, document.passages, strict=True)
        }
        if self.reuse:
            for known in stored_vectors(fresh):
                del fresh[known]
        if fresh:  # else no model is needed
            self.vectors.write(fresh)
        vector_ids = stored_vectors(known for document in documents for known in document.hashes)
        for group in _groups(documents):
            self._store(group, vector_ids)

    def _cut(self, document: PendingDocument) -> bool:
        try:
            document.passages = split_document(
                document.source.text,
                title=document.source.title,
                count_tokens=self.embedder.count_tokens,
                max_tokens=self.embedder.max_tokens,
                is_known=self._knows(document.source.text),
            )
        except RetrievalError:
            raise
        except Exception as error:
            self._give_up(document, error)
            return False
        document.hashes = [
            digest(VECTOR_FORMAT, self.embedder.fingerprint, passage.embedded_text)
            for passage in document.passages
        ]
        return True

    def _knows(self, text: str) -> bool:
        return dense_weight(self.embedder.unknown_share(text[:LANGUAGE_SAMPLE_CHARACTERS])) > 0

    def _store(self, documents: list[PendingDocument], vector_ids: dict[str, int]) -> None:
        """Store documents in one transaction; where that fails, each in its own."""
        try:
            with transaction.atomic():
                check_not_superseded(self.version)
                self._write_rows(documents, vector_ids)
        except Superseded:
            raise
        except Exception as error:
            if len(documents) == 1:
                self._give_up(documents[0], error)
                return
            for document in documents:
                self._store([document], vector_ids)
        else:
            self.stored_count += sum(len(document.passages) for document in documents)

    def _write_rows(self, documents: list[PendingDocument], vector_ids: dict[str, int]) -> None:
        for document in documents:
            if missing := set(document.hashes) - vector_ids.keys():
                raise ValueError(f"{len(missing)} of its passages could not be embedded")
        rows = Document.objects.bulk_create(
            Document(
                collection=self.version.collection,
                key=document.source.key,
                title=document.source.title,
                language=document.source.language,
                content_hash=document.content_hash,
            )
            for document in documents
        )
        Chunk.objects.bulk_create(
            Chunk(
                document=row,
                vector_id=vector_ids[known],
                position=position,
                start=passage.start,
                end=passage.end,
                heading_path=list(passage.heading_path),
                text=passage.text,
                token_count=passage.token_count,
            )
            for row, document in zip(rows, documents, strict=True)
            for position, (known, passage) in enumerate(
                zip(document.hashes, document.passages, strict=True)
            )
        )
        hold(self.version, (row.pk for row in rows))

    def _give_up(self, document: PendingDocument, error: Exception) -> None:
        source = document.source
        logger.warning("%s could not be indexed: %s", source.title, in_words(error))
        failure = Failure(self.version.collection, source.key, source.title, in_words(error))
        self.failed.append((document, failure))
        if document.former_id is not None:
            hold(self.version, [document.former_id])


def hold(version: IndexVersion, document_ids: Iterable[int]) -> None:
    """Let a version hold these revisions, which it does not hold yet."""
    held = IndexVersion.documents.through
    held.objects.bulk_create(
        held(indexversion_id=version.pk, document_id=document_id) for document_id in document_ids
    )


def digest(*parts: str) -> str:
    """Return the SHA-256 of some texts. Raises ValueError where one holds half a surrogate."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _groups(documents: list[PendingDocument]) -> Iterator[list[PendingDocument]]:
    group: list[PendingDocument] = []
    passage_count = 0
    for document in documents:
        group.append(document)
        passage_count += len(document.passages)
        if passage_count >= STORED_TOGETHER:
            yield group
            group, passage_count = [], 0
    if group:
        yield group
