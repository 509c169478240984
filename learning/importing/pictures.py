"""What a picture's file holds, by its content and not by its name: its kind, its size, its hash.

Only the heads of PNG, JPEG, GIF and WebP are read, never their points: a small file may hold
billions of them. An SVG is read as XML that may name no entities, load nothing and not be endless.
"""

import hashlib
import re
import warnings
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from django.utils.translation import gettext as _

from learning.importing.files import UnreadableFile, check_is_regular
from learning.models import CourseImage

LARGEST_PICTURE = 5 * 1024**2
MOST_POINTS = 25_000_000  # a phone's photograph has half as many
_KINDS = {
    "PNG": CourseImage.Kind.PNG,
    "JPEG": CourseImage.Kind.JPEG,
    "GIF": CourseImage.Kind.GIF,
    "WEBP": CourseImage.Kind.WEBP,
}
_ORIENTATION = 0x0112  # of EXIF; from 5 on a browser turns the picture on its side
_SVG = "http://www.w3.org/2000/svg svg"
_LENGTH = re.compile(r"\s*([0-9.]{1,12}(?:e[+-]?\d)?)\s*(px|pt|pc|mm|cm|in|)\s*", re.IGNORECASE)
_PIXELS = {"": 1, "px": 1, "pt": 4 / 3, "pc": 16, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96}
_SIZE_OF_AN_SVG = (300, 150)  # what browsers take where it says nothing


class Picture(NamedTuple):
    file: Path
    kind: str
    sha256: str
    width: int
    height: int
    size: int


def read_picture(path: Path) -> Picture:
    """Read what a picture is; raises `UnreadableFile` with words for who has put it there."""
    check_is_regular(path)
    try:
        size = path.stat().st_size
        if size > LARGEST_PICTURE:
            raise UnreadableFile(
                _("larger than %(limit)d MB. Save the picture smaller, and import again.")
                % {"limit": LARGEST_PICTURE // 1024**2}
            )
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableFile(
            _("cannot be read (%(reason)s). Check that the file is there and its permissions.")
            % {"reason": error.strerror or type(error).__name__}
        ) from error
    is_markup = content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    kind, width, height = _of_drawing(content) if is_markup else _of_points(path)
    return Picture(path, kind, hashlib.sha256(content).hexdigest(), width, height, len(content))


def _of_points(path: Path) -> tuple[str, int, int]:
    from PIL import Image, UnidentifiedImageError  # for who imports, and nobody else

    try:
        # Pillow warns of many points; here that is an end.
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            kind, (width, height) = _read_head(path)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _has_too_many_points() from None
    except UnidentifiedImageError:
        raise _is_no_picture() from None
    except UnreadableFile:
        raise
    except Exception as error:  # whatever a damaged file may do to its reader
        raise UnreadableFile(_("is damaged. Save the picture again.")) from error
    return kind, width, height


def _read_head(path: Path) -> tuple[str, tuple[int, int]]:
    from PIL import Image

    with Image.open(path, formats=tuple(_KINDS)) as image:
        kind, (width, height) = _KINDS[image.format], image.size
        if width * height > MOST_POINTS:
            raise _has_too_many_points()
        image.verify()  # the sums of a PNG's parts; not more than the head of the others
    if kind != CourseImage.Kind.JPEG:
        return kind, (width, height)
    with Image.open(path, formats=["JPEG"]) as image:
        is_turned = image.getexif().get(_ORIENTATION, 1) >= 5
    return kind, (height, width) if is_turned else (width, height)


def _of_drawing(content: bytes) -> tuple[str, int, int]:
    root = _root(content)
    sides = (_pixels(root.get("width", "")), _pixels(root.get("height", "")))
    box = re.split(r"[\s,]+", root.get("viewBox", "").strip())
    box = [_pixels(side) for side in box[2:]] if len(box) == 4 else []
    if all(box) and box and not all(sides):
        given = next((side / of for side, of in zip(sides, box, strict=True) if side), 1)
        sides = (box[0] * given, box[1] * given)
    if not all(sides):
        sides = _SIZE_OF_AN_SVG
    return CourseImage.Kind.SVG, *(max(1, min(round(side), 20_000)) for side in sides)


def _root(content: bytes) -> dict[str, str]:
    """Return the attributes of a drawing's root; the whole of it is read, and has to be XML."""
    elements: list[tuple[str, dict[str, str]]] = []
    parser = expat.ParserCreate(namespace_separator=" ")

    def begin(name: str, attributes: dict[str, str]) -> None:
        if not elements:
            elements.append((name, attributes))

    def refuse(*_entity) -> None:  # a few of them make gigabytes of text
        raise UnreadableFile(_("holds entities. Save the drawing as plain SVG."))

    parser.StartElementHandler = begin
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError):  # of an unknown encoding, too
        raise _is_no_picture() from None
    [(name, attributes)] = elements
    if name != _SVG:
        raise _is_no_picture()
    return attributes


def _pixels(length: str) -> float:
    found = _LENGTH.fullmatch(length)
    try:
        return float(found[1]) * _PIXELS[found[2].lower()] if found else 0
    except ValueError:
        return 0


def _has_too_many_points() -> UnreadableFile:
    return UnreadableFile(
        _("has more than %(most)d million points. Save the picture smaller, and import again.")
        % {"most": MOST_POINTS // 1_000_000}
    )


def _is_no_picture() -> UnreadableFile:
    return UnreadableFile(
        _("is not a PNG, JPEG, GIF, WebP or SVG picture, whatever its name says. Save it as one.")
    )
