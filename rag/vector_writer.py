"""Embed passages and store their vectors: what a reindex spends its time on.

Each batch is stored as soon as it is embedded, while the next ones are being embedded, so storing
costs no time of its own, and a kill costs three batches.
"""

import functools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing

import numpy as np
from django.db import transaction

from rag import compute, late_interaction
from rag.chunking import Passage
from rag.embedders.base import Embedder, Encoding
from rag.errors import RetrievalError
from rag.index_report import in_words
from rag.models import ChunkVector, IndexVersion, TokenBasis
from rag.stores.base import get_store
from tracing import Usage, generation

logger = logging.getLogger(__name__)

BATCH_SIZE = 16
BATCHES_AHEAD = 2
# What a stored vector comes with. Part of every hash: where it changes, all is embedded anew.
VECTOR_FORMAT = f"vector, token vectors of {late_interaction.DIMENSION}"

# Told after each batch: passages done, passages to do, collection.
Progress = Callable[[int, int, str], None]
Batch = dict[str, Passage]  # by hash


class Superseded(Exception):
    """A later run took over this collection; its result stands."""


class VectorWriter:
    """Embeds passages for one index version, and counts them."""

    def __init__(
        self, version: IndexVersion, embedder: Embedder, progress: Progress | None = None
    ) -> None:
        self.version = version
        self.embedder = embedder
        self.progress = progress
        self.embedded_count = 0
        self.dimension = 0

    def write(self, passages: Batch) -> None:
        """Embed passages and store their vectors, the longest first.

        One that cannot be embedded is logged and left out. Raises Superseded when the version was
        taken away, ModelUnavailable.
        """
        with generation(
            "embedding",
            model=self.embedder.name,
            input={
                "text_count": len(passages),
                "model": self.embedder.name,
                "sample": next(iter(passages.values())).embedded_text[:200],
            },
        ) as embedding:
            embedding.usage = Usage(input=sum(each.token_count for each in passages.values()))
            with closing(self._encoded(_batches(passages))) as encoded:
                for encodings in encoded:
                    self._store(encodings)
                    self.embedded_count += len(encodings)
                    if self.progress:
                        self.progress(self.embedded_count, len(passages), self.version.collection)
            embedding.output = {
                "embedding_count": self.embedded_count,
                "dimension": self.dimension,
            }

    def _encoded(self, batches: Iterable[Batch]) -> Iterator[dict[str, Encoding]]:
        """Encode batches; the next ones are under way while the caller has one."""
        under_way: deque[tuple[Batch, Future]] = deque()
        try:
            for batch in batches:
                under_way.append((batch, self._encode(batch)))
                if len(under_way) > BATCHES_AHEAD:
                    yield self._result(*under_way.popleft())
            while under_way:
                yield self._result(*under_way.popleft())
        finally:
            for _, future in under_way:
                future.cancel()

    def _encode(self, batch: Batch) -> Future:
        texts = [passage.embedded_text for passage in batch.values()]
        return compute.submit(self.embedder.encode_passages, texts, lane=compute.Lane.INDEXING)

    def _result(self, batch: Batch, future: Future) -> dict[str, Encoding]:
        """Where a batch fails, go on text by text, so that one bad text harms no other."""
        try:
            return dict(zip(batch, future.result(), strict=True))
        except RetrievalError:
            raise
        except Exception as error:
            if len(batch) == 1:
                logger.warning("a passage could not be embedded: %s", in_words(error))
                return {}
        encodings: dict[str, Encoding] = {}
        for pair in batch.items():
            single = dict([pair])
            encodings |= self._result(single, self._encode(single))
        return encodings

    def _store(self, encodings: dict[str, Encoding]) -> None:
        # In one order, so that two runs that embed the same texts never lock each other out.
        rows = [self._row(known, encodings[known]) for known in sorted(encodings)]
        with transaction.atomic():
            check_not_superseded(self.version)
            ChunkVector.objects.bulk_create(
                rows,
                update_conflicts=True,
                unique_fields=["content_hash"],
                update_fields=["dimension", "vector", "token_vectors", "unknown_share"],
            )
            get_store().refresh(sorted(encodings))

    def _row(self, known: str, encoding: Encoding) -> ChunkVector:
        token_vectors = None
        if encoding.token_vectors is not None and self._basis is not None:
            compact = late_interaction.compact(encoding.token_vectors, self._basis)
            token_vectors = compact.tobytes()
        self.dimension = len(encoding.vector)
        return ChunkVector(
            content_hash=known,
            embedder_fingerprint=self.embedder.fingerprint,
            dimension=self.dimension,
            vector=encoding.vector.astype("<f4").tobytes(),
            token_vectors=token_vectors,
            unknown_share=encoding.unknown_share,
        )

    @functools.cached_property
    def _basis(self) -> np.ndarray | None:
        return token_basis(self.embedder)


def token_basis(embedder: Embedder) -> np.ndarray | None:
    """Return what makes a model's token vectors compact; made once, which takes seconds."""
    stored = TokenBasis.objects.filter(embedder_fingerprint=embedder.fingerprint).first()
    if stored is None:
        basis = compute.run_blocking(embedder.token_basis, late_interaction.DIMENSION)
        if basis is None:
            return None
        stored, _ = TokenBasis.objects.get_or_create(  # where two made one, the first stands
            embedder_fingerprint=embedder.fingerprint,
            defaults={"dimension": basis.shape[1], "basis": basis.astype("<f4").tobytes()},
        )
    return stored.as_array()


def stored_vectors(wanted: Iterable[str]) -> dict[str, int]:
    """Return the ids of the vectors that are stored, by hash."""
    ordered = sorted(set(wanted))
    found: dict[str, int] = {}
    for at in range(0, len(ordered), 500):  # SQLite takes a limited number of parameters
        rows = ChunkVector.objects.filter(content_hash__in=ordered[at : at + 500])
        found.update(rows.values_list("content_hash", "pk"))
    return found


def check_not_superseded(version: IndexVersion) -> None:
    """Raise Superseded when a later run has removed the version that is being built.

    Until the caller's transaction ends, none removes it.
    """
    held = IndexVersion.objects.select_for_update().filter(pk=version.pk)
    if held.values_list("pk").first() is None:
        raise Superseded


def _batches(passages: Batch) -> Iterator[Batch]:
    """Batches of texts of like length: a batch costs as much as its longest text."""
    ordered = sorted(passages.items(), key=lambda pair: _length(pair[1]), reverse=True)
    for at in range(0, len(ordered), BATCH_SIZE):
        yield dict(ordered[at : at + BATCH_SIZE])


def _length(passage: Passage) -> float:
    """About how many word pieces the text has with its heading path, which was not counted."""
    return passage.token_count + sum(map(len, passage.heading_path)) / 4
