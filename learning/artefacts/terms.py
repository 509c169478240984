"""The key terms of a course, from its text alone, and the passages that hold each.

Candidates are phrases that are counted (`phrases`), what the author marks (`marks`), and what goes
by several names (`aliases`). They are weighed by TF-IDF over the chapters. No model is asked.
"""

import dataclasses
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from learning.artefacts.aliases import SameNames, is_acronym, said_to_be_same
from learning.artefacts.base import Evidence, name_key
from learning.artefacts.bearing import Bearing
from learning.artefacts.items import LONGEST_NAME
from learning.artefacts.marks import bold_names, can_be_name, defined_names, heading_names
from learning.artefacts.nesting import Nesting
from learning.artefacts.passages import CourseText
from learning.artefacts.phrases import Phrases, last_chinese_phrase, phrase_key
from learning.artefacts.scripts import HAN

# How much more a term weighs in a chapter that marks it so, or that another chapter marks.
BOLD_HERE, BOLD_ELSEWHERE, HEADING_HERE, HEADING_ELSEWHERE = 3.0, 1.7, 1.5, 1.15
DEFINED = 1.5  # one that a sentence begins with and says what it is
PER_WORD = 0.25
PLAIN_WORD = 0.5  # a single word that nothing marks
LEAST_SMALL = 0.15  # share of a word's places that have no capital; less are an oversight
LEAST_ALONE = 0.35  # share of a term's places that are not inside longer terms


@dataclasses.dataclass(frozen=True)
class Term:
    name: str
    aliases: tuple[str, ...]
    weight: float


@dataclasses.dataclass(slots=True, eq=False)
class _Candidate:
    names: list[str]  # the main one first
    forms: set[str]  # as it stands somewhere: plural, capitals
    bold: set[int] = dataclasses.field(default_factory=set)  # chapters
    headings: set[int] = dataclasses.field(default_factory=set)
    is_defined: bool = False
    counts: dict[int, int] = dataclasses.field(default_factory=dict)
    alone: float = 1.0  # share of its places that are not inside longer terms
    scores: dict[int, float] = dataclasses.field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def term(self, weight: float) -> Term:
        return Term(self.names[0], tuple(self.names[1:]), weight)


