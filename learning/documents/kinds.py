"""Which kinds of files are read, how large each may be, and what each must begin with."""

import importlib
import zipfile
from pathlib import Path
from typing import NamedTuple

from learning.documents.parts import DocumentFault, Part, Progress

MEGABYTE = 1024**2
MOST_CHARACTERS = 5 * MEGABYTE  # of one chapter, as in a file of Markdown


class Kind(NamedTuple):
    name: str
    reader: str  # a module here, loaded when the first such file is met
    most_bytes: int


_PDF = Kind("PDF", "pdf", 100 * MEGABYTE)
_HTML = Kind("HTML", "html", 20 * MEGABYTE)
KINDS = {
    ".pdf": _PDF,
    ".docx": Kind("DOCX", "docx", 100 * MEGABYTE),
    ".pptx": Kind("PPTX", "pptx", 100 * MEGABYTE),
    ".html": _HTML,
    ".htm": _HTML,
}
_BEGINNINGS = {
    b"%PDF-": "PDF",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"{\\rtf": "RTF",
    b"Rar!": "RAR",
    b"7z\xbc\xaf": "7Z",
    b"\x7fELF": "ELF",
    b"MZ": "EXE",
    b"\x1f\x8b": "GZIP",
}
_OLE = b"\xd0\xcf\x11\xe0"


def read(path: Path, progress: Progress) -> list[Part]:
    """Read a file of any kind; raises `DocumentFault`."""
    kind = KINDS[path.suffix.lower()]
    _check(path, kind)
    parts = importlib.import_module(f"learning.documents.{kind.reader}").read(path, progress)
    parts = [part for part in parts if part.text.strip()]
    if not parts:
        raise DocumentFault("empty")
    if any(len(part.text) > MOST_CHARACTERS for part in parts):
        raise DocumentFault("too_much_text", str(MOST_CHARACTERS // MEGABYTE))
    return parts


def _check(path: Path, kind: Kind) -> None:
    """Refuse a file by its size before it is read, and by its first bytes before it is parsed."""
    size = path.stat().st_size
    if size > kind.most_bytes:
        raise DocumentFault("too_large", str(kind.most_bytes // MEGABYTE))
    if size == 0:
        raise DocumentFault("empty")
    with path.open("rb") as file:
        beginning = file.read(1024)
    found = next((name for start, name in _BEGINNINGS.items() if beginning.startswith(start)), "")
    if not found and b"%PDF-" in beginning and kind is _PDF:
        found = "PDF"  # some programs write something before it
    if not found and beginning.startswith(b"PK\x03\x04"):
        found = _kind_of_zip(path)
    if not found and beginning.startswith(_OLE) and kind.name in ("DOCX", "PPTX"):
        return  # encrypted, or of before 2007: its reader tells
    if found != kind.name and (found or kind is not _HTML):
        raise DocumentFault("wrong_kind", found)


def _kind_of_zip(path: Path) -> str:
    from learning.documents import office

    try:
        with zipfile.ZipFile(path) as archive:
            return office.kind_of_archive(archive)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise DocumentFault("damaged", str(error)) from error
