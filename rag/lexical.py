"""BM25 over the passages of one index version, in memory.

Each run of script is cut in its own way, so that mixed text works: Latin words are stemmed,
identifiers are found whole and by their parts, Chinese is made simplified, cut by jieba's search
mode and into character pairs as well, which finds what jieba cuts differently in question and
passage.
"""

import functools
import logging
import re
import threading
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import opencc
import Stemmer
from django.conf import settings

from rag.bm25 import Bm25, Vocabulary, WordCounts

# Words that name no subject. They count little in BM25 anyway; for coverage they must not count.
_STOP_WORDS = frozenset(
    "a about an and are as at be been but by can could did do does for from had has have how i if "
    "in into is it its may me might my not of on or our shall should so such than that the their "
    "them then there these they this those to us was we were what when where which who whom whose "
    "why will with would you your explain tell give define describe mean means meaning please "
    "的 了 吗 呢 吧 啊 是 在 有 和 与 或 及 就 都 也 而 但 这 那 我 你 他 她 它 们 我们 "
    "你们 他们 它们 什么 怎么 怎样 如何 为什么 为何 哪 哪个 哪些 哪里 哪儿 谁 几 多少 "
    "请 请问 一个 一种 这个 那个 这些 那些 可以 能 会 被 把 对 从 到 为 以 于 之 其 所 "
    "并 何 年 时候 什么样 叫 叫做 指 指的是 解释 说明 一下 意思".split()
)
# What makes a Chinese sentence a question, and names nothing. Taken out before pairs are formed, as
# 什么是过拟合 would look for 么是 and 是过 too (nDCG@10 on the Chinese set: .991, with them .987).
_ASKING = re.compile(
    "什么样|为什么|什么是|是什么|有什么|什么|怎么样|怎么|怎样|如何|为何|哪个|哪些|哪里|哪儿|哪年|"
    "多少|请问|是谁|谁|何时|何|吗|呢"
)
# Jieba joins them to their neighbours where it knows no better: 根是怎样… begins with 根是.
_FUNCTION_CHARACTERS = re.compile("[的是在了和与及或被把对从于之其所并也都就而但我你他她它这那]")
_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_KANA_HANGUL = r"\u3040-\u30ff\uac00-\ud7af"
_RUNS = re.compile(
    rf"(?P<han>[{_HAN}]+)"
    rf"|(?P<pairs>[{_KANA_HANGUL}]+)"
    r"|(?P<symbol>[A-Za-z](?:\+\+|#))(?!\w)"
    rf"|(?P<word>[^\W{_HAN}{_KANA_HANGUL}]+(?:[.'’][^\W{_HAN}{_KANA_HANGUL}]+)*)"
)
_HUMPS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")


@dataclass(frozen=True)
class LexicalScores:
    """For every passage: its BM25 score, and which share of the question's words it holds."""

    bm25: np.ndarray  # float32 (passages,)
    coverage: np.ndarray  # float32 (passages,), 0 to 1, weighted by how rare each word is


class LexicalIndex:
    """The BM25 index of a list of texts; rows are numbered as the texts were given."""

    def __init__(self, texts: Iterable[str]) -> None:
        vocabulary = Vocabulary()
        self._bm25 = Bm25(vocabulary, [vocabulary.count(tokens(text)) for text in texts])
        self.size = self._bm25.size

    @classmethod
    def of(cls, vocabulary: Vocabulary, counted: Sequence[WordCounts]) -> "LexicalIndex":
        """Index texts whose `tokens` the vocabulary has counted before."""
        index = cls.__new__(cls)
        index._bm25 = Bm25(vocabulary, counted)
        index.size = index._bm25.size
        return index

    def scores(self, question: str) -> LexicalScores:
        """Score every passage against a question; all zero where no word is known."""
        question = simplified(question)
        asked = tokens(_ASKING.sub(" ", question)) or tokens(question)
        bm25 = self._bm25.scores(asked)
        coverage = np.zeros(self.size, dtype=np.float32)
        telling = _telling(question)
        total = 0.0
        for token in telling:
            rarity = self._bm25.rarity(token)
            total += rarity
            np.add.at(coverage, self._bm25.rows_with(token), rarity)
        return LexicalScores(bm25, coverage / total if total else coverage)


def _telling(question: str) -> set[str]:
    """Return the words that a passage should hold to cover a question."""
    plain = _FUNCTION_CHARACTERS.sub(" ", _ASKING.sub(" ", question))
    return set(tokens(plain)) - _STEMMED_STOP_WORDS


def tokens(text: str) -> list[str]:
    """Cut a text of any script into the words that BM25 counts.

    Chinese gives its words and every pair of neighbouring characters.
    """
    found: list[str] = []
    for run in _RUNS.finditer(unicodedata.normalize("NFKC", text)):
        kind, word = run.lastgroup, run.group()
        if kind == "word":
            found.extend(_words(word))
        elif kind == "symbol":
            found.append(word.lower())
        else:
            if kind == "han":
                word = simplified(word)
                found.extend(chinese_cutter().cut_for_search(word))
            if len(word) > 1:
                found.extend(word[i : i + 2] for i in range(len(word) - 1))
            elif kind == "pairs":
                found.append(word)
    return found


def simplified(text: str) -> str:
    """Turn traditional Chinese characters into simplified ones; all else stays."""
    return _converter().convert(text)


def _words(word: str) -> list[str]:
    if word.isdecimal():
        return [word]
    plain = _without_accents(word)
    parts = [part for piece in re.split(r"[._]", plain) for part in _HUMPS.findall(piece)]
    whole = plain.lower().replace("’", "'")
    if len(parts) < 2:
        return [_stemmed(whole)]
    if "'" in whole and not re.search(r"[._\d]", whole):
        return [_stemmed(whole.partition("'")[0])]  # Newton's, don't
    return [whole, *(_stemmed(part.lower()) for part in parts if len(part) > 1)]


def _without_accents(word: str) -> str:
    if word.isascii():
        return word
    decomposed = unicodedata.normalize("NFD", word)
    return "".join(character for character in decomposed if not unicodedata.combining(character))


_stemmers = threading.local()  # a Stemmer is not to be shared between threads


@functools.lru_cache(maxsize=100_000)
def _stemmed(word: str) -> str:
    if not hasattr(_stemmers, "english"):
        _stemmers.english = Stemmer.Stemmer("english")
    return _stemmers.english.stemWord(word)


_STEMMED_STOP_WORDS = _STOP_WORDS | {_stemmed(word) for word in _STOP_WORDS}


@functools.cache
def _converter() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


@functools.cache
def chinese_cutter():
    """Load jieba's dictionary (half a second), quietly, with its cache in our data folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its sources have invalid escape sequences
        import jieba

    jieba.setLogLevel(logging.WARNING)  # it prints to stderr past every logging configuration
    cutter = jieba.Tokenizer()
    folder = Path(settings.DATA_DIR) / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    cutter.tmp_dir = str(folder)
    cutter.initialize()
    return cutter
