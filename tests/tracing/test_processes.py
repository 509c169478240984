"""Processes that end, fork and stand alone; each a real one, with only this app installed."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.servers.langfuse_server import LangfuseServer

ROOT = Path(__file__).resolve().parents[2]
BEGIN = """
import os, sys, threading, time
import django
from django.conf import settings
from tests.tracing import settings as alone
for name in dir(alone):
    if name.isupper():
        globals()[name] = getattr(alone, name)
DATABASES["default"]["NAME"] = sys.argv[1]
if len(sys.argv) > 2:
    TRACING |= dict(
        EXPORTER="tracing.exporters.langfuse.LangfuseExporter", LANGFUSE_HOST=sys.argv[2],
        LANGFUSE_PUBLIC_KEY="pk-lf-test", LANGFUSE_SECRET_KEY="sk-lf-test")
settings.configure(**{name: value for name, value in globals().items() if name.isupper()})
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from tracing import generation, recorder, span, trace
"""


@pytest.fixture
def script(tmp_path):
    """Start a process that runs a script with a database of its own."""
    started = []

    def start(body, *arguments):
        # Python 3.12 warns of every fork beside threads; that it works is what is tested here.
        quiet = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]
        command = [sys.executable, *quiet, "-c", BEGIN + textwrap.dedent(body)]
        process = subprocess.Popen(
            [*command, tmp_path / "db.sqlite3", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def rows(tmp_path):
    def read(columns="name, status, export_state"):
        connection = sqlite3.connect(tmp_path / "db.sqlite3")
        found = connection.execute(f"SELECT {columns} FROM tracing_tracerecord ORDER BY name")
        found = found.fetchall()
        connection.close()
        return found

    return read


def ended(process):
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    return out


def test_the_app_stands_alone(script, rows):
    out = ended(
        script("""
        with trace("ai_chat"):
            pass
        print({name.partition(".")[0] for name in sys.modules}
              & {"learning", "rag", "config", "langfuse", "httpx", "openai"})
        """)
    )
    assert out.strip() == "set()"
    assert rows() == [("ai_chat", "ok", "local")]


def test_a_short_process_writes_and_sends_everything_before_it_ends(script, rows):
    with LangfuseServer() as server:
        ended(
            script(
                """
                for number in range(30):
                    with trace(f"job {number}"), span("step"):
                        pass
                """,
                server.url,
            )
        )
        assert len(server.traces) == len(server.observations) == 30
    assert set(rows("status, export_state")) == {("ok", "confirmed")}


def test_a_process_ends_in_time_though_langfuse_hangs(script, rows):
    with LangfuseServer() as server:
        server.hangs()
        process = script(
            """
            recorder.SHUTDOWN_SECONDS = 1.0
            with trace("job"):
                pass
            """,
            server.url,
        )
        began = time.monotonic()
        process.communicate(timeout=30)
        assert time.monotonic() - began < 6
        server.recovers()
    assert rows() == [("job", "ok", "sent")]


def test_a_forked_child_records_and_sends_too(script, rows):
    with LangfuseServer() as server:
        ended(
            script(
                """
                from tracing.models import TraceRecord

                def is_sent(name):
                    end = time.monotonic() + 5
                    while time.monotonic() < end:
                        if TraceRecord.objects.filter(name=name, export_state="confirmed"):
                            return True
                        time.sleep(0.02)

                with trace("parent before"):
                    pass
                assert is_sent("parent before")
                child = os.fork()
                if child == 0:
                    with trace("child"), span("step"):
                        pass
                    # By the child itself: the parent is waiting, and its sender is asleep.
                    os._exit(0 if is_sent("child") else 3)
                _, status = os.waitpid(child, 0)
                with trace("parent after"):
                    pass
                sys.exit(os.waitstatus_to_exitcode(status))
                """,
                server.url,
            )
        )
        assert len(server.traces) == 3
    assert set(rows("status, export_state")) == {("ok", "confirmed")}


def test_a_child_forked_in_the_middle_of_writing_can_write(script, rows):
    # SQLite keeps who writes in the memory of the process, too: copied while a thread of ours
    # writes, it locks the child out for ever, the product's own rows included.
    ended(
        script("""
        is_over = threading.Event()

        def work():
            while not is_over.wait(0.001):
                with trace("parent"):
                    pass

        worker = threading.Thread(target=work)
        worker.start()
        for _ in range(30):
            child = os.fork()
            if child == 0:
                with trace("child"):
                    pass
                os._exit(0 if recorder.get_recorder().drain(5) else 3)
            _, status = os.waitpid(child, 0)
            if status:
                break
        is_over.set()
        worker.join()
        sys.exit(os.waitstatus_to_exitcode(status))
        """)
    )
    assert rows("name, status").count(("child", "ok")) == 30


def test_a_thousand_turns_need_no_more_threads_than_a_hundred(script):
    with LangfuseServer() as server:
        out = ended(
            script(
                """
                from tracing.models import TraceRecord

                def threads_after(turns):
                    end = time.monotonic() + 20
                    while TraceRecord.objects.filter(export_state="confirmed").count() < turns:
                        assert time.monotonic() < end
                        time.sleep(0.05)
                    # What the system knows of, where it can be asked: SDKs start threads in C, too.
                    tasks = "/proc/self/task"
                    count = len(os.listdir(tasks)) if os.path.isdir(tasks) else 0
                    return count, sorted(thread.name for thread in threading.enumerate())

                for turn in range(1, 1_001):
                    with trace("ai_chat"), span("retrieve"), generation("llm_call"):
                        pass
                    if turn in (100, 1_000):
                        print(*threads_after(turn))
                """,
                server.url,
            )
        )
        assert len(server.traces) == 1_000
    after_100, after_1_000 = out.splitlines()
    assert after_100 == after_1_000
    assert after_100.endswith("['MainThread', 'tracing-outbox', 'tracing-recorder']")


def test_a_killed_process_leaves_a_row_that_the_next_one_marks(script, rows):
    killed = script("""
        with trace("ai_chat"):
            recorder.get_recorder().drain()
            print("ready", flush=True)
            time.sleep(60)
        """)
    assert killed.stdout.readline() == "ready\n"
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert rows() == [("ai_chat", "running", "local")]

    out = ended(script("from tracing import recovery; print(recovery.mark_interrupted())"))
    assert out == "1\n"
    assert rows() == [("ai_chat", "interrupted", "local")]
