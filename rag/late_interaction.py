"""Compare a question with passages word by word: MaxSim over compact token vectors.

A token vector is projected to 64 dimensions, by a basis that belongs to the embedding model and is
kept with the index, brought back to length one and rounded to int8: about 12 kB a passage.

Source: Khattab and Zaharia, ColBERT, SIGIR 2020; the rest was decided by measurement, see README.
"""

from collections.abc import Sequence

import numpy as np

DIMENSION = 64
_SCALE = 127


def compact(token_vectors: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Project token vectors (tokens, dimension) to int8 of shape (tokens, 64)."""
    projected = token_vectors @ basis
    lengths = np.linalg.norm(projected, axis=1, keepdims=True)
    projected /= np.maximum(lengths, 1e-9)
    return np.rint(projected * _SCALE).astype(np.int8)


def maxsim(question: np.ndarray, passages: Sequence[np.ndarray]) -> np.ndarray:
    """Return how well each passage answers the words of a question, about -1 to 1.

    Both sides are compact: int8 (tokens, 64). Each word of the question counts with its best
    partner in the passage. Returns float32 (passages,); a passage without tokens scores 0.
    """
    scores = np.zeros(len(passages), dtype=np.float32)
    filled = [at for at, passage in enumerate(passages) if len(passage)]
    if not filled or not len(question):
        return scores
    tokens = np.concatenate([passages[at] for at in filled]).astype(np.float32)
    lengths = [len(passages[at]) for at in filled]
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    similarities = question.astype(np.float32) @ tokens.T
    best = np.maximum.reduceat(similarities, starts, axis=1)
    scores[filled] = best.mean(axis=0) / _SCALE**2
    return scores
