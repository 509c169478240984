"""What a reader sees of the passages that an answer stands on."""

from collections.abc import Collection, Sequence

from django.db.models import Prefetch, Q, QuerySet
from django.utils.translation import override

from learning.documents.pages import page_at
from learning.models import Chapter, Citation
from learning.pages import page_label
from rag.search import RetrievedChunk


def where_now(chapter: Chapter, start: int, end: int, reader) -> tuple[int, int] | None:
    """Return where a cited passage stands in a chapter that may have been edited since.

    None where its words are gone. A stretch that nobody cited stands where it says.
    """
    given = Citation.objects.filter(chapter=chapter, start=start, end=end).order_by("-pk")
    quotes = given.values_list("quote", flat=True)
    quote = quotes.filter(message__conversation__user=reader).first() or quotes.first()
    if quote is None or chapter.text[start:end] == quote:
        return start, end
    moved_to = chapter.text.find(quote)
    return None if moved_to < 0 else (moved_to, moved_to + len(quote))


def citations_for(user) -> QuerySet[Citation]:
    """Return citations as this reader sees them; filter them further, or prefetch with them.

    A chapter that the reader cannot see, by now, is None, so no address leads there. The quote
    stays: they have been told it.
    """
    readable = Chapter.objects.visible_to(user).select_related("course").defer("text")
    return Citation.objects.prefetch_related(Prefetch("chapter", readable))


def titles_of(passages: Sequence[RetrievedChunk], chapters: Collection[Chapter]) -> list[str]:
    """Return what each passage is cited as: its headings, and its page where it has one.

    In the course's language, as the headings are: a citation is kept as it was. Only chapters that
    have pages are read, for texts are long.
    """
    with_pages = Chapter.objects.filter(
        Q(text__contains="<!-- page ") | Q(text__contains="<!-- slide "),
        pk__in=[chapter.pk for chapter in chapters],
    )
    texts = {str(pk): text for pk, text in with_pages.values_list("pk", "text")}
    languages = {str(chapter.pk): chapter.course.language for chapter in chapters}
    titles = []
    for passage in passages:
        title = " › ".join(passage.heading_path) or passage.title
        text = texts.get(passage.document_key, "")
        start = _place_in(text, passage)
        page = page_at(text, start) if start is not None else None
        if page is None:
            titles.append(title[:400])
            continue
        with override(languages[passage.document_key]):
            label = f" · {page_label(page)}"
        titles.append(title[: 400 - len(label)] + label)
    return titles


def _place_in(text: str, passage: RetrievedChunk) -> int | None:
    """Return where the passage stands in its chapter's text; None where that cannot be told.

    The index knows where it stood, and follows an edit by seconds or more.
    """
    if text.startswith(passage.text, passage.start):
        return passage.start
    start = text.find(passage.text)
    is_there_once = start >= 0 and text.find(passage.text, start + 1) < 0
    return start if is_there_once else None
