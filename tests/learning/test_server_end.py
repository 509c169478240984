"""A server that is told to end, or is killed, in the middle of answers: real processes and rows.

Each end is bounded by the server's own deadline; how long it took is printed.
"""

import asyncio
import signal
import socket
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.faults.raw_browser import RawBrowser
from tests.faults.site import STUDENTS, eventually, rows
from tests.faults.students import Student, ask, begin_answer, next_frame
from tests.servers.langfuse_server import LangfuseServer
from tests.servers.openai_script import WAIT
from tests.servers.openai_server import OpenAIServer
from tests.servers.site import SERVERS, Server, running_server

QUESTION = "What is a spring tide?"
FIRST_WORDS = "A spring tide is "
ANSWERS = "SELECT status, text FROM learning_message WHERE role = 'assistant'"
TRACES = "SELECT status FROM tracing_tracerecord WHERE name = 'ai_chat'"


@pytest.fixture
def openai() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        for _ in range(STUDENTS):
            server.answers(FIRST_WORDS, WAIT)
        yield server


@pytest.fixture
def langfuse() -> Iterator[LangfuseServer]:
    with LangfuseServer() as server:
        yield server


@pytest.fixture
def settings(openai, langfuse) -> dict[str, str]:
    """Where the site finds its provider and its Langfuse."""
    return {
        "OPENAI_BASE_URL": openai.url,
        "LANGFUSE_HOST": langfuse.url,
        "LANGFUSE_PUBLIC_KEY": langfuse.public_key,
        "LANGFUSE_SECRET_KEY": langfuse.secret_key,
        "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
    }


@contextmanager
def deaf_provider(*first_words: str) -> Iterator[str]:
    """A provider that says its first words and then neither reads nor writes nor closes."""
    chunks = "".join(
        f'data: {{"choices": [{{"index": 0, "delta": {{"content": "{text}"}}}}]}}\n\n'
        for text in first_words
    )
    reply = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n{chunks}".encode()
    kept = []
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return  # the test is over
                kept.append(connection)  # for good: nobody closes it
                connection.sendall(reply)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        listener.shutdown(socket.SHUT_RDWR)
    for connection in kept:
        connection.close()


@contextmanager
def locked(data: Path, seconds: float) -> Iterator[None]:
    """Keep every writer out of the database, for so long from now on."""
    with closing(
        sqlite3.connect(data / "coursetrace.sqlite3", isolation_level=None, check_same_thread=False)
    ) as database:
        database.execute("BEGIN IMMEDIATE")
        opening = threading.Timer(seconds, database.execute, ["ROLLBACK"])
        opening.start()
        try:
            yield
        finally:
            opening.join()


def end_amid_answers(server: Server, data: Path, *, lock_seconds: float = 0, signals: int = 1):
    """Let each student read the first words of an answer, then tell the server to end."""
    students = [Student(server.url, f"student{number}") for number in range(STUDENTS)]
    conversations = [student.opens_conversation("tides") for student in students]

    def end() -> float:
        for _ in range(signals - 1):
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        return server.end()

    async def go() -> float:
        async with AsyncExitStack() as tabs:
            for student, conversation in zip(students, conversations, strict=True):
                await begin_answer(student, conversation, QUESTION, tabs)
            if not lock_seconds:
                return await asyncio.to_thread(end)
            await asyncio.to_thread(eventually, lambda: len(begun(data)) == STUDENTS)
            with locked(data, lock_seconds):
                return await asyncio.to_thread(end)

    print(f"ended within {asyncio.run(go()):.2f} seconds")


def end_once(server: Server, name: str, *, has_heard: str) -> None:
    """Let a student ask, and tell the server to end when a frame of that type has come."""
    student = Student(server.url, name)
    conversation = student.opens_conversation("tides")

    async def go() -> float:
        async with student.tab(conversation) as tab:
            await ask(tab, QUESTION)
            while (await next_frame(tab))["type"] != has_heard:
                pass
            return await asyncio.to_thread(server.end)

    print(f"ended within {asyncio.run(go()):.2f} seconds")


