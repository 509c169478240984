"""Two thousand turns on a real site, with something going wrong in each of them.

FAULT_TURNS and FAULT_SEED in the environment choose another number and another order.
"""

import asyncio
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from tests.faults.crowd import CROWD, Crowd, Desk, Stored, now, prepare_crowd, seat, stored
from tests.faults.disasters import DISASTERS, restarts_redis
from tests.faults.faults import FAULTS, LONG_FAULTS, Fault
from tests.faults.provider import PROVIDERS_WORDS, Provider
from tests.faults.site import eventually, rows
from tests.faults.summary import print_summary
from tests.faults.web import Webs, redis_program, running_webs

TURNS = int(os.environ.get("FAULT_TURNS", "2000"))
SEED = int(os.environ.get("FAULT_SEED", "5"))
SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.faults.turn_settings"}
SAVED_EVERY_SECONDS = 1.0
# For a machine that does much else:
SLACK_SECONDS = 0.7
STANDSTILLS = 0.01
TRACE_STATUS = {
    "complete": "ok",
    "stopped": "cancelled",
    "failed": "error",
    "interrupted": "interrupted",
}


async def let_all_ask(crowd: Crowd) -> None:
    """Deal every fault equally often: a hand of single ones, then all together a disaster."""
    chance = Random(SEED)
    possible = [d for d in DISASTERS if crowd.webs.redis or d is not restarts_redis]
    rounds = max(1, round(TURNS / (len(FAULTS) + len(possible)) / CROWD))
    disasters = [d for _ in range(rounds) for d in chance.sample(possible, len(possible))]
    deck = [FAULTS[n % len(FAULTS)] for n in range(TURNS - CROWD * len(disasters))]
    chance.shuffle(deck)
    for number, disaster in enumerate(disasters):
        await deal(crowd, deck[number :: len(disasters)], chance)
        await disaster(crowd, chance)
    await asyncio.gather(crowd.starting, *crowd.loose_ends)
    await asyncio.gather(*(desk.leaves() for desk in crowd.desks))


async def deal(crowd: Crowd, hand: list[Fault], chance: Random) -> None:
    """Let every student take a fault from the hand, and the next, until there is none left."""
    hand.sort(key=lambda fault: fault in LONG_FAULTS)  # those are taken first

    async def ask(desk: Desk) -> None:
        while hand:
            await crowd.careful(ask_once(crowd, desk, hand.pop(), chance), desk)

    await asyncio.gather(*map(ask, crowd.desks))


async def ask_once(crowd: Crowd, desk: Desk, fault: Fault, chance: Random) -> None:
    await desk.ready_tab()
    asked = crowd.new(fault.__name__, desk)
    await fault(crowd, desk, asked, chance)
    asked.done_at = now()


@pytest.fixture(scope="module")
def crowd(module_data) -> Iterator[Crowd]:
    """All of them, when it is over; the site still runs."""
    prepare_crowd(module_data)
    has_redis = bool(shutil.which("redis-server"))
    with (
        Provider() as provider,
        running_webs(
            module_data, has_redis=has_redis, OPENAI_BASE_URL=provider.url, **SETTINGS
        ) as webs,
    ):
        crowd = Crowd(webs, provider, seat(webs))
        began = time.monotonic()
        asyncio.run(let_all_ask(crowd))
        print(f"\n{len(crowd.asked)} turns, seed {SEED}, {time.monotonic() - began:.0f} s")
        print_summary(crowd)
        yield crowd


@pytest.fixture(scope="module")
def found(crowd) -> dict[str, list[Stored]]:
    """What is stored of all, when those have been swept that a dead process left."""
    try:
        eventually(lambda: not running(crowd.webs), timeout_seconds=15)
    except AssertionError:
        print("still running:", running(crowd.webs))
    return stored(crowd.webs.data)


def running(webs: Webs) -> list[tuple]:
    return rows(
        webs.data,
        "SELECT 'answer', id FROM learning_message WHERE status = 'running' "
        "UNION SELECT 'trace', id FROM tracing_tracerecord WHERE status = 'running'",
    )


def wrong(several: list[str]) -> str:
    """The first of them, for a person."""
    return "\n".join([f"{len(several)} times:", *several[:10]])


def test_every_fault_came_and_every_student_got_through(crowd):
    assert crowd.troubles == []
    assert len(crowd.asked) == TURNS
    kinds = Counter(asked.fault for asked in crowd.asked)
    assert max(kinds.values()) <= 1.2 * min(kinds.values()) + CROWD
    struck = Counter(asked.fault for asked in crowd.asked if asked.strikes)
    for fault, number in kinds.items():
        assert struck[fault] > 0.7 * number, (fault, struck[fault])


