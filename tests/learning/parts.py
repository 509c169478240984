"""Parts for tests of turns."""

import time

from tests.rag.parts import WordEmbedder


class SlowEmbedder(WordEmbedder):
    """The model that counts words, on a machine that has much else to do."""

    def encode_questions(self, texts):
        time.sleep(1.5)
        return super().encode_questions(texts)
