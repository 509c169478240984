"""Choose from the passages the few quotes that fit a question best.

Counts words, as the lexical search does: how much of the question a sentence holds, whether it
defines what is asked for, and whether it can stand alone.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from learning.llm.base import Passage
from learning.llm.quotes import Quote, quotes
from rag.lexical import tokens

MOST_QUOTES = 5
MOST_CHARACTERS = 1_800  # formulas, code and tables included
LEAST_COVERAGE = 0.34  # share of the question's telling words that one passage must hold
LEAST_SHARE_OF_BEST = 0.5  # a quote that fits less than half as well as the best is left out

# Words of a question that name no subject, as `tokens` returns them.
ASKING = frozenset(
    tokens(
        "a about an and are as at be been but by calculate can chapter code compute could "
        "course define definition describe did difference different do does example explain "
        "find for formula from give had has have help how i if in into is it its know list "
        "may me mean might my not of on one or please program python question say shall "
        "should show so such table tell than that the their them then there these they this "
        "those to understand us use used want was we were what when where which who why will "
        "with work would write you your"
    )
)
ASKING_ZH = re.compile(
    "是什么意思|什么意思|是什么|什么是|为什么|什么样|什么|怎么样|怎么办|怎么|怎样|如何|哪些|哪个|哪里|多少|"
    "请问|解释一下|解释|说明|介绍|举例|例子|一下|区别|定义|公式|代码|程序|可以|应该|意思|这个|那个|我们|"
    "[的了吗呢吧啊是在有和与或就都也会要能请我你]"
)
# What kind of block a question asks for, and how such a block begins.
BLOCKS = (
    (re.compile(r"\b(code|program|python)\b|代码|程序", re.IGNORECASE), ("```", "~~~")),
    (re.compile(r"\b(formula|equation|rule)\b|公式|方程", re.IGNORECASE), ("$$", "\\[")),
    (re.compile(r"\btable\b|表格", re.IGNORECASE), ("|",)),
)

DEFINITION = re.compile(
    r"\b(is|are) (a|an|the|any|what|called|defined|said)\b"
    r"|\b(means|refers to|says that|describes)\b"
    r"|是一|是指|是把|就是|称为|叫做|定义为|指的是",
)
BOLD = re.compile(r"\*\*(.+?)\*\*")
# Sentences that point back to one that is not quoted.
POINTS_BACK = re.compile(
    r"(It|This|That|These|Those|They|Then|Thus|Hence|Here|So|But|And|However|Therefore)\b"
    r"|它|这|那|因此|所以|但|不过|于是|其"
)
ANNOUNCES = re.compile(r"\bthis (chapter|section|course|lesson)\b|本章|这一章|本节", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Candidate:
    number: int  # of its passage
    position: int  # in its passage
    quote: Quote
    score: float
    defines: bool  # what is asked for
    words: frozenset[str]


def choose(question: str, passages: Sequence[Passage]) -> list[Candidate]:
    """Return the quotes that fit the question, best first; none when it is not covered."""
    candidates = _scored(question, passages)
    ranked = sorted(candidates, key=lambda c: c.score, reverse=True)
    if not ranked or not ranked[0].score:
        return []
    chosen = [ranked[0]]
    room = MOST_CHARACTERS - ranked[0].quote.length
    for candidate in ranked[1:]:
        if len(chosen) == MOST_QUOTES or candidate.score < LEAST_SHARE_OF_BEST * ranked[0].score:
            break
        if candidate.quote.length <= room and not any(_repeats(candidate, c) for c in chosen):
            chosen.append(candidate)
            room -= candidate.quote.length
    best = ranked[0]
    if best.quote.cells:
        return chosen  # the rows beside it tell of something else
    places = {(c.number, c.position): c for c in candidates if c.quote.length <= room}
    after = places.get((best.number, best.position + 1))
    before = places.get((best.number, best.position - 1))
    # One sentence alone says little, and a definition may lead to a formula or a list.
    if after and after not in chosen and (len(chosen) == 1 or (best.defines and after.quote.block)):
        chosen.append(after)
    elif len(chosen) == 1 and before and before.score:
        chosen.append(before)
    return chosen


def _scored(question: str, passages: Sequence[Passage]) -> list[Candidate]:
    asked = telling_words(question)
    found = [
        (number, position, quote, tokens(quote.words))
        for number, passage in enumerate(passages, start=1)
        for position, quote in enumerate(quotes(passage.text))
    ]
    rarity = _rarity(asked, [set(words) for *_, words in found])
    everything = sum(rarity.values())

    def coverage(words: Iterable[str]) -> float:
        return sum(rarity[word] for word in rarity.keys() & set(words)) / everything

    headings = [tokens(" ".join(passage.heading_path)) for passage in passages]
    wholes = [[*heading, *tokens(p.text)] for heading, p in zip(headings, passages, strict=True)]
    if not rarity or max(map(coverage, wholes), default=0) < LEAST_COVERAGE:
        return []

    asked_pairs = set(pairwise(asked))
    candidates = []
    for number, position, quote, words in found:
        about = coverage(headings[number - 1])
        fit = coverage(tokens(quote.found_by) if quote.block else words)
        # Under a heading that names the subject, its first sentence need not name it again.
        if not fit and not (about > LEAST_COVERAGE and position == 0):
            candidates.append(Candidate(number, position, quote, 0.0, False, frozenset(words)))
            continue
        fit += 0.3 * about
        fit += (
            0.3 * sum(word in rarity for word in words) / max(1, len(words))
        )  # and of little else
        if asked_pairs:
            fit += 0.3 * len(asked_pairs & set(pairwise(words))) / len(asked_pairs)
        defines = _defines(quote, set(asked))
        fit *= _weight(quote, question) * (1.6 if defines else 1) * (1.1 if position == 0 else 1)
        fit /= 1 + 0.08 * (number - 1)
        candidates.append(Candidate(number, position, quote, fit, defines, frozenset(words)))
    return candidates


def telling_words(question: str) -> list[str]:
    """The words of a question that name its subject."""
    # Chinese is cut into pairs of characters too, so its question words go before the cutting.
    return [word for word in tokens(ASKING_ZH.sub(" ", question)) if word not in ASKING]


def _rarity(asked: Sequence[str], rows: Sequence[set[str]]) -> dict[str, float]:
    """How much each asked word tells, by how few of the rows hold it."""
    held = {word: max(1, sum(word in row for row in rows)) for word in asked}
    return {
        word: math.log1p((len(rows) - count + 0.5) / (count + 0.5)) for word, count in held.items()
    }


def _defines(quote: Quote, asked: set[str]) -> bool:
    """Courses set a term in bold where they define it."""
    terms = (set(tokens(term)) for term in BOLD.findall(quote.text))
    return any(term and term <= asked for term in terms)


def _weight(quote: Quote, question: str) -> float:
    weight = 1.0
    if any(wanted.search(question) and quote.block.startswith(mark) for wanted, mark in BLOCKS):
        weight *= 1.5
    if DEFINITION.search(quote.text):
        weight *= 1.1
    if ANNOUNCES.search(quote.text):
        weight *= 0.5
    elif POINTS_BACK.match(quote.text):
        weight *= 0.75
    if quote.text.endswith(("?", "？")):
        weight *= 0.5
    return weight


def _repeats(one: Candidate, other: Candidate) -> bool:
    return len(one.words & other.words) > 0.6 * min(len(one.words), len(other.words))
