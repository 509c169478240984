"""Join the lexical and the dense ranking into one.

`score_fusion` is what search uses; `reciprocal_rank_fusion` is the well-known alternative, kept to
measure against.
"""

from collections.abc import Sequence

import numpy as np

# Where this share of a text is unknown to the embedding model, it has no say any more.
UNKNOWN_SHARE_LIMIT = 0.4


def score_fusion(scores: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """Add up z-scores of the same candidates under several rankers.

    `scores` holds one array of shape (candidates,) for each ranker, every candidate scored by each,
    also those that only the other one proposed. Returns float32 (candidates,), higher is better.
    """
    fused = np.zeros(len(scores[0]) if scores else 0, dtype=np.float32)
    for values, weight in zip(scores, weights, strict=True):
        fused += weight * z_scores(values)
    return fused


def z_scores(values: np.ndarray) -> np.ndarray:
    """Return each value's distance from the mean in standard deviations; 0 where all are equal."""
    spread = float(values.std()) if len(values) else 0.0
    return (values - values.mean()) / spread if spread > 1e-9 else np.zeros_like(values)


def reciprocal_rank_fusion(
    rankings: Sequence[Sequence[int]], *, k: int = 60
) -> list[tuple[int, float]]:
    """Merge rankings of chunk ids into one, best first.

    Each id scores the sum of 1 / (k + rank) over the rankings that hold it, rank counted from 1.
    `k` damps the top ranks; 60 is the value of the paper. Returns (chunk id, score) pairs.

    Source: Cormack, Clarke and Büttcher, SIGIR 2009.
    """
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, chunk_id in enumerate(ranking, start=1):
            scores[chunk_id] = scores.get(chunk_id, 0.0) + 1 / (k + rank)
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


def dense_weight(*unknown_shares: float) -> float:
    """Weigh the dense scores by how much the embedding model knows, 0 to 1.

    An English model turns Chinese into unknown word pieces; its vectors are noise then and ruin a
    good BM25. The worst share counts: a Chinese question full of English names is still Chinese to
    the passages that answer it. A multilingual model has no unknown pieces and keeps its weight.
    """
    return max(0.0, 1.0 - max(unknown_shares, default=0.0) / UNKNOWN_SHARE_LIMIT)
