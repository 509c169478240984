"""Late interaction as one more score beside the fused one: the default.

MaxSim alone orders passages no better than fusion does; as a third, equal voice it is what won on
every set that was measured (README, decisions). Needs no model of its own: the question was
encoded for the dense ranking, and the passages' token vectors are stored with the index.
"""

from collections.abc import Sequence

import numpy as np

from rag.fusion import z_scores
from rag.late_interaction import maxsim
from rag.rerankers.base import Candidate, Question, Reranker


class LateInteraction(Reranker):
    """Adds the z-score of MaxSim, as far as the embedding model knows the language."""

    name = "late interaction"
    depth = 100  # all that both rankers propose: a z-score is one of the whole pool
    reads_token_vectors = True

    def __init__(self, model: str | None = None) -> None:
        pass

    def score(self, question: Question, candidates: Sequence[Candidate]) -> np.ndarray:
        fused = np.array([candidate.fused_score for candidate in candidates], dtype=np.float32)
        if question.token_vectors is None or not question.dense_weight:
            return fused
        # Candidates without token vectors stand at the mean.
        heard = [
            at
            for at, candidate in enumerate(candidates)
            if candidate.token_vectors is not None and len(candidate.token_vectors)
        ]
        passages = [candidates[at].token_vectors for at in heard]
        fused[heard] += question.dense_weight * z_scores(maxsim(question.token_vectors, passages))
        return fused
