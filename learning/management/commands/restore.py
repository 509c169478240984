"""Bring back what `backup` has copied, into a DATA_DIR without a site or in the place of one."""

import shutil
import sqlite3
from pathlib import Path

from django.conf import settings
from django.core.files.storage import storages
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django.utils import timezone

from learning.management.commands.backup import IMAGES, KEY, check_whole, copy_images, sqlite_file


class Command(BaseCommand):
    help = "Bring back a backup that manage.py backup has made; end the site first."

    def add_arguments(self, parser):
        parser.add_argument("folder", type=Path)
        parser.add_argument(
            "--replace",
            action="store_true",
            help="put aside the database that is there; without it, restore refuses to",
        )

    def handle(self, *, folder, replace, **options):
        database = sqlite_file()
        source = folder.expanduser().absolute() / database.name
        if not source.is_file():
            found = sorted(file.name for file in source.parent.glob("*.sqlite3"))
            if len(found) != 1:
                raise CommandError(f"{source.parent} is no backup: it holds no {database.name}.")
            source = source.with_name(found[0])
        try:
            check_whole(source)
        except sqlite3.Error as error:
            raise CommandError(f"This backup cannot be used: {error}") from None
        connections.close_all()
        if database.exists():
            if not replace:
                raise CommandError(
                    f"There is a database at {database} already. "
                    "To put it aside and go on: --replace"
                )
            self._put_aside(database)
        shutil.copyfile(source, database)
        database.chmod(0o600)
        copy_images(source.parent / IMAGES, Path(storages["images"].location))
        self._restore_key(source.parent / KEY)
        self.stdout.write(
            self.style.SUCCESS(f"Restored {database}. Now: manage.py migrate, then start the site.")
        )

    def _put_aside(self, database: Path) -> None:
        suffix = f"before-{timezone.now():%Y%m%dT%H%M%S}"
        for name in (database.name, f"{database.name}-wal", f"{database.name}-shm"):
            file = database.with_name(name)
            if file.exists():
                # SQLite looks for the log under the name of its database.
                file.rename(
                    file.with_name(name.replace(database.name, f"{database.name}.{suffix}"))
                )
        for kept in (Path(settings.DATA_DIR) / KEY, Path(storages["images"].location)):
            if kept.exists():
                kept.rename(kept.with_name(f"{kept.name}.{suffix}"))
        self.stdout.write(f"What was there is kept beside it, as … .{suffix}")

    def _restore_key(self, key: Path) -> None:
        if not key.is_file():
            self.stdout.write("The backup holds no key: set DJANGO_SECRET_KEY as it was.")
            return
        target = Path(settings.DATA_DIR) / KEY
        shutil.copyfile(key, target)
        target.chmod(0o600)
