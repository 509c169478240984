"""Bring the items of a course in line with what a maker has found in one chapter.

What staff have decided stays: an approved item stays approved, an edited one keeps its words, a
rejected one is not proposed again. What waits is replaced. A term or concept that goes by several
names, in several chapters or languages, becomes one item.
"""

from collections import Counter
from collections.abc import Iterable

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext_noop as _

from learning.artefacts.base import Draft, Evidence, Harvest, Kind, Maker, name_key
from learning.artefacts.passages import ChapterText
from learning.models import Course, ItemPassage, StudyArtefact, StudyItem

Status = StudyItem.Status


def known_items(maker: Maker, course_id: int, chapter_id: int) -> list[StudyItem]:
    """Return what a maker need not propose again for this chapter.

    All that staff have decided on, and what waits on passages of other chapters; with their
    passages, since a maker makes no query.
    """
    items = StudyItem.objects.filter(course=course_id, kind__in=maker.item_kinds)
    elsewhere = ItemPassage.objects.filter(item__course=course_id).exclude(chapter=chapter_id)
    decided = items.exclude(status=Status.PENDING)
    known = decided | items.filter(pk__in=elsewhere.values("item"))
    return list(known.prefetch_related("passages"))


@transaction.atomic
def keep(harvest: Harvest, maker: Maker, chapter: ChapterText, job: StudyArtefact) -> Counter[str]:
    """Save the drafts of one chapter; return how many items of each kind now stand on it.

    The drafts take the place of what waits there. Drafts that cannot be saved are added to
    `harvest.dropped`.
    """
    # One job at a time, so that two do not make the same item.
    Course.objects.select_for_update().get(pk=job.course_id)
    return _Keeping(harvest, maker, chapter, job).run()


