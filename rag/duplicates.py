"""Notice passages that say the same thing in nearly the same words."""

import functools
import re
import unicodedata
from collections.abc import Sequence

SHINGLE = 5  # characters, which works for every script
SAME_FROM = 0.8  # share of common shingles
# Nine in ten probes of a copy stand in its original; where fewer than these do, counting is vain.
PROBES, PROBE_CHARACTERS, PROBES_FOUND = 8, 10, 3

_NOT_WORDS = re.compile(r"[\W_]+")


def distinct(
    texts: Sequence[str], *, limit: int, within: int | None = None
) -> tuple[list[int], list[int]]:
    """Return the places of the first `limit` texts that are no near-copy, and of the copies.

    A copy repeats a text that was kept before it. Copies are looked for among the first `within`
    texts, or all; those behind are kept as they come.
    """
    kept: list[int] = []
    copies: list[int] = []
    seen: list[str] = []
    for place, text in enumerate(texts):
        if len(kept) == limit:
            break
        if within is not None and place >= within:
            kept.append(place)
            continue
        plain = _plain(text)
        if any(_is_near_copy(plain, other) for other in seen):
            copies.append(place)
        else:
            kept.append(place)
            seen.append(plain)
    return kept, copies


@functools.lru_cache(maxsize=4096)
def _plain(text: str) -> str:
    return _NOT_WORDS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def _is_near_copy(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) < SAME_FROM * len(longer) - 2 * SHINGLE or not _may_be_copy(shorter, longer):
        return False
    shingles, others = _shingles(shorter), _shingles(longer)
    common = len(shingles & others)
    return common >= SAME_FROM * (len(shingles) + len(others) - common)


def _may_be_copy(shorter: str, longer: str) -> bool:
    """Look for a few pieces of one in the other: a hundredth of the work of counting."""
    step = (len(shorter) - PROBE_CHARACTERS) // PROBES
    if step < PROBE_CHARACTERS:
        return True  # short enough to be counted
    probes = (shorter[i : i + PROBE_CHARACTERS] for i in range(0, step * PROBES, step))
    return sum(probe in longer for probe in probes) >= PROBES_FOUND


@functools.lru_cache(maxsize=256)  # popular passages are candidates of many questions
def _shingles(plain: str) -> frozenset[str]:
    return frozenset(plain[i : i + SHINGLE] for i in range(max(1, len(plain) - SHINGLE + 1)))
