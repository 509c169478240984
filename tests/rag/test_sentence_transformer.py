import json
import shutil

import numpy as np
import pytest
from django.core.exceptions import ImproperlyConfigured

from rag.embedders.sentence_transformer import SentenceTransformerEmbedder
from rag.errors import ModelUnavailable


@pytest.fixture
def folder(packaged_model, tmp_path):
    """A copy of the packaged model, to break."""
    return shutil.copytree(packaged_model.folder, tmp_path / "my-model")


def question_vector(model, text):
    [encoding] = model.encode_questions([text])
    return encoding.vector


def test_vectors_have_length_one_and_like_texts_lie_close(packaged_model):
    encodings = packaged_model.encode_passages(["A cat sat.", "A kitten sat.", "Tax law."])
    vectors = np.array([encoding.vector for encoding in encodings])

    assert vectors.shape == (3, packaged_model.dimension) == (3, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3
    assert np.allclose(question_vector(packaged_model, "A cat sat."), vectors[0], atol=1e-5)


UNLIKE_TEXTS = [
    "A cat sat.",
    "",
    "The limit of a function is the value that it comes near. " * 60,  # more than is read
    "什么是过拟合？模型在训练集上表现很好。",
    "Überall naïve: f(x) = 1, [SEP] and all.",
]


@pytest.fixture(scope="session")
def bare(packaged_model):
    """The same model, as the library reads it."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(packaged_model.folder), local_files_only=True)


@pytest.fixture
def in_precision(rag_settings):
    def build(precision, model=None):
        rag_settings(EMBEDDING_PRECISION=precision)
        return SentenceTransformerEmbedder(model)

    return build


@pytest.mark.parametrize(("precision", "agreement"), [("float32", 0.99999), ("bfloat16", 0.99)])
def test_vectors_are_those_of_the_library(in_precision, bare, precision, agreement):
    expected = bare.encode(UNLIKE_TEXTS, normalize_embeddings=True, show_progress_bar=False)
    model = in_precision(precision)

    for encodings in (model.encode_passages(UNLIKE_TEXTS), model.encode_questions(UNLIKE_TEXTS)):
        vectors = np.array([encoding.vector for encoding in encodings])
        assert vectors.dtype == np.float32
        assert np.all(np.sum(vectors * expected, axis=1) > agreement)


def test_token_vectors_are_those_of_the_words_alone(in_precision, bare):
    model = in_precision("float32")
    expected = bare.encode(UNLIKE_TEXTS, output_value="token_embeddings", show_progress_bar=False)

    for encoding, whole in zip(model.encode_passages(UNLIKE_TEXTS), expected, strict=True):
        own = whole.numpy()[1:-1]  # without its markers
        own = own / np.linalg.norm(own, axis=1, keepdims=True)
        assert encoding.token_vectors.shape == (encoding.token_count, 384) == own.shape
        assert np.allclose(encoding.token_vectors, own, atol=1e-4)


def test_what_was_read_and_what_of_it_is_unknown_is_told(packaged_model):
    english, empty, long, chinese, _ = packaged_model.encode_passages(UNLIKE_TEXTS)

    assert (english.token_count, empty.token_count, long.token_count) == (4, 0, 254)
    assert (english.unknown_share, empty.unknown_share) == (0, 0)
    assert chinese.unknown_share == packaged_model.unknown_share(UNLIKE_TEXTS[3]) > 0.4


def test_a_prompt_is_read_and_is_none_of_the_texts_tokens(in_precision, bare, folder):
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "search for: ", "passage": "passage: "}})
    )
    model = in_precision("float32", str(folder))
    [question] = model.encode_questions(["A cat sat."])
    expected = bare.encode("search for: A cat sat.", normalize_embeddings=True)

    assert question.vector @ expected > 0.99999
    assert (question.token_count, len(question.token_vectors)) == (4, 4)


def test_a_model_of_another_kind_is_read_by_the_library_without_token_vectors(
    in_precision, folder, tmp_path
):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    words = StaticEmbedding(Tokenizer.from_file(str(folder / "tokenizer.json")), embedding_dim=16)
    static = SentenceTransformer(modules=[words])
    static.save(str(tmp_path / "static"))
    shutil.copy(folder / "tokenizer.json", tmp_path / "static")
    model = in_precision("auto", str(tmp_path / "static"))
    [encoding] = model.encode_passages(["A cat sat."])

    assert encoding.token_vectors is None
    assert model.token_basis(8) is None
    assert encoding.vector @ static.encode("A cat sat.", normalize_embeddings=True) > 0.99999


def test_the_basis_of_token_vectors_is_orthonormal_and_always_the_same(packaged_model):
    basis = packaged_model.token_basis(64)

    assert (basis.shape, basis.dtype) == ((384, 64), np.float32)
    assert np.allclose(basis.T @ basis, np.eye(64), atol=1e-5)
    assert np.array_equal(basis, packaged_model.token_basis(64))


def test_a_precision_that_there_is_not_is_named(in_precision):
    with pytest.raises(ImproperlyConfigured, match="EMBEDDING_PRECISION is half: it takes auto,"):
        in_precision("half").encode_questions(["limit"])


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


def test_a_chinese_sentence_full_of_english_names_is_unknown_to_an_english_model(packaged_model):
    assert packaged_model.unknown_share("SGD 和 Adam 有什么区别？") > 0.4
    assert packaged_model.unknown_share("What does 梯度 mean in gradient descent?") < 0.4


def test_a_folder_gives_the_same_vectors_and_the_same_fingerprint(packaged_model, folder):
    model = SentenceTransformerEmbedder(str(folder))

    assert model.name == "my-model"
    assert model.fingerprint == packaged_model.fingerprint
    assert np.allclose(question_vector(model, "limit"), question_vector(packaged_model, "limit"))


def test_other_weights_have_another_fingerprint(packaged_model, folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")

    assert SentenceTransformerEmbedder(str(folder)).fingerprint != packaged_model.fingerprint


@pytest.mark.parametrize(
    ("file_name", "use"),
    [
        ("model.safetensors", lambda model: question_vector(model, "limit")),
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
