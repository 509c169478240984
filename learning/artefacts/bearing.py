"""Find the passages that hold a term by one of its names, and the sentence that defines it."""

import functools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from learning.artefacts.aliases import is_acronym
from learning.artefacts.base import Evidence, name_key
from learning.artefacts.passages import ChapterText, Passage
from learning.artefacts.prose import prose_of
from learning.llm.choosing import BOLD, DEFINITION
from learning.llm.quotes import Quote, quotes
from rag.definitions import defines

LONGEST_DEFINITION = 500
_FINISHED = re.compile(r"[.!?。！？…][\"'”’)\]」』）*_]*$")


class Bearing:
    """The passages of one chapter, to be asked for names."""

    def __init__(self, chapter: ChapterText):
        self.passages = chapter.passages
        self.prose = prose_of(chapter.passages)
        self._folded = [text.casefold() for text in self.prose]

    def count(self, names: Collection[str]) -> int:
        """Return how often the chapter's prose holds one of these names."""
        return sum(places.total() for _, places in self._found(names))

    def evidence(self, names: Sequence[str]) -> list[Evidence]:
        """Return the passages that hold one of these names, the best one first.

        `form` is the best name that a passage holds, as it stands there; `weight` how often it
        holds any.
        """
        found = []
        for passage, places in self._found(names):
            forms = _best_first(places, names)
            definition = definition_in(passage.text, forms)
            found.append(Evidence(passage, forms[0], definition, float(places.total())))
        return found

    def _found(self, names: Collection[str]) -> Iterator[tuple[Passage, Counter[str]]]:
        names = tuple(sorted(set(names), key=lambda name: (-len(name), name)))
        pattern, folded_words = _pattern(names), _folded_words(names)
        for passage, text, folded in zip(self.passages, self.prose, self._folded, strict=True):
            # A look that costs a tenth of the pattern.
            if not any(all(word in folded for word in words) for words in folded_words):
                continue
            places = Counter(" ".join(found[0].split()) for found in pattern.finditer(text))
            if places:
                yield passage, places


def _best_first(places: Counter[str], names: Sequence[str]) -> list[str]:
    if len(places) == 1:
        return list(places)
    rank = {name_key(name): number for number, name in reversed(list(enumerate(names)))}
    return sorted(places, key=lambda form: (rank.get(name_key(form), len(rank)), -places[form]))


def definition_in(markdown: str, forms: Collection[str]) -> str:
    """Return the sentence of a passage that says what a term is; "" where none does."""
    found = _quotes(markdown)
    for form in forms:
        for quote in found:
            if defines(quote.text, form):
                return _whole(quote)
    for form in forms:
        for quote in found:
            bold = {" ".join(words.split()).casefold() for words in BOLD.findall(quote.text)}
            if form.casefold() in bold and DEFINITION.search(quote.text):
                return _whole(quote)
    return ""


def _whole(quote: Quote) -> str:
    """A definition that leads to a formula is none without it."""
    text = quote.text
    if not _FINISHED.search(text):
        text = "\n\n".join(part for part in (text, quote.block, quote.ending) if part)
    return text if len(text) <= LONGEST_DEFINITION else ""


@functools.lru_cache(maxsize=4_096)
def _quotes(markdown: str) -> list[Quote]:
    return quotes(markdown)


@functools.lru_cache(maxsize=4_096)
def _pattern(names: tuple[str, ...]) -> re.Pattern:
    return re.compile("|".join(_one(name) for name in names), re.IGNORECASE)


@functools.lru_cache(maxsize=4_096)
def _folded_words(names: tuple[str, ...]) -> list[list[str]]:
    return [name.casefold().split() for name in names]


def _one(name: str) -> str:
    """As `passages.place_of` looks for a form, and its plural."""
    words = r"\s+".join(re.escape(word) for word in name.split())
    if re.search(r"[A-Za-z]$", name):
        words += "(?:e?s)?"
    before = r"(?<![A-Za-z0-9_])" if re.match(r"[A-Za-z0-9_]", name) else ""
    after = r"(?![A-Za-z0-9_])" if re.search(r"[A-Za-z0-9_]$", name) else ""
    # "IT" is not "it".
    return f"(?-i:{before}{words}{after})" if is_acronym(name) else f"{before}{words}{after}"
