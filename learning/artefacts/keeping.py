"""Bring the items of a course in line with what a maker has found in one chapter.

What staff have decided stays: an approved item is shown in the words they have read, an edited one
keeps theirs, a rejected one is not proposed again and can be approved all the same. What nobody has
touched is replaced. A term or concept that goes by several names, in several chapters or languages,
becomes one item, unless staff have decided on both.
"""

from collections import Counter
from collections.abc import Iterable

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext_noop as _

from learning.artefacts.base import Draft, Evidence, Harvest, Kind, Maker, name_key
from learning.artefacts.passages import ChapterText
from learning.artefacts.standing import settle_bare
from learning.models import Course, ItemPassage, StudyArtefact, StudyItem

Status = StudyItem.Status
FOUND = "found"  # names of an edited item that its staff have not written


def known_items(maker: Maker, course_id: int, chapter_id: int) -> list[StudyItem]:
    """Return what a maker need not propose again for this chapter.

    All that staff have decided on or edited, and what waits on passages of other chapters; with
    their passages, since a maker makes no query.
    """
    items = StudyItem.objects.filter(course=course_id, kind__in=maker.item_kinds)
    elsewhere = ItemPassage.objects.filter(item__course=course_id).exclude(chapter=chapter_id)
    decided = items.exclude(status=Status.PENDING) | items.filter(is_edited=True)
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
        self._save_passages()
        settle_bare(StudyItem.objects.filter(pk__in=list(self.items)))
        self._weigh()
        standing = StudyItem.objects.filter(pk__in=self.standing).exclude(status=Status.REJECTED)
        return Counter(standing.values_list("kind", flat=True))

    def _take_back_what_waits(self) -> None:
        untouched = [item.pk for item in self.items.values() if is_untouched(item)]
        ItemPassage.objects.filter(item__in=untouched, chapter=self.chapter.id).delete()

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
        called = [self.by_name.get((draft.kind, name_key(name))) for name in draft.names]
        if called[0] and called[0].status == Status.REJECTED:
            return called[0]
        found = [item for item in called if item and item.status != Status.REJECTED]
        if found:
            # The one that staff have decided on, else the weightiest, takes in the others.
            item, *others = sorted(dict.fromkeys(found), key=_rank)
            for other in filter(is_untouched, others):
                self._merge(other, into=item)
        else:
            item = self._new(draft, name_key(draft.names[0]), draft.content)
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
        if is_untouched(item):
            item.content, item.artefact = content, self.job
            item.save(update_fields=["content", "artefact"])
        return item

    def _call(self, item: StudyItem, names: Iterable[str]) -> None:
        """Remember what an item is called, so that it is found again by each name.

        A name that another item has stays that item's.
        """
        new: dict[str, str] = {}
        for name in names:
            key = name_key(name)
            if self.by_name.setdefault((item.kind, key), item) is item:
                new.setdefault(key, name)
        for name in names_of(item):
            new.pop(name_key(name), None)
        if new:
            # Beside staff's own words, not among them: what a job finds, nobody has written.
            where = FOUND if item.is_edited else "aliases"
            found = [*item.content.get(where, []), *new.values()]
            item.content = {**item.content, where: found}
            item.save(update_fields=["content"])

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
        for name in names_of(other):
            self.by_name[(into.kind, name_key(name))] = into
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
        twin = self.by_key.get((relation.kind, key))
        if twin is not None and is_untouched(twin) and not is_untouched(relation):
            self._remove(twin)
            twin = None
        if source == target or twin is not None:
            self._remove(relation)
            return
        relation.source_id, relation.target_id, relation.key = source, target, key
        relation.save(update_fields=["source", "target", "key"])
        self.items[relation.pk] = self.by_key[(relation.kind, key)] = relation

    def _remove(self, item: StudyItem) -> None:
        self.items.pop(item.pk, None)
        self.by_key.pop((item.kind, item.key), None)
        self.standing.discard(item.pk)
        for where in [where for where in self.passages if where[0] == item.pk]:
            del self.passages[where]
        item.delete()

    def _stand(self, item: StudyItem, evidence: Iterable[Evidence]) -> None:
        for each in evidence:
            passage = each.passage
            # What students see at once: the course's own words, or none.
            is_told = item.status != Status.APPROVED or each.definition in passage.text
            self.passages[(item.pk, passage.start, passage.end)] = ItemPassage(
                item=item,
                chapter_id=passage.chapter_id,
                start=passage.start,
                end=passage.end,
                title=passage.title,
                quote=passage.text,
                form=each.form[:200],
                definition=each.definition if is_told else "",
                weight=each.weight,
            )
        self.standing.add(item.pk)

    def _save_passages(self) -> None:
        places = ["title", "quote", "weight"]
        read: list[ItemPassage] = []
        unread: list[ItemPassage] = []
        for passage in self.passages.values():
            (read if passage.item.status == Status.APPROVED else unread).append(passage)
        # Of what staff have approved, the words stay that they have read.
        for passages, fields in ((read, places), (unread, [*places, "form", "definition"])):
            ItemPassage.objects.bulk_create(
                passages,
                update_conflicts=True,
                unique_fields=["item", "chapter", "start", "end"],
                update_fields=fields,
            )

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


def is_untouched(item: StudyItem) -> bool:
    """Say whether no member of staff has decided on an item or written in it.

    What has a note was approved once: that it is to go, staff say.
    """
    return item.status == Status.PENDING and not item.is_edited and not item.note


def names_of(item: StudyItem) -> list[str]:
    """Return what a term or concept is called, its main name first; nothing else has names."""
    return written_names(item) + item.content.get(FOUND, [])


def written_names(item: StudyItem) -> list[str]:
    """The same without what jobs have found since staff have edited the item."""
    main = item.content.get("name")
    return [main, *item.content.get("aliases", [])] if main else []


def rejected_keys(items: Iterable[StudyItem]) -> set[str]:
    """Return the keys of all names that staff want no term or concept of."""
    rejected = [item for item in items if item.status == Status.REJECTED]
    return {name_key(name) for item in rejected for name in names_of(item)}


def _rank(item: StudyItem) -> tuple:
    return (item.status != Status.APPROVED, is_untouched(item), -item.weight)
