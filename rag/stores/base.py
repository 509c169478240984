"""What a vector store is to the rest of the app."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence

import numpy as np

from rag import conf


class Vectors(ABC):
    """The vectors of one index version, ready to be searched from any thread.

    Chunks are named by primary key. Similarities are cosines; equal ones are ordered by chunk id,
    so that all stores agree to the tie.
    """

    @abstractmethod
    def nearest(
        self, vector: np.ndarray, *, limit: int, keys: Collection[str] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return chunk ids (int64) and similarities (float32), best first, at most `limit`.

        `keys` are the documents that may be found; None: all of the version. Raises
        IndexVersion.DoesNotExist, as the others do, where the version was removed and the store
        has to ask the database.
        """

    @abstractmethod
    def similarities(self, vector: np.ndarray, chunk_ids: Sequence[int]) -> np.ndarray:
        """Return the similarity of each of these chunks, float32 of shape (len(chunk_ids),)."""

    @abstractmethod
    def token_vectors(self, chunk_ids: Sequence[int]) -> list[np.ndarray]:
        """Return the compact token vectors of each of these chunks, int8 (tokens, 64).

        A chunk that has none gets an array of no rows.
        """


class VectorStore(ABC):
    """Where vectors are kept and searched. Versions never change, so what is open stays right."""

    @abstractmethod
    def open(self, version_id: int) -> Vectors:
        """Get a version ready to be searched."""

    def prepare(self, version_id: int) -> None:  # noqa: B027  some stores have nothing to prepare
        """Do beforehand what the first `open` would otherwise have to; before a version is active.

        May be killed at any time and called again. Not to be called inside a transaction.
        """

    def refresh(self, content_hashes: Collection[str]) -> None:  # noqa: B027  as above
        """Bring copies of these vectors in line: some may be embedded anew under the same hash.

        Called inside the transaction that stores them.
        """

    def problem(self) -> str:
        """Say in words what keeps this store from working, and what to do; "": nothing."""
        return ""


def get_store() -> VectorStore:
    """Return the store named by RAG["STORE"], built once per process."""
    return conf.backend("STORE")