def begun(data: Path) -> list[tuple]:
    """The answers whose first words are saved, and that have not ended."""
    return [row for row in rows(data, ANSWERS) if row == ("running", FIRST_WORDS)]


def assert_all_saved_and_traced(data: Path) -> None:
    assert Counter(rows(data, ANSWERS)) == {("interrupted", FIRST_WORDS): STUDENTS}
    assert Counter(rows(data, TRACES)) == {("interrupted",): STUDENTS}


@pytest.mark.parametrize("kind", SERVERS)
class TestToldToEnd:
    def test_saves_and_traces_every_answer_as_far_as_it_came(self, data, settings, kind):
        with running_server(data, kind, **settings) as server:
            end_amid_answers(server, data)
        assert_all_saved_and_traced(data)

    def test_saves_them_while_langfuse_hangs(self, data, settings, langfuse, kind):
        langfuse.hangs()
        with running_server(data, kind, **settings) as server:
            end_amid_answers(server, data)
        assert_all_saved_and_traced(data)

    def test_saves_them_from_a_provider_that_ignores_the_close(self, data, settings, kind):
        with (
            deaf_provider(FIRST_WORDS) as url,
            running_server(data, kind, **settings | {"OPENAI_BASE_URL": url}) as server,
        ):
            end_amid_answers(server, data)
        assert_all_saved_and_traced(data)

    def test_saves_them_when_it_is_told_again(self, data, settings, kind):
        with running_server(data, kind, **settings) as server:
            end_amid_answers(server, data, signals=3)
        assert_all_saved_and_traced(data)

    def test_saves_them_once_a_locked_database_opens(self, data, settings, kind):
        with running_server(data, kind, **settings) as server:
            end_amid_answers(server, data, lock_seconds=2)
        assert_all_saved_and_traced(data)

    def test_a_database_that_stays_locked_does_not_keep_it(self, data, settings, kind):
        with running_server(data, kind, **settings) as server:
            end_amid_answers(server, data, lock_seconds=8)
        # What could not be saved is found by the next start.
        rows(data, "UPDATE learning_message SET saved_at = '2026-01-01 00:00:00'")
        with running_server(data, kind, **settings):
            eventually(lambda: begun(data) == [])
            assert Counter(rows(data, ANSWERS)) == {("interrupted", FIRST_WORDS): STUDENTS}

    def test_saves_a_turn_that_still_searches(self, data, settings, kind):
        slow = settings | {"DJANGO_SETTINGS_MODULE": "tests.learning.slow_search_settings"}
        with running_server(data, kind, **slow) as server:
            end_once(server, "student0", has_heard="turn.started")
        assert rows(data, ANSWERS) == [("interrupted", "")]
        assert rows(data, TRACES) == [("interrupted",)]

    def test_saves_a_turn_that_still_waits_for_its_place(self, data, settings, kind):
        with running_server(data, kind, CONCURRENT_ANSWERS="1", **settings) as server:
            begin_alone(server, "student0")
            end_once(server, "student1", has_heard="turn.queued")
        assert sorted(rows(data, ANSWERS)) == [("interrupted", ""), ("interrupted", FIRST_WORDS)]
        assert rows(data, TRACES) == [("interrupted",)] * 2

    def test_a_browser_that_reads_nothing_keeps_no_answer_from_being_saved(
        self, data, settings, openai, kind
    ):
        openai.forget()
        openai.answers(*(["The tide comes in, and it goes out.\n\n"] * 1000))
        openai.answers(FIRST_WORDS, WAIT)
        with running_server(data, kind, **settings) as server:
            idle = Student(server.url, "student1")
            conversation = idle.opens_conversation("tides")
            asyncio.run(idle.asks(conversation, [QUESTION]))
            with RawBrowser(idle, conversation) as browser:
                with suppress(ConnectionError):  # Daphne's are cut off
                    for _ in range(40):
                        browser.sends(type="resume")  # 80 kB each; the system takes 3 MB of it
                begin_alone(server, "student0")
                time.sleep(3)  # by then the server holds what the system does not take
                print(f"ended within {server.end():.2f} seconds")
        assert ("interrupted", FIRST_WORDS) in rows(data, ANSWERS)
        assert ("interrupted",) in rows(data, TRACES)

    def test_takes_no_more_visitors_while_it_ends(self, data, settings, kind):
        with running_server(data, kind, **settings) as server:
            begin_alone(server, "student0")
            with locked(data, 3):
                server.process.send_signal(signal.SIGTERM)
                refusal = eventually(lambda: refusal_of(server.url))
            server.end()
        # uvicorn soon closes its door; Daphne keeps it open to the end.
        assert refusal in {"daphne": [503], "uvicorn": [503, "closed"]}[kind]

    def test_the_next_process_shows_what_this_one_has_said(self, data, settings, kind):
        with running_server(data, kind, **settings) as old:
            student = Student(old.url, "student0")
            conversation = student.opens_conversation("tides")

            async def handed_over() -> dict:
                async with AsyncExitStack() as tabs:
                    await begin_answer(student, conversation, QUESTION, tabs)
                    # The new process stands beside the old one: no student finds nobody there.
                    with running_server(data, kind, **settings) as new:
                        assert rows(data, ANSWERS) == [("running", FIRST_WORDS)]
                        await asyncio.to_thread(old.end)
                        student.url = new.url
                        async with student.tab(conversation) as tab:
                            assert (await next_frame(tab))["turn"] is None
                            await tab.send('{"type": "resume"}')
                            return await next_frame(tab)

            snapshot = asyncio.run(handed_over())
        assert (snapshot["status"], snapshot["text"]) == ("interrupted", FIRST_WORDS)


