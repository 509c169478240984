"""Read one Markdown file: its front matter, its title, its text, or what is wrong with it.

Other kinds of files become Markdown in documents.py.
"""

import datetime
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import yaml
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.text import slugify
from django.utils.translation import gettext as _

from learning.documents.plain import LEADING_NUMBER, clean, title_of
from learning.rendering.chapters import PARSER
from learning.rendering.markdown import plain_text

LARGEST_FILE = 5 * 1024 * 1024
_FRONT_MATTER = re.compile(
    r"\A---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)


class CourseImportError(Exception):
    """Nothing can be imported from there; says why."""


class UnreadableFile(Exception):
    """One file cannot become a chapter; says why and what to do."""


class Problem(NamedTuple):
    path: str
    reason: str


@dataclass
class MarkdownFile:
    """A file that was read. `path` is relative to the course's folder, with forward slashes."""

    path: str
    front_matter: dict = field(default_factory=dict)
    heading: str = ""
    text: str = ""
    # By address, as the text has it: `Picture`, `UnreadableFile`, or None where nothing is.
    pictures: dict = field(default_factory=dict)

    @property
    def title(self) -> str:
        return (self.named("title") or self.heading or title_of(self.path))[:200]

    def check(self) -> None:
        """Raise `UnreadableFile` for a wrong value now, while this one file can be left out."""
        for name in ("title", "slug", "summary", "language"):
            self.named(name)
        self.published_at  # noqa: B018 - reading it is the check

    def named(self, name: str) -> str:
        """Return a word or number of the front matter as text; empty when it is not there."""
        value = self.front_matter.get(name)
        if value is None:
            return ""
        if isinstance(value, str | int | float):
            return " ".join(clean(str(value)).split())
        raise UnreadableFile(
            _("“%(name)s” in its front matter must be plain text.") % {"name": name}
        )

    @property
    def published_at(self) -> datetime.datetime | bool | None:
        """When it is published: a time, True for now, False for not, None when it does not say."""
        value = self.front_matter.get("published")
        if isinstance(value, str):
            value = parse_datetime(value) or parse_date(value) or value
        if isinstance(value, datetime.datetime):
            return value if timezone.is_aware(value) else timezone.make_aware(value)
        if isinstance(value, datetime.date):
            return timezone.make_aware(datetime.datetime.combine(value, datetime.time.min))
        if value is None or isinstance(value, bool):
            return value
        raise UnreadableFile(
            _("“published” in its front matter must be a date, true or false, not “%(value)s”.")
            % {"value": str(value)[:40]}
        )


def read_markdown(path: Path, name: str) -> MarkdownFile:
    """Read a file; raises `UnreadableFile` with words for the person who wrote it."""
    text = _read_text(path)
    front_matter, text = _split_front_matter(text)
    heading, text = split_heading(text, str(front_matter.get("title") or ""))
    file = MarkdownFile(name, front_matter, heading, text)
    file.check()
    return file


def slug_of(path: str) -> str:
    """Make a slug of a file's name, without its leading number; may be empty."""
    stem = Path(path).stem
    return slugify(LEADING_NUMBER.sub("", stem), allow_unicode=True) or slugify(
        stem, allow_unicode=True
    )


def is_named_in_utf8(path: Path | str) -> bool:
    """Whether a path can be stored and shown; zips with Chinese names often unpack to others."""
    return all(not "\ud800" <= char <= "\udfff" for char in str(path))


def shown(path: Path | str) -> str:
    r"""Return a path as it can be printed: `02-\xff.html` for bytes that are not UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def check_is_regular(path: Path) -> None:
    """Raise `UnreadableFile` for a pipe, a socket or a device: to read one may take for ever."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _cannot_be_read(error) from error
    if not stat.S_ISREG(mode):
        raise UnreadableFile(_("is a pipe, a socket or a device. Put a file in its place."))


def _cannot_be_read(error: OSError) -> UnreadableFile:
    return UnreadableFile(
        _("cannot be read (%(reason)s). Check that the file is there and its permissions.")
        % {"reason": error.strerror or type(error).__name__}
    )


def _read_text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise UnreadableFile(
                _("larger than %(limit)d MB. Split it into several chapters.")
                % {"limit": LARGEST_FILE // 1024**2}
            )
        content = path.read_bytes()
    except OSError as error:
        raise _cannot_be_read(error) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableFile(
            _("not UTF-8 (line %(line)d). Save it with the encoding UTF-8.") % {"line": line}
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UnreadableFile(
            _("holds a NUL character (line %(line)d), as binary files do. Save it as plain text.")
            % {"line": line}
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _split_front_matter(text: str) -> tuple[dict, str]:
    found = _FRONT_MATTER.match(text)
    if not found:
        return {}, text
    try:
        values = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise UnreadableFile(
            _(
                "its front matter is not valid YAML (line %(line)d: %(reason)s). Quotes round a "
                "value often help."
            )
            % {
                "line": mark.line + 2 if mark else 1,
                "reason": getattr(error, "problem", error),
            }
        ) from error
    except (
        ValueError,
        RecursionError,
        OverflowError,
    ) as error:  # a date such as 2026-13-45
        raise UnreadableFile(
            _("its front matter has a value that cannot be used (%(reason)s).") % {"reason": error}
        ) from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise UnreadableFile(
            _("its front matter, between the lines “---”, must consist of “name: value” lines.")
        )
    return values, text[found.end() :]


def split_heading(text: str, title: str) -> tuple[str, str]:
    """Return the first level-one heading, and the text without it where it opens the text.

    The page shows the title itself. A heading that differs from the title stays in the text.
    """
    tokens = PARSER.parse(text)
    heading = ""
    for index, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h1" and token.level == 0:
            heading = plain_text(tokens[index + 1])
            is_title = not title or " ".join(title.split()) == heading
            if index == 0 and is_title:
                text = "\n".join(text.split("\n")[token.map[1] :])
            break
    text = text.strip("\n")
    return heading, f"{text}\n" if text.strip() else ""
