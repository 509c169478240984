"""Which files a course's folder holds, and in which order its chapters stand."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath

from django.utils.translation import gettext as _

from learning.documents.process import DocumentReader
from learning.importing.documents import is_document, read_document, source_file
from learning.importing.files import (
    CourseImportError,
    MarkdownFile,
    Problem,
    UnreadableFile,
    check_is_regular,
    is_named_in_utf8,
    read_markdown,
    shown,
)
from learning.importing.images import PictureFinder
from learning.rendering.chapters import PARSER, linked_file
from learning.rendering.markdown import plain_text

_MARKDOWN = (".md", ".markdown")
_OLD = {".doc": "DOCX", ".dot": "DOCX", ".ppt": "PPTX", ".pps": "PPTX"}
_OTHERS = tuple(
    ".odt .odp .rtf .epub .key .pages .wps .txt .tex .rst .xls .xlsx .ods .ipynb".split()
)
_INDEX_NAMES = ("index.md", "summary.md", "readme.md", "index.html", "index.htm")

# Called with the name of a file and how much of the whole is done, from 0 to 1.
ImportProgress = Callable[[str, float], None]


@dataclass
class Outline:
    """What a folder holds: chapters in order, the file that describes the course, and problems.

    `is_whole` is False for a single file, and where a folder could not be listed or a name not be
    read: then what is missing here may still be there, and the order is not the course's.
    """

    folder: Path
    is_whole: bool = True
    index: MarkdownFile | None = None
    chapters: list[MarkdownFile] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def holds(self, source_path: str) -> bool:
        """Whether what a chapter was made from is still there, readable or not."""
        return source_path in {file.path for file in self.chapters} or source_file(source_path) in {
            problem.path for problem in self.problems
        }

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


def read_outline(path: Path, progress: ImportProgress | None = None) -> Outline:
    """Read a folder, or a single file.

    Raises `CourseImportError` when there is nothing to import.
    """
    path = path.resolve()
    if not path.exists():
        raise CourseImportError(_("There is no file or folder %(path)s.") % {"path": shown(path)})
    if not is_named_in_utf8(path):
        raise CourseImportError(f"{shown(path)}: {_not_utf8()}")
    if not path.is_dir():
        if not _is_readable_kind(path):
            raise CourseImportError(f"{path.name}: {_other_kind(path)}")
        outline, names = Outline(path.parent, is_whole=False), [path.name]
    else:
        outline = Outline(path)
        names = _names(outline)
    with DocumentReader() as reader:
        read = _Reading(outline, reader, progress or (lambda name, done: None), len(names))
        chapters = _take_index(outline, names, read) if path.is_dir() else names
        for name in chapters:
            read.chapter(name)
    if not names or not (path.is_dir() or outline.chapters):
        for folder, reason in outline.problems:
            raise CourseImportError(f"{folder}: {reason}")
        for file, reason in outline.notes:
            raise CourseImportError(f"{file}: {reason}")
        raise CourseImportError(
            _(
                "There is no file to import in %(path)s (Markdown, PDF, DOCX, PPTX or HTML); "
                "nothing was imported."
            )
            % {"path": path.name}
        )
    return outline


def natural_order(name: str) -> list:
    """Sort `2-b.md` before `10-a.md`, and a folder's files together."""
    return [
        [(0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts]
        for parts in (re.split(r"(\d+)", step) for step in PurePosixPath(name).parts)
    ]


def _is_readable_kind(path: Path) -> bool:
    return path.suffix.lower() in _MARKDOWN or is_document(path)


def _other_kind(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in _OLD:
        return _("is in the format of before 2007. Open it and save it as %(kind)s.") % {
            "kind": _OLD[suffix]
        }
    return _("cannot be imported. Save it as Markdown, PDF, DOCX, PPTX or HTML, and import again.")


def _not_utf8() -> str:
    return _("its name is not UTF-8. Rename it, and import again.")


def _names(outline: Outline) -> list[str]:
    """Return the files to read in natural order; note those of kinds that cannot be."""
    names = []
    not_utf8 = set()

    def note_unlisted(error: OSError) -> None:
        outline.is_whole = False
        reason = _("this folder cannot be read (%(reason)s). Check its permissions.")
        outline.problems.append(
            Problem(
                shown(os.path.relpath(error.filename, outline.folder)),
                reason % {"reason": error.strerror},
            )
        )

    for folder, folders, files in os.walk(outline.folder, onerror=note_unlisted):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in files:
            if file.startswith((".", "~$")):
                continue
            path = Path(folder, file)
            name = path.relative_to(outline.folder).as_posix()
            if not is_named_in_utf8(name):
                if _is_of_any_kind(path):
                    not_utf8.add(_first_not_utf8(name))
            elif path.suffix.lower() in _OLD:
                outline.problems.append(Problem(name, _other_kind(path)))
            elif path.suffix.lower() in _OTHERS:
                outline.notes.append(Problem(name, _other_kind(path)))
            elif not _is_readable_kind(path):
                continue
            elif not path.resolve().is_relative_to(outline.folder):
                reason = _("is a link that leads out of the folder. Copy the file itself there.")
                outline.problems.append(Problem(name, reason))
            else:
                names.append(name)
    for name in sorted(not_utf8):
        outline.is_whole = False  # which chapter may have come from it cannot be told
        outline.problems.append(Problem(shown(name), _not_utf8()))
    return sorted(names, key=natural_order)


def _is_of_any_kind(path: Path) -> bool:
    return _is_readable_kind(path) or path.suffix.lower() in (*_OLD, *_OTHERS)


def _first_not_utf8(name: str) -> str:
    """Return the path down to the first folder, or the file, whose name is to be changed."""
    steps = PurePosixPath(name)
    return next(
        str(path) for path in (*reversed(steps.parents), steps) if not is_named_in_utf8(path)
    )


def _take_index(outline: Outline, names: list[str], read: "_Reading") -> list[str]:
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
            (file,) = read.files(name)
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


@dataclass
class _Reading:
    """Reads one file after the other into the outline, and says how far it is."""

    outline: Outline
    reader: DocumentReader
    progress: ImportProgress
    count: int
    done: int = 0

    def __post_init__(self) -> None:
        self.pictures = PictureFinder(self.outline.folder)

    def files(self, name: str) -> list[MarkdownFile]:
        """Return what a file becomes; raises `UnreadableFile`."""
        path = self.outline.folder / name
        self.progress(name, self.done / self.count)
        try:
            check_is_regular(path)
            if not is_document(path):
                return [read_markdown(path, name)]

            def show_pages(done: int, of: int) -> None:
                self.progress(name, (self.done + done / max(1, of)) / self.count)

            return read_document(path, name, self.reader, show_pages)
        finally:
            self.done += 1
            self.progress(name, self.done / self.count)

    def chapter(self, name: str) -> None:
        try:
            files = self.files(name)
            if not any(file.text for file in files):
                raise UnreadableFile(_("has no text. Write the chapter, or delete the file."))
        except UnreadableFile as problem:
            self.outline.problems.append(Problem(name, str(problem)))
        else:
            for file in files:
                self.pictures.find(file)
            self.outline.chapters += files
