"""Forty students at once, each with one thing at a time going wrong, and what came of each turn."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.faults.provider import PIECES, Plan, Provider, whole
from tests.faults.shown import Shown
from tests.faults.site import rows
from tests.faults.students import Student
from tests.faults.tab import Tab
from tests.faults.web import Web, Webs
from tests.servers.site import prepare_site

CROWD = 40
CONVERSATIONS = 16  # of each student
TURNS_PER_CONVERSATION = 6
MOST_TROUBLES = 20  # after so many, no more are looked for

MORE_STUDENTS = f"""
from learning.models import Conversation, Course, Enrolment, User
course = Course.objects.get()
for number in range({CROWD}):
    user = User.objects.create_user(f"one{{number}}", password=f"one{{number}}")
    Enrolment.objects.create(user=user, course=course)
    Conversation.objects.bulk_create(
        Conversation(user=user, course=course) for _ in range({CONVERSATIONS})
    )
"""


def prepare_crowd(data: Path) -> None:
    settings = {"DJANGO_SETTINGS_MODULE": "tests.faults.settings"}
    prepare_site(data, [["shell", "-v", "0", "-c", MORE_STUDENTS]], **settings)


@dataclass
class Asked:
    """One question of the two thousand, what was done to its turn, and what every tab showed."""

    number: int
    fault: str
    desk: "Desk" = field(repr=False)
    conversation: str
    plan: Plan
    text: str  # the question
    shown: list[tuple[Tab, Shown]] = field(default_factory=list)
    ends: frozenset[str] = frozenset({"complete"})  # how it may end
    died_at: float = 0.0  # when the process that ran it was killed
    stop_seconds: float | None = None
    was_stopped_elsewhere: bool = False
    strikes: int = 0  # how often the fault really came to it in mid-answer
    count: int = PIECES
    asked_at: float = field(default_factory=time.monotonic)
    done_at: float = 0.0

    @property
    def id(self) -> str:
        return f"ask {self.number}"

    @property
    def whole(self) -> str:
        return whole(self.text, self.count)


@dataclass
class Stored:
    """What the database says of one question."""

    turn: str
    conversation: str
    text: str
    status: str
    trace_status: str | None


class Desk:
    """Where one student sits: conversations, one after the other, and a process to begin with."""

    def __init__(self, student: Student, conversations: Sequence[str], webs: Webs, place: int):
        self.student = student
        self.webs = webs
        self.place = place
        self.tab: Tab | None = None
        self.tabs: list[Tab] = []  # all there ever were
        self._conversations = iter(conversations)
        self._asked = 0

    def processes(self) -> tuple[Web, Web]:
        """The one this student begins with, and the other one."""
        here = self.webs.processes[self.place % len(self.webs.processes)]
        return here, self.webs.others(here)

    def urls(self, first: Web | None = None) -> list[str]:
        first = first or self.processes()[0]
        return list(dict.fromkeys([first.url, self.webs.others(first).url]))

    async def ready_tab(self) -> Tab:
        """A tab on the conversation that is going on, or on a new one."""
        if self.tab is None or self._asked >= TURNS_PER_CONVERSATION:
            await self.leaves()
            self.tab = Tab(self.student, next(self._conversations), self.urls())
            self.tabs.append(self.tab)
            await self.tab.open()
            self._asked = 0
        self._asked += 1
        return self.tab

    async def leaves(self) -> None:
        """Close the tab; the next question is asked in a new conversation."""
        tab, self.tab = self.tab, None
        if tab is not None:
            await tab.close()


@dataclass
class Crowd:
    webs: Webs
    provider: Provider
    desks: list[Desk]
    asked: list[Asked] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    loose_ends: list[asyncio.Task] = field(default_factory=list)
    starting: Awaitable = field(default_factory=lambda: asyncio.sleep(0))  # a lost process
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    async def careful(self, work: Coroutine, desk: Desk) -> Any:
        """Do it; what goes wrong with one student is noted, and the others go on."""
        try:
            return await work
        except Exception as error:
            asked = next((a for a in reversed(self.asked) if a.desk is desk), None)
            what = f"{asked.id} {asked.fault}" if asked else "nothing asked"
            self.troubles.append(f"{what}: {type(error).__name__}: {error}")
            print(f"{datetime.now(UTC):%H:%M:%S}", self.troubles[-1], flush=True)
            assert len(self.troubles) < MOST_TROUBLES, "\n".join(self.troubles)
            await desk.leaves()
            return None

    def new(self, fault: str, desk: Desk) -> Asked:
        number = next(self._numbers)
        text = f"Why are there tides, case {number}?"
        plan = self.provider.plan(text)
        asked = Asked(number, fault, desk, desk.tab.conversation, plan, text)
        self.asked.append(asked)
        return asked


def seat(webs: Webs) -> list[Desk]:
    """Log everybody in, each at one of the processes."""
    of: dict[str, list[str]] = {}
    for name, conversation in rows(
        webs.data,
        "SELECT u.username, c.id FROM learning_conversation c JOIN learning_user u "
        "ON c.user_id = u.id WHERE u.username LIKE 'one%'",
    ):
        text = str(conversation)
        dashed = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
        of.setdefault(name, []).append(dashed)

    def sit(place: int) -> Desk:
        name = f"one{place}"
        url = webs.processes[place % len(webs.processes)].url
        return Desk(Student(url, name), of[name], webs, place)

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(sit, range(CROWD)))


def stored(data: Path) -> dict[str, list[Stored]]:
    """What is in the database of every question, by its ask id."""
    found: dict[str, list[Stored]] = {}
    for ask_id, *fields in rows(
        data,
        "SELECT asked.ask_id, answer.id, asked.conversation_id, answer.text, answer.status, "
        "trace.status FROM learning_message asked "
        "LEFT JOIN learning_message answer ON answer.reply_to_id = asked.id "
        "LEFT JOIN tracing_tracerecord trace ON trace.id = answer.trace_id "
        "WHERE asked.role = 'user'",
    ):
        found.setdefault(ask_id, []).append(Stored(*fields))
    return found


def now() -> float:
    return time.monotonic()
