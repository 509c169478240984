"""`manage.py serve` and the two processes that it starts: they end together, and soon."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.site import eventually, rows
from tests.servers.site import Server, prepare_site, running_server

WORDS = {"DJANGO_SETTINGS_MODULE": "tests.faults.settings"}
LONG_JOB = """
from learning.models import Chapter
from learning.tasks import reindex_course
chapter = Chapter.objects.first()
chapter.text += "\\n\\nAnd this is new."
chapter.save()
reindex_course.enqueue(chapter.course.slug)
"""


def children_of(server: Server) -> list[int]:
    found = subprocess.run(
        ["pgrep", "-P", str(server.process.pid)], check=True, capture_output=True, text=True
    )
    return [int(pid) for pid in found.stdout.split()]


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_serve_ends_with_both_its_processes(data, number):
    with running_server(data, "serve", **WORDS) as server:
        children = children_of(server)
        print(f"ended within {server.end(number):.2f} seconds")

    assert server.process.returncode == 0
    assert len(children) == 2
    assert not any(is_running(pid) for pid in children)


def test_serve_leaves_nobody_behind_when_it_is_told_again(data):
    with running_server(data, "serve", **WORDS) as server:
        children = children_of(server)
        for _ in range(2):
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        server.end()

    assert server.process.returncode == 0
    assert not any(is_running(pid) for pid in children)


def test_serve_does_not_wait_for_a_long_job_of_its_worker(data):
    slow = {"DJANGO_SETTINGS_MODULE": "tests.learning.slow_search_settings"}
    prepare_site(data, [["shell", "-v", "0", "-c", LONG_JOB]], **slow)
    with running_server(data, "serve", **slow) as server:
        children = children_of(server)
        jobs = "SELECT status FROM django_tasks_database_dbtaskresult"
        eventually(lambda: ("RUNNING",) in rows(data, jobs))
        print(f"ended within {server.end():.2f} seconds")

    assert server.process.returncode == 0
    assert not any(is_running(pid) for pid in children)
