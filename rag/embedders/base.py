"""What an embedding model is to the rest of the app."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from rag import conf


class Embedder(ABC):
    """Turns texts into vectors of length one, so that a dot product is their cosine.

    `name` is for people; `fingerprint` changes whenever the same text would get another vector, and
    is what an index is stamped with. Both, and `max_tokens` and `count_tokens`, must be cheap:
    a reindex that finds nothing changed may ask for them and should not load a model.
    """

    name: str
    fingerprint: str
    max_tokens: int  # what the model reads of one text, its own markers included

    @property
    @abstractmethod
    def dimension(self) -> int:
        """The length of a vector; may load the model."""

    @abstractmethod
    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 of shape (len(texts), dimension), each row of length one."""

    def embed_question(self, text: str) -> np.ndarray:
        """Return float32 of shape (dimension,); override where questions need a prompt."""
        return self.embed_passages([text])[0]

    @abstractmethod
    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return how many word pieces each text has, uncut and without markers."""

    def unknown_share(self, text: str) -> float:
        """Return which share of the text's word pieces the model does not know, 0 to 1."""
        return 0.0


def get_embedder() -> Embedder:
    """Return the embedder named by RAG["EMBEDDER"], built once per process."""
    return conf.backend("EMBEDDER", conf.setting("EMBEDDING_MODEL"))
