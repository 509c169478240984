"""The one shape of word cloud, knowledge graph and quiz: chapters in, drafts of items out."""

import abc
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.module_loading import import_string

from learning.models import StudyArtefact, StudyItem
from rag.lexical import simplified

if TYPE_CHECKING:
    from learning.artefacts.asking import Asker
    from learning.artefacts.passages import ChapterText, CourseText, Passage

Kind = StudyItem.Kind


@dataclass(frozen=True, slots=True)
class Evidence:
    """A passage that bears a draft out, and what it says of it.

    `form` are the words by which the passage calls a term or concept, as they stand there;
    `definition` is how it explains it, "" where it does not.
    """

    passage: "Passage"
    form: str = ""
    definition: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Draft:
    """An item as a maker proposes it. `content` is what `items` says of its kind.

    `names` are what a term or concept is called, its main name first: a draft that shares a name
    with an item, whatever the script of either, is that item. A question has a `key` instead, a
    relation the names it leads `ends` from and to.
    """

    kind: Kind
    content: dict[str, Any]
    evidence: Sequence[Evidence]
    names: tuple[str, ...] = ()
    key: str = ""
    ends: tuple[str, str] | None = None


@dataclass(slots=True)
class Harvest:
    """What a chapter gave. `dropped` counts what was thrown away, by the reason, in words."""

    drafts: list[Draft] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)


class Maker(abc.ABC):
    """Makes one kind of artefact; built anew for every job.

    Knows no database row but through what it is given: it proposes, `keeping` decides and saves.
    """

    kind: StudyArtefact.Kind
    item_kinds: tuple[Kind, ...]

    def prepare(self, course: "CourseText") -> None:  # noqa: B027 - not every maker has to
        """Look at the whole course first, such as for how rare a word is; may compute for long."""

    @abc.abstractmethod
    async def make(
        self, chapter: "ChapterText", asker: "Asker | None", known: Sequence[StudyItem]
    ) -> Harvest:
        """Propose the items of one chapter; without an `asker`, from its sentences alone.

        `known` are the items of these kinds that staff have approved or rejected, of the whole
        course, with those of other chapters that wait: what is like one of them need not be
        proposed again. Raises ChatModelError.
        """

    def settle(self, course_id: int) -> None:  # noqa: B027 - not every maker has to
        """Put the items of the whole course in order, once all chapters are saved."""


def maker_of(kind: str) -> Maker:
    """Return a new maker of this kind of artefact, as the settings name it."""
    return import_string(settings.STUDY["MAKERS"][StudyArtefact.Kind(kind)])()


def name_key(name: str) -> str:
    """Return what is equal for names that mean the same: width, case, script, hyphens, plural s.

    A hash, so that a long name fits the column.
    """
    plain = simplified(unicodedata.normalize("NFKC", name)).casefold()
    words = re.sub(r"[\s\-_‐-―·]+", " ", plain).strip()
    return hashlib.sha256(_singular(words).encode()).hexdigest()


def _singular(words: str) -> str:
    if re.search(r"[a-z]{3}(?:ies)$", words):
        return words[:-3] + "y"
    # "bias", "class" and "analysis" are no plurals.
    return words[:-1] if re.search(r"[a-z]{2}[^aisu\W]s$", words) else words
