import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

from rag import conf
from rag.errors import IndexMismatch, IndexMissing
from rag.indexing import reindex
from rag.search import search, search_sync
from tests.rag.parts import ShortestFirst
from tracing import Status, trace

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def indexed(plants):
    reindex()
    return plants


def found(question, **options):
    return search_sync(question, collection="plants", **options)


def test_a_passage_is_cited_by_document_heading_and_offsets(indexed):
    passage = found("Where does photosynthesis happen, in chloroplasts?").passages[0]

    assert passage.text.startswith("It happens in the chloroplasts")
    assert passage.heading_path == ("Photosynthesis", "Where it happens")
    assert (passage.document_key, passage.title) == ("1", "Photosynthesis")
    text = indexed.held["plants"]["1"].text
    assert text[passage.start : passage.end] == passage.text


def test_passages_carry_their_positions_and_falling_scores_from_nought_to_one(indexed):
    passages = found("root hairs").passages

    assert [passage.rerank_position for passage in passages] == [1, 2, 3, 4, 5][: len(passages)]
    assert passages[0].lexical_position == passages[0].fused_position == 1
    assert passages[-1].lexical_position is None
    scores = [passage.score for passage in passages]
    assert scores == sorted(scores, reverse=True)
    assert 0 <= scores[-1] < scores[0] <= 1


def test_a_document_outside_the_readers_keys_never_appears(indexed):
    assert {passage.document_key for passage in found("root hairs", keys={"1"})} == {"1"}
    assert found("root hairs", keys=set()).passages == []
    assert found("root hairs", keys={"unknown"}).passages == []


def test_hidden_documents_do_not_take_the_places_of_visible_ones(source):
    for number in range(60):
        source.put("plants", f"hidden{number}", "Hidden", f"Secret root hairs number {number}.")
    source.put("plants", "open", "Open", "A root.")
    reindex()

    assert [passage.text for passage in found("root hairs", keys={"open"})] == ["A root."]


def test_no_more_passages_than_asked_for(indexed):
    assert len(found("root", limit=2)) == 2


def test_passages_that_say_the_same_twice_are_shown_once(source):
    text = "A root takes water and minerals from the soil and holds the plant in place"
    source.put("plants", "1", "Roots", f"{text}.")
    source.put("plants", "2", "Roots again", f"{text}!")
    source.put("plants", "3", "Other", "Water runs through a root, upwards.")
    reindex()

    keys = [passage.document_key for passage in found("root water minerals")]

    assert sorted(keys) in (["1", "3"], ["2", "3"])


def test_a_question_that_the_course_covers_is_not_weak_and_another_is(minilm, source):
    source.put("plants", "1", "Photosynthesis", "Photosynthesis turns light into sugar.")
    source.put("plants", "2", "Roots", "A root takes water and minerals from the soil.")
    reindex()

    assert not found("How do plants make sugar from light?").is_weak
    assert found("Who won the chess championship?").is_weak


def test_meaning_finds_what_shares_no_word(minilm, source):
    source.put("plants", "1", "Sugar", "Leaves turn sunlight into food.")
    source.put("plants", "2", "Roots", "A root takes minerals from the soil.")
    source.put("plants", "3", "Seeds", "Seeds travel with the wind.")
    reindex()

    passage = found("photosynthesis").passages[0]

    assert passage.text.startswith("Leaves turn sunlight")
    assert (passage.lexical_position, passage.dense_position) == (None, 1)


def test_a_chinese_question_finds_its_passage_under_an_english_model(minilm, source):
    source.put("plants", "1", "光合作用", "## 定义\n\n光合作用把光能转化为化学能。\n", "zh-hans")
    source.put("plants", "2", "根", "## 作用\n\n根从土壤中吸收水分和矿物质。\n", "zh-hans")
    source.put("plants", "3", "种子", "## 传播\n\n种子随风传播到很远的地方。\n", "zh-hans")
    reindex()

    result = found("根是怎样吸收水分的？")

    assert result.passages[0].text == "根从土壤中吸收水分和矿物质。"
    assert result.passages[0].heading_path == ("根", "作用")
    assert not result.is_weak
    assert {passage.dense_position for passage in result} == {None}
    assert found("谁赢得了世界杯？").is_weak


