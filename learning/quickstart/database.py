"""The database of a site that is being set up: connect, migrate, and take a new one away again."""

from pathlib import Path

from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from tracing.doctor import Finding

SQLITE_ENDINGS = ("", "-wal", "-shm", "-journal")


class Database:
    """Use it before the first query: whether its file is new can be told only then."""

    def __init__(self):
        self.is_new = self._file is not None and not self._file.exists()
        self.was_migrated = False

    def examine(self) -> tuple[Finding, int]:
        """Connect; return what was found, and how many migrations wait."""
        try:
            executor = MigrationExecutor(connection)
            waiting = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        except DatabaseError as error:
            reason = str(error).strip().partition("\n")[0]
            return Finding("database", False, f"no connection ({reason})", self._advice()), 0
        state = f"{waiting} migrations wait" if waiting else "up to date"
        return Finding("database", True, f"{self._name()}; {state}"), waiting

    def migrate(self) -> Finding:
        try:
            call_command("migrate", verbosity=0, interactive=False)
            self.was_migrated = True
        except DatabaseError as error:
            reason = str(error).strip().partition("\n")[0]
            advice = "May this user make tables there, and is it the database of this site?"
            return Finding("database", False, f"the migrations have failed ({reason})", advice)
        return Finding("database", True, "its tables are up to date")

    def forget(self) -> str:
        """Take away a file that was not there before; return words on what is left as it is now."""
        if not self.is_new:
            return "but the tables of the database are up to date" if self.was_migrated else ""
        if self._file is not None:
            connection.close()
            for ending in SQLITE_ENDINGS:
                self._file.with_name(self._file.name + ending).unlink(missing_ok=True)
        return ""

    @property
    def _file(self) -> Path | None:
        name = str(connection.settings_dict["NAME"])
        in_memory = name == ":memory:" or name.startswith("file:")
        return None if connection.vendor != "sqlite" or in_memory else Path(name)

    def _name(self) -> str:
        settings = connection.settings_dict
        if self._file is not None:
            return f"SQLite at {self._file}"
        return (
            f"{connection.display_name} {settings['NAME']} at {settings['HOST'] or 'this machine'}"
        )

    def _advice(self) -> str:
        if self._file is not None:
            return f"Can {self._file.parent} be written, and is the file a database of this site?"
        return (
            "Is the server running, and are host, port, name and password in DATABASE_URL right? "
            "Unset, the site keeps its data in a file of its own (SQLite)."
        )