def test_every_tab_shows_what_is_stored(crowd, found):
    different = []
    for asked in crowd.asked:
        [kept, *_] = found[asked.id]
        assert asked.shown, asked
        for tab, shown in asked.shown:
            if (shown.text, shown.status) != (kept.text, kept.status):
                different.append(
                    f"{asked.id} {asked.fault}: stored {kept.status} {len(kept.text)} letters, "
                    f"shown {shown.status} {len(shown.text)}: {tab}"
                )
    assert not different, wrong(different)


def test_no_letter_is_shown_twice_taken_back_or_changed(crowd):
    tabs = [tab for desk in crowd.desks for tab in desk.tabs]
    troubles = [f"{tab.student.name}: {trouble}" for tab in tabs for trouble in tab.all_troubles]
    assert not troubles, wrong(troubles)
    taken_back = [
        f"{asked.id} {asked.fault}: {shown.taken_back} letters"
        for asked in crowd.asked
        for _, shown in asked.shown
        if shown.taken_back and not asked.died_at
    ]
    assert not taken_back, wrong(taken_back)


def test_what_is_stored_is_what_the_provider_said(crowd, found):
    different = []
    for asked in crowd.asked:
        [kept, *_] = found[asked.id]
        is_whole = kept.status == "complete"
        if not asked.whole.startswith(kept.text) or (is_whole and kept.text != asked.whole):
            different.append(f"{asked.id} {asked.fault} {kept.status}: {kept.text!r}")
    assert not different, wrong(different)


def test_no_turn_is_left_running(crowd, found):
    assert running(crowd.webs) == []


def test_every_turn_ended_as_its_fault_lets_it_end(crowd, found):
    different = [
        f"{asked.id} {asked.fault}: {found[asked.id][0].status}, not {set(asked.ends)}"
        for asked in crowd.asked
        if found[asked.id][0].status not in asked.ends
    ]
    # On a machine that stands still for seconds, the short time-outs of this site strike too.
    assert len(different) <= STANDSTILLS * TURNS, wrong(different)


def test_no_question_is_lost_and_none_is_answered_twice(crowd, found):
    assert set(found) == {asked.id for asked in crowd.asked}
    for asked in crowd.asked:
        [kept] = found[asked.id]
        assert kept.conversation == asked.conversation.replace("-", "")
        assert {shown.turn.replace("-", "") for _, shown in asked.shown} == {kept.turn}


def test_after_a_kill_all_but_the_last_second_is_there(crowd, found):
    missing, killed = [], [asked for asked in crowd.asked if asked.died_at]
    for asked in killed:
        kept = found[asked.id][0].text
        for _, shown in asked.shown:
            must = shown.length_at(asked.died_at - SAVED_EVERY_SECONDS - SLACK_SECONDS)
            if len(kept) < must:
                missing.append(f"{asked.id}: {len(kept)} letters stored, {must} were shown")
    assert killed and not missing, wrong(missing)
    assert any(shown.lengths for asked in killed for _, shown in asked.shown)


def test_every_turn_has_a_trace_that_ended_like_it(crowd, found):
    different = []
    for asked in crowd.asked:
        [kept, *_] = found[asked.id]
        if kept.trace_status != TRACE_STATUS.get(kept.status):
            different.append(f"{asked.id} {asked.fault}: {kept.status}, trace {kept.trace_status}")
    assert not different, wrong(different)


def test_no_student_reads_what_a_provider_says(crowd):
    said = [
        str(frame)
        for desk in crowd.desks
        for tab in desk.tabs
        for frame in tab.frames
        if any(word in str(frame) for word in (PROVIDERS_WORDS, "org-7f3a", "sk-prov"))
    ]
    assert not said, wrong(said)


def test_the_provider_is_not_left_writing_for_a_turn_that_was_stopped(crowd):
    stopped = [asked for asked in crowd.asked if asked.stop_seconds is not None]
    open_still = [
        asked.id for asked in stopped if asked.plan.requests[-1].closed_by_client_at is None
    ]
    assert stopped and not open_still, wrong(open_still)


def test_it_was_done_by_two_processes_with_redis_between_them(crowd):
    redis_program()
    assert crowd.webs.a is not crowd.webs.b
    assert any(asked.fault == "restarts_redis" for asked in crowd.asked)
