"""What a reader sees of the passages that an answer stands on."""

from collections.abc import Collection, Sequence

from django.db.models import Prefetch, Q, QuerySet
from django.utils.translation import override

from learning.documents.pages import page_at
from learning.models import Chapter, Citation
from learning.pages import page_label
from rag.search import RetrievedChunk


def citations_for(user) -> QuerySet[Citation]:
    """Return citations as this reader sees them; filter them further, or prefetch with them.

    A chapter that the reader cannot see, by now, is None, so no address leads there. The quote
    stays: they have been told it.
    """
    readable = Chapter.objects.visible_to(user).select_related("course").defer("text")
    return Citation.objects.prefetch_related(Prefetch("chapter", readable))


def titles_of(passages: Sequence[RetrievedChunk], chapters: Collection[Chapter]) -> list[str]:
    """Return what each passage is cited as: its headings, and its page where it has one.

    In the course's language, as the headings are: a citation is kept as it was.
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
        page = page_at(texts.get(passage.document_key, ""), passage.start)
        if page is None:
            titles.append(title[:400])
            continue
        with override(languages[passage.document_key]):
            label = f" · {page_label(page)}"
        titles.append(title[: 400 - len(label)] + label)
    return titles
