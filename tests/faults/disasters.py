"""What can go wrong with a whole site, while all its students are in the middle of an answer."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from random import Random

from tests.faults import provider
from tests.faults.crowd import Asked, Crowd, Desk, now
from tests.faults.faults import PATIENCE_SECONDS, begins, ends, sees
from tests.faults.shown import Shown
from tests.faults.tab import Tab
from tests.faults.web import Web

Disaster = Callable[[Crowd, Random], Awaitable[None]]
LOCKED_SECONDS = 2.0
BEFORE_THE_END_SECONDS = 2.0


async def locks_the_database(crowd: Crowd, chance: Random) -> None:
    """For two seconds: some are asking at that moment, some are being answered."""

    def lock() -> None:
        path = crowd.webs.data / "coursetrace.sqlite3"
        with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            loop.call_soon_threadsafe(locked.set)
            time.sleep(LOCKED_SECONDS)
            database.execute("ROLLBACK")

    async def one(desk: Desk, *, is_early: bool) -> None:
        tab = await desk.ready_tab()
        asked = crowd.new("locks_the_database", desk)
        if is_early:
            asked.plan = crowd.provider.plan(
                asked.text, provider.held(asked.text, is_over=locked.is_set)
            )
        else:
            await locked.wait()
            await asyncio.sleep(chance.uniform(0, LOCKED_SECONDS / 2))
        asked.strikes += 1
        shown = await begins(asked, tab)
        begun.append(asked)
        await ends(tab, shown)

    loop, locked = asyncio.get_running_loop(), asyncio.Event()
    begun: list[Asked] = []
    early = [desk.place % 3 > 0 for desk in crowd.desks]
    tasks = [
        asyncio.create_task(crowd.careful(one(desk, is_early=is_early), desk))
        for desk, is_early in zip(crowd.desks, early, strict=True)
    ]
    await _until(lambda: len(begun) >= sum(early) * 0.9)
    await asyncio.to_thread(lock)
    await asyncio.gather(*tasks)


async def restarts_redis(crowd: Crowd, chance: Random) -> None:
    """In mid-answer; every other student has a tab in the other process too."""
    redis, is_over = crowd.webs.redis, asyncio.Event()
    turns = await _everybody_in_mid_answer(crowd, "restarts_redis", is_over.is_set)

    def restart() -> None:
        redis.kill() if chance.random() < 0.5 else redis.terminate()
        loop.call_soon_threadsafe(is_over.set)  # some answers end before it is there again
        redis.start()

    loop = asyncio.get_running_loop()

    await asyncio.to_thread(restart)
    await asyncio.gather(*(crowd.careful(_all_end(tabs), desk) for desk, _, tabs in turns))


async def kills_a_process(crowd: Crowd, chance: Random) -> None:
    """With SIGKILL, in the middle of all answers; it is started again at once."""
    await _loses_a_process(crowd, chance, "kills_a_process", Web.kill)


async def terminates_a_process(crowd: Crowd, chance: Random) -> None:
    """With SIGTERM: it saves what it has of every answer, and ends."""
    await _loses_a_process(crowd, chance, "terminates_a_process", Web.terminate)


async def _loses_a_process(crowd: Crowd, chance: Random, name: str, loses: Callable) -> None:
    web = chance.choice(crowd.webs.processes)
    await crowd.starting  # of the one that was lost before
    turns = await _everybody_in_mid_answer(crowd, name, lambda: False, web)
    for _, asked, _ in turns:
        asked.ends = frozenset({"interrupted", "complete"})
        asked.died_at = now() if name == "kills_a_process" else 0.0
    await asyncio.to_thread(loses, web)
    crowd.starting = asyncio.create_task(asyncio.to_thread(web.start))
    for desk, _, tabs in turns:
        # The others learn within seconds that nobody writes this answer any more; meanwhile the
        # student goes on, in a new conversation.
        desk.tab = None
        waiting = asyncio.create_task(crowd.careful(_all_end(tabs, then_close=True), desk))
        crowd.loose_ends.append(waiting)


async def _everybody_in_mid_answer(
    crowd: Crowd, name: str, is_over: Callable[[], bool], web: Web | None = None
) -> list[tuple[Desk, Asked, list[tuple[Tab, Shown]]]]:
    """Let all ask at once, in one process or each in their own; return when all read."""

    async def one(desk: Desk) -> tuple[Desk, Asked, list[tuple[Tab, Shown]]]:
        tab = await desk.ready_tab()
        if web is not None and tab.urls[0] != web.url:
            tab.loses_its_connection(desk.urls(web))
            await tab.until(lambda: tab.is_ready)
        asked = crowd.new(name, desk)
        asked.plan = crowd.provider.plan(asked.text, provider.held(asked.text, is_over))
        tabs = [(tab, await begins(asked, tab))]
        if desk.place % 2:
            there = crowd.webs.others(web or desk.processes()[0])
            other = Tab(desk.student, asked.conversation, desk.urls(there))
            desk.tabs.append(other)
            await other.open()
            tabs.append((other, await sees(asked, other)))
        await tab.until(lambda: tabs[0][1].text, PATIENCE_SECONDS)
        return desk, asked, tabs

    found = await asyncio.gather(*(crowd.careful(one(desk), desk) for desk in crowd.desks))
    turns = [turn for turn in found if turn is not None]
    if web is not None:
        # So that there is a second of every answer that must be there after the kill.
        await asyncio.sleep(BEFORE_THE_END_SECONDS)
    for _, asked, tabs in turns:
        asked.strikes += not tabs[0][1].has_ended
    return turns


async def _all_end(tabs: list[tuple[Tab, Shown]], *, then_close: bool = False) -> None:
    for tab, shown in tabs:
        await ends(tab, shown)
    for tab, _ in tabs if then_close else tabs[1:]:
        await tab.close()


async def _until(condition: Callable[[], bool]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():  # noqa: ASYNC110 - what other tasks have done by now
                await asyncio.sleep(0.01)


DISASTERS: tuple[Disaster, ...] = (
    locks_the_database,
    restarts_redis,
    kills_a_process,
    terminates_a_process,
)
