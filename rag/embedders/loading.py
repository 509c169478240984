"""Load a sentence-transformers model, and find the quickest way of reading it that is right.

Imports torch: import it only where a model is loaded.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers.utils import logging as transformers_logging

from rag.embedders.forward_pass import ForwardPass
from rag.embedders.linear_layers import pack_linear_layers, precision

logger = logging.getLogger(__name__)

# Unlike in length, letters and script, so that one batch of them shows most differences.
_PROBES = ["What is a limit?", "Überall is naïve, e.g. f(x) = 1; " * 4, "什么是极限", "A"]
# The cosine to keep with what the library gives; bfloat16 costs the packaged model .0001.
_AGREEMENT = {torch.float32: 0.9999, torch.bfloat16: 0.99}


@dataclass(frozen=True)
class LoadedModel:
    """A model, and the way to read it; without one, the library's own calls must do."""

    model: SentenceTransformer
    forward_pass: ForwardPass | None


def load(folder: Path, wanted_precision: str | None) -> LoadedModel:
    """Return the model with the quickest way of reading it that agrees with the library's own."""
    best = precision(wanted_precision)
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(1)  # two threads on a busy two-core machine are slower than one
    model = _read(folder)
    expected = _library_vectors(model)
    for dtype, packed in ((best, True), (torch.float32, False)):
        try:
            model.to(dtype)
            if packed:
                pack_linear_layers(model)
            forward_pass = ForwardPass(model)
            agreement = _agreement(forward_pass, expected)
            if agreement >= _AGREEMENT[dtype]:
                return LoadedModel(model, forward_pass)
            logger.info("%s: cosine %.4f in %s, packed %s", folder, agreement, dtype, packed)
        except Exception as error:  # a model of another kind can fail anywhere
            logger.info("%s: not in %s, packed %s: %s", folder, dtype, packed, error)
        model = _read(folder)  # the one before was changed
    return LoadedModel(model, None)


def _read(folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(folder), local_files_only=True, device="cpu").eval()


def _library_vectors(model: SentenceTransformer) -> np.ndarray:
    calls = (model.encode_query, model.encode_document)
    return np.concatenate(
        [call(_PROBES, normalize_embeddings=True, show_progress_bar=False) for call in calls]
    )


def _agreement(forward_pass: ForwardPass, expected: np.ndarray) -> float:
    return float(min(np.nan_to_num(np.sum(_own_vectors(forward_pass) * expected, axis=1))))


def _own_vectors(forward_pass: ForwardPass) -> np.ndarray:
    encodings = forward_pass.encode_questions(_PROBES) + forward_pass.encode_passages(_PROBES)
    return np.array([encoding.vector for encoding in encodings])
