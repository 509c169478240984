"""How often a term stands inside a longer one: "rate" in "learning rate", 梯度 in 梯度下降."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from learning.artefacts.phrases import phrase_key
from learning.artefacts.scripts import HAN


class Nesting:
    """Terms, by how often each stands in the course."""

    def __init__(self, totals: Mapping[str, int]):
        self._totals = {_spaced(name): total for name, total in totals.items()}
        self._longer: dict[str, list[str]] = defaultdict(list)
        for key in self._totals:
            for part in _parts(key):
                if part in self._totals:
                    self._longer[part].append(key)

    def inside(self, name: str) -> int:
        """Return how many places of a term are inside longer ones."""
        longer = self._longer[_spaced(name)]
        # Of a longer one that holds another longer one, the other counts for both.
        nearest = [key for key in longer if not any(o in key and o != key for o in longer)]
        return sum(self._totals[key] for key in nearest)


def _parts(spaced: str) -> Iterator[str]:
    """Yield the shorter runs of words, or of Chinese characters, inside a term."""
    is_han = bool(HAN.search(spaced))
    units = list(spaced) if is_han else spaced.split()
    for start in range(len(units)):
        for end in range(start + 1, len(units) + 1):
            if end - start < len(units):
                yield ("" if is_han else " ").join(units[start:end])


def _spaced(name: str) -> str:
    return phrase_key(name).replace("-", " ")
