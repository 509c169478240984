"""Staff go through what was made, one item after another: approve, reject, edit, undo.

    queue = Queue(course_id=course.pk, kind=Kind.QUESTION)
    item = queue.items().first()
    decision = decide(item.pk, Status.APPROVED, seen=version(item), by=teacher)
    undo(decision, by=teacher)

A decision is about the item as it was seen: where another person, or a job, has been quicker, it
is refused with words.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from learning.artefacts.base import name_key
from learning.artefacts.items import RELATIONS, ItemError, check, plain
from learning.artefacts.keeping import names_of
from learning.artefacts.standing import PASSAGE_GONE
from learning.models import Course, ItemPassage, StudyItem

Kind = StudyItem.Kind
Status = StudyItem.Status
_FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<!\d)\$(?!\s)([^$]+?)(?<!\s)\$(?!\d)|\\\((.+?)\\\)")
# Where a line may end: at a space, or after a Chinese sign.
_BREAK = re.compile(r" |(?<=[\u3000-\u9fff\uff00-\uffef])")


class ReviewError(Exception):
    """Why nothing was decided, in words for who tried.

    ReviewError
    ├── Overtaken    it was decided on, changed or removed since it was seen
    └── NotBorne     nothing in the course bears it out, so it cannot be approved
    """


class Overtaken(ReviewError):
    pass


class NotBorne(ReviewError):
    pass


@dataclass(frozen=True, slots=True)
class Queue:
    """The items that are gone through: chapter by chapter, the weightiest first."""

    course_id: int | None = None
    kind: str = ""
    status: str = Status.PENDING  # "" for all

    def items(self) -> QuerySet[StudyItem]:
        wanted = {"course": self.course_id, "kind": self.kind, "status": self.status}
        items = StudyItem.objects.filter(**{k: v for k, v in wanted.items() if v})
        return items.annotate(first_chapter=Min("passages__chapter__position")).order_by(
            "course__title", "course", "kind", "first_chapter", "-weight", "pk"
        )

    def to_approve_at_once(self) -> QuerySet[StudyItem]:
        """Those that need no look of their own: they stand on a passage, and have no note."""
        return self.items().filter(status=Status.PENDING, note="", first_chapter__isnull=False)

    def pks(self) -> list[int]:
        return list(self.items().values_list("pk", flat=True))


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, to be undone: a time, and the fields as they were; fits into JSON.

    Whatever has this time of this person on it, nobody has decided on since.
    """

    at: str
    before: dict[str, Any]


def version(item: StudyItem) -> str:
    """Return what is another when anybody has decided on an item, or a job has changed it."""
    passages = item.passages.order_by("pk").values_list("chapter", "quote", "form", "definition")
    ends = [str(end) for end in (item.source, item.target) if end is not None]
    # Where a graph draws it is nothing that anybody decides on.
    content = {key: value for key, value in item.content.items() if key not in ("x", "y")}
    seen = [item.status, item.note, content, ends, list(passages)]
    digest = hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()
    return f"{_time(item.reviewed_at)}~{digest[:24]}"


@transaction.atomic
def decide(item_id: int, status: str, *, seen: str, by) -> Decision:
    """Approve or reject an item, if it still is as it was seen; raises ReviewError."""
    item = _locked(item_id, seen)
    if status == Status.APPROVED:
        _must_be_borne(item)
    return _save(item, by, status=status, note="")


@transaction.atomic
def edit(item_id: int, content: dict[str, Any], *, seen: str, by, approves: bool) -> Decision:
    """Give an item other words, which later jobs leave alone; raises ReviewError and ItemError.

    A term or concept that gets another name is still found by its old one.
    """
    item = _locked(item_id, seen)
    if approves:
        _must_be_borne(item)
    content = _with_old_name(content, item)
    check(item.kind, content)
    _must_be_the_only_one(item, content)
    changed: dict[str, Any] = {}
    if content != item.content:
        changed = {"content": content, "is_edited": True}
    if approves:
        changed |= {"status": Status.APPROVED, "note": ""}
    return _save(item, by, **changed)


@transaction.atomic
def approve_at_once(queue: Queue, *, seen: str, by) -> tuple[int, Decision]:
    """Approve all that need no look of their own; return how many.

    Raises Overtaken where they are others than those that were `seen`, see `fingerprint`.
    """
    _lock_courses(queue.items())
    pks = list(queue.to_approve_at_once().values_list("pk", flat=True))
    if fingerprint(pks) != seen:
        raise Overtaken(_("What waits has changed since you opened the page. Look at it again."))
    now = timezone.now()
    approved = _decide_many(StudyItem.objects.filter(pk__in=pks), Status.APPROVED, by, now)
    nobody = {"status": Status.PENDING, "note": "", "reviewed_by": None, "reviewed_at": None}
    return approved, Decision(now.isoformat(), nobody)


@transaction.atomic
def decide_many(items: QuerySet[StudyItem], status: str, *, by) -> int:
    """Approve or reject many at once; what nothing bears out is not approved. Return how many."""
    _lock_courses(items)
    if status == Status.APPROVED:
        items = items.filter(pk__in=ItemPassage.objects.values("item"))
    return _decide_many(items, status, by, timezone.now())


