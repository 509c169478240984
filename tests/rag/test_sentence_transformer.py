import shutil

import numpy as np
import pytest

from rag.embedders.sentence_transformer import SentenceTransformerEmbedder
from rag.errors import ModelUnavailable


@pytest.fixture
def folder(packaged_model, tmp_path):
    """A copy of the packaged model, to break."""
    return shutil.copytree(packaged_model.folder, tmp_path / "my-model")


def test_vectors_have_length_one_and_like_texts_lie_close(packaged_model):
    vectors = packaged_model.embed_passages(["A cat sat.", "A kitten sat.", "Tax law."])

    assert vectors.shape == (3, packaged_model.dimension) == (3, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3
    assert np.allclose(packaged_model.embed_question("A cat sat."), vectors[0], atol=1e-5)


def test_tokens_are_counted_as_the_model_counts_them(packaged_model):
    text = "Unbelievably, f(x) = 1."
    tokenizer = packaged_model.model.tokenizer

    assert packaged_model.count_tokens([text]) == [
        len(tokenizer(text, add_special_tokens=False)["input_ids"])
    ]
    assert packaged_model.max_tokens == packaged_model.model.max_seq_length == 256


def test_an_english_model_knows_english_and_not_chinese(packaged_model):
    assert packaged_model.unknown_share("What is a limit?") == 0
    assert packaged_model.unknown_share("什么是过拟合？") > 0.4
    assert packaged_model.unknown_share("") == 0


def test_a_folder_gives_the_same_vectors_and_the_same_fingerprint(packaged_model, folder):
    model = SentenceTransformerEmbedder(str(folder))

    assert model.name == "my-model"
    assert model.fingerprint == packaged_model.fingerprint
    assert np.allclose(model.embed_question("limit"), packaged_model.embed_question("limit"))


def test_other_weights_have_another_fingerprint(packaged_model, folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")

    assert SentenceTransformerEmbedder(str(folder)).fingerprint != packaged_model.fingerprint


@pytest.mark.parametrize(
    ("file_name", "use"),
    [
        ("model.safetensors", lambda model: model.embed_question("limit")),
        ("tokenizer.json", lambda model: model.count_tokens(["limit"])),
    ],
)
def test_a_broken_folder_is_named_with_its_setting(folder, file_name, use):
    (folder / file_name).write_text("not this")

    with pytest.raises(ModelUnavailable, match=rf"^EMBEDDING_MODEL is {folder}: it cannot be"):
        use(SentenceTransformerEmbedder(str(folder)))


def test_a_folder_without_a_model_is_named_with_its_setting(tmp_path):
    with pytest.raises(ModelUnavailable, match=r"EMBEDDING_MODEL is .* holds no tokenizer.json"):
        _ = SentenceTransformerEmbedder(str(tmp_path)).fingerprint
