"""Browsers that ask for much and read nothing, or little: what they cost, and what they get.

Under Daphne such a connection is cut (config/slow_readers.py); under uvicorn the tab's own queue
waits for it (learning/consumers.py).
"""

import asyncio
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.faults.raw_browser import RawBrowser
from tests.faults.site import Tutor, eventually, rows, words_for
from tests.faults.students import Student
from tests.servers.openai_script import Answer
from tests.servers.site import SERVERS, Server, running_server

BROWSERS = 6
LONG = [f"The {n}th tide of the year came in, and it went out again.\n\n" for n in range(800)]
ASKS_AGAIN = 25  # times, for 150 kB each: without a limit, 4 MB that nobody reads


@pytest.fixture(params=SERVERS)
def server(request, data, openai) -> Iterator[Server]:
    settings = {
        "OPENAI_BASE_URL": openai.url,
        "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
    }
    with running_server(data, request.param, **settings) as server:
        yield server


def resident_kb(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+)", status, re.MULTILINE)[1])


def long_answers(server: Server, openai: Tutor) -> list[tuple[Student, str]]:
    """Students with a conversation each that holds a long answer."""
    students = [Student(server.url, f"student{number}") for number in range(BROWSERS)]
    conversations = [student.opens_conversation("tides") for student in students]
    for student, conversation in zip(students, conversations, strict=True):
        openai._script.append(Answer(LONG))
        [heard] = asyncio.run(student.asks(conversation, ["Which tides were there?"]))
        assert heard.text == "".join(LONG)
    return list(zip(students, conversations, strict=True))


def read_all(chat: tuple[Student, str]) -> None:
    """Ask for the whole answer time and again, and read it."""
    with RawBrowser(*chat, buffer_bytes=2**20) as browser:
        for _ in range(ASKS_AGAIN):
            browser.sends(type="resume")
            while not any(frame["type"] == "turn.snapshot" for frame in browser.frames()):
                browser.read(2**20)


def read_nothing(browser: RawBrowser) -> None:
    with suppress(ConnectionError):  # cut, as it should be
        for _ in range(ASKS_AGAIN):
            browser.sends(type="resume")


def test_a_browser_that_never_reads_costs_no_megabyte_and_others_notice_nothing(server, openai):
    chats = long_answers(server, openai)
    with ThreadPoolExecutor(BROWSERS) as together:
        list(together.map(read_all, chats))  # what all of it costs with browsers that read
        before_kb = resident_kb(server)

        with ExitStack() as stack:
            idlers = [stack.enter_context(RawBrowser(*chat)) for chat in chats]
            list(together.map(read_nothing, idlers))
            if is_daphne := "daphne" in server.log.name:
                eventually(lambda: server.log.read_text().count("was cut off") == BROWSERS)
            else:
                time.sleep(3)  # what they asked for has been made by then
            other = Student(server.url, "student19")
            question = "Why are there tides, for one who reads?"
            [heard] = asyncio.run(other.asks(other.opens_conversation("tides"), [question]))
            cost_kb = (resident_kb(server) - before_kb) / BROWSERS
            print(f"{cost_kb:.0f} kB for each browser that never reads")
            assert not is_daphne or all(browser.is_cut() for browser in idlers)

    assert cost_kb <= 1024
    assert (heard.status, heard.text) == ("complete", words_for(question))


def test_a_browser_that_falls_behind_gets_all_of_a_long_answer(server, openai):
    student = Student(server.url, "student0")
    conversation = student.opens_conversation("tides")
    openai._script.append(Answer(LONG, pace_seconds=0.002))
    saved = "SELECT status, text FROM learning_message WHERE role = 'assistant'"

    with RawBrowser(student, conversation) as browser:
        browser.sends(type="ask", id="1", text="Which tides were there?")
        eventually(lambda: rows(server.log.parent, saved) == [("complete", "".join(LONG))])
        read_nothing(browser)
        if "daphne" in server.log.name:
            eventually(lambda: "was cut off" in server.log.read_text())
        connections, text = 1, slowly_read(browser)
    while text is None:
        connections += 1
        assert connections < 10, "cut off again and again"
        with RawBrowser(student, conversation) as browser:
            browser.sends(type="resume")
            text = slowly_read(browser)

    print(f"read within {connections} connections")
    assert text == "".join(LONG)
    assert connections == (2 if "daphne" in server.log.name else 1)


def slowly_read(browser: RawBrowser) -> str | None:
    """Read until there is a snapshot of the whole; None if the connection is cut before that."""
    with suppress(ConnectionError):
        while True:
            browser.read(2048)
            time.sleep(0.02)  # 100 kB a second
            for frame in browser.frames():
                if frame["type"] == "turn.snapshot":
                    assert frame["status"] == "complete"
                    return frame["text"]
    return None
