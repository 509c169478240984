"""Keep the items of a chapter on their passages while its text changes.

A passage that has moved is followed. One that is gone is taken away, and an approved item that
nothing bears out any more waits for staff again: students are not shown what the course no longer
says.
"""

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_noop

from learning.models import Chapter, ItemPassage, StudyItem

Status = StudyItem.Status
PASSAGE_GONE = gettext_noop("The passage it stood on is no longer in the chapter.")


@transaction.atomic
def follow(chapter: Chapter) -> None:
    """Bring the passages of a chapter's items in line with its text; cheap where none changed."""
    gone: list[ItemPassage] = []
    moved: list[ItemPassage] = []
    taken: set[tuple[int, int, int]] = set()
    passages = ItemPassage.objects.filter(chapter=chapter).select_related("item")
    for passage in passages.order_by("pk"):
        start = _nearest(chapter.text, passage.quote, passage.start)
        if start is None or passage.item.course_id != chapter.course_id:  # or it has moved there
            gone.append(passage)
            continue
        place = (passage.item_id, start, start + len(passage.quote))
        if place in taken:
            gone.append(passage)
            continue
        taken.add(place)
        if (passage.start, passage.end) != place[1:]:
            passage.start, passage.end = place[1:]
            moved.append(passage)
    # Written anew, since one may come to where another has stood.
    ItemPassage.objects.filter(pk__in=[passage.pk for passage in moved]).delete()
    ItemPassage.objects.bulk_create(moved)
    if gone:
        _take_away(gone)


@transaction.atomic
def leave(chapter: Chapter) -> None:
    """Take away what stands on a chapter that is about to be deleted."""
    _take_away(list(ItemPassage.objects.filter(chapter=chapter)))


def _nearest(text: str, quote: str, start: int) -> int | None:
    """Return where the words stand now; of several places the one nearest to where they stood."""
    if text.startswith(quote, start):
        return start
    after = text.find(quote, start)
    before = text.rfind(quote, 0, start + len(quote))
    places = [place for place in (before, after) if place >= 0]
    return min(places, key=lambda place: abs(place - start)) if places else None


def _take_away(passages: list[ItemPassage]) -> None:
    ItemPassage.objects.filter(pk__in=[passage.pk for passage in passages]).delete()
    settle_bare(StudyItem.objects.filter(pk__in={passage.item_id for passage in passages}))


def settle_bare(items: QuerySet[StudyItem]) -> None:
    """Delete those that stand on no passage; what staff have had a hand in waits for them again.

    So does a concept with an approved relation, which would go with it.
    """
    bare = items.filter(passages=None)
    is_held = Q(relations_out__status=Status.APPROVED) | Q(relations_in__status=Status.APPROVED)
    waits = Q(status=Status.PENDING)
    touched = bare.filter(Q(status=Status.APPROVED) | waits & (Q(is_edited=True) | is_held))
    pks = list(touched.values_list("pk", flat=True))
    StudyItem.objects.filter(pk__in=pks).update(status=Status.PENDING, note=PASSAGE_GONE)
    bare.filter(waits, note="").delete()
