"""What DOCX and PPTX share: both are zip archives, and both hide things in the same way."""

import io
import zipfile
from pathlib import Path
from xml.parsers import expat

from learning.documents.parts import DocumentFault

MOST_UNPACKED = 500 * 1024**2
MOST_ENTRIES = 20_000
# XML packs to a tenth or a twentieth; what packs to a thousandth was made to fill a memory.
MOST_RATIO = 200
RATIO_FROM = 20 * 1024**2
# Before its root element a part says how it is written, and nothing else.
MOST_BEFORE_ROOT = 256 * 1024
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")


def open_archive(path: Path, folder: str) -> zipfile.ZipFile:
    """Open the file after a look at its directory, which says what would come out of it.

    `folder` is what the format keeps its text in. zipfile never unpacks more of an entry than the
    directory says, so what is checked here holds.
    """
    try:
        archive = zipfile.ZipFile(path)
        entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise DocumentFault("damaged", str(error)) from error
    unpacked = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    is_bomb = unpacked > RATIO_FROM and unpacked > MOST_RATIO * max(packed, 1)
    if unpacked > MOST_UNPACKED or len(entries) > MOST_ENTRIES or is_bomb:
        raise DocumentFault("unpacks_too_large", str(unpacked // 1024**2))
    if any(entry.flag_bits & 0x1 for entry in entries):
        raise DocumentFault("encrypted")
    if not any(entry.filename.startswith(f"{folder}/") for entry in entries):
        raise DocumentFault("wrong_kind", kind_of_archive(archive))
    for entry in entries:
        if entry.filename.lower().endswith((".xml", ".rels")):
            _refuse_document_type(archive, entry)
    return archive


class _RootReached(Exception):
    pass


def _refuse_document_type(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Refuse a part that declares entities of its own, as no Office program writes them.

    An XML parser looks, in place of a search for words: comments may stand before the declaration,
    and UTF-16 may hide it. It reads no further than to the root element.
    """

    def refuse(*_) -> None:
        raise DocumentFault("damaged", f"{entry.filename}: a document type declaration")

    def stop(*_) -> None:
        raise _RootReached

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler, parser.StartElementHandler = refuse, stop
    try:
        with archive.open(entry) as part:
            for _ in range(MOST_BEFORE_ROOT // 4096):
                if not (content := part.read(4096)):
                    return
                parser.Parse(content)
    except _RootReached:
        return
    except (expat.ExpatError, zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
        raise DocumentFault("damaged", f"{entry.filename}: {error}") from error
    raise DocumentFault("damaged", f"{entry.filename}: no root element")


def kind_of_archive(archive: zipfile.ZipFile) -> str:
    names = archive.namelist()
    for folder, kind in {"word": "DOCX", "ppt": "PPTX", "xl": "XLSX"}.items():
        if any(name.startswith(f"{folder}/") for name in names):
            return kind
    return "ZIP"


def check_ole(path: Path) -> None:
    """Tell an encrypted file from one of the formats before 2007: both begin alike."""
    with path.open("rb") as file:
        if file.read(8) != _OLE:
            return
        content = file.read(64 * 1024**2)
    is_encrypted = "EncryptedPackage".encode("utf-16-le") in content
    raise DocumentFault("encrypted" if is_encrypted else "old_format")


def rewritten(archive: zipfile.ZipFile, contents: dict[str, bytes]) -> io.BytesIO:
    """Return a copy of the archive with some of its entries replaced."""
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w") as target:
        for name in archive.namelist():
            target.writestr(name, contents[name] if name in contents else archive.read(name))
    copy.seek(0)
    return copy
