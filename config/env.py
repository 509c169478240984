"""Read settings from the environment, strictly.

An empty value counts as unset. A value that cannot be used ends the start with one line that names
the variable, what it got and what it takes: a web server, a worker and `manage.py` all read their
settings through here, and in each a traceback would bury that sentence.
"""

import os
import re
from dataclasses import dataclass
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import unquote, urlsplit

import environ
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}
PRICE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
MODEL_PATTERN = re.compile(r"[^\s=;]+")
# How mail travels, and the port where a server takes it so.
MAIL_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


class SettingError(SystemExit):
    """A value that cannot be used. As a SystemExit it prints as one line, with exit status 1."""

    def __init__(self, name: str, got: str, takes: str):
        shown = _safe(name, got)
        super().__init__(f"coursetrace: {name}={shown!r} cannot be used: it takes {takes}.")


def read_file(path: Path) -> None:
    """Add the variables of a `.env` file to the environment; what is already set there wins.

    ENV_FILE names another file than this one.
    """
    path = Path(text("ENV_FILE", str(path)))
    if not path.is_file():
        return
    before = {name: value for name, value in os.environ.items() if value.strip()}
    environ.Env.read_env(path, overwrite=True)
    os.environ.update(before)


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool) -> bool:
    value = text(name)
    if not value:
        return default
    if value.lower() in TRUE | FALSE:
        return value.lower() in TRUE
    raise SettingError(name, value, "1 or 0 (true/false, yes/no and on/off too)")


def whole_number(name: str, default: int, *, at_least: int, at_most: int) -> int:
    value = text(name)
    if not value:
        return default
    if value.isascii() and value.isdigit() and at_least <= int(value) <= at_most:
        return int(value)
    raise SettingError(name, value, f"a whole number from {at_least} to {at_most}")


def choice(name: str, default: str, *, among: tuple[str, ...]) -> str:
    value = text(name, default)
    if value in among:
        return value
    raise SettingError(name, value, " or ".join(repr(option) for option in among))


def names(name: str, default: list[str]) -> list[str]:
    """A comma-separated list."""
    return [part.strip() for part in text(name).split(",") if part.strip()] or default


def url(name: str, default: str = "", *, schemes: tuple[str, ...] = ("http", "https")) -> str:
    """A URL without its trailing slash."""
    value = text(name, default)
    if not value:
        return ""
    takes = f"a URL such as {schemes[0]}://host.example:1234"
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - the property raises on a port that is no number
    except ValueError:
        raise SettingError(name, value, takes) from None
    is_complete = parts.hostname or (parts.scheme == "unix" and parts.path)
    if parts.scheme not in schemes or not is_complete:
        raise SettingError(name, value, takes)
    return value.rstrip("/")


def origins(name: str) -> list[str]:
    """A comma-separated list of origins: scheme and host, nothing behind it."""
    values = names(name, [])
    for value in values:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or value != f"{parts.scheme}://{parts.netloc}":
            raise SettingError(name, value, "origins such as https://tutor.example, without a path")
        if not parts.hostname:
            raise SettingError(name, value, "origins such as https://tutor.example")
    return values


def hosts(name: str) -> list[str]:
    """A comma-separated list of host names, without scheme and port."""
    values = names(name, [])
    for value in values:
        if "/" in value or (":" in value and not value.startswith("[")):
            raise SettingError(name, value, "host names such as tutor.example, nothing round them")
    return values


def database(name: str, default: Path) -> dict:
    """The Django database settings of a database URL; SQLite at `default` when it is unset."""
    value = text(name, f"sqlite:///{default}")
    takes = "sqlite:///path/to/file.sqlite3 or postgres://user:password@host:5432/name"
    try:
        scheme = urlsplit(value).scheme
        config = environ.Env.db_url_config(value)
    except (ValueError, KeyError):
        raise SettingError(name, value, takes) from None
    if scheme not in ("sqlite", "postgres", "postgresql") or not config.get("NAME"):
        raise SettingError(name, value, takes)
    return config


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in; without a host, none is sent."""

    host: str = ""
    port: int = 25
    user: str = ""
    password: str = ""
    starts_tls: bool = False  # a plain connection, encrypted before anything is said on it
    is_tls: bool = False  # encrypted from the beginning


def mail_server(name: str) -> MailServer:
    """The server of a URL such as smtp+tls://user:password@mail.example:587."""
    value = text(name)
    if not value:
        return MailServer()
    takes = (
        "smtp+tls://user:password@host:587 (STARTTLS), smtps://user:password@host:465 or "
        "smtp://host:25 (not encrypted)"
    )
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise SettingError(name, value, takes) from None
    is_more = parts.path.strip("/") or parts.query or parts.fragment
    is_half = bool(parts.username) != bool(parts.password)
    if parts.scheme not in MAIL_PORTS or not parts.hostname or port == 0 or is_more or is_half:
        raise SettingError(name, value, takes)
    return MailServer(
        host=parts.hostname,
        port=port or MAIL_PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        starts_tls=parts.scheme == "smtp+tls",
        is_tls=parts.scheme == "smtps",
    )


def mail_address(name: str) -> str:
    """An address that mail comes from: tutor@example.org, or Tutor <tutor@example.org>."""
    value = text(name)
    try:
        if value:
            validate_email(parseaddr(value)[1])
    except ValidationError:
        takes = "an address such as tutor@example.org, or Tutor <tutor@example.org>"
        raise SettingError(name, value, takes) from None
    return value


def prices(name: str) -> list[tuple[str, float, float]]:
    """Prices of models: a pattern of names, US dollars per million input and output tokens."""
    value = text(name)
    takes = (
        "prices such as 'glm-4*=0.6/2.2, qwen-plus*=0.4/1.2' (dollars per million tokens in/out)"
    )
    table = []
    for entry in names(name, []):
        pattern, _, both = (part.strip() for part in entry.rpartition("="))
        read, slash, written = (part.strip() for part in both.partition("/"))
        are_prices = slash and PRICE.fullmatch(read) and PRICE.fullmatch(written)
        if not (MODEL_PATTERN.fullmatch(pattern) and are_prices):
            raise SettingError(name, value, takes)
        table.append((pattern, float(read), float(written)))
    return table


def directory(name: str, default: Path) -> Path:
    """A folder, made when it is missing."""
    path = Path(text(name, str(default))).expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        takes = f"a folder that can be written ({error.strerror})"
        raise SettingError(name, str(path), takes) from None
    return path


def _safe(name: str, value: str) -> str:
    """The value as it may be printed: no password of a URL, no secret."""
    if any(word in name for word in ("KEY", "SECRET", "PASSWORD")):
        return "…"
    if "://" in value and "@" in value:
        scheme, rest = value.split("://", 1)
        return f"{scheme}://…@{rest.rsplit('@', 1)[1]}"
    return value
