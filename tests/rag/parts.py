"""Parts for tests of retrieval: a source that is a dictionary, a model that counts words."""

import zlib
from collections.abc import Iterable, Sequence

import numpy as np

from rag.embedders.base import Embedder
from rag.lexical import tokens
from rag.rerankers.base import Candidate, Reranker
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

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        if any("UNREADABLE" in text for text in texts):
            raise ValueError("this text cannot be read")
        self.embedded.extend(texts)
        return np.array([self._vector(text) for text in texts], dtype=np.float32)

    def embed_question(self, text: str) -> np.ndarray:
        return self._vector(text)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.encode().split()) for text in texts]  # half surrogates raise

    def _vector(self, text: str) -> np.ndarray:
        vector = np.full(64, 0.01, dtype=np.float32)
        for token in tokens(text):
            vector[zlib.crc32(token.encode()) % 64] += 1
        return vector / np.linalg.norm(vector)


class ShortestFirst(Reranker):
    """Prefers short passages, which shows that its order is the one that counts."""

    name = "shortest first"

    def __init__(self, model: str | None = None) -> None:
        pass

    def score(self, question: str, candidates: Sequence[Candidate]) -> np.ndarray:
        return np.array([-len(candidate.text) for candidate in candidates], dtype=np.float32)