def refusal_of(url: str) -> int | str:
    """How a server that ends keeps a probe away; "" while it lets it in."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=0.5):
            return ""
    except urllib.error.HTTPError as error:
        assert "told to end" in error.read().decode()
        return error.code
    except TimeoutError:
        return ""  # asked just before: Daphne drops what it is about to answer
    except OSError as error:
        assert isinstance(getattr(error, "reason", error), ConnectionError)
        return "closed"


def test_a_new_process_marks_what_a_dead_one_left_and_not_what_a_living_one_says(data, settings):
    with running_server(data, "daphne", **settings) as dead:
        begin_alone(dead, "student0")
        dead.end(signal.SIGKILL)
    rows(data, "UPDATE learning_message SET saved_at = '2026-01-01 00:00:00'")
    rows(data, "UPDATE learning_message SET text = 'of the dead' WHERE status = 'running'")

    # The living one starts first, and begins when its own sweep is over.
    with running_server(data, "daphne", **settings) as living:
        eventually(lambda: ("interrupted", "of the dead") in rows(data, ANSWERS))
        rows(data, "UPDATE learning_message SET status = 'running' WHERE text = 'of the dead'")
        begin_alone(living, "student1")
        with running_server(data, "daphne", **settings):
            eventually(lambda: ("interrupted", "of the dead") in rows(data, ANSWERS))
            assert ("running", FIRST_WORDS) in rows(data, ANSWERS)
        living.end()
    assert ("interrupted", FIRST_WORDS) in rows(data, ANSWERS)


def begin_alone(server: Server, name: str) -> None:
    """Let one student read the first words of an answer, and leave."""
    student = Student(server.url, name)
    conversation = student.opens_conversation("tides")

    async def go() -> None:
        async with AsyncExitStack() as tabs:
            await begin_answer(student, conversation, QUESTION, tabs)

    asyncio.run(go())
    eventually(lambda: begun(server.log.parent))


def test_what_a_killed_server_left_is_there_and_marked_after_the_next_start(data, settings):
    with running_server(data, "daphne", **settings) as server:
        begin_alone(server, "student0")
        server.end(signal.SIGKILL)
    assert rows(data, ANSWERS) == [("running", FIRST_WORDS)]
    # As if the next start came later: a row is believed alive for twenty seconds.
    rows(data, "UPDATE learning_message SET saved_at = '2026-01-01 00:00:00'")

    with running_server(data, "daphne", **settings):
        eventually(lambda: rows(data, ANSWERS) == [("interrupted", FIRST_WORDS)])
        eventually(lambda: rows(data, TRACES) == [("interrupted",)])