class CourseTerms:
    """The terms of a course; building it takes seconds for a long one."""

    def __init__(self, course: CourseText):
        self._is_chinese = course.language.startswith("zh")
        self._chapters = {chapter.id: Bearing(chapter) for chapter in course.chapters}
        self._titles = {
            chapter.id: {passage.title for passage in chapter.passages}
            for chapter in course.chapters
        }
        chosen = self._chosen(self._together(self._candidates()))
        for candidate in chosen:
            self._weigh(candidate)
        chosen.sort(key=lambda one: (-sum(one.scores.values()), one.names[0]))
        self._by_name = {name_key(name): one for one in reversed(chosen) for name in one.names}
        self._all = chosen
        self.terms = [one.term(sum(one.scores.values())) for one in chosen]

    def of_chapter(self, chapter_id: int, most: int) -> list[Term]:
        """Return the best terms of a chapter, best first; `weight` is what each weighs there."""
        here = [one for one in self._all if one.scores.get(chapter_id)]
        here.sort(key=lambda one: (-one.scores[chapter_id], one.names[0]))
        return [one.term(one.scores[chapter_id]) for one in here[:most]]

    def evidence(self, term: Term, chapter_id: int) -> list[Evidence]:
        """Return the passages of a chapter that hold a term, or what else it is called.

        `form` is what the passage calls it, `weight` how often; `definition` is the sentence that
        says what it is, "" where none does.
        """
        return self.evidence_of((term.name, *term.aliases), chapter_id)

    def evidence_of(self, names: Iterable[str], chapter_id: int) -> list[Evidence]:
        """The same for a thing that goes by these names, the best first; a term here or not."""
        names = list(names)
        for name in list(names):
            if candidate := self._by_name.get(name_key(name)):
                names += sorted(candidate.forms)
        return self._chapters[chapter_id].evidence(names) if names else []

    def aliases_of(self, name: str) -> list[str]:
        """Return what else the course says a thing is called."""
        return self._same.of(name)

    def _candidates(self) -> list[_Candidate]:
        phrases = Phrases()
        bold: dict[str, list[tuple[str, int]]] = defaultdict(list)
        headings: dict[str, list[tuple[str, int]]] = defaultdict(list)
        defined: set[str] = set()
        for id_, chapter in self._chapters.items():
            for text in chapter.prose:
                phrases.add(text, id_)
                for name in bold_names(text):
                    bold[name_key(name)].append((name, id_))
                defined.update(defined_names(text))
            for title in self._titles[id_]:
                for name in heading_names(title):
                    headings[name_key(name)].append((name, id_))
        pairs = list(self._pairs(bold))
        self._same = SameNames(pairs)
        said = {name_key(name) for pair in pairs for name in pair}
        found: dict[str, _Candidate] = {}

        def add(name: str) -> _Candidate:
            seen = phrases.seen.get(phrase_key(name))
            forms = {name, *(seen.forms if seen else ())}
            best = _uncapitalised(_best_form(seen.forms) if seen else name, phrases)
            one = found.setdefault(name_key(name), _Candidate([best], set()))
            one.forms |= forms
            return one

        for seen in phrases.candidates().values():
            add(_best_form(seen.forms))
        for marked in bold.values():
            for name, id_ in marked:
                add(name).bold.add(id_)
        for name in {name for pair in pairs for name in pair}:
            add(name)
        for name in defined:
            add(name).is_defined = True
        for key, marked in headings.items():
            for name, id_ in marked:
                # A heading is about something; whether it names it, the text must show.
                seen = phrases.seen.get(phrase_key(name))
                if key in found or (seen and seen.total > (1 if seen.words == 1 else 0)):
                    add(name).headings.add(id_)
        return [one for key, one in found.items() if key in said or can_be_name(one.names[0])]

    def _pairs(self, bold: dict) -> Iterator[tuple[str, str]]:
        for chapter in self._chapters.values():
            for text in chapter.prose:
                yield from said_to_be_same(
                    text, last_chinese_phrase, lambda name: name_key(name) in bold
                )

    def _together(self, candidates: list[_Candidate]) -> list[_Candidate]:
        """Make one of those that the course says are the same; the best name comes first."""
        for one in candidates:
            self._count(one)
        candidates.sort(key=self._is_better_name)
        taken: dict[str, _Candidate] = {}
        together = []
        for one in candidates:
            others = self._same.of(one.names[0])
            keys = [name_key(name) for name in (one.names[0], *others)]
            into = next((taken[key] for key in keys if key in taken), None)
            if into is None:
                into = one
                together.append(one)
            else:
                into.names.append(one.names[0])
                into.forms |= one.forms
                into.bold |= one.bold
                into.headings |= one.headings
                into.is_defined |= one.is_defined
            for key in keys:
                taken.setdefault(key, into)
        for one in together:
            if len(one.names) > 1:
                self._count(one)
        return together

    def _is_better_name(self, one: _Candidate) -> tuple:
        name = one.names[0]
        is_own_script = bool(HAN.search(name)) == self._is_chinese
        return (is_acronym(name), not is_own_script, not one.bold, -one.total, name)

    def _count(self, one: _Candidate) -> None:
        counts = {id_: chapter.count(one.forms) for id_, chapter in self._chapters.items()}
        one.counts = {id_: count for id_, count in counts.items() if count}

    def _chosen(self, candidates: list[_Candidate]) -> list[_Candidate]:
        """Leave out what stands nowhere, or hardly ever outside a longer term."""
        candidates = [
            one
            for one in candidates
            if one.total and all(len(n) <= LONGEST_NAME for n in one.names)
        ]
        candidates = [one for one in candidates if not self._is_label(one)]
        parts = Nesting({one.names[0]: one.total for one in candidates})
        for one in candidates:
            one.alone = max(0.0, 1 - parts.inside(one.names[0]) / one.total)
        return [one for one in candidates if one.bold or one.alone >= LEAST_ALONE]

    def _is_label(self, one: _Candidate) -> bool:
        """What stands in bold and never again is no term, unless it is explained there."""
        if one.total > 1 or len(one.names) > 1:
            return False
        forms = sorted(one.forms)
        evidence = (each for id_ in one.counts for each in self._chapters[id_].evidence(forms))
        return not any(each.definition for each in evidence)

    def _weigh(self, one: _Candidate) -> None:
        rarity = 0.3 + math.log(1 + len(self._chapters) / len(one.counts))
        length = 1 + PER_WORD * min(_length(one.names[0]) - 1, 3)
        is_plain = not (one.bold or one.headings or one.is_defined or _length(one.names[0]) > 1)
        for id_, count in one.counts.items():
            mark = PLAIN_WORD if is_plain else 1.0
            if one.is_defined and not one.bold:
                mark *= DEFINED
            if one.bold:
                mark *= BOLD_HERE if id_ in one.bold else BOLD_ELSEWHERE
            if one.headings:
                mark *= HEADING_HERE if id_ in one.headings else HEADING_ELSEWHERE
            one.scores[id_] = math.sqrt(count * max(one.alone, 0.1)) * rarity * length * mark


def _length(name: str) -> float:
    """Return the length of a name in words; two Chinese characters are about one."""
    return max(1.0, len(name) / 2) if HAN.search(name) else len(name.split())


def _uncapitalised(name: str, phrases: Phrases) -> str:
    """ "Implicit differentiation" is only written so at the beginning of a sentence."""
    first, space, rest = name.partition(" ")
    seen = phrases.seen.get(phrase_key(first))
    if seen and first[1:].islower() and rest.islower() and _is_written_small(seen.forms):
        return first.lower() + space + rest
    return name


def _is_written_small(forms: Counter[str]) -> bool:
    """Say whether it begins with a small letter often enough; a few are slips."""
    small = sum(count for form, count in forms.items() if not form[:1].isupper())
    return small >= LEAST_SMALL * forms.total()


def _best_form(forms: Counter[str]) -> str:
    """Return how to write a term: singular, and in lower case unless it hardly ever is."""
    shortest = min(len(form) for form in forms)
    short = [form for form in forms if len(form) == shortest]
    lower = [form for form in short if not form[:1].isupper() or is_acronym(form)]
    if lower and not any(map(is_acronym, lower)) and not _is_written_small(forms):
        lower = []
    return max(lower or short, key=lambda form: (forms[form], form))
