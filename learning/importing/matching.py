"""Which chapter of a course a file is: the one that was made from it before, or a new one."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from django.utils.text import slugify

from learning.importing.documents import DocumentPart, source_file
from learning.importing.files import MarkdownFile, slug_of
from learning.importing.outline import Outline
from learning.models import Chapter

# What `source_path` ends in when the file has gone: tells "unpublished because of that" from
# "unpublished by a person", which an import leaves as it is.
GONE = " (gone)"


def find_whole_path(outline: Outline, path: Path, chapters: Iterable[Chapter]) -> None:
    """Give a file that comes alone the path that it has in the folder of its course."""
    whole_path = path.resolve().as_posix()
    known = [name for name in _files_of(chapters) if whole_path.endswith(f"/{name}")]
    known_file = max(known, key=len, default=path.name)
    for file in outline.chapters:
        file.path = known_file + file.path.removeprefix(path.name)


def find_folders(outline: Outline, chapters: Iterable[Chapter]) -> None:
    """Give files that come without their folders those that they have in their course.

    A browser tells no folders of files that were picked one by one.
    """
    known = _files_of(chapters)
    for file in outline.chapters:
        name = source_file(file.path)
        same = [each for each in known if each.endswith(f"/{name}")]
        if name not in known and len(same) == 1:
            file.path = same[0] + file.path.removeprefix(name)


def _files_of(chapters: Iterable[Chapter]) -> set[str]:
    """Return the files that chapters were made from, also those that have gone."""
    paths = (chapter.source_path.removesuffix(GONE) for chapter in chapters)
    return {source_file(path) for path in paths if path}


def match(chapters: list[Chapter], outline: Outline) -> dict[str, Chapter]:
    """Find each file's chapter: by its path, else, for a renamed file, by its slug."""
    by_path = {chapter.source_path: chapter for chapter in chapters if chapter.source_path}
    matched = {}
    for file in outline.chapters:
        chapter = by_path.get(file.path) or by_path.get(file.path + GONE)
        if chapter:
            matched[file.path] = chapter
    # Written by hand, or made from a file that is still there: not ours to take over.
    orphans = {
        chapter.slug: chapter
        for chapter in by_path.values()
        if outline.is_whole
        and chapter not in matched.values()
        and not outline.holds(chapter.source_path)
    }
    for file in outline.chapters:
        if file.path not in matched and (chapter := orphans.pop(_wanted_slug(file), None)):
            matched[file.path] = chapter
    return matched


def _wanted_slug(file: MarkdownFile) -> str:
    if isinstance(file, DocumentPart) and file.key:
        return slug_of(f"{file.key}.part")[:110].strip("-") or "chapter"
    path = PurePosixPath(file.path)
    if path.stem.lower() in ("readme", "index") and path.parent.name:
        path = path.parent  # chapter-1/README.md is "chapter-1"
    wanted = slugify(file.named("slug"), allow_unicode=True) or slug_of(str(path))
    if wanted.isdecimal() or not wanted:
        wanted = slugify(file.title, allow_unicode=True) or "chapter"
    return wanted[:110].strip("-")


def free_slug(file: MarkdownFile, chapter: Chapter | None, taken: set[str]) -> str:
    wanted = _wanted_slug(file)
    if (
        chapter
        and chapter.slug not in taken
        and re.fullmatch(re.escape(wanted) + r"(-\d+)?", chapter.slug)
    ):
        return chapter.slug  # keep "limits-2" although "limits" has become free: links point at it
    slug, number = wanted, 1
    while slug in taken:
        number += 1
        slug = f"{wanted}-{number}"
    return slug
