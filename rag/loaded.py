"""The index version that a collection is searched in, held in memory.

Which version is active is asked of the database at every search, one short query, so that a switch
made by another process is seen at once. One thread, the lane LOADING, does all the loading. While
it loads a new version, searches are answered from the one before: who may read which document is
decided at query time, so nothing is shown that should not be.
"""

import functools
import logging
import math
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from rag import compute, database
from rag.bm25 import Vocabulary
from rag.embedders.base import Embedder, get_embedder
from rag.errors import ComputeBusy, IndexMismatch, IndexMissing
from rag.index_loader import DocumentId, LoadedDocument, StoredPassage, load_documents
from rag.lexical import LexicalIndex
from rag.models import EVALUATION_PREFIX, IndexVersion, TokenBasis
from rag.rerankers.base import get_reranker
from rag.stamps import check_usable
from rag.stores.base import Vectors, get_store

logger = logging.getLogger(__name__)

# For how long a version that is no longer active may answer while the next one is loaded.
FORMER_SERVES_SECONDS = 60.0
NEXT_TRY_SECONDS = 5.0  # after the next one could not be loaded


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
    basis: np.ndarray | None  # for token vectors; None where the model has none
    unknown_shares: np.ndarray  # float32 (passages,): of word pieces that the model does not know
    # What the version after this one can take over.
    documents: dict[DocumentId, LoadedDocument] = field(repr=False)
    vocabulary: Vocabulary = field(repr=False)

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
        numbers, document_of_row = self._documents_of_rows
        if keys is None:
            return np.ones(len(self.passages), dtype=bool)
        allowed = np.zeros(len(numbers), dtype=bool)
        allowed[[numbers[key] for key in keys if key in numbers]] = True
        return allowed[document_of_row]

    @functools.cached_property
    def _documents_of_rows(self) -> tuple[dict[str, int], np.ndarray]:
        """A number for each document's key, and the number of each row's document."""
        numbers: dict[str, int] = {}
        rows = [numbers.setdefault(one.document_key, len(numbers)) for one in self.passages]
        return numbers, np.array(rows, dtype=np.int64)


@dataclass
class _Switch:
    """A version that is loaded, or cannot be, while the one before answers.

    Holds no result: what was loaded is in `_loaded` and nowhere else.
    """

    version: IndexVersion
    noticed_at: float
    tried_at: float = -math.inf
    is_loading: bool = False
    has_failed: bool = False


_loaded: dict[str, LoadedIndex] = {}  # by collection
_switches: dict[str, _Switch] = {}
_lock = threading.Lock()


async def active_index(collection: str) -> LoadedIndex:
    """Return the active index of a collection, or for a moment the one before it.

    Raises IndexMissing or IndexMismatch.
    """
    for _attempt in range(3):
        version = await database.run(_active_versions(collection).first)
        embedder = get_embedder()
        if version is None:
            _let_go({collection})
            check_usable(collection, None, embedder)
        found = _loaded.get(collection)
        if found is not None:
            if found.is_of(version, embedder):
                return found
            if await _serves_while_loading(found, version, embedder):
                return found
        try:
            return await compute.run(load, version, lane=compute.Lane.LOADING)
        except IndexVersion.DoesNotExist:
            continue  # replaced twice in the meantime
    raise IndexMissing(f"The search index of “{collection}” changes faster than it can be loaded.")


def follow_switch(collection: str) -> None:
    """Load the active version, where the one before it is in memory; returns when it is there.

    Where there is none any more, let go of what is in memory. For the process that switches: it
    knows first, and its next search sees what it wrote.
    """
    version = _active_versions(collection).first()
    if version is None:
        _let_go({collection})
    elif collection in _loaded:
        compute.run_blocking(load, version, lane=compute.Lane.LOADING)


def load(version: IndexVersion) -> LoadedIndex:
    """Load a version into memory, unless it is; for the lane LOADING.

    Raises IndexMismatch, and IndexVersion.DoesNotExist once the version is no longer active.
    """
    embedder = get_embedder()
    former = _loaded.get(version.collection)
    if former is not None and former.is_of(version, embedder):
        return former
    _active_versions(version.collection).get(pk=version.pk)
    check_usable(version.collection, version, embedder)
    found = _loaded[version.collection] = _read(version, embedder, former)
    _let_go_of_removed()
    return found


