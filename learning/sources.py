"""Courses as what can be searched: one collection per course, one document per chapter."""

from collections.abc import Iterator

from learning.models import Chapter, Course
from rag.sources import DocumentSource, SourceDocument


class CourseSource(DocumentSource):
    """Supplies chapters. A collection is a course's slug, a key is a chapter's primary key.

    Unpublished chapters are among them: who may read which one is decided when a question is
    asked, so publishing a chapter needs no new index.
    """

    def collections(self) -> list[str]:
        return list(Course.objects.order_by("slug").values_list("slug", flat=True))

    def documents(self, collection: str) -> Iterator[SourceDocument]:
        chapters = Chapter.objects.filter(course__slug=collection).select_related("course")
        for chapter in chapters:
            if chapter.text.strip():
                yield SourceDocument(
                    key=str(chapter.pk),
                    title=chapter.title,
                    text=chapter.text,
                    language=chapter.course.language,
                )

    def public_keys(self, collection: str) -> set[str]:
        chapters = Chapter.objects.published().filter(course__slug=collection)
        return {str(pk) for pk in chapters.values_list("pk", flat=True)}
