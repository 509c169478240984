"""Wrong options for a blank: other terms of the course that look as if they could stand there."""

import hashlib
import re
from collections.abc import Sequence

from learning.artefacts.aliases import is_acronym
from learning.artefacts.base import name_key
from learning.artefacts.passages import holds
from learning.artefacts.scripts import HAN
from learning.artefacts.terms import Term

WANTED = 3
CLOSEST = 7  # chosen among so many, so that not every question has the same ones
MOST_LONGER = 2.2  # times: an option much longer than the others is the right one, students learn

LONGEST_BEFORE = 8
_ARTICLE = re.compile(r"\b(?:an?|the|of|by|as|each|every|in) $")
_AFTER_NOUN = re.compile(
    r"[.,;:)]| (?:is|are|of|to|in|and|or|at|for|with|which|that|has|by|from|on)\b"
)
_IS = re.compile(r" (?:is|are)\b")
_NO_NOUN = re.compile(r"\w(?:able|ible|ically|ful|less|ous|ly)$")


class Vocabulary:
    """The nouns among the terms of a course, as its text uses them."""

    def __init__(self, prose: str):
        self._prose = " ".join(prose.split())
        self._folded = self._prose.replace("*", "").casefold()
        self._is_noun: dict[str, bool] = {}

    def holds(self, form: str) -> bool:
        return holds(self._prose, form)

    def as_written(self, name: str) -> str:
        """Return a name without the capital that it has at the beginning of sentences alone."""
        small = name[:1].lower() + name[1:]
        if small == name or not name[1:].islower():
            return name
        within = re.search(rf"[a-z,]\s+\**{re.escape(name)}", self._prose)
        return name if within else small

    def is_noun(self, name: str) -> bool:
        """Say whether the course uses a term as a thing: "the limit is", not "diverges when"."""
        if HAN.search(name):
            return True
        if name not in self._is_noun:
            last = name.rpartition(" ")[2]
            self._is_noun[name] = not _NO_NOUN.search(name) and any(
                map(self._is_used, {name, last})
            )
        return self._is_noun[name]

    def _is_used(self, name: str) -> bool:
        name = name.casefold()
        start = self._folded.find(name)
        while start >= 0:
            before = self._folded[max(0, start - LONGEST_BEFORE) : start]
            end = start + len(name)
            if (_ARTICLE.search(before) and _AFTER_NOUN.match(self._folded, end)) or (
                before.endswith(". ") and _IS.match(self._folded, end)
            ):
                return True
            start = self._folded.find(name, end)
        return False


def distractors(
    sentence: str, term: Term, answer: str, others: Sequence[Term], vocabulary: Vocabulary
) -> list[str]:
    """Return three terms like the answer, the earlier of `others` preferred; none if too few are.

    None is another name of the answer, a part of it, or stands in the sentence.
    """
    names = [term.name, *term.aliases]
    needs_plural = is_plural(answer)
    fitting: list[str] = []
    for other in others:
        option = plural(other.name) if needs_plural else other.name
        if (
            _is_like(option, answer)
            and not any(_overlap(one, two) for one in names for two in (other.name, *other.aliases))
            and not any(_overlap(option, taken) for taken in fitting)
            and not any(_stands_in(sentence, name) for name in (other.name, *other.aliases))
            and vocabulary.is_noun(other.name)
            and (not needs_plural or vocabulary.holds(option))
        ):
            fitting.append(option)
        if len(fitting) == CLOSEST:
            break
    chosen = sorted(fitting, key=lambda name: _lot(sentence, name))[:WANTED]
    return chosen if len(chosen) == WANTED else []


def plural(name: str) -> str:
    """Return an English plural by rule; a Chinese name, an acronym or a plural as it is."""
    if not re.search("[a-z]$", name) or is_plural(name):
        return name
    if re.search("[^aeiou]y$", name):
        return f"{name[:-1]}ies"
    return f"{name}es" if re.search("(?:s|x|ch|sh)$", name) else f"{name}s"


def is_plural(form: str) -> bool:
    return bool(re.search(r"[a-z]{2}[^aisu\W]s$", form)) and not form.endswith("series")


def _stands_in(sentence: str, name: str) -> bool:
    return holds(sentence, name) or holds(sentence, plural(name))


def _overlap(one: str, other: str) -> bool:
    """Say whether one of two names holds the other."""
    if name_key(one) == name_key(other):
        return True
    one, other = one.casefold(), other.casefold()
    if HAN.search(one + other):
        return one in other or other in one
    words, others = set(one.split()), set(other.split())
    return words <= others or others <= words


def _is_like(one: str, other: str) -> bool:
    is_han = bool(HAN.search(one))
    if is_han != bool(HAN.search(other)) or is_acronym(one) != is_acronym(other):
        return False
    if is_plural(one) != is_plural(other):
        return False
    if not is_han and abs(len(one.split()) - len(other.split())) > 1:
        return False
    return max(len(one), len(other)) <= MOST_LONGER * min(len(one), len(other))


def _lot(sentence: str, name: str) -> bytes:
    return hashlib.sha256(f"{sentence}\n{name}".encode()).digest()
