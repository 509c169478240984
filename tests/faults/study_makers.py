"""Makers that can be met in the middle: at the second chapter they wait until they may go on."""

import asyncio
import time

from django.conf import settings

from learning.models import StudyArtefact
from tests.learning.makers import FirstWords

WAITS_AT = "moon"
GO_ON = "go-on"  # a file in the folder of the site
GONE_THROUGH = "gone-through"  # another: the chapters that were begun with, a line each


def _begin(chapter) -> bool:
    """Note the chapter; return whether to wait in it."""
    with (settings.DATA_DIR / GONE_THROUGH).open("a") as note:
        note.write(f"{chapter.slug}\n")
    return chapter.slug == WAITS_AT


def _may_go_on() -> bool:
    return (settings.DATA_DIR / GO_ON).exists()


class Waiting(FirstWords):
    async def make(self, chapter, asker, known):
        is_to_wait = _begin(chapter)
        while is_to_wait and not _may_go_on():  # noqa: ASYNC110 - set by another process
            await asyncio.sleep(0.02)
        return await super().make(chapter, asker, known)


class Stubborn(FirstWords):
    """One that computes: whatever it is told, it does not look up."""

    kind = StudyArtefact.Kind.KNOWLEDGE_GRAPH

    async def make(self, chapter, asker, known):
        is_to_wait = _begin(chapter)
        while is_to_wait and not _may_go_on():
            time.sleep(0.02)  # noqa: ASYNC251 - that is what it is for
        return await super().make(chapter, asker, known)
