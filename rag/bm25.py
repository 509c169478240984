"""BM25 over counted words, as one sparse matrix: a row for each text, a column for each word.

Words are numbers here, so that texts which two indexes share are cut and counted only once.

Source: Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009; with Lucene's idf.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

K1 = 1.2
B = 0.75


class WordCounts(NamedTuple):
    """Which words a text holds, and how often; arrays of one length."""

    words: np.ndarray  # int32, numbers of a vocabulary
    counts: np.ndarray  # uint16


class Vocabulary:
    """Numbers words as they come. It only grows, so indexes that share it stay right."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def count(self, words: Iterable[str]) -> WordCounts:
        numbers = self._numbers
        counted = Counter(words)
        return WordCounts(
            np.array([numbers.setdefault(word, len(numbers)) for word in counted], dtype=np.int32),
            np.minimum(list(counted.values()), 65_535).astype(np.uint16),
        )

    def number(self, word: str) -> int | None:
        return self._numbers.get(word)


class Bm25:
    """The index of a list of counted texts; rows are numbered as they were given."""

    def __init__(self, vocabulary: Vocabulary, texts: Sequence[WordCounts]) -> None:
        self.vocabulary = vocabulary
        self.size = len(texts)
        width = len(vocabulary)  # words that come later are in none of these texts
        columns = np.concatenate([text.words for text in texts] or [np.zeros(0, np.int32)])
        counts = np.concatenate([text.counts for text in texts] or [np.zeros(0, np.uint16)])
        rows = np.repeat(np.arange(self.size, dtype=np.int32), [len(text.words) for text in texts])
        lengths = np.bincount(rows, weights=counts, minlength=self.size)
        mean_length = lengths.mean() if lengths.any() else 1.0
        matches = np.bincount(columns, minlength=width)
        self._rarity = np.log1p((self.size - matches + 0.5) / (matches + 0.5)).astype(np.float32)
        damping = (K1 * (1 - B + B * lengths / mean_length)).astype(np.float32)
        weights = counts / (counts + damping[rows]) * self._rarity[columns]
        order = np.argsort(columns, kind="stable")
        self._rows = rows[order]
        self._weights = weights[order].astype(np.float32)
        self._starts = np.concatenate([[0], np.cumsum(matches)])

    def scores(self, words: Iterable[str]) -> np.ndarray:
        """Return float32 (texts,): a word that is asked twice counts twice."""
        scores = np.zeros(self.size, dtype=np.float32)
        for word, times in Counter(words).items():
            if (column := self._column(word)) is not None:
                np.add.at(scores, self._rows[column], times * self._weights[column])
        return scores

    def rows_with(self, word: str) -> np.ndarray:
        """Return the rows of the texts that hold a word."""
        column = self._column(word)
        return self._rows[:0] if column is None else self._rows[column]

    def rarity(self, word: str) -> float:
        """Return the word's idf; the highest for a word that no text holds."""
        number = self.vocabulary.number(word)
        if number is None or number >= len(self._rarity):
            return float(np.log1p((self.size + 0.5) / 0.5))
        return float(self._rarity[number])

    def _column(self, word: str) -> slice | None:
        number = self.vocabulary.number(word)
        if number is None or number >= len(self._rarity):
            return None
        return slice(self._starts[number], self._starts[number + 1])
