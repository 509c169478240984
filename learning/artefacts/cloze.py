"""Questions without a chat model: key sentences of a chapter with a term left out.

Rules cannot tell whether another term would fill the blank just as well. So sentences that define a
term come first, others only where there are few of them; and nothing in the sentence or among the
options may give the term away.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from learning.artefacts.alike import BLANK
from learning.artefacts.base import Evidence, name_key
from learning.artefacts.distractors import Vocabulary, distractors, is_plural, plural
from learning.artefacts.items import SHORT, SINGLE
from learning.artefacts.key_sentences import (
    Saying,
    is_key_sentence,
    is_of_an_example,
    plain_sentence,
    saying,
)
from learning.artefacts.marks import bold_names, defined_names
from learning.artefacts.passages import ChapterText, CourseText, Passage, holds, place_of
from learning.artefacts.prose import prose, prose_of
from learning.artefacts.scripts import HAN
from learning.artefacts.terms import CourseTerms, Term
from learning.llm.quotes import quotes

TERMS_PER_CHAPTER, TERMS_FOR_OPTIONS = 40, 120
SHORT_EVERY = 4  # one in so many asks for the word itself
ENOUGH = 4  # questions of a chapter, without those of sentences that only name a term

_BRACKET_AFTER = re.compile(r"\s*(?:（[^（）]*）|\([^()]*\))")
_SUFFIX = re.compile("[法性化率度器式值集层型数量点树]")
_ARTICLE_BEFORE = re.compile(r"\b(an?)(\s+)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cloze:
    """A sentence and the term that is left out of it."""

    passage: Passage
    sentence: str  # without its Markdown; formulas stay
    before: str
    form: str  # the term as the sentence calls it
    after: str
    term: Term
    saying: Saying
    is_marked: bool  # by the author, as a term
    weight: float

    @property
    def rank(self) -> tuple:
        return -self.saying, not self.is_marked, -self.weight


class Clozes:
    """Makes the questions of one course."""

    def __init__(self, course: CourseText):
        self._terms = CourseTerms(course)
        texts = [text for chapter in course.chapters for text in prose_of(chapter.passages)]
        self._vocabulary = Vocabulary("\n\n".join(texts))
        self._marked = {
            name_key(name) for text in texts for name in (*bold_names(text), *defined_names(text))
        }

    def of_chapter(self, chapter: ChapterText) -> Iterator[tuple[dict, Evidence]]:
        """Yield a chapter's questions and what each stands on, best first.

        Each asks for another term, and the passages take turns.
        """
        # Of this chapter alone: another one may be published later. What its author marks first.
        here = self._terms.of_chapter(chapter.id, TERMS_FOR_OPTIONS)
        pool = sorted(here, key=lambda term: not self._is_marked(term))
        here = here[:TERMS_PER_CHAPTER]
        asked: set[str] = set()
        for cloze in _taking_turns(self._clozes(chapter, here)):
            if cloze.term.name in asked or (cloze.saying is Saying.NAMES and len(asked) >= ENOUGH):
                continue
            wants_word = len(asked) % SHORT_EVERY == SHORT_EVERY - 1
            if content := self._content(cloze, pool, chapter, wants_word=wants_word):
                asked.add(cloze.term.name)
                yield content, Evidence(cloze.passage, cloze.form)

    def _clozes(self, chapter: ChapterText, here: Sequence[Term]) -> list[Cloze]:
        """Return the best cloze of every sentence that makes one."""
        holding: dict[Passage, list[tuple[Term, str]]] = {}
        for term in here:
            if self._vocabulary.is_noun(term.name):
                for evidence in self._terms.evidence(term, chapter.id):
                    holding.setdefault(evidence.passage, []).append((term, evidence.form))
        found = []
        for passage, terms in holding.items():
            for quote in quotes(passage.text):
                if quote.block or quote.ending or not is_key_sentence(quote.text):
                    continue
                clozes = (
                    self._cloze(passage, quote.text, term, form, here) for term, form in terms
                )
                found.append(min(filter(None, clozes), key=lambda each: each.rank, default=None))
        return sorted(filter(None, found), key=lambda cloze: cloze.rank)

    def _cloze(
        self, passage: Passage, markdown: str, term: Term, form: str, here: Sequence[Term]
    ) -> Cloze | None:
        sentence = plain_sentence(markdown)
        outside = prose(sentence)
        names = {form, term.name, plural(term.name), *term.aliases}
        places = [place for name in names if (place := place_of(outside, name))]
        if not places:
            return None
        # The first one, and of "slope" and "slopes" the longer.
        place = min(places, key=lambda place: (place[0], -place[1]))
        before, form, after = sentence[: place[0]], sentence[slice(*place)], sentence[place[1] :]
        says = saying(markdown, before, form, _without_bracket(after))
        is_marked = self._is_marked(term)
        if says is not Saying.DEFINES and (not is_marked or is_of_an_example(sentence)):
            return None
        after = _with_blanks(after, form)
        if (
            says is Saying.TOO_LITTLE
            or place_of(passage.text, form) is None
            or _is_in_brackets(before, after)
            or _is_of_longer_term(before, form, after, here)
            or _gives_away(f"{before} {_without_bracket(after)}", [*names, form])
        ):
            return None
        return Cloze(passage, sentence, before, form, after, term, says, is_marked, term.weight)

    def _content(
        self, cloze: Cloze, pool: Sequence[Term], chapter: ChapterText, *, wants_word: bool
    ) -> dict | None:
        answer = _as_option(cloze.term.name, cloze.form)
        begins = not cloze.before and not HAN.search(answer)
        before = _ARTICLE_BEFORE.sub(lambda found: f"{found[1][0]}(n){found[2]}", cloze.before)
        # 过拟合（overfitting）是…: what stands in brackets would say it.
        text = f"{before}{BLANK}{_without_bracket(cloze.after)}"
        content = {"text": text, "explanation": cloze.sentence}
        is_definition = cloze.saying is Saying.DEFINES
        if not (wants_word and is_definition):
            others = distractors(cloze.sentence, cloze.term, answer, pool, self._vocabulary)
            if others:
                options = [
                    option[:1].upper() + option[1:] if begins else option
                    for option in map(self._vocabulary.as_written, [answer, *others])
                ]
                choice = {"options": options, "right": [0], "accepted": []}
                return {"type": SINGLE, **content, **choice}
        if not is_definition:
            return None
        names = [answer, cloze.form]
        names += filter(partial(_is_in, chapter), (cloze.term.name, *cloze.term.aliases))
        accepted = list({name.casefold(): name for name in reversed(names)}.values())[::-1]
        return {"type": SHORT, **content, "options": [], "right": [], "accepted": accepted}

    def _is_marked(self, term: Term) -> bool:
        return any(name_key(name) in self._marked for name in (term.name, *term.aliases))


def _is_in(chapter: ChapterText, name: str) -> bool:
    return any(holds(passage.text, name) for passage in chapter.passages)


def _without_bracket(after: str) -> str:
    return _BRACKET_AFTER.sub("", after, count=1) if _BRACKET_AFTER.match(after) else after


def _with_blanks(after: str, form: str) -> str:
    """Leave the term out where it stands again; in Chinese two blanks would be bold type."""
    while not HAN.search(form) and (place := place_of(prose(after), form)):
        after = after[: place[0]] + BLANK + after[place[1] :]
    return after


def _is_in_brackets(before: str, after: str) -> bool:
    opened = max(before.rfind("("), before.rfind("（"))
    closed = max(before.rfind(")"), before.rfind("）"))
    return opened > closed and bool(re.search("[)）]", after))


def _is_of_longer_term(before: str, form: str, after: str, here: Sequence[Term]) -> bool:
    """Say whether the words around a blank make it a part of another term of the chapter."""
    if HAN.search(form) and _SUFFIX.match(after):
        return True
    around = f"{before[-40:]}\0{after[:40]}".casefold()
    for name in (name for term in here for name in (term.name, *term.aliases)):
        longer, part = name.casefold(), form.casefold()
        if longer != part and part in longer and longer.replace(part, "\0", 1) in around:
            return True
    return False


def _gives_away(rest: str, names: Sequence[str]) -> bool:
    """Say whether what is left of a sentence holds a telling part of the answer."""
    folded = rest.casefold()
    for name in names:
        if HAN.search(name):
            parts = ["".join(pair) for pair in pairwise(name)]
        else:
            parts = [word[:6] for word in re.split(r"[\s-]+", name.casefold()) if len(word) > 3]
        # Of several, the last one says what kind of thing it is: a rational *function*.
        if any(part in folded for part in (parts[:-1] or parts)):
            return True
    return False


def _as_option(name: str, form: str) -> str:
    """As the term is called, in the number in which the sentence has it."""
    if name_key(name) != name_key(form):
        return form
    return plural(name) if is_plural(form) and not is_plural(name) else name


def _taking_turns(clozes: Sequence[Cloze]) -> Iterator[Cloze]:
    """Yield the best of every passage, then the second best; but definitions before all others."""
    counts: dict[tuple[int, Saying], int] = {}
    ranked = []
    for number, cloze in enumerate(clozes):
        place = cloze.passage.start, cloze.saying
        counts[place] = counts.get(place, 0) + 1
        ranked.append((-cloze.saying, counts[place], number))
    for *_order, number in sorted(ranked):
        yield clozes[number]
