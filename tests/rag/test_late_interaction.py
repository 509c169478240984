import numpy as np
import pytest

from rag.embedders.base import Encoding
from rag.late_interaction import DIMENSION, compact, maxsim
from rag.rerankers.base import Candidate, Question
from rag.rerankers.late_interaction import LateInteraction

BASIS = np.eye(96, DIMENSION, dtype=np.float32)


def words(*places: int) -> np.ndarray:
    """Token vectors that point along one axis each, compact."""
    return compact(np.eye(96, dtype=np.float32)[list(places)], BASIS)


def test_a_compact_token_keeps_its_direction_in_a_byte_a_dimension():
    token = np.zeros((1, 96), dtype=np.float32)
    token[0, :2] = 3, 4

    vectors = compact(token, BASIS)

    assert (vectors.shape, vectors.dtype) == ((1, DIMENSION), np.int8)
    assert vectors[0, :2].tolist() == [76, 102]  # 127 times 0.6 and 0.8


def test_a_token_outside_the_basis_is_compact_to_nothing():
    assert not compact(np.eye(96, dtype=np.float32)[[95]], BASIS).any()


def test_each_word_of_the_question_counts_with_its_best_partner():
    scores = maxsim(words(1, 2), [words(1, 2, 3), words(1, 7), words(8)])

    assert scores.tolist() == pytest.approx([1.0, 0.5, 0.0])


def test_how_long_a_passage_is_makes_no_difference():
    short, long = maxsim(words(1), [words(1), words(1, *range(2, 60))])

    assert short == long


def test_a_passage_without_tokens_and_a_question_without_words_score_nought():
    assert maxsim(words(1), [words(), words(1)]).tolist() == [0, 1]
    assert maxsim(words(), [words(1)]).tolist() == [0]
    assert maxsim(words(1), []).shape == (0,)


def reranked(candidates, *, weight=1.0, tokens=None):
    encoding = Encoding(np.zeros(4, dtype=np.float32), 2, 0.0)
    question = Question("?", encoding, weight, words(1, 2) if tokens is None else tokens)
    return LateInteraction().score(question, candidates)


def candidate(score: float, tokens: np.ndarray | None) -> Candidate:
    return Candidate(chunk_id=1, text="", fused_score=score, token_vectors=tokens)


def test_late_interaction_lifts_the_passage_that_answers_more_words():
    scores = reranked([candidate(0.3, words(9)), candidate(0.2, words(1, 2))])

    assert scores[1] > scores[0]


def test_late_interaction_is_one_voice_beside_the_fused_score():
    scores = reranked([candidate(5.0, words(9)), candidate(0.2, words(1, 2))])

    assert scores[0] > scores[1]


@pytest.mark.parametrize(("weight", "tokens"), [(0.0, words(1, 2)), (1.0, None)])
def test_the_fused_order_stands_where_token_vectors_say_nothing(weight, tokens):
    candidates = [candidate(0.3, tokens), candidate(0.2, tokens)]

    assert reranked(candidates, weight=weight).tolist() == pytest.approx([0.3, 0.2])


def test_a_candidate_without_token_vectors_stands_at_the_mean_of_the_others():
    scores = reranked(
        [candidate(0, None), candidate(0, words(1, 2)), candidate(0, words(8))]
    ).tolist()

    assert scores == pytest.approx([0, 1, -1])
