"""One at a time: who begins, switches, removes or sweeps index versions."""

from django.db import connection


def hold_versions() -> None:
    """Wait until nobody else is in a transaction that called this; inside a transaction.

    PostgreSQL lets two transactions look before either writes; SQLite has one writer at a time,
    and every transaction here begins as one.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('rag_indexversion'))")
