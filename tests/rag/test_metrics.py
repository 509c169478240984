"""Rankings are taken out of a search by stage, and scored as trec_eval does."""

import pytest

from rag.evaluation.metrics import interval, scores
from rag.evaluation.runs import rankings
from rag.search import RetrievedChunk


def test_metrics_are_those_of_trec_eval():
    found = ["x", "b", "y", "z", "v", "w", "a"]

    # Gains 1 at place 2 and 3 at place 7; the ideal is 3, 2, 1.
    dcg = 1 / 1.5849625 + 3 / 3
    ideal = 3 / 1 + 2 / 1.5849625 + 1 / 2
    assert scores(found, {"a": 3, "b": 1, "c": 2}) == {
        "ndcg@10": pytest.approx(dcg / ideal),
        "mrr@10": 1 / 2,
        "recall@5": pytest.approx(1 / 3),
        "recall@10": pytest.approx(2 / 3),
    }


def test_what_stands_below_ten_counts_for_nothing():
    found = [str(place) for place in range(10)] + ["a"]

    assert set(scores(found, {"a": 1}).values()) == {0.0}


def test_the_ideal_ranking_holds_ten():
    relevant = {str(place): 1 for place in range(20)}

    assert scores([str(place) for place in range(10)], relevant)["ndcg@10"] == 1.0


def test_an_interval_holds_the_mean_and_is_the_same_each_time():
    values = [0.0, 1.0] * 50

    low, high = interval(values)

    assert 0.35 < low < 0.5 < high < 0.65
    assert interval(values) == (low, high)
    assert interval([0.25] * 9) == (0.25, 0.25)


def chunk(key, lexical, dense, fused):
    return RetrievedChunk(
        chunk_id=0, document_key=key, title="", heading_path=(), text="", start=0, end=0, score=0.5,
        lexical_position=lexical, dense_position=dense, fused_position=fused, rerank_position=1,
    )  # fmt: skip


def test_a_passage_of_several_chunks_stands_where_its_best_one_does():
    chunks = [chunk("a", 3, None, 2), chunk("b", 2, 1, 1), chunk("a", 1, 2, 3), chunk("c", 4, 3, 4)]

    found = rankings(chunks, {"a": "passage a", "b": "b", "c": "c"})

    assert found == {
        "lexical": ["passage a", "b", "c"],
        "dense": ["b", "passage a", "c"],
        "fused": ["b", "passage a", "c"],
        "final": ["passage a", "b", "c"],
    }


def test_a_run_holds_a_hundred_ids_a_question():
    chunks = [chunk(str(place), place, place, place) for place in range(1, 151)]

    found = rankings(chunks, {str(place): f"p{place}" for place in range(1, 151)})

    assert [len(ids) for ids in found.values()] == [100] * 4
    assert found["lexical"][-1] == "p100"
