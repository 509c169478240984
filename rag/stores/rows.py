"""Which passages a version holds, as arrays: what every store begins with."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rag.models import Chunk, Document, IndexVersion

READ_TOGETHER = 200  # vectors


@dataclass(frozen=True)
class VersionRows:
    """The passages of a version in the order of their ids, without their text."""

    version: IndexVersion
    chunk_ids: np.ndarray  # int64 (passages,)
    vector_ids: np.ndarray  # int64 (passages,)
    documents: np.ndarray  # int64 (passages,): place in the two that follow
    document_ids: np.ndarray  # int64 (documents,)
    keys: tuple[str, ...]  # of the documents

    def allowed_documents(self, keys: frozenset[str]) -> np.ndarray:
        """Return bool (documents,): whether each is one of these."""
        return np.array([key in keys for key in self.keys], dtype=bool)


def read_rows(version_id: int) -> VersionRows:
    """Read which passages a version holds. Raises IndexVersion.DoesNotExist."""
    version = IndexVersion.objects.get(pk=version_id)
    held = Document.objects.filter(versions=version).order_by("pk").values_list("pk", "key")
    ids, keys = zip(*held, strict=True) if held else ((), ())
    document_ids = np.array(ids, dtype=np.int64)
    found = Chunk.objects.filter(document__versions=version).order_by("pk")
    columns = found.values_list("pk", "vector_id", "document_id")
    rows = np.array(list(columns.iterator()), dtype=np.int64).reshape(-1, 3)
    return VersionRows(
        version=version,
        chunk_ids=np.ascontiguousarray(rows[:, 0]),
        vector_ids=np.ascontiguousarray(rows[:, 1]),
        documents=np.searchsorted(document_ids, rows[:, 2]),
        document_ids=document_ids,
        keys=keys,
    )


def batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Cut ids into as many as one query takes; between them other threads get their turn."""
    for at in range(0, len(ids), READ_TOGETHER):
        yield ids[at : at + READ_TOGETHER]
        time.sleep(0)
