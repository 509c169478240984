"""What can go wrong with one turn: each function asks a question, and does harm to its answer."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from random import Random

from tests.faults import provider
from tests.faults.crowd import Asked, Crowd, Desk, now
from tests.faults.shown import Shown
from tests.faults.tab import Tab
from tests.servers.openai_script import CLOSE, CUT, WAIT

Fault = Callable[[Crowd, Desk, Asked, Random], Awaitable[None]]
PATIENCE_SECONDS = 40.0


async def begins(asked: Asked, tab: Tab, *, times: int = 1) -> Shown:
    """Ask until there is a turn: as long as an earlier answer is being written, there is none."""
    while True:
        await tab.ask(asked.id, asked.text, times=times)
        await tab.until(lambda: tab.answer_to(asked.id) or tab.refusal, PATIENCE_SECONDS)
        if tab.answer_to(asked.id):
            return await sees(asked, tab)
        assert tab.refusal["code"] == "busy", tab.refusal
        await asyncio.sleep(0.2)


async def sees(asked: Asked, tab: Tab) -> Shown:
    """Wait until this tab has heard of the turn, and remember what it shows of it."""
    shown = await tab.until(lambda: tab.answer_to(asked.id), PATIENCE_SECONDS)
    asked.shown.append((tab, shown))
    return shown


async def ends(tab: Tab, *several: Shown) -> None:
    await tab.until(lambda: all(shown.has_ended for shown in several), PATIENCE_SECONDS)


async def reaches(tab: Tab, shown: Shown, share: float, asked: Asked) -> None:
    """Wait until so much of the answer is shown, and note whether more of it is to come."""
    enough = max(1, int(share * len(asked.whole)))
    await tab.until(lambda: len(shown.text) >= enough or shown.has_ended, PATIENCE_SECONDS)
    asked.strikes += not shown.has_ended


async def drops_the_socket(crowd: Crowd, desk: Desk, asked: Asked, chance: Random) -> None:
    """In mid-answer, once or twice; back at the same process, or at the other."""
    tab = desk.tab
    shown = await begins(asked, tab)
    for share in sorted(chance.uniform(0.02, 0.7) for _ in range(chance.choice([1, 1, 2]))):
        await reaches(tab, shown, share, asked)
        tab.loses_its_connection(desk.urls(chance.choice(desk.processes())))
    await ends(tab, shown)


async def opens_two_tabs(crowd: Crowd, desk: Desk, asked: Asked, chance: Random) -> None:
    """One in each process, the second before the question or in mid-answer."""
    tab, other = desk.tab, Tab(desk.student, asked.conversation, desk.urls(desk.processes()[1]))
    desk.tabs.append(other)
    if is_early := chance.random() < 0.5:
        await other.open()
    shown = await begins(asked, tab)
    if not is_early:
        await reaches(tab, shown, chance.uniform(0.02, 0.6), asked)
        await other.open()
        # The page that a new tab loads holds what was said by then.
        await other.looks_again()
    await ends(other, await sees(asked, other))
    await ends(tab, shown)
    asked.strikes += 1
    await other.close()


async def reads_slowly(crowd: Crowd, desk: Desk, asked: Asked, chance: Random) -> None:
    """With a small buffer and long pauses, an answer of common length or a very long one."""
    if chance.random() < 0.25:
        asked.count = 2000
        asked.plan = crowd.provider.plan(
            asked.text, provider.answer(asked.text, pace_seconds=0.0005, count=asked.count)
        )
    pause = chance.uniform(0.02, 0.15)
    slow = Tab(desk.student, asked.conversation, desk.urls(), pause_per_frame_seconds=pause)
    desk.tabs.append(slow)
    async with slow:
        shown = await begins(asked, slow)
        asked.strikes += not shown.has_ended
        await ends(desk.tab, await sees(asked, desk.tab))
        await ends(slow, shown)


async def provider_cuts(crowd: Crowd, desk: Desk, asked: Asked, chance: Random) -> None:
    asked.ends = frozenset({"failed"})
    step = chance.choice([CUT, CUT, CLOSE])
    plan = provider.broken(asked.text, step, after=chance.randrange(2, 38))
    asked.plan = crowd.provider.plan(asked.text, plan)
    await ends(desk.tab, await begins(asked, desk.tab))
    asked.strikes += 1


async def provider_answers_500(crowd: Crowd, desk: Desk, asked: Asked, chance: Random) -> None:
    refusals = [provider.refusal(500)] * chance.choice([1, 1, 2])
    asked.plan = crowd.provider.plan(asked.text, *refusals, provider.answer(asked.text))
    await ends(desk.tab, await begins(asked, desk.tab))
    asked.strikes += len(asked.plan.requests) > 1


async def provider_answers_429(crowd: Crowd, desk: Desk, asked: Asked, chance: Random) -> None:
    """It wants a second of patience, or so much that the answer is given up at once."""
    wanted = chance.choice(["1", "1", "1", "3600"])
    if wanted == "3600":
        asked.ends = frozenset({"failed"})
    asked.plan = crowd.provider.plan(
        asked.text,
        provider.refusal(429, **{"Retry-After": wanted}),
        provider.answer(asked.text),
    )
    await ends(desk.tab, await begins(asked, desk.tab))
    asked.strikes += 1


async def provider_hangs(crowd: Crowd, desk: Desk, asked: Asked, chance: Random) -> None:
    """Before the first word."""
    asked.ends = frozenset({"failed"})
    asked.plan = crowd.provider.plan(asked.text, provider.HANGING)
    await ends(desk.tab, await begins(asked, desk.tab))
    asked.strikes += len(asked.plan.requests) > 0


async def provider_falls_silent(crowd: Crowd, desk: Desk, asked: Asked, chance: Random) -> None:
    """In mid-answer, with the connection open."""
    asked.ends = frozenset({"failed"})
    asked.plan = crowd.provider.plan(
        asked.text, provider.broken(asked.text, WAIT, after=chance.randrange(2, 38))
    )
    await ends(desk.tab, await begins(asked, desk.tab))
    asked.strikes += 1


async def presses_stop(crowd: Crowd, desk: Desk, asked: Asked, chance: Random) -> None:
    """In mid-answer: in the tab that asked, or in one that another process serves."""
    tab = desk.tab
    # Which does not end by itself: a tutor that is done cannot be stopped.
    plan = provider.held(asked.text, is_over=lambda: False)
    asked.plan = crowd.provider.plan(asked.text, plan)
    asked.ends = frozenset({"stopped"})
    async with AsyncExitStack() as stack:
        stopping = tab
        if chance.random() < 0.5:
            stopping = Tab(desk.student, asked.conversation, desk.urls(desk.processes()[1]))
            desk.tabs.append(stopping)
            await stack.enter_async_context(stopping)
        shown = await begins(asked, tab)
        await reaches(tab, shown, chance.uniform(0.02, 0.3), asked)
        seen = shown if stopping is tab else await sees(asked, stopping)
        pressed_at = now()
        await stopping.stop()
        await ends(stopping, seen)
        asked.stop_seconds = now() - pressed_at
        asked.was_stopped_elsewhere = stopping is not tab
        await ends(tab, shown)


async def asks_twice(crowd: Crowd, desk: Desk, asked: Asked, chance: Random) -> None:
    """With the same id: in one tab, or at the same moment in two, each in a process of its own."""
    tab = desk.tab
    if chance.random() < 0.5:
        shown = await begins(asked, tab, times=2)
    else:
        other = Tab(desk.student, asked.conversation, desk.urls(desk.processes()[1]))
        desk.tabs.append(other)
        async with other:
            shown, others = await asyncio.gather(begins(asked, tab), begins(asked, other))
            await ends(other, others)
    asked.strikes += 1
    await ends(tab, shown)


async def closes_the_tab(crowd: Crowd, desk: Desk, asked: Asked, chance: Random) -> None:
    """For good, as soon as the question is sent; a while later the student comes back."""
    await desk.tab.ask(asked.id, asked.text)
    if chance.random() < 0.5:
        desk.tab.loses_its_connection(desk.urls())
    await desk.tab.close()
    await asyncio.sleep(chance.uniform(0.0, 1.2))
    asked.strikes += 1
    desk.tab = Tab(desk.student, asked.conversation, desk.urls(chance.choice(desk.processes())))
    desk.tabs.append(desk.tab)
    await desk.tab.open()
    await ends(desk.tab, await begins(asked, desk.tab))


FAULTS: tuple[Fault, ...] = (
    drops_the_socket,
    opens_two_tabs,
    reads_slowly,
    provider_cuts,
    provider_answers_500,
    provider_answers_429,
    provider_hangs,
    provider_falls_silent,
    presses_stop,
    asks_twice,
    closes_the_tab,
)
LONG_FAULTS = (provider_hangs, provider_falls_silent)