def warm_up() -> None:
    """Load the models and every active index, so that the first student does not wait.

    Takes about ten seconds: call it in a thread of its own. A collection that cannot be searched
    will say so when it is asked. Raises ModelUnavailable.
    """
    compute.run_blocking(get_embedder().encode_questions, ["warm-up"], lane=compute.Lane.QUESTIONS)
    compute.run_blocking(get_reranker().warm_up, lane=compute.Lane.QUESTIONS)
    # One by one: a student of the first does not wait until the last is loaded.
    for version in compute.run_blocking(_active_courses, lane=compute.Lane.LOADING):
        try:
            compute.run_blocking(load, version, lane=compute.Lane.LOADING)
        except (IndexMismatch, IndexVersion.DoesNotExist) as problem:
            logger.warning("not loaded: %s", problem)
        except Exception:
            logger.exception("the index of %s cannot be loaded", version.collection)


def _active_courses() -> list[IndexVersion]:
    active = IndexVersion.objects.filter(status=IndexVersion.Status.ACTIVE)
    return list(active.exclude(collection__startswith=EVALUATION_PREFIX))


def _active_versions(collection: str):
    return IndexVersion.objects.filter(collection=collection, status=IndexVersion.Status.ACTIVE)


async def _serves_while_loading(
    found: LoadedIndex, version: IndexVersion, embedder: Embedder
) -> bool:
    """Have the new version loaded; say whether the one in memory may answer meanwhile."""
    if found.embedder is not embedder or version.embedder_fingerprint != embedder.fingerprint:
        return False
    now = time.monotonic()
    with _lock:
        switch = _switches.get(version.collection)
        if switch is None or _named(switch.version) != _named(version):
            switch = _switches[version.collection] = _Switch(version, noticed_at=now)
        if now > switch.noticed_at + FORMER_SERVES_SECONDS:
            return False  # who waits is told why it is not there
        begins = not switch.is_loading and now >= switch.tried_at + NEXT_TRY_SECONDS
        if begins:
            switch.is_loading, switch.tried_at = True, now
    if begins:
        try:
            compute.submit(_follow, switch, lane=compute.Lane.LOADING)
        except ComputeBusy:
            switch.is_loading = False
    # Once it is removed, its vectors may be gone from a store that reads them from the database.
    kept = IndexVersion.objects.filter(pk=found.version_id, created_at=found.created_at)
    return await database.run(kept.exists)


def _follow(switch: _Switch) -> None:
    """Load the version of a switch; what goes wrong is logged once."""
    try:
        load(switch.version)
    except IndexVersion.DoesNotExist:
        pass  # replaced meanwhile: who asks next sees by what
    except Exception:
        if not switch.has_failed:
            name = switch.version.collection
            logger.exception("the new index of %s cannot be loaded; the former answers", name)
        switch.has_failed = True
    finally:
        switch.tried_at = time.monotonic()
        switch.is_loading = False


def _named(version: IndexVersion) -> tuple[int, datetime]:
    return version.pk, version.created_at


def _let_go_of_removed() -> None:
    """Nobody may ever ask for a course again that another process has removed."""
    names = set(_loaded)
    held = IndexVersion.objects.filter(collection__in=names)
    _let_go(names - set(held.values_list("collection", flat=True)))


def _let_go(collections: Collection[str]) -> None:
    """Free the memory of collections that have no index any more."""
    with _lock:
        for collection in collections:
            _loaded.pop(collection, None)
            _switches.pop(collection, None)


def _read(version: IndexVersion, embedder: Embedder, former: LoadedIndex | None) -> LoadedIndex:
    known, vocabulary = (former.documents, former.vocabulary) if former else ({}, Vocabulary())
    documents = load_documents(version, known, vocabulary)
    rows = sorted(
        (row for document in documents.values() for row in document),
        key=lambda row: row.passage.chunk_id,
    )
    basis = TokenBasis.objects.filter(embedder_fingerprint=embedder.fingerprint).first()
    return LoadedIndex(
        version_id=version.pk,
        created_at=version.created_at,
        embedder=embedder,
        passages=tuple(row.passage for row in rows),
        chunk_ids=np.array([row.passage.chunk_id for row in rows], dtype=np.int64),
        lexical=LexicalIndex.of(vocabulary, [row.words for row in rows]),
        vectors=get_store().open(version.pk),
        basis=None if basis is None else basis.as_array(),
        unknown_shares=np.array([row.unknown_share for row in rows], dtype=np.float32),
        documents=documents,
        vocabulary=vocabulary,
    )
