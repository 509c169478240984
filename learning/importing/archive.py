"""Uploaded files as one zip archive, and such an archive as a folder again.

What comes in may be anybody's zip: its names are made safe, and its size is counted as it unpacks.
"""

import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from learning.importing.files import CourseImportError

MOST_FILES = 5_000
MOST_BYTES = 1024**3  # unpacked
_NAMES_IN_UTF8 = 0x800
_IS_ENCRYPTED = 0x1
_BLOCK = 1024**2
# What systems put beside one's files.
_LITTER = ("__MACOSX", "Thumbs.db", "desktop.ini")


def pack(files: Iterable[tuple[str, UploadedFile]]) -> BinaryIO:
    """Return an archive of files, each with its path in their folder; the caller closes it."""
    packed = tempfile.TemporaryFile()
    # Stored, not deflated: PDF, DOCX and PPTX are compressed already.
    with zipfile.ZipFile(packed, "w") as archive:
        for path, file in files:
            with archive.open(zipfile.ZipInfo(str(_safe(path))), "w", force_zip64=True) as member:
                shutil.copyfileobj(file, member, _BLOCK)
    packed.seek(0)
    return packed


def unpack(archive: BinaryIO, folder: Path) -> Path:
    """Unpack into a folder; return the one that holds the course.

    That is the only folder at the top, where there is nothing beside it. Raises CourseImportError
    with words for who has uploaded it.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            _unpack(opened, folder)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError) as error:
        raise CourseImportError(
            _("The zip archive is damaged or of an unknown kind. Pack it again.")
        ) from error
    except RuntimeError as error:  # zipfile's word for a password
        raise _is_protected() from error
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > MOST_FILES:
        raise CourseImportError(
            _("The archive holds more than %(most)d files. Leave away what is not of the course.")
            % {"most": MOST_FILES}
        )
    room = MOST_BYTES
    for member in members:
        if member.flag_bits & _IS_ENCRYPTED:
            raise _is_protected()
        path = _safe(_name(member))
        if any(step in _LITTER or step.startswith(".") for step in path.parts):
            continue
        room = _write(archive, member, folder / path, room)


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, room: int) -> int:
    """Write one file; return how many bytes are left for the others."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as packed, path.open("xb") as file:
            while block := packed.read(_BLOCK):
                room -= len(block)  # what the archive says of its sizes may be a lie
                if room < 0:
                    raise CourseImportError(
                        _("The archive unpacks to more than %(most)d MB. Split it.")
                        % {"most": MOST_BYTES // 1024**2}
                    )
                file.write(block)
    except OSError as error:  # two of one name, a name that is too long, a file as a folder
        raise CourseImportError(
            _("“%(name)s” in the archive cannot be unpacked (%(reason)s). Rename it.")
            % {"name": _name(member), "reason": error.strerror}
        ) from error
    return room


def _name(member: zipfile.ZipInfo) -> str:
    """Return a file's name; Chinese ones are often packed in GBK, or in UTF-8 unmarked."""
    if member.flag_bits & _NAMES_IN_UTF8:
        return member.filename
    try:
        name = member.filename.encode("cp437")
    except UnicodeEncodeError:  # packed here, or of another origin: it is as it is
        return member.filename
    for encoding in ("utf-8", "gb18030"):
        try:
            return name.decode(encoding)
        except UnicodeDecodeError:
            continue
    return member.filename


def _safe(name: str) -> PurePosixPath:
    """Return a path that stays inside its folder; raises CourseImportError where there is none."""
    path = PurePosixPath(name.replace("\\", "/"))
    steps = [step for step in path.parts if step not in ("/", ".")]
    is_unsafe = any(step == ".." or ":" in step or not step.isprintable() for step in steps)
    if is_unsafe or not steps:
        raise CourseImportError(_("“%(name)s” is no name for a file. Rename it.") % {"name": name})
    return PurePosixPath(*steps)


def _is_protected() -> CourseImportError:
    return CourseImportError(_("The zip archive is protected by a password. Pack it without one."))
