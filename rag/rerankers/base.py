"""What a reranker is, and the one that keeps the fused order."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rag import conf
from rag.embedders.base import Encoding


@dataclass(frozen=True)
class Question:
    """A question as the rankers see it."""

    text: str
    encoding: Encoding
    dense_weight: float  # 0 to 1: how far the embedding model knows the language
    token_vectors: np.ndarray | None = None  # compact, see late_interaction


class Candidate(NamedTuple):
    """A passage that may be shown, as a reranker sees it: best first by `fused_score`."""

    chunk_id: int
    text: str  # heading path, then the passage
    fused_score: float
    token_vectors: np.ndarray | None = None  # compact; only where `reads_token_vectors`


class Reranker(ABC):
    """Scores candidates anew; search sorts by the result, higher is better."""

    name: str
    depth = 30  # how many candidates it is given
    reads_token_vectors = False
    gives_probabilities = False  # whether its scores are 0 to 1 and mean the same for any question

    @abstractmethod
    def score(self, question: Question, candidates: Sequence[Candidate]) -> np.ndarray:
        """Return float32 of shape (len(candidates),)."""

    def warm_up(self) -> None:  # noqa: B027  most rerankers have nothing to load
        """Load what the first question would otherwise wait for."""


class FusedOrder(Reranker):
    """Keeps the order of the fused scores; needs no model."""

    name = "fused order"

    def __init__(self, model: str | None = None) -> None:
        pass

    def score(self, question: Question, candidates: Sequence[Candidate]) -> np.ndarray:
        return np.array([candidate.fused_score for candidate in candidates], dtype=np.float32)


def get_reranker() -> Reranker:
    """Return the reranker named by RAG["RERANKER"], built once per process."""
    return conf.backend("RERANKER", conf.setting("RERANKER_MODEL"))
