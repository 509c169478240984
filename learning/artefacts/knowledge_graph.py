"""The knowledge graph: concepts, and what they have to do with one another.

With a chat model concepts and typed relations are what it reads in the passages: `graph_reading`.
Without one the concepts are the chapter's key terms, and a relation says no more than that two of
them appear together more often than chance would have it.
"""

import itertools
import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

from django.db import transaction

from learning.artefacts.asking import Asker
from learning.artefacts.base import Draft, Evidence, Harvest, Kind, Maker, name_key
from learning.artefacts.graph_reading import Reading, relation_draft
from learning.artefacts.items import APPEARS_WITH
from learning.artefacts.keeping import rejected_keys
from learning.artefacts.layout import arrange
from learning.artefacts.passages import ChapterText, CourseText
from learning.artefacts.terms import CourseTerms, Term
from learning.models import StudyArtefact, StudyItem

TERMS_PER_CHAPTER = 15
RELATIONS_PER_TERM = 2
FEW_TERMS = 4  # in a passage: two that stand together there have to do with one another


class KnowledgeGraph(Maker):
    kind = StudyArtefact.Kind.KNOWLEDGE_GRAPH
    item_kinds = (Kind.CONCEPT, Kind.RELATION)

    def prepare(self, course: CourseText) -> None:
        self._terms = CourseTerms(course)

    async def make(
        self, chapter: ChapterText, asker: Asker | None, known: Sequence[StudyItem]
    ) -> Harvest:
        if asker is None:
            return self._counted(chapter, known)
        return await Reading(chapter, asker, self._terms, known).harvest()

    def settle(self, course_id: int) -> None:
        """Lay the picture out anew: a new concept moves those it is related to."""
        items = StudyItem.objects.filter(course=course_id)
        items = items.exclude(status=StudyItem.Status.REJECTED).order_by("pk")
        nodes = list(items.filter(kind=Kind.CONCEPT).values_list("pk", flat=True))
        relations = items.filter(kind=Kind.RELATION, source__in=nodes, target__in=nodes)
        places = arrange(nodes, relations.values_list("source", "target", "weight"))
        with transaction.atomic():
            # Read again: staff may have written meanwhile.
            placed = list(StudyItem.objects.select_for_update().filter(pk__in=nodes))
            for item in placed:
                x, y = places[item.pk]
                item.content = {**item.content, "x": round(x, 1), "y": round(y, 1)}
            StudyItem.objects.bulk_update(placed, ["content"], batch_size=200)

    def _counted(self, chapter: ChapterText, known: Sequence[StudyItem]) -> Harvest:
        rejected = rejected_keys(known)
        standing: dict[Term, list[Evidence]] = {}
        for term in self._terms.of_chapter(chapter.id, TERMS_PER_CHAPTER):
            if not rejected & {name_key(name) for name in (term.name, *term.aliases)}:
                standing[term] = self._terms.evidence(term, chapter.id)
        harvest = Harvest()
        for term, evidence in standing.items():
            content = {"name": term.name, "aliases": list(term.aliases), "definition": ""}
            names = (term.name, *term.aliases)
            harvest.drafts.append(Draft(Kind.CONCEPT, content, evidence, names=names))
        held = {term: {each.passage for each in all_} for term, all_ in standing.items()}
        for one, other in appearing_together(held, len(chapter.passages)):
            common = [p for p in chapter.passages if p in held[one] and p in held[other]]
            harvest.drafts.append(relation_draft(APPEARS_WITH, one.name, other.name, common))
        return harvest


def appearing_together(held: Mapping[Term, set[Hashable]], total: int) -> list[tuple[Term, Term]]:
    """Return the pairs of terms that share passages more often than chance would have it.

    `held` are the passages of each term, of `total`. One in common is enough where few terms stand
    in it. Weighed by normalized pointwise mutual information; each term gives its strongest pairs.

    Source: Bouma, GSCL 2009.
    """
    crowds = Counter(passage for passages in held.values() for passage in passages)
    scored = []
    for one, other in itertools.combinations(held, 2):
        common = held[one] & held[other]
        if len(common) >= 2 or any(crowds[passage] <= FEW_TERMS for passage in common):
            score = _npmi(len(common), len(held[one]), len(held[other]), total)
            if score > 0:
                scored.append((-score, -len(common), one.name, other.name, one, other))
    taken: Counter[Term] = Counter()
    pairs = []
    for *_order, one, other in sorted(scored, key=lambda each: each[:4]):
        if min(taken[one], taken[other]) < RELATIONS_PER_TERM:
            pairs.append((one, other))
            taken.update((one, other))
    return pairs


def _npmi(common: int, one: int, other: int, total: int) -> float:
    if common == total:
        return 0.0  # everywhere, both of them: that says nothing
    return math.log(common * total / (one * other)) / -math.log(common / total)
