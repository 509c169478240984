"""Cut, embed and store documents: what a reindex does with those that differ.

Vectors are found again by the hash of model and text, so a passage that stayed as it was is not
embedded twice, in whichever document or version it stands.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from django.db import transaction

from rag import compute
from rag.chunking import Passage, split_document
from rag.embedders.base import Embedder
from rag.errors import RetrievalError
from rag.index_report import Failure, in_words
from rag.models import Chunk, ChunkVector, Document, IndexVersion
from rag.sources import SourceDocument
from tracing import Usage, generation

logger = logging.getLogger(__name__)

BATCH_SIZE = 16
# Texts are sorted by length within a window, and stored at its end: what a kill can cost.
WINDOW_PASSAGES = 256

# Told after each batch: passages done, passages to do, collection.
Progress = Callable[[int, int, str], None]


class Superseded(Exception):
    """A later run took over this collection; its result stands."""


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
        self.progress = progress
        self.embedded_count = 0
        self.stored_count = 0
        self.failed: list[tuple[PendingDocument, Failure]] = []

    def write(self, documents: list[PendingDocument]) -> None:
        """Index documents into the version, one transaction each; what fails is in `failed`.

        Raises Superseded when the version was taken away, ModelUnavailable.
        """
        documents = [document for document in documents if self._cut(document)]
        texts = {
            known: passage.embedded_text
            for document in documents
            for known, passage in zip(document.hashes, document.passages, strict=True)
        }
        if self.reuse:
            for known in _stored_hashes(texts):
                del texts[known]
        if not texts:  # then no model is needed
            for document in documents:
                self._store(document, {})
            return
        with generation(
            "embedding",
            model=self.embedder.name,
            input={
                "text_count": len(texts),
                "model": self.embedder.name,
                "sample": next(iter(texts.values()))[:200],
            },
        ) as embedding:
            embedding.usage = Usage(input=_token_count(documents, texts))
            self._write_in_windows(documents, texts)
            embedding.output = {
                "embedding_count": self.embedded_count,
                "dimension": self.embedder.dimension,
            }

    def _cut(self, document: PendingDocument) -> bool:
        try:
            document.passages = split_document(
                document.source.text,
                title=document.source.title,
                count_tokens=self.embedder.count_tokens,
                max_tokens=self.embedder.max_tokens,
            )
        except RetrievalError:
            raise
        except Exception as error:
            self._give_up(document, error)
            return False
        document.hashes = [
            digest(self.embedder.fingerprint, passage.embedded_text)
            for passage in document.passages
        ]
        return True

    def _write_in_windows(self, documents: list[PendingDocument], texts: dict[str, str]) -> None:
        to_do = len(texts)
        for window in _windows(documents):
            fresh = {
                known: texts.pop(known)
                for document in window
                for known in document.hashes
                if known in texts
            }
            vectors: dict[str, np.ndarray] = {}
            for batch in _batches(fresh):
                vectors.update(self._embed(batch))
                self.embedded_count += len(batch)
                if self.progress:
                    self.progress(self.embedded_count, to_do, self.version.collection)
            for document in window:
                self._store(document, vectors)

    def _embed(self, batch: dict[str, str]) -> dict[str, np.ndarray]:
        """Embed a batch; where it fails, text by text, so that one bad text harms no other."""
        try:
            vectors = compute.run_blocking(self.embedder.embed_passages, list(batch.values()))
            return dict(zip(batch, vectors, strict=True))
        except RetrievalError:
            raise
        except Exception as error:
            if len(batch) == 1:
                logger.warning("a passage could not be embedded: %s", in_words(error))
                return {}
            return {
                known: vector
                for pair in batch.items()
                for known, vector in self._embed(dict([pair])).items()
            }

    def _store(self, document: PendingDocument, vectors: dict[str, np.ndarray]) -> None:
        try:
            with transaction.atomic():
                check_not_superseded(self.version)
                self._write_rows(document, vectors)
        except Superseded:
            raise
        except Exception as error:
            self._give_up(document, error)
        else:
            self.stored_count += len(document.passages)

    def _write_rows(self, document: PendingDocument, vectors: dict[str, np.ndarray]) -> None:
        ChunkVector.objects.bulk_create(
            [
                ChunkVector(
                    content_hash=known,
                    embedder_fingerprint=self.embedder.fingerprint,
                    dimension=len(vectors[known]),
                    vector=vectors[known].astype("<f4").tobytes(),
                )
                for known in dict.fromkeys(document.hashes)
                if known in vectors
            ],
            update_conflicts=True,
            unique_fields=["content_hash"],
            update_fields=["vector", "dimension"],
        )
        found = ChunkVector.objects.filter(content_hash__in=set(document.hashes))
        ids = dict(found.values_list("content_hash", "pk"))
        if missing := set(document.hashes) - ids.keys():
            raise ValueError(f"{len(missing)} of its passages could not be embedded")
        row = Document.objects.create(
            collection=self.version.collection,
            key=document.source.key,
            title=document.source.title,
            language=document.source.language,
            content_hash=document.content_hash,
        )
        pairs = zip(document.hashes, document.passages, strict=True)
        Chunk.objects.bulk_create(
            Chunk(
                document=row,
                vector_id=ids[known],
                position=position,
                start=passage.start,
                end=passage.end,
                heading_path=list(passage.heading_path),
                text=passage.text,
                token_count=passage.token_count,
            )
            for position, (known, passage) in enumerate(pairs)
        )
        self.version.documents.add(row)

    def _give_up(self, document: PendingDocument, error: Exception) -> None:
        source = document.source
        logger.warning("%s could not be indexed: %s", source.title, in_words(error))
        failure = Failure(self.version.collection, source.key, source.title, in_words(error))
        self.failed.append((document, failure))
        if document.former_id is not None:
            self.version.documents.add(document.former_id)


def check_not_superseded(version: IndexVersion) -> None:
    """Raise Superseded when a later run has removed the version that is being built."""
    if not IndexVersion.objects.filter(pk=version.pk).exists():
        raise Superseded


def digest(*parts: str) -> str:
    """Return the SHA-256 of some texts. Raises ValueError where one holds half a surrogate."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _token_count(documents: list[PendingDocument], texts: dict[str, str]) -> int:
    counts = {
        known: passage.token_count
        for document in documents
        for known, passage in zip(document.hashes, document.passages, strict=True)
    }
    return sum(counts[known] for known in texts)


def _stored_hashes(wanted: Iterable[str]) -> set[str]:
    ordered = sorted(wanted)
    found: set[str] = set()
    for at in range(0, len(ordered), 500):  # SQLite takes a limited number of parameters
        rows = ChunkVector.objects.filter(content_hash__in=ordered[at : at + 500])
        found.update(rows.values_list("content_hash", flat=True))
    return found


def _windows(documents: list[PendingDocument]) -> Iterator[list[PendingDocument]]:
    window: list[PendingDocument] = []
    passage_count = 0
    for document in documents:
        window.append(document)
        passage_count += len(document.passages)
        if passage_count >= WINDOW_PASSAGES:
            yield window
            window, passage_count = [], 0
    if window:
        yield window


def _batches(texts: dict[str, str]) -> Iterator[dict[str, str]]:
    """Batches of texts of like length: a batch costs as much as its longest text."""
    ordered = sorted(texts.items(), key=lambda pair: len(pair[1]), reverse=True)
    for at in range(0, len(ordered), BATCH_SIZE):
        yield dict(ordered[at : at + BATCH_SIZE])
