"""PDF, DOCX, PPTX and HTML as files of a course, and in words what can be wrong with one."""

import re
from dataclasses import dataclass
from pathlib import Path

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from learning.documents.kinds import KINDS
from learning.documents.parts import DocumentFault, Part, Progress
from learning.documents.process import DocumentReader
from learning.importing.files import MarkdownFile, UnreadableFile, split_heading, title_of
from learning.rendering.chapters import PARSER

_KINDS = "|".join(suffix.removeprefix(".") for suffix in KINDS)
_PART = re.compile(rf"(.+\.(?:{_KINDS}))#([^/]+)", re.IGNORECASE)

_FAULTS = {
    "too_large": gettext_noop("larger than %(detail)s MB. Split it into several files."),
    "empty": gettext_noop("has no text. Write the chapter, or delete the file."),
    "unreadable": gettext_noop(
        "cannot be read (%(detail)s). Check that the file is there and its permissions."
    ),
    "wrong_kind": gettext_noop(
        "is not a %(kind)s file, whatever its name says%(found)s. Save it as %(kind)s again."
    ),
    "damaged": gettext_noop("is damaged and cannot be read (%(detail)s). Save it again."),
    "encrypted": gettext_noop("is protected by a password. Save it without one."),
    "old_format": gettext_noop("is in the format of before 2007. Open it and save it as %(kind)s."),
    "no_text": gettext_noop(
        "holds only pictures; run text recognition (OCR) first, then import again."
    ),
    "garbled": gettext_noop(
        "does not say which letters it shows; run text recognition (OCR) first, then import again."
    ),
    "too_much_text": gettext_noop(
        "has a chapter of more than %(detail)s MB of text. Split it into several files."
    ),
    "too_many_pages": gettext_noop("has more than %(detail)s pages. Split it into several files."),
    "unpacks_too_large": gettext_noop(
        "unpacks to %(detail)s MB, which no text needs. Save it again with smaller pictures."
    ),
    "too_slow": gettext_noop(
        "was not read within %(detail)s seconds. Split it into several files."
    ),
    "too_much_memory": gettext_noop(
        "needs more memory than a file may take. Split it into several files."
    ),
    "crashed": gettext_noop("cannot be read: its reader crashed. Save it again."),
    "encoding": gettext_noop("is in an unknown encoding. Save it with the encoding UTF-8."),
}


@dataclass
class DocumentPart(MarkdownFile):
    """A file, or one part of it: `path` then ends in `#` and the part's key."""

    key: str = ""


def is_document(path: Path | str) -> bool:
    return Path(path).suffix.lower() in KINDS


def source_file(source_path: str) -> str:
    """Return the file that a chapter's source path names, without the part."""
    found = _PART.fullmatch(source_path)
    return found[1] if found else source_path


def read_document(
    path: Path, name: str, reader: DocumentReader, progress: Progress | None = None
) -> list[MarkdownFile]:
    """Read a file that becomes one chapter or several; raises `UnreadableFile`."""
    try:
        parts = reader.read(path, progress)
    except DocumentFault as fault:
        raise UnreadableFile(_in_words(fault, KINDS[path.suffix.lower()].name)) from None
    if len(parts) == 1 and not parts[0].key:
        return [_whole(parts[0], name)]
    return [
        DocumentPart(
            f"{name}#{part.key}",
            heading=part.title or title_of(name),
            text=part.text.rstrip("\n") + "\n",
            key=part.key,
        )
        for part in parts
    ]


def _whole(part: Part, name: str) -> MarkdownFile:
    title, text = part.title, part.text
    if (
        not title
        and sum(token.type == "heading_open" and token.tag == "h1" for token in PARSER.parse(text))
        > 1
    ):
        title = title_of(name)  # its first-level headings are sections: none of them is the title
    heading, rest = split_heading(text, title)
    return DocumentPart(name, heading=title or heading, text=rest or f"{text}\n")


def _in_words(fault: DocumentFault, kind: str) -> str:
    detail = fault.detail
    found = f" ({detail})" if detail else ""
    words = _FAULTS.get(fault.code, _FAULTS["damaged"])
    return _(words) % {"detail": detail.rstrip(".") or fault.code, "kind": kind, "found": found}
