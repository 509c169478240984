"""Text for the benchmark of search: it means nothing, and its words behave as words do.

No outside text is needed: words come from the demo course, and new ones are put together from their
halves until there are 30,000. Function words make up nearly half of a text; the others follow
Zipf's law; a passage comes back to the same dozen words, as one with a subject does. That is what
decides how much work a lexical index has with a question.
"""

import random
import re
from bisect import bisect
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from bench.processes import ROOT

FUNCTION_WORDS = 120
CONTENT_WORDS = 30_000
SECTIONS_PER_CHAPTER = 25
FEWEST_PIECES, MOST_PIECES = 165, 195  # of a passage; the chunker cuts at 200


class Author:
    """Writes passages, chapters and questions; the same ones for the same seed."""

    def __init__(self, seed: int, count_tokens):
        self.chance = random.Random(seed)  # noqa: S311  the same text each time, no secret
        self.count_tokens = count_tokens
        common, telling = _vocabulary()
        self.common, self.common_sums = common, _zipf(len(common), 1.0)
        self.telling, self.telling_sums = telling, _zipf(len(telling), 1.0)
        # What a text is about is seldom one of the commonest words.
        self.topics, self.topics_sums = telling[200:], _zipf(len(telling) - 200, 0.7)

    def chapters(self, passages: int) -> Iterator[tuple[str, str]]:
        """Yield (title, Markdown) of chapters that hold so many passages in all."""
        for first in range(0, passages, SECTIONS_PER_CHAPTER):
            count = min(SECTIONS_PER_CHAPTER, passages - first)
            sections = (f"## {self._title(2)}\n\n{self._passage()}" for _ in range(count))
            yield self._title(3), "\n\n".join(sections)

    def question(self, text: str) -> str:
        """Ask about a passage: some of its words, in the order of a question."""
        words = [word for word in re.findall(r"[a-z]{4,}", text.lower()) if word not in self.common]
        asked = self.chance.sample(words, self.chance.randint(3, 5))
        glue = [self._one(self.common, self.common_sums) for _ in asked]
        pairs = " ".join(f"{one} {other}" for one, other in zip(glue, asked, strict=True))
        return f"What is the {pairs}?"

    def _passage(self) -> str:
        topics = [self._one(self.topics, self.topics_sums) for _ in range(12)]
        sentences = [self._sentence(topics) for _ in range(30)]
        pieces = self.count_tokens(sentences)
        kept, total = [], 0
        for sentence, count in zip(sentences, pieces, strict=True):
            if total + count <= MOST_PIECES:
                kept.append(sentence)
                total += count
            if total >= FEWEST_PIECES:
                break
        return " ".join(kept)

    def _sentence(self, topics: list[str]) -> str:
        words = [self._word(topics) for _ in range(self.chance.randint(7, 18))]
        return " ".join(words).capitalize() + "."

    def _word(self, topics: list[str]) -> str:
        luck = self.chance.random()
        if luck < 0.45:
            return self._one(self.common, self.common_sums)
        if luck < 0.70:
            return self.chance.choice(topics)
        return self._one(self.telling, self.telling_sums)

    def _title(self, words: int) -> str:
        return " ".join(self._one(self.topics, self.topics_sums) for _ in range(words)).capitalize()

    def _one(self, words: list[str], sums: list[float]) -> str:
        return words[bisect(sums, self.chance.random() * sums[-1])]


def _vocabulary() -> tuple[list[str], list[str]]:
    """Return function words and all others, both commonest first."""
    counted = Counter()
    for path in sorted((ROOT / "learning/demo/calculus").glob("*.md")):
        counted.update(re.findall(r"(?<![\\$])\b[a-z]{2,}\b", path.read_text().lower()))
    words = [word for word, _ in counted.most_common()]
    common, telling = words[:FUNCTION_WORDS], words[FUNCTION_WORDS:]
    long = [word for word in telling if len(word) >= 6]
    known = set(words)
    chance = random.Random(0)  # noqa: S311
    while len(telling) < CONTENT_WORDS:
        first, second = chance.sample(long, 2)
        made = first[: len(first) // 2 + 1] + second[-(len(second) // 2) :]
        if made not in known:
            known.add(made)
            telling.append(made)
    return common, telling


def _zipf(count: int, exponent: float) -> list[float]:
    return list(accumulate((rank + 2.7) ** -exponent for rank in range(count)))
