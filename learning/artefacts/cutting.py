"""Cut prose into words: English as written, Chinese by jieba, which says what each is."""

import functools
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from learning.artefacts.scripts import CJK
from learning.artefacts.stop_words import COMMON_NOUNS, FUNCTION_WORDS
from rag.lexical import chinese_cutter, simplified

_ANY = re.compile(
    rf"(?P<han>[{CJK}]+)|(?P<word>[^\W_{CJK}]+(?:[-'’][^\W_{CJK}]+)*)"
    r"|(?P<gap>[ \t]+|\n(?![ \t]*\n))|(?P<break>.)",  # an empty line ends a phrase
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    key: str
    flag: str = ""  # jieba's, of Chinese


def runs(prose: str) -> Iterator[list[Word]]:
    """Cut a text into runs of words of one script with nothing but white space between them."""
    run: list[Word] = []
    for found in _ANY.finditer(prose):
        kind, text = found.lastgroup, found[0]
        if kind == "gap":
            continue
        if kind == "word" and not text[0].isdecimal():
            run.append(Word(text, word_key(text)))
            continue
        if run:
            yield run
            run = []
        if kind == "han":
            yield cut(text)
    if run:
        yield run


def cut(han: str) -> list[Word]:
    plain = simplified(han)
    if len(plain) != len(han):
        plain = han
    words, at = [], 0
    for word in _tagger().cut(plain):
        words.append(Word(han[at : at + len(word.word)], word.word, word.flag))
        at += len(word.word)
    return words


@functools.lru_cache(maxsize=50_000)
def word_key(word: str) -> str:
    plain = simplified(word).casefold().replace("’", "'").removesuffix("'s")
    if plain in FUNCTION_WORDS or plain in COMMON_NOUNS:
        return plain
    if re.fullmatch(r".*[a-z]{3}ies", plain) and plain != "series":
        return plain[:-3] + "y"
    if re.fullmatch(r".*(?:ss|sh|ch|x)es", plain):
        return plain[:-2]
    return plain[:-1] if re.fullmatch(r".*[a-z]{2}[^aisu\W]s", plain) else plain


@functools.cache
def _tagger():
    """Return jieba with its names for the kinds of words (half a second)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its sources have invalid escape sequences
        from jieba.posseg import POSTokenizer
    return POSTokenizer(chinese_cutter())
