"""A citation of a passage from a PDF or a presentation names its page."""

import pytest

from learning.citations import titles_of
from learning.documents.pages import Page, page_at, page_of
from learning.models import Chapter, Course
from rag.chunking import split_document
from rag.search import RetrievedChunk

TEXT = "<!-- page 1 -->\n\n## One\n\nFirst words.\n\n<!-- page 12 -->\n\nSecond words.\n"


def test_the_page_is_the_one_marked_last_before_the_place():
    assert page_at(TEXT, 0) is None
    assert page_at(TEXT, TEXT.index("First")) == Page("page", 1)
    assert page_at(TEXT, TEXT.index("Second")) == Page("page", 12)
    assert page_at("<!-- note -->\n<!-- slide 3 -->\n<!-- aside -->\nx", 48) == Page("slide", 3)


@pytest.mark.parametrize("comment", ["<!-- page -->", "<!-- page 1 --> x", "<!-- pages 1 -->"])
def test_other_comments_mark_no_page(comment):
    assert page_of(comment) is None


def test_marks_belong_to_no_passage():
    passages = split_document(
        TEXT, title="Limits", count_tokens=lambda texts: [len(t) for t in texts], max_tokens=256
    )

    assert [passage.text.strip() for passage in passages] == ["First words.", "Second words."]


def found(chapter: Chapter, words: str, *path: str) -> RetrievedChunk:
    start = chapter.text.index(words)
    place = {"start": start, "end": start + len(words), "text": words, "heading_path": path}
    rest = {
        name: None
        for name in RetrievedChunk.__dataclass_fields__
        if name not in {*place, "document_key", "title"}
    }
    return RetrievedChunk(document_key=str(chapter.pk), title=chapter.title, **place, **rest)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "edited, title",
    [
        (f"<!-- page 1 -->\n\n{'Long. ' * 40}\n\n{TEXT[17:]}", "Limits · p. 12"),
        (TEXT.replace("Second words.", "Second thoughts."), "Limits"),
        (TEXT.replace("First words.", "Second words. First."), "Limits"),
    ],
    ids=["moved", "gone", "now twice"],
)
def test_after_an_edit_a_citation_names_no_page_but_its_own(edited, title):
    course = Course.objects.create(slug="c", title="C")
    chapter = Chapter.objects.create(course=course, slug="limits", title="Limits", text=TEXT)
    passage = found(chapter, "Second words.", "Limits")
    Chapter.objects.filter(pk=chapter.pk).update(text=edited)

    assert titles_of([passage], [chapter]) == [title]


@pytest.mark.django_db
def test_only_texts_with_pages_are_loaded_and_in_one_query(django_assert_num_queries):
    course = Course.objects.create(slug="c", title="C")
    chapters = [
        Chapter.objects.create(course=course, slug=slug, title=slug, text=text)
        for slug, text in (("paged", TEXT), ("plain", "Second words. First words."))
    ]
    passages = [
        found(chapter, words, "Limits")
        for chapter in chapters
        for words in ("First words.", "Second words.")
    ]

    with django_assert_num_queries(1) as queries:
        titles = titles_of(passages, chapters)

    assert titles == ["Limits · p. 1", "Limits · p. 12", "Limits", "Limits"]
    assert "LIKE" in queries[0]["sql"]


@pytest.mark.django_db
def test_a_citation_names_its_page_and_stays_short_enough():
    course = Course.objects.create(slug="c", title="C")
    chapter = Chapter.objects.create(course=course, slug="limits", title="Limits", text=TEXT)
    plain = Chapter.objects.create(course=course, slug="plain", title="Plain", text="Words.")

    titles = titles_of(
        [
            found(chapter, "First", "Limits", "One"),
            found(chapter, "Second", "Limits" * 100),
            found(plain, "Words", "Plain"),
        ],
        [chapter, plain],
    )

    assert titles[0] == "Limits › One · p. 1"
    assert titles[1].endswith(" · p. 12")
    assert len(titles[1]) == 400
    assert titles[2] == "Plain"
