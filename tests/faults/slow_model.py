"""A model that takes its time, so that a reindex can be met in the middle."""

import time
from collections.abc import Sequence

from rag.embedders.base import Encoding
from tests.rag.parts import WordEmbedder


class SlowEmbedder(WordEmbedder):
    def encode_passages(self, texts: Sequence[str]) -> list[Encoding]:
        time.sleep(0.1)
        return super().encode_passages(texts)
