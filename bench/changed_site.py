"""The product's application with one thing changed, for what can be measured in no other way.

BENCH_CHANGE=no_search: a turn's search finds nothing, at once.
BENCH_CHANGE=slow_query: the first query whose parameters hold a certain mark takes two seconds.
"""

import os
import re
import time

from bench.streaming_site import QUERY_SECONDS, SLOW_QUERY
from config.asgi import application


def _no_search() -> None:
    from learning.turns import turn
    from rag.search import SearchResult

    async def search(question, **scope) -> SearchResult:
        return SearchResult([], is_weak=True)

    if not callable(turn.search):  # a name that has moved would make retrieval part of the figure
        raise RuntimeError("turn.search is not what is replaced")
    turn.search = search


def _slow_query() -> None:
    from django.db.backends.signals import connection_created

    marks: set[str] = set()

    def execute(run, sql, parameters, many, context):
        found = re.search(SLOW_QUERY + r"\d+", str(parameters))
        if found and found[0] not in marks:
            marks.add(found[0])
            time.sleep(QUERY_SECONDS)  # as a driver that waits: without the interpreter's lock
        return run(sql, parameters, many, context)

    def wrap(sender, connection, **kwargs) -> None:
        if execute not in connection.execute_wrappers:
            connection.execute_wrappers.append(execute)

    connection_created.connect(wrap, weak=False)


{"no_search": _no_search, "slow_query": _slow_query}[os.environ["BENCH_CHANGE"]]()

__all__ = ["application"]
