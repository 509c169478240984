"""The `.env` file: what it says, what will change, and the change.

Every other line and comment stays as it is. It is written whole beside the old one and put in its
place, readable by its owner alone.
"""

import io
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import environ
from django.conf import settings

PLAIN = re.compile(r"[\w./:@,+=*-]*", re.ASCII)
LINE = re.compile(r"(?P<before>(?:export )?(?P<name>[A-Za-z_0-9]+)=).*")
SECRET_WORDS = ("KEY", "SECRET", "PASSWORD")


class EnvFileError(Exception):
    """The file cannot be read or written; the words say why."""


@dataclass(frozen=True, slots=True)
class Change:
    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name}: {_shown(self.name, self.before)} → {_shown(self.name, self.after)}"


class EnvFile:
    """The file that ENV_FILE names, or the one beside manage.py."""

    def __init__(self):
        named = os.environ.get("ENV_FILE", "").strip()
        # What a link leads to is written, not the link replaced.
        self.path = Path(named or settings.BASE_DIR / ".env").absolute().resolve()
        if self.path.exists() and not self.path.is_file():
            raise EnvFileError(
                f"{self.path} is no file that could be written: "
                "let ENV_FILE name another one, or unset it."
            )
        try:
            self._content = self._read()
        except (OSError, UnicodeDecodeError) as error:
            raise EnvFileError(f"{self.path} cannot be read: {error}") from None
        self.values = _values_of(self._content)

    def value(self, name: str) -> str:
        """What counts at present: the environment goes before the file."""
        return self._outside(name) or self.values.get(name, "").strip()

    def is_outside(self, name: str) -> bool:
        """Whether the environment alone says it: then every process of the site needs it there."""
        return bool(self._outside(name)) and not self.values.get(name, "").strip()

    def overruled(self, changes: list[Change]) -> list[str]:
        """The names of those that the environment sets too, so that the file is not heard."""
        return [
            change.name
            for change in changes
            # What the file said at the start has been put into the environment meanwhile.
            if (outside := self._outside(change.name))
            and outside not in (self.values.get(change.name, "").strip(), change.after)
        ]

    def changes(self, wanted: Mapping[str, str]) -> list[Change]:
        """What the file does not say yet; an empty value unsets."""
        now = {name: self.values.get(name, "").strip() for name in wanted}
        return [
            Change(name, now[name], wanted[name]) for name in wanted if wanted[name] != now[name]
        ]

    def write(self, changes: list[Change]) -> None:
        """Raise EnvFileError, with the old file in place, if it cannot be done."""
        content = _changed(self._content, {change.name: change.after for change in changes})
        after = _values_of(content)
        if any(after.get(change.name, "") != change.after for change in changes):
            raise EnvFileError("A value holds characters that an .env file cannot keep.")
        try:
            if self._read() != self._content:
                raise EnvFileError(f"{self.path} has been changed meanwhile; please begin again.")
            self._replace(content)
        except OSError as error:
            raise EnvFileError(f"{self.path} cannot be written: {error.strerror}.") from None

    def _read(self) -> str:
        if not self.path.exists():
            return ""
        # As bytes: line ends stay what they are.
        return self.path.read_bytes().decode()

    def _replace(self, content: str) -> None:
        # mkstemp makes it readable by its owner alone.
        descriptor, draft = tempfile.mkstemp(dir=self.path.parent, prefix=f"{self.path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content.encode())
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self.path)
        except BaseException:
            os.unlink(draft)
            raise

    @staticmethod
    def _outside(name: str) -> str:
        return os.environ.get(name, "").strip()


def _changed(content: str, values: Mapping[str, str]) -> str:
    """Set values where their lines are, and the others at the end."""
    left = dict(values)
    lines = []
    for line in content.splitlines(keepends=True):
        bare = line.rstrip("\r\n")
        found = LINE.fullmatch(bare)
        if found and found["name"] in values:
            left.pop(found["name"], None)
            line = f"{found['before']}{_quoted(values[found['name']])}{line[len(bare) :]}"
        lines.append(line)
    added = [f"{name}={_quoted(value)}\n" for name, value in left.items() if value]
    if added:
        if lines and not lines[-1].endswith(("\n", "\r")):
            lines[-1] += "\n"
        if not content:
            lines.append("# Every setting, with its default: .env.example\n")
        added.insert(0, "# Written by manage.py quickstart\n")
    return "".join([*lines, *added])


def _quoted(value: str) -> str:
    if PLAIN.fullmatch(value):
        return value
    if "'" not in value and '"' not in value and "\\" not in value:
        return f"'{value}'"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _values_of(content: str) -> dict[str, str]:
    """What the site will read in it."""

    class Reading(environ.Env):
        ENVIRON = {}

    Reading.read_env(io.StringIO(content), overwrite=True)
    return Reading.ENVIRON


def _shown(name: str, value: str) -> str:
    if not value:
        return "(unset)"
    if any(word in name for word in SECRET_WORDS):
        return "(hidden)"
    # No password of an address.
    return re.sub(r"(?<=://)[^/@]*@", "***@", value)
