"""Say when two questions are the same question, perhaps in other words."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from learning.artefacts.items import SHORT, TRUE_FALSE, plain
from learning.llm.choosing import ASKING
from rag.lexical import tokens

BLANK = "____"
SAME_ASKING, SAME_ANSWER = 0.75, 0.5  # shares of the words of two questions, of their answers
SAME_STATEMENT = 0.7  # share of pairs of neighbouring words
_BLANKS = re.compile("_{3,}")


def answers(content: dict[str, Any]) -> list[str]:
    """Return the right answers of a question in words; none of a true-or-false question."""
    if content["type"] == TRUE_FALSE:
        return []
    if content["type"] == SHORT:
        return content["accepted"]
    return [content["options"][place] for place in content["right"]]


def signature(content: dict[str, Any]) -> str:
    """Return what is equal for questions that read the same and have the same right answer."""
    return "\n".join([plain(content["text"]), *sorted(map(plain, answers(content)))])


def key_of(content: dict[str, Any]) -> str:
    return hashlib.sha256(signature(content).encode()).hexdigest()


class Asked:
    """The questions that there are already; one that is like any of them is not new."""

    def __init__(self, contents: Iterable[dict[str, Any]] = ()):
        self._asked = [_Fingerprint.of(content) for content in contents]

    def holds(self, content: dict[str, Any]) -> bool:
        new = _Fingerprint.of(content)
        return any(new.is_like(asked) for asked in self._asked)

    def add(self, content: dict[str, Any]) -> None:
        self._asked.append(_Fingerprint.of(content))


@dataclass(frozen=True, slots=True)
class _Fingerprint:
    sentence: str  # with its blank filled in: two blanks in one sentence ask for the same fact
    pairs: frozenset[tuple[str, str]] | None  # of the words of a statement
    asking: frozenset[str]
    answer: frozenset[str]

    @classmethod
    def of(cls, content: dict[str, Any]) -> "_Fingerprint":
        text, right = content["text"], answers(content)
        filled = _BLANKS.sub(lambda _: right[0], text) if right else text
        is_statement = content["type"] == TRUE_FALSE or bool(_BLANKS.search(text))
        words = tokens(text)
        return cls(
            sentence=_without_articles(filled),
            pairs=frozenset(pairwise(tokens(_without_articles(filled)))) if is_statement else None,
            asking=frozenset(words) - ASKING or frozenset(words),
            answer=frozenset(token for one in right for token in tokens(one)),
        )

    def is_like(self, other: "_Fingerprint") -> bool:
        if self.sentence == other.sentence:
            return True
        if self.pairs and other.pairs:
            return _common(self.pairs, other.pairs) >= SAME_STATEMENT
        has_same_answer = _common(self.answer, other.answer) >= SAME_ANSWER
        return has_same_answer and _common(self.asking, other.asking) >= SAME_ASKING


def _without_articles(text: str) -> str:
    """A blank stands after "a(n)"."""
    return " ".join(w for w in plain(text.replace("(n)", "")).split() if w not in ("a", "an"))


def _common(one: frozenset, other: frozenset) -> float:
    """Return the share of what two sets hold that both hold; nothing at all is the same."""
    return len(one & other) / len(one | other) if one or other else 1.0


def spread(content: dict[str, Any], salt: str) -> dict[str, Any]:
    """Return a question with its options in an order that says nothing, and always the same."""
    options: Sequence[str] = content["options"]
    if not options:
        return content

    def place_of(number: int) -> bytes:
        return hashlib.sha256(f"{salt}\n{options[number]}".encode()).digest()

    order = sorted(range(len(options)), key=place_of)
    right = [order.index(number) for number in content["right"]]
    return {**content, "options": [options[n] for n in order], "right": sorted(right)}
