"""A provider that knows beforehand what will become of each question."""

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from tests.servers.openai_script import KEEP_ALIVE, Answer, Failure, Step
from tests.servers.openai_server import OpenAIServer, RecordedRequest

# No student may ever read it.
PROVIDERS_WORDS = "quota of org-7f3a with key sk-prov-1234 is used up"
PIECES = 40
PACE_SECONDS = 0.0125  # so an answer takes about half a second
# Of an answer that is held up: ten seconds at most.
DROPS_AFTER = 10  # pieces
TICK_SECONDS = 0.04
TICKS_PER_DROP = 8
WORDS = (
    *(
        "The ",
        "moon 🌕 ",
        "pulls ",
        "the water ",
        "up; ",
        "春潮",
        "每月",
        "两次",
        "。",
        " Sailors ",
    ),
    *("👩‍🚀🧑🏽‍🚀 ", "wait ", "for ", "**high** ", "water [1]", ".\n\n", "- neap: ", "小潮 🌓\n"),
    *("- spring: ", "大潮 🌑", "\n\n"),
)


@dataclass
class Plan:
    """What becomes of one question: a behaviour for each time it is sent, the last one for good."""

    behaviours: deque[Answer | Failure] = field(default_factory=deque)
    requests: list[RecordedRequest] = field(default_factory=list)


class Provider(OpenAIServer):
    """Answers by the plan for a question; without one, with the words for it."""

    def __init__(self) -> None:
        super().__init__()
        self.plans: dict[str, Plan] = {}

    def plan(self, question: str, *behaviours: Answer | Failure) -> Plan:
        self.plans[question] = plan = Plan(deque(behaviours or [answer(question)]))
        return plan

    async def _reply(self, request: web.Request, record: RecordedRequest) -> web.StreamResponse:
        question = record.body["messages"][-1]["content"]
        plan = self.plans.get(question) or self.plan(question)
        plan.requests.append(record)
        behaviour = plan.behaviours.popleft()
        if not plan.behaviours:
            plan.behaviours.append(behaviour)
        if isinstance(behaviour, Failure):
            return web.json_response(
                behaviour.body, status=behaviour.status, headers=behaviour.headers
            )
        if not behaviour.steps:
            await asyncio.Event().wait()  # until the client leaves
        return await self._stream(request, record, behaviour)


def pieces(question: str, count: int = PIECES) -> list[str]:
    """The words of the answer to a question: of every plane of Unicode, and its own."""
    return [f"{question} ", *(WORDS[n % len(WORDS)] for n in range(count - 1))]


def whole(question: str, count: int = PIECES) -> str:
    return "".join(pieces(question, count))


def answer(question: str, *, pace_seconds: float = PACE_SECONDS, count: int = PIECES) -> Answer:
    return Answer(_halved(pieces(question, count)), pace_seconds=pace_seconds)


def broken(question: str, step, *, after: int, pace_seconds: float = PACE_SECONDS) -> Answer:
    """An answer to which `step` happens after so many pieces."""
    return Answer([*pieces(question)[:after], step], pace_seconds=pace_seconds)


def held(question: str, is_over: Callable[[], bool]) -> Answer:
    """An answer that has begun, and comes to its end when something is over: drop by drop."""
    return Answer(_drops(pieces(question), is_over), pace_seconds=TICK_SECONDS)


def _drops(words: Sequence[str], is_over: Callable[[], bool]) -> Iterator[str | Step]:
    yield from words[:DROPS_AFTER]
    for word in words[DROPS_AFTER:]:
        for _ in range(TICKS_PER_DROP):
            if not is_over():
                yield KEEP_ALIVE
        yield word


HANGING = Answer([])  # not even a first byte


def refusal(status: int, **headers: str) -> Failure:
    return Failure(status, {"error": {"message": PROVIDERS_WORDS, "type": "error"}}, headers)


def _halved(words: Sequence[str]) -> list[str]:
    """Some providers cut a character beyond U+FFFF in two, and send the halves one by one."""
    before, moon, after = words[2].partition("🌕")
    high, low = struct.unpack("<HH", moon.encode("utf-16-le"))
    return [*words[:2], before + chr(high), chr(low) + after, *words[3:]]
