"""What a reader sees of the passages that an answer stands on.

An answer stays as it was said. Its sources are shown for as long as they are open to who reads it:
a chapter that is taken back, or a course that was left, takes its words along.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import reduce
from operator import or_

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.query import ModelIterable
from django.utils.translation import gettext as _
from django.utils.translation import override

from learning import roles
from learning.documents.pages import MARKS_BEGIN, page_at
from learning.models import Chapter, Citation
from learning.pages import page_label
from rag.search import RetrievedChunk


def where_now(chapter: Chapter, start: int, end: int, reader) -> tuple[int, int] | None:
    """Return where a cited passage stands in a chapter that may have been edited since.

    None where its words are gone. A stretch that was not cited to this reader stands where it
    says: what others were told is nobody's business but theirs who look after the course.
    """
    given = Citation.objects.filter(chapter=chapter, start=start, end=end)
    if not roles.looks_after(reader, chapter.course):
        given = given.filter(message__conversation__user=reader)
    quote = given.order_by("-pk").values_list("quote", flat=True).first()
    if quote is None or chapter.text[start:end] == quote:
        return start, end
    moved_to = chapter.text.find(quote)
    return None if moved_to < 0 else (moved_to, moved_to + len(quote))


def citations_for(user) -> QuerySet[Citation]:
    """Return citations as this reader may see them now; filter them, or prefetch with them.

    A passage of a chapter that is not published, or of a course that the reader has left, keeps
    its number and nothing else. So does one of a deleted chapter: deleting must not show more than
    unpublishing, and nobody can say any more whom the words were for. Who looks after all courses
    sees everything.

    To look at, not to save: what is withheld is not in the rows.
    """
    citations = Citation.objects.select_related("chapter__course").defer("chapter__text")
    if roles.looks_after_all(user):
        return citations
    own = Q(course__in=roles.courses_of(user).order_by().values("pk"))
    readable = Chapter.objects.visible_to(user).filter(Q(course__enrolments__user=user) | own)
    citations = citations.annotate(is_open=Exists(readable.filter(pk=OuterRef("chapter"))))
    # Withheld as the rows are read, so that no page, frame or snapshot can forget to.
    citations._iterable_class = _Open
    return citations


class _Open(ModelIterable):
    def __iter__(self) -> Iterator[Citation]:
        for citation in super().__iter__():
            if not citation.is_open:
                citation.chapter, citation.quote = None, ""
                citation.title = _("This source is not open any more.")
            yield citation


def titles_of(passages: Sequence[RetrievedChunk], chapters: Collection[Chapter]) -> list[str]:
    """Return what each passage is cited as: its headings, and its page where it has one.

    In the course's language, as the headings are: a citation is kept as it was. Only chapters that
    have pages are read, for texts are long.
    """
    has_pages = reduce(or_, (Q(text__contains=begin) for begin in MARKS_BEGIN))
    with_pages = Chapter.objects.filter(has_pages, pk__in=[chapter.pk for chapter in chapters])
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
