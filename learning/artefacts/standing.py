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
    for passage in ItemPassage.objects.filter(chapter=chapter).order_by("pk"):
        if chapter.text[passage.start : passage.end] == passage.quote:
            continue
        start = _nearest(chapter.text, passage.quote, passage.start)
        if start is None or _is_taken(passage, start):
            gone.append(passage)
        else:
            passage.start, passage.end = start, start + len(passage.quote)
            passage.save(update_fields=["start", "end"])
    if gone:
        ItemPassage.objects.filter(pk__in=[passage.pk for passage in gone]).delete()
        _leave_to_staff({passage.item_id for passage in gone})


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


def _leave_to_staff(item_ids: set[int]) -> None:
    bare = StudyItem.objects.filter(pk__in=item_ids, passages=None)
    bare.filter(status=Status.APPROVED).update(status=Status.PENDING, note=PASSAGE_GONE)
