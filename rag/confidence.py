"""How sure a search is that the collection covers the question, as numbers that mean the same
for every question.
"""

import math
from collections.abc import Sequence

import numpy as np

from rag.ranking import Ranked

# Set on two labelled sets, each question asked with its article there and with it taken out: at
# 0.35 one answerable question in forty (English) or twenty (Chinese, under a model that does not
# know it) is called weak, and nine and eight in ten of those whose article is gone.
WEAK_BELOW = 0.35
CONFIDENT_FROM = 3  # of the best passages, the surest one counts


def confidence(ranked: Sequence[Ranked], dense_weight: float) -> float:
    """Estimate, 0 to 1, that the collection covers the question, from its best passages.

    Logistic in the cosine and in the share of the question's words that a passage holds; where the
    embedding model does not know the language, in the words alone.
    """
    best = ranked[:CONFIDENT_FROM]
    coverage = max((one.coverage for one in best), default=0.0)
    similarity = max((one.similarity for one in best), default=0.0)
    known = 5.5 * coverage + 11.0 * similarity - 7.2
    unknown = 10.0 * coverage - 5.0
    return 1 / (1 + math.exp(-(dense_weight * known + (1 - dense_weight) * unknown)))


def shown_scores(
    scores: np.ndarray, *, are_probabilities: bool, count: int, confidence: float
) -> list[float]:
    """Return `count` scores from 0 to 1, best first.

    `scores` are the reranker's, sorted; what it was not given is shown with the lowest.
    """
    if not len(scores):
        return [0.0] * count
    if are_probabilities:
        shown = [float(score) for score in scores]
    else:
        spread = float(scores[0] - scores[-1]) or 1.0
        shown = [
            confidence * (0.25 + 0.75 * float(score - scores[-1]) / spread) for score in scores
        ]
    return shown + [shown[-1]] * (count - len(shown))
