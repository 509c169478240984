"""What an embedding model is to the rest of the app."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rag import conf

HAN_UNKNOWN_FROM = (
    0.3  # of a text's Chinese characters; an English model does not know three in four
)
_HAN = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True)
class Encoding:
    """What a model makes of one text.

    Arrays hold one row per word piece that the model read, its own markers left out.
    """

    vector: np.ndarray  # float32 (dimension,), length one
    token_count: int  # word pieces that were read
    unknown_share: float  # of the word pieces, 0 to 1: what the model does not know
    token_vectors: np.ndarray | None = None  # float32 (tokens, dimension), rows of length one


class Embedder(ABC):
    """Turns texts into vectors of length one, so that a dot product is their cosine.

    `name` is for people; `fingerprint` changes whenever the same text would get another vector, and
    is what an index is stamped with. Both, and `max_tokens` and `count_tokens`, must be cheap:
    a reindex that finds nothing changed may ask for them and should not load a model.
    """

    name: str
    fingerprint: str
    max_tokens: int  # what the model reads of one text, its own markers included
    is_loaded: bool = False  # whether `dimension` can be said at once

    @property
    @abstractmethod
    def dimension(self) -> int:
        """The length of a vector; may load the model."""

    @abstractmethod
    def encode_passages(self, texts: Sequence[str]) -> list[Encoding]:
        """Encode passages, with token vectors where the model has any."""

    def encode_questions(self, texts: Sequence[str]) -> list[Encoding]:
        """Encode questions; override where they need a prompt of their own."""
        return self.encode_passages(texts)

    @abstractmethod
    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return how many word pieces each text has, uncut and without markers."""

    def unknown_share(self, text: str) -> float:
        """Return which share of the text's word pieces the model does not know, 0 to 1."""
        return 0.0

    def token_basis(self, dimension: int) -> np.ndarray | None:
        """Return the directions that keep most of the token vectors, None where there are none.

        Float32 of shape (self.dimension, dimension), columns orthonormal; takes seconds.
        """
        return None


def share_unknown(unknown: int, pieces: int, text: str) -> float:
    """Return which share of a text a model does not know, 0 to 1, from its count of word pieces.

    Where a good part of the Chinese characters is unknown, none of them counts as known: an English
    vocabulary holds some hundred of the commonest, but its model has never read a sentence of them.
    """
    if not unknown or not pieces:
        return 0.0
    han = len(_HAN.findall(text))
    if unknown >= HAN_UNKNOWN_FROM * han:
        unknown = max(unknown, min(han, pieces))
    return unknown / pieces


def get_embedder() -> Embedder:
    """Return the embedder named by RAG["EMBEDDER"], built once per process."""
    return conf.backend("EMBEDDER", conf.setting("EMBEDDING_MODEL"))
