"""Encode texts by one forward pass of a sentence-transformers model: texts and their tokens.

The library's own `encode` gives one or the other, and takes half of a question's time for itself.
Here the model's modules are called directly. Not every model can be read this way: whoever builds
a `ForwardPass` compares it with `encode` before trusting it.

Imports torch: import it only where a model is loaded.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rag import compute
from rag.embedders.base import Encoding, share_unknown

# Of one batch, padding included. Twice as many or half of them are as quick; a question that comes
# while passages are encoded waits for one batch at most.
BATCH_TOKENS = 2_048
# Entries of a vocabulary that are no words: [PAD], [unused7], <s>, <0x0A>.
_NO_WORD = re.compile(r"\[.*\]|<.*>", re.DOTALL)


@dataclass(frozen=True)
class _Pieces:
    """The word pieces of one text: what the model reads, and where in it the text itself lies."""

    text: str
    ids: list[int]
    type_ids: list[int]
    start: int
    end: int

    @property
    def text_ids(self) -> list[int]:
        return self.ids[self.start : self.end]


class ForwardPass:
    """Raises whatever comes to hand where a model is not of the usual kind."""

    def __init__(self, model) -> None:
        self._model = model
        self._special = model[0].tokenizer  # of transformers: which piece is which
        self._tokenizer = self._special.backend_tokenizer  # of tokenizers: does the work
        self._has_type_ids = "token_type_ids" in self._special.model_input_names
        markers = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        self._room = (model.max_seq_length or 1_000_000) - markers
        self._query_prompt = _prompt(model, "query")
        self._passage_prompt = _prompt(model, "document", "passage", "corpus")

    def encode_questions(self, texts: Sequence[str]) -> list[Encoding]:
        return self._encode([self._pieces(text, self._query_prompt) for text in texts])

    def encode_passages(self, texts: Sequence[str]) -> list[Encoding]:
        return self._encode([self._pieces(text, self._passage_prompt) for text in texts])

    def encode_vocabulary(self, most: int) -> np.ndarray:
        """Return vectors of words of the model's own vocabulary, each read alone between markers.

        At most so many, drawn by a fixed seed. Float32 (words, dimension), rows of length one.
        """
        words = sorted(
            number
            for word, number in self._tokenizer.get_vocab(with_added_tokens=False).items()
            if not _NO_WORD.fullmatch(word)
        )
        drawn = np.random.default_rng(0).permutation(words)[:most].tolist()
        frame = self._pieces("a", "")
        before, after = frame.ids[: frame.start], frame.ids[frame.end :]
        type_ids = frame.type_ids[: frame.start + 1] + frame.type_ids[frame.end :]
        at = frame.start
        encodings = self._encode(
            [_Pieces("", [*before, word, *after], type_ids, at, at + 1) for word in drawn]
        )
        return np.concatenate([encoding.token_vectors for encoding in encodings])

    def _pieces(self, text: str, prompt: str) -> _Pieces:
        tokenizer = self._tokenizer
        if tokenizer.padding or tokenizer.truncation:  # left so by a call of the model's `encode`
            tokenizer.no_padding()
            tokenizer.no_truncation()
        encoding = tokenizer.encode(prompt + text, add_special_tokens=False)
        encoding.truncate(self._room, direction=self._special.truncation_side)
        of_prompt = sum(end <= len(prompt) for _, end in encoding.offsets) if prompt else 0
        whole = tokenizer.post_process(encoding)
        mask = whole.special_tokens_mask
        start = mask.index(0) if 0 in mask else len(mask)
        end = start + len(encoding) if 0 in mask else start
        return _Pieces(text, whole.ids, whole.type_ids, start + of_prompt, end)

    def _encode(self, texts: Sequence[_Pieces]) -> list[Encoding]:
        encodings: list[Encoding | None] = [None] * len(texts)
        longest_first = sorted(range(len(texts)), key=lambda at: -len(texts[at].ids))
        for batch in _batches(longest_first, [len(text.ids) for text in texts]):
            compute.give_way()
            found = self._encode_batch([texts[at] for at in batch])
            for at, encoding in zip(batch, found, strict=True):
                encodings[at] = encoding
        return encodings

    def _encode_batch(self, texts: list[_Pieces]) -> Iterator[Encoding]:
        length = max(1, len(texts[0].ids))
        pads_left = self._special.padding_side == "left"
        shifts = [length - len(text.ids) if pads_left else 0 for text in texts]
        shape = (len(texts), length)
        ids = np.full(shape, self._special.pad_token_id or 0, dtype=np.int64)
        type_ids = np.full(shape, self._special.pad_token_type_id, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        for row, (text, shift) in enumerate(zip(texts, shifts, strict=True)):
            filled = slice(shift, shift + len(text.ids))
            ids[row, filled], type_ids[row, filled], mask[row, filled] = text.ids, text.type_ids, 1
        features = {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask),
            "modality": "text",
        }
        if self._has_type_ids:
            features["token_type_ids"] = torch.from_numpy(type_ids)
        with torch.inference_mode():
            read = self._model(features)
            vectors = read["sentence_embedding"][:, : self._model.truncate_dim].float().numpy()
            token_vectors = read["token_embeddings"].float().numpy()
        vectors = _of_length_one(vectors)
        unknown = self._special.unk_token_id
        for row, (text, shift) in enumerate(zip(texts, shifts, strict=True)):
            own = text.text_ids
            yield Encoding(
                vector=vectors[row],
                token_count=len(own),
                unknown_share=share_unknown(own.count(unknown), len(own), text.text),
                token_vectors=_of_length_one(
                    token_vectors[row, shift + text.start : shift + text.end]
                ),
            )


def _prompt(model, *names: str) -> str:
    """Return what the model wants before a text, chosen as `encode_query` and its sister do."""
    names = [*names, model.default_prompt_name]
    return next((model.prompts[name] for name in names if name in model.prompts), None) or ""


def _batches(order: list[int], lengths: list[int]) -> Iterator[list[int]]:
    """Cut positions, longest text first, into batches of so many tokens."""
    start = 0
    while start < len(order):
        rows = max(1, BATCH_TOKENS // max(1, lengths[order[start]]))
        yield order[start : start + rows]
        start += rows


def _of_length_one(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
