"""Find the phrases of a text that may be terms, and count how they stand there.

English: runs of words between stop words. Chinese: runs of jieba's words that name something.
Whether an English word is a noun or a verb is guessed from the words around it; of a Chinese one
jieba says it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from learning.artefacts.cutting import Word, cut, runs, word_key
from learning.artefacts.stop_words import CHINESE, COMMON_NOUNS, FUNCTION_WORDS

LONGEST_ENGLISH = 4  # words
LONGEST_CHINESE = 8  # characters

_WORD_OF_NAME = re.compile(r"[^\W\d_]{2,}[\d]?(?:[-'’][^\W_]+)*|[^\W\d_]-[^\W\d_]{2,}|[A-Z]\d")
_HUMPS = re.compile(r"[a-z][A-Z]")

# A noun follows these, or ends what they begin; a verb follows those.
_BEFORE_NOUN = frozenset(
    "a an the this that these those each every its their our your his her no any some all both of "
    "in by for with between on from into as about under without via than through per such".split()
)
_BEFORE_VERB = frozenset(
    "to we you i they it he she can cannot could may might must shall should will would not don't "
    "doesn't didn't let let's who which what please and-then never always".split()
)
_ARTICLES = frozenset("a an the".split())
_NO_NOUN = re.compile(r".{3,}(?:ly|wards?)|.*(?:[^aeiou]ed|ied|ated|ised|ized)")

# What jieba calls what names something; verbs and adjectives only beside such.
_NOUNS = ("n", "nr", "nz", "nt", "vn", "l", "j", "an", "nrt", "nrfg", "ns")
_BESIDE_NOUNS = (*_NOUNS, "v", "a", "b", "ng", "vg", "eng", "x", "zg", "i")


@dataclass(slots=True)
class Seen:
    """How a phrase stands in the course. Chapters and passages are those of `Phrases.add`."""

    words: int
    is_han: bool
    total: int = 0
    alone: int = 0  # between two stop words, not inside a longer run
    as_noun: int = 0
    as_verb: int = 0
    forms: Counter[str] = field(default_factory=Counter)
    chapters: Counter[int] = field(default_factory=Counter)
    left: set[str] = field(default_factory=set)  # what stands beside it
    right: set[str] = field(default_factory=set)


class Phrases:
    """All phrases of a course, by their words in lower case, singular."""

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}

    def add(self, prose: str, chapter_id: int) -> None:
        for run in runs(prose):
            if run[0].flag:
                self._add_chinese(run, chapter_id)
            else:
                self._add_english(run, chapter_id)

    def candidates(self) -> dict[str, Seen]:
        """Return the phrases that look like a term, all by themselves."""
        heads = {key: seen for key, seen in self.seen.items() if seen.words == 1}
        found = {}
        for key, seen in self.seen.items():
            good = _is_chinese_term(seen) if seen.is_han else _is_english_term(key, seen, heads)
            if good:
                found[key] = seen
        return found

    def _add_english(self, run: Sequence[Word], chapter_id: int) -> None:
        for first, last in _chunks([word.key in FUNCTION_WORDS for word in run]):
            chunk = run[first:last]
            before = run[first - 1].key if first else ""
            after = run[last].key if last < len(run) else ""
            for start in range(len(chunk)):
                for length in range(1, min(LONGEST_ENGLISH, len(chunk) - start) + 1):
                    words = chunk[start : start + length]
                    seen = self._seen(" ".join(word.key for word in words), length, False)
                    seen.total += 1
                    seen.forms[" ".join(word.text for word in words)] += 1
                    seen.chapters[chapter_id] += 1
                    is_last = start + length == len(chunk)
                    seen.alone += start == 0 and is_last
                    led_in = start > 0 or before in _BEFORE_NOUN or not before
                    seen.as_noun += is_last and led_in
                    seen.as_verb += start == 0 and before in _BEFORE_VERB
                    # "The moon pulls the water": what an article follows is no noun.
                    seen.as_verb += is_last and after in _ARTICLES and words[-1].text[-1] in "sd"
                    seen.left.add(chunk[start - 1].key if start else "")
                    seen.right.add("" if is_last else chunk[start + length].key)

    def _add_chinese(self, run: Sequence[Word], chapter_id: int) -> None:
        for first, last in _chunks([not _may_be_inside(word) for word in run]):
            chunk = run[first:last]
            for start in range(len(chunk)):
                for end in range(start + 1, min(start + 4, len(chunk)) + 1):
                    words = chunk[start:end]
                    name = "".join(word.key for word in words)
                    if not 2 <= len(name) <= LONGEST_CHINESE:
                        continue
                    seen = self._seen(name, end - start, True)
                    seen.total += 1
                    seen.forms["".join(word.text for word in words)] += 1
                    seen.chapters[chapter_id] += 1
                    seen.alone += start == 0 and end == len(chunk)
                    seen.as_noun += _is_noun_phrase(words)
                    seen.as_verb += words[0].flag.startswith("v") and words[0].flag != "vn"
                    seen.left.add(chunk[start - 1].key if start else "")
                    seen.right.add(chunk[end].key if end < len(chunk) else "")

    def _seen(self, key: str, words: int, is_han: bool) -> Seen:
        if key not in self.seen:
            self.seen[key] = Seen(words, is_han)
        return self.seen[key]


def phrase_key(name: str) -> str:
    """Return what `Phrases` counts a name by: lower case, simplified, singular at its end."""
    words = [word_key(word) for word in name.split()]
    return " ".join(words)


def last_chinese_phrase(han: str) -> str:
    """Return the phrase that a run of Chinese ends in."""
    words = cut(han)
    chunks = list(_chunks([not (_may_be_inside(word) or _may_begin(word)) for word in words]))
    if not chunks or chunks[-1][1] != len(words):
        return ""
    first, last = chunks[-1]
    while first < last - 1 and words[first].flag == "v":
        first += 1
    return "".join(word.text for word in words[first:last])[-LONGEST_CHINESE:]


def _is_english_term(key: str, seen: Seen, heads: dict[str, Seen]) -> bool:
    words = key.split()
    if not all(_WORD_OF_NAME.fullmatch(form) for form in max(seen.forms, key=len).split()):
        return False
    if any(_HUMPS.search(form) for form in seen.forms):
        return False
    head = heads[words[-1]]
    if _NO_NOUN.fullmatch(words[-1]) or words[0].endswith("ly"):
        return False
    if seen.words == 1:
        return (
            key not in COMMON_NOUNS
            and len(key) > 2
            and seen.total >= 3
            and seen.as_noun >= 0.4 * seen.total
            and seen.as_verb <= 0.25 * seen.total
        )
    return (
        seen.total >= 3
        and seen.alone >= 0.4 * seen.total
        and head.as_noun >= 0.4 * head.total
        and seen.as_verb <= 0.2 * seen.total
        and not (words[0] in COMMON_NOUNS and words[-1] in COMMON_NOUNS)
        and not _ends_in_verb(seen, words[-1], heads)
    )


def _ends_in_verb(seen: Seen, head: str, heads: dict[str, Seen]) -> bool:
    """ "Series diverges" is a sentence: it is never "series diverge", and there is "diverging"."""
    stem = head.removesuffix("e")
    return all(form.endswith("s") for form in seen.forms) and (
        f"{stem}ing" in heads or f"{stem}ed" in heads
    )


def _is_chinese_term(seen: Seen) -> bool:
    if seen.words == 1:
        return seen.total >= 3 and seen.as_noun >= 0.5 * seen.total
    return (
        seen.total >= 3
        and seen.as_noun >= 0.5 * seen.total
        and seen.alone >= 0.3 * seen.total
        and len(seen.left) > 1
    )


def _may_be_inside(word: Word) -> bool:
    return word.flag in _BESIDE_NOUNS and word.key not in CHINESE


def _may_begin(word: Word) -> bool:
    """随机 and 多层 are no nouns, and yet half of one: without it the name would be another's."""
    return word.flag in ("d", "m") and len(word.key) > 1 and word.key not in CHINESE


def _is_noun_phrase(words: Sequence[Word]) -> bool:
    if len(words) == 1:
        return words[0].flag in _NOUNS
    return words[-1].flag in (*_NOUNS, "v", "ng") and any(word.flag in _NOUNS for word in words)


def _chunks(stops: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Yield where the runs between the stops begin and end."""
    start = 0
    for at, is_stop in enumerate([*stops, True]):
        if is_stop:
            if at > start:
                yield start, at
            start = at + 1
