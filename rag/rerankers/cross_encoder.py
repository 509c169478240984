"""Any sentence-transformers CrossEncoder: slower and much better than fused scores."""

import threading
from collections.abc import Sequence

import numpy as np
from django.core.exceptions import ImproperlyConfigured

from rag.embedders.sentence_transformer import local_folder
from rag.errors import ModelUnavailable
from rag.rerankers.base import Candidate, Question, Reranker

BATCH_SIZE = 16


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
        from torch.nn import Sigmoid

        pairs = [(question.text, candidate.text) for candidate in candidates]
        # Sigmoid whatever the model's own habit: some give logits, and scores must be comparable.
        scores = self.model.predict(
            pairs, batch_size=BATCH_SIZE, activation_fn=Sigmoid(), show_progress_bar=False
        )
        return np.asarray(scores, dtype=np.float32).reshape(len(pairs))

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
            import torch
            from sentence_transformers import CrossEncoder
            from transformers.utils import logging as transformers_logging

            transformers_logging.disable_progress_bar()
            torch.set_num_threads(1)
            return CrossEncoder(str(folder), local_files_only=True)
        except Exception as error:  # whatever a broken folder makes the libraries raise
            reason = str(error).strip().split("\n")[0]
            raise ModelUnavailable(
                f"RERANKER_MODEL is {self.name}: the model cannot be loaded ({reason}). "
                "It takes a folder, or the name, of a CrossEncoder model."
            ) from error
