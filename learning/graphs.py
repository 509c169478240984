"""What a reader sees of a course's knowledge graph: approved concepts and relations.

Names come from the passages that are open to the reader, so that a chapter that is not published
yet gives none away; where staff have written them, they stand for them.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from learning.artefacts.base import name_key
from learning.artefacts.items import APPEARS_WITH, RELATIONS, SYMMETRIC
from learning.artefacts.keeping import names_of, written_names
from learning.models import Course, ItemPassage, StudyItem

Kind = StudyItem.Kind


@dataclass(slots=True, eq=False)
class Concept:
    id: int
    name: str
    weight: float
    weights: dict[int, float]  # by chapter
    point: tuple[float, float]  # where it was laid out
    relations: list["Relation"] = field(default_factory=list)

    @property
    def neighbours(self) -> list["Concept"]:
        ends = (end for relation in self.relations for end in (relation.source, relation.target))
        return [end for end in dict.fromkeys(ends) if end is not self]

    @property
    def stated(self) -> list["Relation"]:
        return [relation for relation in self.relations if not relation.is_counted]

    @property
    def appears_with(self) -> list["Concept"]:
        counted = [relation for relation in self.relations if relation.is_counted]
        return [r.target if r.source is self else r.source for r in counted]


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    source: Concept
    target: Concept
    type: str
    chapters: frozenset[int]

    @property
    def words(self) -> str:
        return str(RELATIONS[self.type])

    @property
    def is_counted(self) -> bool:
        return self.type == APPEARS_WITH

    @property
    def sentence(self) -> str:
        return f"{self.source.name} {self.words} {self.target.name}"


@dataclass(slots=True)
class Graph:
    concepts: list[Concept]  # the weightiest first

    @property
    def relations(self) -> list[Relation]:
        return list(dict.fromkeys(r for concept in self.concepts for r in concept.relations))

    @property
    def chapter_ids(self) -> set[int]:
        return {chapter for concept in self.concepts for chapter in concept.weights}

    def concept(self, id_: str) -> Concept | None:
        return next((concept for concept in self.concepts if str(concept.id) == id_), None)

    def of_chapter(self, chapter_id: int) -> "Graph":
        """Return what stands in one chapter, weighed by it alone."""
        inside = {
            concept.id: Concept(
                concept.id,
                concept.name,
                concept.weights[chapter_id],
                {chapter_id: concept.weights[chapter_id]},
                concept.point,
            )
            for concept in self.concepts
            if chapter_id in concept.weights
        }
        for relation in self.relations:
            if chapter_id in relation.chapters:
                ends = inside.get(relation.source.id), inside.get(relation.target.id)
                if None not in ends:
                    _join(Relation(*ends, relation.type, relation.chapters))
        return _sorted(inside.values())


def shown_graph(course: Course, user) -> Graph:
    """Return what a reader of the course may see of its graph."""
    items = StudyItem.objects.filter(course=course).shown_to(user)
    passages = defaultdict(list)
    for passage in ItemPassage.objects.visible_to(user).filter(
        item__course=course, item__kind__in=(Kind.CONCEPT, Kind.RELATION)
    ).only("item_id", "chapter_id", "form", "weight"):  # fmt: skip
        passages[passage.item_id].append(passage)
    concepts: dict[int, Concept] = {}
    for item in items.filter(kind=Kind.CONCEPT):
        if names := shown_names(item, passages[item.pk]):
            concepts[item.pk] = _concept(item, names[0], passages[item.pk])
    seen = set()
    for item in items.filter(kind=Kind.RELATION):
        source, target = concepts.get(item.source_id), concepts.get(item.target_id)
        if source is None or target is None:
            continue
        type_ = item.content["type"]
        key = (type_, frozenset((source, target)) if type_ in SYMMETRIC else (source, target))
        if key not in seen:
            seen.add(key)
            chapters = frozenset(passage.chapter_id for passage in passages[item.pk])
            _join(Relation(source, target, type_, chapters))
    return _sorted(concepts.values())


def shown_names(item: StudyItem, passages: Iterable[ItemPassage]) -> list[str]:
    """Return what a reader of these passages may know a thing is called, its main name first."""
    forms = {name_key(passage.form): passage.form for passage in passages if passage.form}
    names = {name_key(name): name for name in names_of(item)}
    written = {name_key(name) for name in written_names(item)} if item.is_edited else set()
    known = [name for key, name in names.items() if key in forms or key in written]
    return known + [form for key, form in forms.items() if key not in names]


def _concept(item: StudyItem, name: str, passages: Iterable[ItemPassage]) -> Concept:
    weights: dict[int, float] = defaultdict(float)
    for passage in passages:
        weights[passage.chapter_id] += passage.weight
    point = (item.content.get("x", 0.0), item.content.get("y", 0.0))
    return Concept(item.pk, name, sum(weights.values()), dict(weights), point)


def _join(relation: Relation) -> None:
    relation.source.relations.append(relation)
    relation.target.relations.append(relation)


def _sorted(concepts: Iterable[Concept]) -> Graph:
    return Graph(sorted(concepts, key=lambda concept: (-concept.weight, concept.id)))
