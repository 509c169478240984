"""Parts for tests of retrieval: a source that is a dictionary, a model that counts words."""

import zlib
from collections.abc import Iterable, Sequence

import numpy as np

from rag.embedders.base import Embedder, Encoding
from rag.lexical import tokens
from rag.rerankers.base import Candidate, Question, Reranker
from rag.sources import DocumentSource, SourceDocument


class DictSource(DocumentSource):
    """Holds collections in memory: `{"plants": {"1": SourceDocument(…)}}`."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, SourceDocument]] = {}

    def put(self, collection: str, key: str, title: str, text: str, language: str = "en") -> None:
        document = SourceDocument(key=key, title=title, text=text, language=language)
        self.held.setdefault(collection, {})[key] = document

    def collections(self) -> list[str]:
        return list(self.held)

    def documents(self, collection: str) -> Iterable[SourceDocument]:
        yield from self.held[collection].values()


class WordEmbedder(Embedder):
    """Counts words into 64 places: no meaning, but equal for equal texts, and quick."""

    max_tokens = 256
    dimension = 64

    def __init__(self, model: str | None = None) -> None:
        self.name = model or "words"
        self.fingerprint = f"fingerprint of {self.name}"
        self.embedded: list[str] = []

    def encode_passages(self, texts: Sequence[str]) -> list[Encoding]:
        if any("UNREADABLE" in text for text in texts):
            raise ValueError("this text cannot be read")
        self.embedded.extend(texts)
        return [self._encoding(text) for text in texts]

    def encode_questions(self, texts: Sequence[str]) -> list[Encoding]:
        return [self._encoding(text) for text in texts]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.encode().split()) for text in texts]  # half surrogates raise

    def token_basis(self, dimension: int) -> np.ndarray:
        return np.eye(64, dtype=np.float32)[:, :dimension]

    def _encoding(self, text: str) -> Encoding:
        words = tokens(text)
        vector = np.full(64, 0.01, dtype=np.float32)
        for word in words:
            vector[_place(word)] += 1
        return Encoding(
            vector=vector / np.linalg.norm(vector),
            token_count=len(text.split()),
            unknown_share=0.0,
            token_vectors=np.array([_direction(word) for word in words], dtype=np.float32).reshape(
                -1, 64
            ),
        )


def _place(word: str) -> int:
    return zlib.crc32(word.encode()) % 64


def _direction(word: str) -> np.ndarray:
    """Mostly the word's own place, and a little of its neighbour's."""
    direction = np.zeros(64, dtype=np.float32)
    direction[[_place(word), _place(word) - 1]] = 0.8, 0.6
    return direction


class ShortestFirst(Reranker):
    """Prefers short passages, which shows that its order is the one that counts."""

    name = "shortest first"

    def __init__(self, model: str | None = None) -> None:
        pass

    def score(self, question: Question, candidates: Sequence[Candidate]) -> np.ndarray:
        return np.array([-len(candidate.text) for candidate in candidates], dtype=np.float32)