def test_the_rerankers_order_is_the_one_that_counts(indexed, rag_settings):
    held = indexed.held
    rag_settings(RERANKER="tests.rag.parts.ShortestFirst")
    conf.backend("SOURCE").held = held

    passages = found("root hairs").passages
    lengths = [len("".join(passage.heading_path) + passage.text) for passage in passages]

    assert lengths == sorted(lengths)


@pytest.mark.parametrize("question", ["", "   ", "\0", "？"])
def test_a_question_without_words_is_weak_and_harms_nothing(indexed, question):
    assert found(question).is_weak


@pytest.mark.parametrize("question", ["root \ud800 hairs", "root\0hairs", "root hairs " * 10_000])
def test_odd_questions_are_answered(indexed, question):
    assert found(question).passages[0].document_key == "2"


def test_without_an_index_the_error_says_what_to_run(plants):
    with pytest.raises(IndexMissing, match="reindex --course plants"):
        found("root")


def test_an_index_of_another_model_is_refused_in_words(indexed, rag_settings):
    rag_settings(EMBEDDING_MODEL="newer words")

    with pytest.raises(IndexMismatch, match=r"built with words, but newer words .* reindex"):
        found("root")


def test_an_empty_collection_gives_no_passages(source):
    source.held["plants"] = {}
    reindex()

    assert found("root").passages == [] and found("root").is_weak


def test_retrieve_holds_embedding_and_rerank_as_langfuse_shall_see_them(indexed, traces):
    with trace("ai_chat"):
        result = found("root hairs", limit=2)

    retrieve, embedding, rerank = traces.last.observations
    assert [item.name for item in (retrieve, embedding, rerank)] == [
        "retrieve",
        "embedding",
        "rerank",
    ]
    assert embedding.parent_id == rerank.parent_id == retrieve.id
    assert retrieve.input == {"query": "root hairs", "collection": "plants"}
    assert [(item["id"], item["score"]) for item in retrieve.output["passages"]] == [
        (passage.chunk_id, passage.score) for passage in result
    ]
    assert embedding.input == {"text_count": 1, "model": "words", "sample": "root hairs"}
    assert embedding.output == {"embedding_count": 1, "dimension": 64}
    assert (embedding.model, embedding.usage.input) == ("words", 2)
    assert (rerank.input["query"], rerank.input["result_count"]) == ("root hairs", 5)
    assert [item["position"] for item in rerank.input["candidates"]] == [1, 2, 3, 4, 5]
    assert rerank.output["reranked_count"] == 5
    first, *_, last = rerank.output["results"]
    assert first.keys() == {
        "id",
        "position_before",
        "position_after",
        "score_before",
        "score_after",
        "kept",
    }
    assert (first["kept"], last["kept"]) == (True, False)
    assert last["dropped"] == "not among the best"


async def test_many_questions_at_once_each_get_their_own_answer(indexed_here):
    questions = ["root hairs", "chloroplasts leaf"] * 10

    results = await asyncio.gather(*(search(text, collection="plants") for text in questions))

    keys = [result.passages[0].document_key for result in results]
    assert keys == ["2", "1"] * 10


@pytest.fixture
def indexed_here(transactional_db, plants):
    reindex()
    return plants


class Stuck(ShortestFirst):
    """A reranker that hangs until it is let go."""

    name = "stuck"
    let_go = threading.Event()

    def score(self, question, candidates):
        self.let_go.wait(30)
        return super().score(question, candidates)


class Broken(ShortestFirst):
    name = "broken"

    def score(self, question, candidates):
        raise RuntimeError("no such tensor")


@pytest.fixture
def reranked_by(indexed, rag_settings):
    """Name the reranker, and let the source be the one that is indexed."""

    def change(reranker: type, **changes):
        rag_settings(RERANKER=f"tests.rag.test_search.{reranker.__name__}", **changes)
        conf.backend("SOURCE").held = indexed.held

    return change


def test_past_its_deadline_the_fused_order_stands_and_the_trace_says_so(reranked_by, traces):
    Stuck.let_go.clear()
    reranked_by(Stuck, RERANK_SECONDS=0.05)

    with trace("ai_chat"):
        passages = found("root hairs").passages
    Stuck.let_go.set()

    assert [passage.rerank_position for passage in passages] == [
        passage.fused_position for passage in passages
    ]
    *_, rerank = traces.last.observations
    assert (rerank.status, rerank.metadata["gave_up"]) == (Status.WARNING, True)
    assert rerank.status_message == "The fused order stands: not done after 0.05 seconds"


