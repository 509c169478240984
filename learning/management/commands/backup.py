"""Copy what cannot be made again: the database while it is in use, the pictures of courses, and the
key that signs cookies.

For SQLite. PostgreSQL has a tool of its own for it, which the command names.
"""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from django.conf import settings
from django.core.files.storage import storages
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

KEY = "secret_key"
IMAGES = "images"
PAGES_AT_ONCE = 1_000  # then a writer gets its turn


class Command(BaseCommand):
    help = (
        "Back up the database (SQLite, while the site runs), the courses' pictures and the secret "
        "key kept in DATA_DIR into a new folder. restore brings them back."
    )

    def add_arguments(self, parser):
        parser.add_argument("folder", type=Path, help="a folder that does not exist yet")

    def handle(self, *, folder, **options):
        database = sqlite_file()
        folder = folder.expanduser().absolute()
        if folder.exists():
            raise CommandError(f"{folder} exists already; name a new folder. Nothing was written.")
        if not database.is_file():
            raise CommandError(f"There is no database at {database}.")
        draft = folder.with_name(f"{folder.name}.unfinished-{os.getpid()}")
        try:
            draft.mkdir(parents=True, mode=0o700)
            _copy_database(database, draft / database.name)
            # After the rows that name them: of one that came meanwhile there is a file too many.
            copy_images(Path(storages["images"].location), draft / IMAGES)
            _copy_key(draft)
            # Under its name only when it is whole: a backup that was cut short is none.
            draft.rename(folder)
        except (OSError, sqlite3.Error) as error:
            raise CommandError(f"The backup was not made: {error}") from None
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        self._say_what_is_there(folder)

    def _say_what_is_there(self, folder: Path) -> None:
        for file in sorted(folder.iterdir()):
            files = [file, *file.rglob("*")]
            size = sum(each.stat().st_size for each in files if each.is_file())
            self.stdout.write(f"  {file.name}  {size / 1e6:.1f} MB")
        if not (folder / KEY).is_file():
            self.stdout.write("  no key: it comes from DJANGO_SECRET_KEY, keep that yourself")
        self.stdout.write(
            self.style.SUCCESS(
                f"Backed up to {folder}; checked, and readable by you alone.\n"
                f"To bring it back, with the site ended: manage.py restore {folder}"
            )
        )


def sqlite_file() -> Path:
    """Return the file of the database, or say what to do for one that has none."""
    if connection.vendor != "sqlite":
        raise CommandError(
            "This site's database is PostgreSQL: back it up with pg_dump, and restore it with "
            "pg_restore; docs/operations.md has both commands."
        )
    return Path(connection.settings_dict["NAME"])


def check_whole(file: Path) -> None:
    """Raise sqlite3.DatabaseError if this is no database, or a damaged one."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        [(found,)] = database.execute("PRAGMA integrity_check(1)").fetchall()
    if found != "ok":
        raise sqlite3.DatabaseError(f"{file.name} is damaged: {found}")


def copy_images(source: Path, target: Path) -> None:
    """Copy the folder of pictures, if there is one; readable by its owner alone."""
    for file in sorted(source.glob("*/*")):
        copy = target / file.relative_to(source)
        for folder in (target, copy.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        try:
            copy.touch(mode=0o600)
            shutil.copyfile(file, copy)
        except FileNotFoundError:  # its last chapter has just let go of it
            copy.unlink()


def _copy_database(source: Path, target: Path) -> None:
    target.touch(mode=0o600)
    with (
        closing(sqlite3.connect(source, timeout=60, isolation_level=None)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        # One read transaction from first to last: the copy is of one moment, and what is written
        # meanwhile does not make it begin anew.
        live.execute("BEGIN")
        live.execute("SELECT count(*) FROM sqlite_master").fetchone()
        live.backup(copy, pages=PAGES_AT_ONCE, sleep=0.005)
        live.execute("ROLLBACK")
        # A file of its own, without a log beside it.
        copy.execute("PRAGMA journal_mode=DELETE")
    check_whole(target)


def _copy_key(folder: Path) -> None:
    key = Path(settings.DATA_DIR) / KEY
    if key.is_file():
        descriptor = os.open(folder / KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.read_bytes())
