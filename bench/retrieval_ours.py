"""Our search in a process of its own: everything between a student's question and ten passages.

Called as a turn calls it: inside the turn's trace, with the chapters that this student may read.
What counts is the time of `search` itself: the query for the active index, tracing and the way to
the compute thread and back are in it.
"""

import time

from bench import site
from bench.retrieval_way import TOP


class Ours:
    """Asked by itself or by many; `load` first."""

    def __init__(self):
        site.start()

    async def load(self, collection: str) -> None:
        """Do what a server does before its first student."""
        from asgiref.sync import sync_to_async

        from learning.models import Chapter
        from rag.loaded import warm_up

        chapters = Chapter.objects.filter(course__slug=collection)
        self.collection = collection
        self.keys = {str(pk) async for pk in chapters.values_list("pk", flat=True)}
        await sync_to_async(warm_up, thread_sensitive=False)()
        site.warmed_up()

    async def ask(self, question: str, answered=None) -> float:
        """Return the milliseconds that one question takes; its trace ends after `answered()`."""
        from rag.search import search
        from tracing import trace

        async with trace(
            "ai_chat",
            user_id="user-1",
            session_id="conversation-1",
            tags=["assistant", "course", f"course:{self.collection}"],
            input={"user_message": question},
        ):
            began = time.perf_counter()
            found = await search(question, collection=self.collection, keys=self.keys, limit=TOP)
            took = (time.perf_counter() - began) * 1000
            if answered is not None:
                await answered()
        if len(found) != TOP:
            raise RuntimeError(f"search found {len(found)} passages")
        return took
