"""Any sentence-transformers CrossEncoder: slower and much better than fused scores."""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from django.core.exceptions import ImproperlyConfigured

from rag import conf
from rag.embedders.sentence_transformer import local_folder
from rag.errors import ModelUnavailable
from rag.rerankers.base import Candidate, Question, Reranker

logger = logging.getLogger(__name__)

BATCH_SIZE = 16
_PROBES = [("What is a limit?", "A limit is a value that is approached. " * 4), ("极限", "A")]
_AGREEMENT = 0.02  # by which a probability may differ


class CrossEncoderReranker(Reranker):
    """The model that RAG["RERANKER_MODEL"] names, a folder or a name on the Hugging Face Hub."""

    gives_probabilities = True

    def __init__(self, model: str | None = None) -> None:
        if not model:
            raise ImproperlyConfigured("CrossEncoderReranker needs RERANKER_MODEL.")
        self.name = model
        self._loading = threading.Lock()
        self._model = None

    def score(self, question: Question, candidates: Sequence[Candidate]) -> np.ndarray:
        return _probabilities(self.model, [(question.text, one.text) for one in candidates])

    def warm_up(self) -> None:
        self.model.predict([("question", "passage")], show_progress_bar=False)

    @property
    def model(self):
        """The loaded model; the first call takes about ten seconds."""
        with self._loading:
            if self._model is None:
                self._model = self._load()
            return self._model

    def _load(self):
        folder = local_folder(self.name, "RERANKER_MODEL")
        try:
            return _quickest(folder)
        except ImproperlyConfigured:
            raise
        except Exception as error:  # whatever a broken folder makes the libraries raise
            reason = str(error).strip().split("\n")[0]
            raise ModelUnavailable(
                f"RERANKER_MODEL is {self.name}: the model cannot be loaded ({reason}). "
                "It takes a folder, or the name, of a CrossEncoder model."
            ) from error


def _quickest(folder: Path):
    """Load a model, in the precision and with the linear layers that this CPU is quickest with.

    Where its probabilities are others then, it stays as the library has it.
    """
    import torch
    from transformers.utils import logging as transformers_logging

    from rag.embedders.linear_layers import pack_linear_layers, precision

    transformers_logging.disable_progress_bar()
    torch.set_num_threads(1)
    model = _read(folder)
    expected = _probabilities(model, _PROBES)
    try:
        model.model.to(precision(conf.setting("EMBEDDING_PRECISION")))
        pack_linear_layers(model.model)
        if np.abs(_probabilities(model, _PROBES) - expected).max() <= _AGREEMENT:
            return model
        logger.info("%s: other probabilities when packed", folder)
    except ImproperlyConfigured:
        raise
    except Exception as error:  # a model of another kind can fail anywhere
        logger.info("%s: cannot be packed: %s", folder, error)
    return _read(folder)  # the one before was changed


def _read(folder: Path):
    from sentence_transformers import CrossEncoder

    return CrossEncoder(str(folder), local_files_only=True, device="cpu")


def _probabilities(model, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    from torch.nn import Sigmoid

    # Sigmoid whatever the model's own habit: some give logits, and scores must be comparable.
    scores = model.predict(
        list(pairs), batch_size=BATCH_SIZE, activation_fn=Sigmoid(), show_progress_bar=False
    )
    return np.asarray(scores, dtype=np.float32).reshape(len(pairs))
