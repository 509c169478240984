"""One way to answer "which ten passages?", in a process of its own (see bench/processes.py).

Each is timed inside its process, so that the pipe to it costs nobody anything. Nothing here needs
the product: the peers run it in their own environment.
"""

import abc
import json
import time
from pathlib import Path

TOP = 10


class Way(abc.ABC):
    """Loads passages that are the same for all, and is asked."""

    def __init__(self, model: str):
        import torch

        torch.set_num_threads(1)
        self.model = model  # a folder: the packaged MiniLM

    @abc.abstractmethod
    def load(self, folder: str) -> None:
        """Get ready to search what bench/retrieval_site.py wrote there."""

    @abc.abstractmethod
    def search(self, question: str) -> list[int]:
        """Return the rows of the ten best passages."""

    def ask(self, question: str) -> float:
        """Return the milliseconds that one question takes."""
        began = time.perf_counter()
        found = self.search(question)
        took = (time.perf_counter() - began) * 1000
        if len(found) != TOP:
            raise RuntimeError(f"{type(self).__name__} found {len(found)} passages")
        return took


def passages_in(folder: str):
    """Return the texts, and their vectors as float32 of shape (passages, 384)."""
    import numpy as np

    texts = json.loads((Path(folder) / "texts.json").read_text())
    return texts, np.load(Path(folder) / "vectors.npy")


class Floor(Way):
    """The least that a search by meaning can cost: `encode`, one matrix product, ten best."""

    def __init__(self, model: str):
        super().__init__(model)
        from sentence_transformers import SentenceTransformer

        self.encoder = SentenceTransformer(model)

    def load(self, folder: str) -> None:
        _, self.vectors = passages_in(folder)

    def search(self, question: str) -> list[int]:
        import numpy as np

        vector = self.encoder.encode(question)
        scores = self.vectors @ vector
        best = np.argpartition(-scores, TOP)[:TOP]
        return best[np.argsort(-scores[best])].tolist()