def test_after_a_missed_deadline_the_next_question_is_reranked_again(reranked_by, traces):
    Stuck.let_go.clear()
    reranked_by(Stuck, RERANK_SECONDS=0.05)
    found("root hairs")
    Stuck.let_go.set()

    reranked_by(Stuck, RERANK_SECONDS=20)
    with trace("ai_chat"):
        found("root hairs")

    *_, rerank = traces.last.observations
    assert rerank.status is Status.OK


def test_a_reranker_that_fails_costs_nobody_the_answer(reranked_by, traces, caplog):
    reranked_by(Broken)

    with trace("ai_chat"):
        passages = found("root hairs").passages

    assert passages[0].fused_position == 1
    *_, rerank = traces.last.observations
    assert rerank.status_message == "The fused order stands: RuntimeError: no such tensor"
    assert "no such tensor" in caplog.text


def test_dense_vectors_have_no_say_where_the_passages_are_unknown_to_the_model(minilm, source):
    source.put("plants", "1", "梯度下降", "SGD 沿着损失函数下降最快的方向更新参数。", "zh-hans")
    source.put("plants", "2", "根", "根从土壤中吸收水分和矿物质。", "zh-hans")
    reindex()

    assert {passage.dense_position for passage in found("SGD")} == {None}


def test_a_dropped_copy_is_named_in_the_trace(source, traces):
    text = "A root takes water and minerals from the soil and holds the plant in place"
    source.put("plants", "1", "Roots", f"{text}.")
    source.put("plants", "2", "Roots again", f"{text}!")
    reindex()

    with trace("ai_chat"):
        found("root water minerals")

    *_, rerank = traces.last.observations
    kept, dropped = rerank.output["results"]
    assert (kept["kept"], dropped["kept"], dropped["dropped"]) == (True, False, "near copy")


def test_asking_for_many_passages_keeps_the_first_ones_as_they_were(source):
    for number in range(150):
        source.put("plants", str(number), f"Leaf {number}", f"Leaf {number} is green. " * 3)
    reindex()

    few, many = found("leaf 7 green", limit=6), found("leaf 7 green", limit=400)

    assert len(many) == 150
    positions = [(passage.chunk_id, passage.rerank_position) for passage in many]
    assert positions[:6] == [(passage.chunk_id, passage.rerank_position) for passage in few]


class Sloppy(ShortestFirst):
    """A reranker that forgets candidates, or gives what is no number."""

    name = "sloppy"
    gives: list[float] = []

    def score(self, question, candidates):
        return np.array(self.gives, dtype=np.float32)


@pytest.mark.parametrize("gives", [[0.5], [float("nan")] * 5])
def test_what_a_reranker_gives_is_checked_before_it_counts(reranked_by, monkeypatch, gives):
    monkeypatch.setattr(Sloppy, "gives", gives)
    reranked_by(Sloppy)

    passages = found("root hairs").passages

    assert [passage.fused_position for passage in passages] == [1, 2, 3, 4, 5]
    assert all(0 <= passage.score <= 1 for passage in passages)


class Late(Stuck):
    name = "late"
    gives_probabilities = True


def test_scores_stay_between_nought_and_one_when_a_cross_encoder_gives_up(reranked_by):
    Stuck.let_go.clear()
    reranked_by(Late, RERANK_SECONDS=0.05)

    scores = [passage.score for passage in found("root hairs")]
    Stuck.let_go.set()

    assert all(0 <= score <= 1 for score in scores)
    assert scores == sorted(scores, reverse=True)


def test_who_asks_what_a_thing_is_finds_its_definition_further_up(minilm, source):
    chapter = Path("learning/demo/machine-learning-zh/03-gradient-descent.md").read_text("utf-8")
    source.put("plants", "3", "梯度下降", chapter, "zh-hans")
    reindex()

    def place(question: str) -> int:
        starts = [one.text[:5] for one in found(question, limit=40)]
        return starts.index("**梯度下") + 1

    assert place("什么是梯度下降？") <= 2 < place("梯度下降")
    assert place("什麼是梯度下降？") == place("什么是梯度下降？")