class _Keeping:
    def __init__(self, harvest: Harvest, maker: Maker, chapter: ChapterText, job: StudyArtefact):
        self.harvest = harvest
        self.chapter = chapter
        self.job = job
        self.items = {
            item.pk: item
            for item in StudyItem.objects.filter(course=job.course_id, kind__in=maker.item_kinds)
        }
        self.by_key = {(item.kind, item.key): item for item in self.items.values()}
        self.by_name: dict[tuple[str, str], StudyItem] = {}
        for item in self.items.values():
            for name in names_of(item):
                self.by_name.setdefault((item.kind, name_key(name)), item)
        self.standing: set[int] = set()  # items that this chapter bears out now
        # What they stand on is written together at the end: students write meanwhile, and SQLite
        # has them wait for whoever writes.
        self.passages: dict[tuple[int, int, int], ItemPassage] = {}

    def run(self) -> Counter[str]:
        self._take_back_what_waits()
        # Relations last: they name concepts.
        for draft in sorted(self.harvest.drafts, key=lambda draft: draft.kind == Kind.RELATION):
            if not draft.evidence:
                self._drop(_("no passage bears it out"))
            elif item := self._item_for(draft):
                self._stand(item, draft.evidence)
        ItemPassage.objects.bulk_create(
            self.passages.values(),
            update_conflicts=True,
            unique_fields=["item", "chapter", "start", "end"],
            update_fields=["title", "quote", "form", "definition", "weight"],
        )
        self._remove_what_nothing_bears()
        self._weigh()
        standing = StudyItem.objects.filter(pk__in=self.standing).exclude(status=Status.REJECTED)
        return Counter(standing.values_list("kind", flat=True))

    def _take_back_what_waits(self) -> None:
        here = ItemPassage.objects.filter(item__in=list(self.items), chapter=self.chapter.id)
        here.exclude(item__status=Status.APPROVED).delete()

    def _item_for(self, draft: Draft) -> StudyItem | None:
        if draft.kind == Kind.RELATION:
            return self._relation_for(draft)
        if draft.names:
            return self._named_item_for(draft)
        item = self.by_key.get((draft.kind, draft.key))
        if item is None:
            return self._new(draft, draft.key, draft.content)
        return self._renewed(item, draft.content)

    def _relation_for(self, draft: Draft) -> StudyItem | None:
        source, target = (self.by_name.get((Kind.CONCEPT, name_key(end))) for end in draft.ends)
        if source is None or target is None or source == target:
            self._drop(_("a relation without two concepts"))
            return None
        key = f"{source.pk}-{draft.content['type']}-{target.pk}"
        item = self.by_key.get((draft.kind, key))
        if item is None:
            return self._new(draft, key, draft.content, source=source, target=target)
        return self._renewed(item, draft.content)

    def _named_item_for(self, draft: Draft) -> StudyItem:
        found: list[StudyItem] = []
        for name in draft.names:
            item = self.by_name.get((draft.kind, name_key(name)))
            if item is not None and item not in found:
                found.append(item)
        if not found:
            item = self._new(draft, name_key(draft.names[0]), draft.content)
        else:
            # The one that staff have decided on, else the weightiest, takes in the others.
            found.sort(key=lambda item: (item.status == Status.PENDING, -item.weight))
            item = found[0]
            for other in found[1:]:
                self._merge(other, into=item)
        self._call(item, draft.names)
        return item

    def _new(self, draft: Draft, key: str, content: dict, **ends: StudyItem) -> StudyItem:
        item = StudyItem.objects.create(
            course_id=self.job.course_id,
            kind=draft.kind,
            key=key,
            content=content,
            artefact=self.job,
            **ends,
        )
        self.items[item.pk] = item
        self.by_key[(item.kind, key)] = item
        return item

    def _renewed(self, item: StudyItem, content: dict) -> StudyItem:
        if item.status == Status.PENDING and not item.is_edited:
            item.content, item.artefact = content, self.job
            item.save(update_fields=["content", "artefact"])
        return item

    def _call(self, item: StudyItem, names: Iterable[str]) -> None:
        """Remember what an item is called, so that it is found again by each name."""
        known = {name_key(name) for name in names_of(item)}
        new = {name_key(name): name for name in names if name_key(name) not in known}
        if new:
            aliases = [*item.content.get("aliases", []), *new.values()]
            item.content = {**item.content, "aliases": aliases}
            item.save(update_fields=["content"])
        for name in names:
            self.by_name[(item.kind, name_key(name))] = item

    def _merge(self, other: StudyItem, *, into: StudyItem) -> None:
        """Make two items one that have turned out to be the same thing under two names."""
        taken = set(into.passages.values_list("chapter", "start", "end"))
        for passage in other.passages.all():
            if (passage.chapter_id, passage.start, passage.end) not in taken:
                ItemPassage.objects.filter(pk=passage.pk).update(item=into)
        for item_id, start, end in [where for where in self.passages if where[0] == other.pk]:
            passage = self.passages.pop((item_id, start, end))
            passage.item = into
            self.passages.setdefault((into.pk, start, end), passage)
        for relation in StudyItem.objects.filter(source=other) | StudyItem.objects.filter(
            target=other
        ):
            self._lead_elsewhere(relation, other, into)
        self._call(into, names_of(other))
        self.items.pop(other.pk, None)
        self.by_key.pop((other.kind, other.key), None)
        self.standing.discard(other.pk)
        other.delete()

    def _lead_elsewhere(self, relation: StudyItem, other: StudyItem, into: StudyItem) -> None:
        source = into.pk if relation.source_id == other.pk else relation.source_id
        target = into.pk if relation.target_id == other.pk else relation.target_id
        key = f"{source}-{relation.content['type']}-{target}"
        self.by_key.pop((relation.kind, relation.key), None)
        if source == target or (relation.kind, key) in self.by_key:
            self.items.pop(relation.pk, None)
            relation.delete()
            return
        relation.source_id, relation.target_id, relation.key = source, target, key
        relation.save(update_fields=["source", "target", "key"])
        self.items[relation.pk] = self.by_key[(relation.kind, key)] = relation

    def _stand(self, item: StudyItem, evidence: Iterable[Evidence]) -> None:
        for each in evidence:
            passage = each.passage
            self.passages[(item.pk, passage.start, passage.end)] = ItemPassage(
                item=item,
                chapter_id=passage.chapter_id,
                start=passage.start,
                end=passage.end,
                title=passage.title,
                quote=passage.text,
                form=each.form[:200],
                definition=each.definition,
                weight=each.weight,
            )
        self.standing.add(item.pk)

    def _remove_what_nothing_bears(self) -> None:
        items = StudyItem.objects.filter(pk__in=list(self.items), passages=None)
        # What has a note was approved once: that it is to go, staff say.
        items.filter(status=Status.PENDING, note="").delete()

    def _weigh(self) -> None:
        weighed = (
            StudyItem.objects.filter(pk__in=list(self.items))
            .order_by()
            .values_list("pk", "weight", Sum("passages__weight", default=0.0))
        )
        changed = [
            StudyItem(pk=pk, weight=total) for pk, weight, total in weighed if weight != total
        ]
        StudyItem.objects.bulk_update(changed, ["weight"], batch_size=500)

    def _drop(self, reason: str) -> None:
        self.harvest.dropped[reason] += 1


def names_of(item: StudyItem) -> list[str]:
    """Return what a term or concept is called, its main name first; nothing else has names."""
    main = item.content.get("name")
    return [main, *item.content.get("aliases", [])] if main else []
