"""A real site with its provider and its Langfuse, twenty students, and what its database holds."""

import asyncio
import re
import socket
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.students import Heard, Student
from tests.servers.langfuse_server import LangfuseServer
from tests.servers.openai_script import Answer
from tests.servers.openai_server import OpenAIServer, RecordedRequest
from tests.servers.prepared import STUDENTS
from tests.servers.site import running_site


class Tutor(OpenAIServer):
    """Answers each question with words of its own, in whatever order they come."""

    def __init__(self):
        super().__init__()
        self.asked: dict[str, RecordedRequest] = {}

    async def _reply(self, request, record):
        question = record.body["messages"][-1]["content"]
        self.asked[question] = record
        if not self._script:
            words = re.findall(r"\S+\s*", words_for(question))
            return await self._stream(request, record, Answer(words))
        return await super()._reply(request, record)


def words_for(question: str) -> str:
    return f"You asked: {question} The moon 🌕 pulls the water up, 春潮 comes twice a month [1]."


class Langfuse(LangfuseServer):
    """One that can be gone: its port refuses connections, and nobody else gets it meanwhile."""

    def goes_away(self) -> None:
        self._run(self._runner.cleanup())
        self._placeholder = socket.socket()  # bound, but it does not listen
        self._placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._placeholder.bind((self.host, self.port))

    def comes_back(self) -> None:
        self._placeholder.close()
        self._run(self._start())

    def _run(self, coroutine) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


@dataclass
class Turn:
    """One question of the traffic: what was heard of it, and what the database says."""

    conversation: str
    heard: Heard
    text: str
    status: str
    trace_id: str

    @property
    def question(self) -> str:
        return self.heard.question


@dataclass
class Site:
    url: str
    data: Path
    openai: Tutor
    langfuse: Langfuse

    def __post_init__(self):
        self.students = [Student(self.url, f"student{number}") for number in range(STUDENTS)]
        port = self.url.rsplit(":", 1)[1]
        found = subprocess.run(
            ["pgrep", "-f", f"daphne.* -p {port} "], check=True, capture_output=True, text=True
        )
        self.pid = int(found.stdout)

    def rows(self, query: str, *parameters) -> list[tuple]:
        return rows(self.data, query, *parameters)

    def thread_count(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^Threads:\s+(\d+)$", status, re.MULTILINE)[1])

    def turns(self, topic: str, *, each: int) -> list[Turn]:
        """Let every student ask `each` questions in a conversation of their own, all at once."""
        conversations = [student.opens_conversation("tides") for student in self.students]

        async def traffic() -> list[list[Heard]]:
            return await asyncio.gather(
                *(
                    student.asks(
                        conversation,
                        [f"Why are there tides, {topic} {place} {n}?" for n in range(each)],
                    )
                    for place, (student, conversation) in enumerate(
                        zip(self.students, conversations, strict=True)
                    )
                )
            )

        heard = asyncio.run(traffic())
        return [
            Turn(conversation, one, *self._answer(one.question))
            for conversation, of_conversation in zip(conversations, heard, strict=True)
            for one in of_conversation
        ]

    def _answer(self, question: str) -> tuple[str, str, str]:
        [answer] = self.rows(
            "SELECT answer.text, answer.status, answer.trace_id FROM learning_message answer "
            "JOIN learning_message asked ON answer.reply_to_id = asked.id WHERE asked.text = ?",
            question,
        )
        return answer

    def export_states(self, turns: Collection[Turn]) -> Counter[str]:
        """How many of the traces of these turns are in which state."""
        places = ", ".join("?" * len(turns))
        states = dict(
            self.rows(
                f"SELECT id, export_state FROM tracing_tracerecord WHERE id IN ({places})",
                *(turn.trace_id for turn in turns),
            )
        )
        return Counter(states.get(turn.trace_id, "no row yet") for turn in turns)


def rows(data: Path, query: str, *parameters) -> list[tuple]:
    with closing(sqlite3.connect(data / "coursetrace.sqlite3", timeout=20)) as database, database:
        return database.execute(query, parameters).fetchall()


def eventually(condition: Callable[[], Any], timeout_seconds: float = 60.0) -> Any:
    """Return the first true value of `condition()`, tried until the time is up."""
    deadline = time.monotonic() + timeout_seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_seconds} s"
        time.sleep(0.1)
    return value


@contextmanager
def hurried_site(data: Path, openai: Tutor, langfuse: Langfuse) -> Iterator[Site]:
    """Serve what is in `data`, with the settings of `settings.py` beside this file."""
    with running_site(
        data,
        DJANGO_SETTINGS_MODULE="tests.faults.settings",
        OPENAI_BASE_URL=openai.url,
        LANGFUSE_HOST=langfuse.url,
        LANGFUSE_PUBLIC_KEY=langfuse.public_key,
        LANGFUSE_SECRET_KEY=langfuse.secret_key,
    ) as url:
        yield Site(url, data, openai, langfuse)
