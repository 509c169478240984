import numpy as np
import pytest

from rag.stores.exact import ExactVectors

UP, RIGHT, SLANTED = [0, 1], [1, 0], [0.6, 0.8]


@pytest.fixture
def vectors():
    rows = np.array([RIGHT, UP, SLANTED, UP, UP], dtype=np.float32)
    return ExactVectors([10, 11, 12, 13, 14], ["a", "a", "b", "b", "c"], rows)


def nearest(vectors, limit=10, keys=None):
    question = np.array(UP, dtype=np.float32)
    ids, scores = vectors.nearest(question, limit=limit, keys=keys)
    return ids.tolist(), scores.round(3).tolist()


def test_the_nearest_come_first_and_ties_by_id(vectors):
    assert nearest(vectors) == ([11, 13, 14, 12, 10], [1, 1, 1, pytest.approx(0.8), 0])


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_a_limit_cuts_the_same_order(vectors, limit):
    assert nearest(vectors, limit)[0] == [11, 13, 14, 12, 10][:limit]


def test_only_the_documents_named_are_found(vectors):
    assert nearest(vectors, keys={"b", "unknown"})[0] == [13, 12]
    assert nearest(vectors, keys=set()) == ([], [])


def test_similarities_are_given_for_just_these_chunks(vectors):
    found = vectors.similarities(np.array(UP, dtype=np.float32), [12, 10])

    assert found.tolist() == pytest.approx([0.8, 0])


def test_no_vectors_are_no_trouble():
    empty = ExactVectors([], [], np.zeros((0, 0), dtype=np.float32))

    assert nearest(empty) == ([], [])
