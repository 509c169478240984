import numpy as np
import pytest

from rag.fusion import dense_weight, reciprocal_rank_fusion, score_fusion


def test_reciprocal_rank_fusion_adds_up_one_over_k_plus_rank():
    merged = reciprocal_rank_fusion([[7, 8], [8, 9]], k=60)

    assert merged == [
        (8, pytest.approx(1 / 62 + 1 / 61)),
        (7, pytest.approx(1 / 61)),
        (9, pytest.approx(1 / 62)),
    ]


def test_score_fusion_listens_to_how_far_scores_lie_apart():
    lexical = np.array([10.0, 1.0, 0.9], dtype=np.float32)
    dense = np.array([0.50, 0.52, 0.10], dtype=np.float32)

    assert np.argsort(-score_fusion([lexical, dense], [1, 1])).tolist() == [0, 1, 2]


def test_a_ranker_without_weight_has_no_say():
    lexical = np.array([1.0, 2.0], dtype=np.float32)
    dense = np.array([9.0, 0.0], dtype=np.float32)

    fused = score_fusion([lexical, dense], [1, 0])

    assert fused[1] > fused[0]


def test_a_ranker_that_knows_no_difference_changes_nothing():
    level = np.full(3, 0.7, dtype=np.float32)
    telling = np.array([3.0, 1.0, 2.0], dtype=np.float32)

    assert np.argmax(score_fusion([level, telling], [1, 1])) == 0
    assert not score_fusion([level, level], [1, 1]).any()


def test_the_share_that_is_known_least_counts():
    assert dense_weight(0.0, 0.2) == dense_weight(0.2, 0.0) == dense_weight(0.2)


@pytest.mark.parametrize(("share", "weight"), [(0, 1), (0.2, 0.5), (0.4, 0), (1, 0)])
def test_the_dense_scores_fade_with_what_the_model_does_not_know(share, weight):
    assert dense_weight(share) == pytest.approx(weight)
