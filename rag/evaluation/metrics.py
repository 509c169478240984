"""Score a ranking against what is known to be relevant, and say how sure the mean is.

The rules are those of trec_eval (`ndcg_cut.10`): the gain is the judged score, the discount
log2(place + 1), and the ideal ranking holds everything that was judged relevant. For MRR and
Recall, whatever was judged above 0 is relevant.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

CUT = 10
METRICS = ("ndcg@10", "mrr@10", "recall@5", "recall@10")
RESAMPLES = 1_000
SEED = 7


def scores(found: Sequence[str], relevant: Mapping[str, int]) -> dict[str, float]:
    """Score one question. `found` is best first, each once; `relevant` is not empty."""
    return {
        "ndcg@10": _gain(relevant.get(one, 0) for one in found[:CUT])
        / _gain(sorted(relevant.values(), reverse=True)[:CUT]),
        "mrr@10": next(
            (1 / place for place, one in enumerate(found[:CUT], start=1) if one in relevant), 0.0
        ),
        "recall@5": _recall(found[:5], relevant),
        "recall@10": _recall(found[:10], relevant),
    }


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean of some questions' scores.

    Given differences between two rankings of the same questions, this is the paired bootstrap.
    """
    drawn = np.asarray(values, dtype=np.float64)
    random = np.random.default_rng(SEED)
    means = sorted(
        float(drawn[random.integers(0, len(drawn), len(drawn))].mean()) for _ in range(RESAMPLES)
    )
    return means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES) - 1]


def _gain(judged: Iterable[int]) -> float:
    return sum(score / math.log2(place + 1) for place, score in enumerate(judged, start=1))


def _recall(found: Sequence[str], relevant: Mapping[str, int]) -> float:
    return sum(one in relevant for one in found) / len(relevant)
