"""What pgvector needs in the database: the extension, a column, and an index for each dimension.

Not a migration: who searches in memory keeps a database without it, and who installs pgvector
later needs no migration run a second time. Every step may be repeated.
"""

from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext as _

OLDEST = (0, 8)  # the first whose index scans go on until enough passages pass the filter
MOST_DIMENSIONS = 2_000  # of what HNSW takes
# While an index is built. A vector of 384 dimensions takes 1.7 kB; what does not fit is slow.
BUILD_MEMORY = "512MB"


def problem() -> str:
    """Say in words what keeps this database from searching vectors, and what to do; "": nothing."""
    if connection.vendor != "postgresql":
        return _(
            "The pgvector store needs PostgreSQL, and DATABASE_URL names none. Set it, or let "
            'RAG["STORE"] be rag.stores.exact.ExactStore.'
        )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT installed_version, default_version FROM pg_available_extensions"
            " WHERE name = 'vector'"
        )
        installed, available = cursor.fetchone() or (None, None)
    if not available:
        return _(
            "This PostgreSQL has no pgvector. Install its package on the database server (Debian "
            "and Ubuntu: postgresql-17-pgvector, by the server's version), then run: "
            "manage.py reindex"
        )
    if _numbers(installed or available) < OLDEST:
        return _(
            "pgvector %(version)s is too old, 0.8 is needed. Install a newer package, then run in "
            "this database: ALTER EXTENSION vector UPDATE;"
        ) % {"version": installed or available}
    if not installed and not _may_create():
        return _(
            "pgvector is not switched on in this database, and its user may not do so. As a "
            "superuser run in it: CREATE EXTENSION vector;"
        )
    return ""


def has_column() -> bool:
    """Say whether the column that is searched is there."""
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_attribute WHERE attrelid = 'rag_chunkvector'::regclass"
            " AND attname = 'embedding' AND NOT attisdropped"
        )
        return cursor.fetchone() is not None


def add_column() -> None:
    """Add the column that is searched, unless it is there."""
    if has_column():
        return
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
        # In the row itself: a scan would otherwise fetch each vector from another table.
        cursor.execute(
            "ALTER TABLE rag_chunkvector ADD COLUMN IF NOT EXISTS embedding vector STORAGE MAIN"
        )


def add_index(dimension: int) -> None:
    """Index the vectors of one dimension, unless they are. Takes minutes for 100,000.

    Searches go on meanwhile; another reindex waits.
    """
    name = f"rag_chunkvector_hnsw_{dimension}"
    if dimension > MOST_DIMENSIONS or _has_index(name):
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])
        cursor.execute("SELECT set_config('maintenance_work_mem', %s, true)", [BUILD_MEMORY])
        # Its helpers would share that memory through /dev/shm, of which a container has 64 MB.
        cursor.execute("SET LOCAL max_parallel_maintenance_workers = 0")
        cursor.execute(
            f"CREATE INDEX IF NOT EXISTS {name} ON rag_chunkvector"
            f" USING hnsw ((embedding::vector({dimension:d})) vector_ip_ops)"
            f" WHERE dimension = {dimension:d}"
        )


def _has_index(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
        return cursor.fetchone()[0]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _may_create() -> bool:
    """Say whether this user may switch the extension on, by doing so for a moment."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION vector")
            transaction.set_rollback(True)
    except DatabaseError:
        return False
    return True
