"""A course as its makers read it: chapters, cut into passages that an item can stand on."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from learning.llm.base import count_tokens
from learning.models import Chapter, Course
from rag.chunking import split_document

# What is cut here is read by a chat model or by rules, so no embedding model sets a limit.
PASSAGE_TOKENS = 220


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a chapter: `text` is exactly `chapter.text[start:end]`."""

    chapter_id: int
    start: int
    end: int
    text: str
    title: str  # chapter › heading › heading


@dataclass(frozen=True, slots=True)
class ChapterText:
    id: int
    slug: str
    title: str
    language: str
    text_hash: str
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class CourseText:
    id: int
    slug: str
    title: str
    language: str  # such as "en" or "zh-hans"
    chapters: tuple[ChapterText, ...]


def read_course(course: Course) -> CourseText:
    """Read and cut all chapters of a course that have text, in order."""
    chapters = course.chapters.exclude(text="").order_by("position", "pk")
    return CourseText(
        id=course.pk,
        slug=course.slug,
        title=course.title,
        language=course.language,
        chapters=tuple(read_chapter(chapter, course.language) for chapter in chapters),
    )


def read_chapter(chapter: Chapter, language: str) -> ChapterText:
    """Cut one chapter into passages, as the search index cuts it but for the model's limits."""
    pieces = split_document(
        chapter.text,
        title=chapter.title,
        count_tokens=_count_all,
        max_tokens=PASSAGE_TOKENS,
    )
    return ChapterText(
        id=chapter.pk,
        slug=chapter.slug,
        title=chapter.title,
        language=language,
        text_hash=text_hash(chapter.text),
        passages=tuple(
            Passage(chapter.pk, p.start, p.end, p.text, " › ".join(p.heading_path)[:400])
            for p in pieces
        ),
    )


def text_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def holds(text: str, form: str) -> bool:
    """Say whether a text holds these words, as whole words, whatever their case and line ends."""
    return place_of(text, form) is not None


def place_of(text: str, form: str) -> tuple[int, int] | None:
    """Return where a text first holds these words: (start, end); None where it does not."""
    words = form.split()
    if not words:
        return None
    pattern = r"\s+".join(re.escape(word) for word in words)
    # "art" is not in "part"; Chinese has no gaps between its words.
    before = r"(?<![A-Za-z0-9_])" if re.match(r"[A-Za-z0-9_]", form) else ""
    after = r"(?![A-Za-z0-9_])" if re.search(r"[A-Za-z0-9_]$", form) else ""
    found = re.search(before + pattern + after, text, re.IGNORECASE)
    return found.span() if found else None


def _count_all(texts: Sequence[str]) -> list[int]:
    return [count_tokens(text) for text in texts]
