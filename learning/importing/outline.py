"""Which files a course's folder holds, and in which order its chapters stand."""

import os
import re
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath

from django.utils.translation import gettext as _

from learning.importing.files import (
    CourseImportError,
    MarkdownFile,
    Problem,
    UnreadableFile,
    read_markdown,
)
from learning.rendering.chapters import PARSER, linked_file
from learning.rendering.markdown import plain_text

_MARKDOWN = (".md", ".markdown")
_LATER = (".pdf", ".docx", ".pptx", ".html", ".htm")
_INDEX_NAMES = ("index.md", "summary.md", "readme.md")


@dataclass
class Outline:
    """What a folder holds: chapters in order, the file that describes the course, and problems.

    `is_whole` is False for a single file, and where a folder could not be listed: then what is
    missing here may still be there, and the order is not the course's.
    """

    folder: Path
    is_whole: bool = True
    index: MarkdownFile | None = None
    chapters: list[MarkdownFile] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    @property
    def paths(self) -> set[str]:
        """Every chapter file that is there, readable or not."""
        return {file.path for file in self.chapters} | {problem.path for problem in self.problems}

    @property
    def summary(self) -> str:
        """What the index says of the course: its front matter, else its first paragraph."""
        if self.index is None:
            return ""
        if summary := self.index.named("summary"):
            return summary
        tokens = PARSER.parse(self.index.text)
        for opening, content in pairwise(tokens):
            if opening.type == "paragraph_open" and opening.level == 0:
                return plain_text(content)
        return ""


def read_outline(path: Path) -> Outline:
    """Read a folder of Markdown, or a single Markdown file.

    Raises `CourseImportError` when there is nothing to import.
    """
    path = path.resolve()
    if not path.exists():
        raise CourseImportError(_("There is no file or folder %(path)s.") % {"path": path})
    if path.is_file():
        if path.suffix.lower() not in _MARKDOWN:
            raise CourseImportError(_later(path))
        outline, names = Outline(path.parent, is_whole=False), [path.name]
    else:
        outline = Outline(path)
        names = _names(outline)
        names = _take_index(outline, names)
    for name in names:
        _read(outline, name)
    if not names:
        for folder, reason in outline.problems:
            raise CourseImportError(f"{folder}: {reason}")
        raise CourseImportError(
            _("There is no Markdown (.md) in %(path)s; nothing was imported.") % {"path": path}
        )
    return outline


def natural_order(name: str) -> list:
    """Sort `2-b.md` before `10-a.md`, and a folder's files together."""
    return [
        [(0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts]
        for parts in (re.split(r"(\d+)", step) for step in PurePosixPath(name).parts)
    ]


def _names(outline: Outline) -> list[str]:
    """Return the Markdown files in natural order; note those of kinds that come later."""
    names = []

    def note_unlisted(error: OSError) -> None:
        outline.is_whole = False
        reason = _("this folder cannot be read (%(reason)s). Check its permissions.")
        outline.problems.append(
            Problem(
                os.path.relpath(error.filename, outline.folder), reason % {"reason": error.strerror}
            )
        )

    for folder, folders, files in os.walk(outline.folder, onerror=note_unlisted):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in files:
            if file.startswith((".", "~$")):
                continue
            path = Path(folder, file)
            name = path.relative_to(outline.folder).as_posix()
            if path.suffix.lower() in _MARKDOWN:
                names.append(name)
            elif path.suffix.lower() in _LATER:
                outline.notes.append(Problem(name, _later(path)))
    return sorted(names, key=natural_order)


def _later(path: Path) -> str:
    return _(
        "%(kind)s files cannot be imported yet. Save “%(name)s” as Markdown (.md) and import again."
    ) % {"kind": path.suffix.lstrip(".").upper() or "such", "name": path.name}


def _take_index(outline: Outline, names: list[str]) -> list[str]:
    """Find the files that describe the course, and put the chapters in the order they give."""
    found = sorted(
        (name for name in names if name.lower() in _INDEX_NAMES),
        key=lambda name: _INDEX_NAMES.index(name.lower()),
    )
    rest = [name for name in names if name not in found]
    if not rest:
        return names  # a lone README.md is the course's only chapter
    listed: list[str] = []
    for name in found:
        try:
            file = read_markdown(outline.folder / name, name)
        except UnreadableFile as problem:
            outline.problems.append(Problem(name, str(problem)))
            continue
        outline.index = outline.index or file
        listed = listed or [link for link in _links(file) if link in rest]
    listed = list(dict.fromkeys(listed))
    return listed + [name for name in rest if name not in listed]


def _links(file: MarkdownFile) -> list[str]:
    return [
        path
        for token in PARSER.parse(file.text)
        for child in token.children or []
        if child.type == "link_open" and (path := linked_file(child, file.path))
    ]


def _read(outline: Outline, name: str) -> None:
    try:
        file = read_markdown(outline.folder / name, name)
        if not file.text:
            raise UnreadableFile(_("has no text. Write the chapter, or delete the file."))
    except UnreadableFile as problem:
        outline.problems.append(Problem(name, str(problem)))
    else:
        outline.chapters.append(file)
