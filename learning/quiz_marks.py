"""What an answer to a question is worth."""

import re
from collections.abc import Sequence
from typing import Any

from learning.artefacts.items import MULTIPLE, SHORT, plain
from rag.lexical import simplified

LONGEST_ANSWER = 200
LEAST_FOR_A_TYPO = 5  # letters: of shorter words another letter makes another word
_ARTICLE = re.compile(r"^(?:an?|the)\s+")


def mark(asked: dict[str, Any], given: Any) -> float:
    """Return 0 to 1; `given` are the positions picked, or of a short answer its words.

    Of several right answers each wrong pick takes back a right one.
    """
    if asked["type"] == SHORT:
        return 1.0 if is_accepted(asked, given) else 0.0
    right = set(asked["right"])
    if asked["type"] == MULTIPLE:
        picked = set(given)
        return max(0, len(picked & right) - len(picked - right)) / len(right)
    return 1.0 if set(given) == right else 0.0


def is_accepted(asked: dict[str, Any], given: str) -> bool:
    words = _comparable(given)
    return any(words == _comparable(one) for one in asked["accepted"]) or has_typo(asked, given)


def has_typo(asked: dict[str, Any], given: str) -> bool:
    """Say whether an answer is an accepted one but for one letter."""
    words = _comparable(given)
    accepted = [_comparable(one) for one in asked["accepted"]]
    return words not in accepted and any(_differs_by_a_letter(words, one) for one in accepted)


def _comparable(text: str) -> str:
    return _ARTICLE.sub("", plain(simplified(text).replace("$", "")))


def _differs_by_a_letter(given: str, accepted: str) -> bool:
    pairs = list(zip(given.split(), accepted.split(), strict=False))
    if len(given.split()) != len(accepted.split()):
        return False
    wrong = [(one, other) for one, other in pairs if one != other]
    return len(wrong) == 1 and _is_misspelt(*wrong[0])


def _is_misspelt(given: str, word: str) -> bool:
    if len(word) < LEAST_FOR_A_TYPO or not re.fullmatch("[a-zà-ÿ]+", word):
        return False
    return _are_one_edit_apart(given, word)


def _are_one_edit_apart(one: Sequence[str], other: Sequence[str]) -> bool:
    """A letter more, less or other; source: Levenshtein, 1966."""
    if abs(len(one) - len(other)) > 1:
        return False
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if at is None:
        return len(one) != len(other)
    return (
        one[at + 1 :] == other[at + 1 :]
        or one[at:] == other[at + 1 :]
        or one[at + 1 :] == other[at:]
    )