@transaction.atomic
def undo(decision: Decision, *, by) -> list[StudyItem]:
    """Take a decision back; return the items as they are again. Raises Overtaken."""
    before = {
        **decision.before,
        "reviewed_at": parse_datetime(decision.before["reviewed_at"] or ""),
    }
    at = parse_datetime(decision.at)
    decided = StudyItem.objects.filter(reviewed_by=by, reviewed_at=at)
    _lock_courses(decided)
    pks = list(decided.values_list("pk", flat=True))
    if not pks:
        raise Overtaken(_("It was decided on again meanwhile, or is gone: nothing to undo."))
    items = StudyItem.objects.filter(pk__in=pks)
    items.update(**before)
    # Its passage may have gone while it was rejected.
    bare = items.filter(status=Status.APPROVED, passages=None)
    bare.update(status=Status.PENDING, note=PASSAGE_GONE)
    return list(items)


def fingerprint(pks: Sequence[int]) -> str:
    return hashlib.sha256(json.dumps(sorted(pks)).encode()).hexdigest()[:24]


def waiting_by_kind(course: Course | None = None) -> list[dict]:
    """Return what waits: course, its title and language, kind, how many; by course and kind."""
    items = StudyItem.objects.filter(status=Status.PENDING)
    if course is not None:
        items = items.filter(course=course)
    counts = items.values("course", "course__title", "course__language", "kind")
    return list(counts.annotate(count=Count("pk")).order_by("course__title", "course", "kind"))


def in_words(item: StudyItem) -> str:
    """Say what an item says: a question, a name, "A is part of B"."""
    if item.kind == Kind.RELATION:
        relation = RELATIONS.get(item.content.get("type"), "?")
        return f"{item.source} {relation} {item.target}"
    return str(item)


def in_a_line(item: StudyItem, *, most: int) -> str:
    """Say it in about `most` signs: formulas without their dollar signs, cut between words."""
    line = " ".join(in_words(item).split())
    # A formula stays whole: no line may end at its spaces.
    line = _FORMULA.sub(lambda f: (f[1] or f[2] or f[3]).strip().replace(" ", "\0"), line)
    if len(line) > most:
        breaks = [found.start() for found in _BREAK.finditer(line, 1, most)]
        line = line[: breaks[-1] if breaks else most].rstrip() + " …"
    return line.replace("\0", " ")


def _lock_courses(items: QuerySet[StudyItem]) -> None:
    """A job that saves what it found has locked the course: first its chapter, then we."""
    courses = items.order_by().values("course")
    list(Course.objects.select_for_update().filter(pk__in=courses).order_by("pk"))


def _locked(item_id: int, seen: str) -> StudyItem:
    _lock_courses(StudyItem.objects.filter(pk=item_id))
    items = StudyItem.objects.select_for_update(of=("self",))
    item = items.select_related("source", "target").filter(pk=item_id).first()
    if item is None:
        raise Overtaken(_("This item is gone: a job has made it anew, or somebody deleted it."))
    if version(item) != seen:
        raise Overtaken(_what_happened(item, seen))
    return item


def _what_happened(item: StudyItem, seen: str) -> str:
    if item.reviewed_at is None or seen.startswith(f"{_time(item.reviewed_at)}~"):
        return _(
            "A job has changed this item since you opened it. Nothing was decided; look again."
        )
    return _("%(who)s was quicker: “%(status)s” since %(when)s – nothing of it was changed.") % {
        "who": item.reviewed_by or _("Somebody"),
        "status": item.get_status_display(),
        "when": date_format(timezone.localtime(item.reviewed_at), "DATETIME_FORMAT"),
    }


def _must_be_borne(item: StudyItem) -> None:
    if not item.passages.exists():
        raise NotBorne(
            _("It cannot be approved: it stands on no passage of the course any more. Reject it.")
        )


def _with_old_name(content: dict[str, Any], item: StudyItem) -> dict[str, Any]:
    if item.kind not in (Kind.TERM, Kind.CONCEPT):
        return content
    old, aliases = item.content["name"], content["aliases"]
    # Once each, whatever their spelling, and none that is the name.
    names = {name_key(content["name"]): content["name"]}
    for name in (*aliases, old):
        names.setdefault(name_key(name), name)
    return {**content, "aliases": list(names.values())[1:]}


def _must_be_the_only_one(item: StudyItem, content: dict[str, Any]) -> None:
    others = StudyItem.objects.filter(course=item.course_id, kind=item.kind).exclude(pk=item.pk)
    if item.kind == Kind.QUESTION:
        same = [each for each in others if plain(each.content["text"]) == plain(content["text"])]
    elif item.kind == Kind.RELATION:
        ends = Q(source=item.source_id, target=item.target_id)
        same = [o for o in others.filter(ends) if o.content["type"] == content["type"]]
    else:
        mine = {name_key(name) for name in (content["name"], *content["aliases"])}
        same = [o for o in others if mine & {name_key(name) for name in names_of(o)}]
    if same:
        raise ItemError(
            _("There is one like it already: “%(item)s”.") % {"item": in_words(same[0])}
        )


def _save(item: StudyItem, by, **changed: Any) -> Decision:
    changed |= {"reviewed_by": by, "reviewed_at": timezone.now()}
    before: dict[str, Any] = {
        "status": item.status,
        "note": item.note,
        "reviewed_by": item.reviewed_by_id,
        "reviewed_at": item.reviewed_at and item.reviewed_at.isoformat(),
    }
    if "content" in changed:
        before |= {"content": item.content, "is_edited": item.is_edited}
    for name, value in changed.items():
        setattr(item, name, value)
    item.save(update_fields=list(changed))
    return Decision(item.reviewed_at.isoformat(), before)


def _decide_many(items: QuerySet[StudyItem], status: str, by, at: datetime) -> int:
    return items.order_by().update(status=status, note="", reviewed_by=by, reviewed_at=at)


def _time(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
