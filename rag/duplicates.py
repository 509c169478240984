"""Notice passages that say the same thing in nearly the same words."""

import re
import unicodedata
from collections.abc import Sequence

SHINGLE = 5  # characters, which works for every script
SAME_FROM = 0.8  # share of common shingles

_NOT_WORDS = re.compile(r"[\W_]+")


def distinct(texts: Sequence[str], *, limit: int) -> list[int]:
    """Return the places of the first `limit` texts that are no near-copy of an earlier one."""
    kept: list[int] = []
    seen: list[frozenset[str]] = []
    for place, text in enumerate(texts):
        if len(kept) == limit:
            break
        shingles = _shingles(text)
        if not any(_is_near_copy(shingles, other) for other in seen):
            kept.append(place)
            seen.append(shingles)
    return kept


def _shingles(text: str) -> frozenset[str]:
    plain = _NOT_WORDS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
    return frozenset(plain[i : i + SHINGLE] for i in range(max(1, len(plain) - SHINGLE + 1)))


def _is_near_copy(one: frozenset[str], other: frozenset[str]) -> bool:
    fewer, more = sorted((len(one), len(other)))
    if fewer < SAME_FROM * more:
        return False  # cannot reach it
    common = len(one & other)
    return common >= SAME_FROM * (fewer + more - common)
