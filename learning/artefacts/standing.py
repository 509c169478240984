"""Keep the items of a chapter on their passages while its text changes.

A passage that has moved is followed. One that is gone is taken away, and an approved item that
nothing bears out any more waits for staff again: students are not shown what the course no longer
says.
"""

from django.db import transaction
from django.utils.translation import gettext_noop

from learning.models import Chapter, ItemPassage, StudyItem

Status = StudyItem.Status
PASSAGE_GONE = gettext_noop("The passage it stood on is no longer in the chapter.")


@transaction.atomic
def follow(chapter: Chapter) -> None:
    """Bring the passages of a chapter's items in line with its text; cheap where none changed."""
    gone: list[ItemPassage] = []
    passages = ItemPassage.objects.filter(chapter=chapter).select_related("item")
    for passage in passages.order_by("pk"):
        if passage.item.course_id != chapter.course_id:  # it has moved to another course
            gone.append(passage)
            continue
        if chapter.text[passage.start : passage.end] == passage.quote:
            continue
        start = _nearest(chapter.text, passage.quote, passage.start)
        if start is None or _is_taken(passage, start):
            gone.append(passage)
        else:
            passage.start, passage.end = start, start + len(passage.quote)
            passage.save(update_fields=["start", "end"])
    if gone:
        _take_away(gone)


@transaction.atomic
def leave(chapter: Chapter) -> None:
    """Take away what stands on a chapter that is about to be deleted."""
    _take_away(list(ItemPassage.objects.filter(chapter=chapter)))


def _nearest(text: str, quote: str, start: int) -> int | None:
    """Return where the words stand now; of several places the one nearest to where they stood."""
    after = text.find(quote, start)
    before = text.rfind(quote, 0, start + len(quote))
    places = [place for place in (before, after) if place >= 0]
    return min(places, key=lambda place: abs(place - start)) if places else None


def _is_taken(passage: ItemPassage, start: int) -> bool:
    beside = ItemPassage.objects.filter(
        item=passage.item_id,
        chapter=passage.chapter_id,
        start=start,
        end=start + len(passage.quote),
    )
    return beside.exclude(pk=passage.pk).exists()


def _take_away(passages: list[ItemPassage]) -> None:
    ItemPassage.objects.filter(pk__in=[passage.pk for passage in passages]).delete()
    item_ids = {passage.item_id for passage in passages}
    bare = StudyItem.objects.filter(pk__in=item_ids, passages=None)
    bare.filter(status=Status.APPROVED).update(status=Status.PENDING, note=PASSAGE_GONE)
    bare.filter(status=Status.PENDING, note="").delete()
