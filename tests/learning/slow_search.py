"""A model that takes half a minute, so that a search or a reindex can be met in the middle."""

import time
from collections.abc import Sequence

from rag.embedders.base import Encoding
from tests.rag.parts import WordEmbedder


class SlowSearchEmbedder(WordEmbedder):
    def encode_passages(self, texts: Sequence[str]) -> list[Encoding]:
        time.sleep(30)
        return super().encode_passages(texts)

    def encode_questions(self, texts: Sequence[str]) -> list[Encoding]:
        time.sleep(30)
        return super().encode_questions(texts)
