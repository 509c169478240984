"""The index version that a collection is searched in, held in memory.

Which version is active is asked of the database at every search, one short query, so that a switch
made by another process is seen at once. Loading happens once per version, in a thread of its own.
"""

import logging
import threading
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from rag import compute
from rag.embedders.base import Embedder, get_embedder
from rag.errors import IndexMismatch, IndexMissing
from rag.lexical import LexicalIndex
from rag.models import Chunk, IndexVersion
from rag.rerankers.base import get_reranker
from rag.stores.base import Vectors, get_store

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
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
        return f"{' › '.join(self.heading_path)}\n{self.text}"


@dataclass(frozen=True)
class LoadedIndex:
    """All that a search needs of one version. Rows number the passages, in the order of ids."""

    version_id: int
    created_at: datetime  # of the version: a restored database may give its number to another
    embedder: Embedder  # that fits it
    passages: tuple[StoredPassage, ...]
    chunk_ids: np.ndarray  # int64 (passages,), ascending
    lexical: LexicalIndex
    vectors: Vectors

    def is_of(self, version: IndexVersion, embedder: Embedder) -> bool:
        return (
            self.version_id == version.pk
            and self.created_at == version.created_at
            and self.embedder is embedder
        )

    def rows_of(self, chunk_ids: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.chunk_ids, chunk_ids)

    def allowed_rows(self, keys: Collection[str] | None) -> np.ndarray:
        """Return bool (passages,): whether each passage lies in one of these documents."""
        if keys is None:
            return np.ones(len(self.passages), dtype=bool)
        wanted = frozenset(keys)
        return np.array([passage.document_key in wanted for passage in self.passages], dtype=bool)


_loaded: dict[str, LoadedIndex] = {}  # by collection
_loading: dict[str, threading.Lock] = {}
_lock = threading.Lock()


async def active_index(collection: str) -> LoadedIndex:
    """Return the active index of a collection. Raises IndexMissing or IndexMismatch."""
    for _attempt in range(3):
        version = await IndexVersion.objects.filter(
            collection=collection, status=IndexVersion.Status.ACTIVE
        ).afirst()
        if version is None:
            raise _missing(collection)
        found = _loaded.get(collection)
        if found is not None and found.is_of(version, get_embedder()):
            return found
        try:
            return await compute.run(load, version, lane=compute.Lane.LOADING)
        except IndexVersion.DoesNotExist:
            continue  # replaced twice in the meantime
    raise IndexMissing(f"The search index of “{collection}” changes faster than it can be loaded.")


def check_usable(collection: str, version: IndexVersion | None, embedder: Embedder) -> None:
    """Raise IndexMissing or IndexMismatch, in words, unless this version can be searched."""
    if version is None:
        raise _missing(collection)
    if version.embedder_fingerprint != embedder.fingerprint:
        raise IndexMismatch(
            f"The search index of “{collection}” was built with {version.embedder_name}, but "
            f"{embedder.name} is configured now (EMBEDDING_MODEL), or its files have changed. "
            f"Run: manage.py reindex --course {collection}"
        )


def _missing(collection: str) -> IndexMissing:
    return IndexMissing(
        f"“{collection}” has no search index yet. Run: manage.py reindex --course {collection}"
    )


def load(version: IndexVersion) -> LoadedIndex:
    """Load a version into memory, once however many threads ask. Raises IndexMismatch."""
    embedder = get_embedder()
    with _lock:
        loading = _loading.setdefault(version.collection, threading.Lock())
    with loading:
        found = _loaded.get(version.collection)
        if found is None or not found.is_of(version, embedder):
            check_usable(version.collection, version, embedder)
            found = _loaded[version.collection] = _read(version, embedder)
        return found


def warm_up() -> None:
    """Load the models and every active index, so that the first student does not wait.

    Takes about ten seconds: call it in a thread of its own. A collection that cannot be searched
    will say so when it is asked. Raises ModelUnavailable.
    """
    compute.run_blocking(get_embedder().embed_question, "warm-up", lane=compute.Lane.QUESTIONS)
    compute.run_blocking(get_reranker().warm_up, lane=compute.Lane.QUESTIONS)
    compute.run_blocking(load_all, lane=compute.Lane.LOADING)


def load_all() -> None:
    """Load every active version that can be searched."""
    for version in IndexVersion.objects.filter(status=IndexVersion.Status.ACTIVE):
        try:
            load(version)
        except (IndexMismatch, IndexVersion.DoesNotExist) as problem:
            logger.warning("not loaded: %s", problem)


def _read(version: IndexVersion, embedder: Embedder) -> LoadedIndex:
    version.refresh_from_db(fields=["status"])  # raises DoesNotExist once it was removed
    rows = (
        Chunk.objects.filter(document__versions=version)
        .order_by("pk")
        .values_list(
            "pk", "document__key", "document__title", "heading_path", "text", "start", "end"
        )
    )
    passages = tuple(
        StoredPassage(pk, key, title, tuple(path), text, start, end)
        for pk, key, title, path, text, start, end in rows
    )
    return LoadedIndex(
        version_id=version.pk,
        created_at=version.created_at,
        embedder=embedder,
        passages=passages,
        chunk_ids=np.array([passage.chunk_id for passage in passages], dtype=np.int64),
        lexical=LexicalIndex(passage.embedded_text for passage in passages),
        vectors=get_store().open(version.pk),
    )
