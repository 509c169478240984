"""Workers that are killed, or told to end, in the middle of a study job; and their Redis too."""

import hashlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.site import eventually, rows
from tests.faults.study_makers import GO_ON, GONE_THROUGH, WAITS_AT
from tests.faults.web import Redis, redis_program
from tests.learning.documents import lines, pdf
from tests.servers.site import ROOT, Server, _environment, prepare_site, running_server

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.faults.study_settings"}
END_SECONDS = 3.0


@contextmanager
def worker(data: Path, **settings: str) -> Iterator[subprocess.Popen]:
    """The product's worker on what is in `data`; killed at the end if it still runs."""
    with (data / "worker.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "worker"],
            cwd=ROOT,
            env=_environment(data, SETTINGS | settings),
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ended(process: subprocess.Popen) -> float:
    """Tell it to end, and return how many seconds it took."""
    began = time.monotonic()
    process.terminate()
    assert process.wait(15) == 0
    return time.monotonic() - began


def request(data: Path, kind: str = "wordcloud", **settings: str) -> None:
    prepare_site(data, [["generate", kind, "--course", "tides"]], **SETTINGS, **settings)


def upload(data: Path, *, pages: int) -> None:
    """Leave an import of a long PDF in the queue, and of a page of Markdown."""
    book, note = data / "book.pdf", data / "note.md"
    book.write_bytes(pdf(*(_page(number) for number in range(pages))))
    note.write_text("# A note\n\nIt is short.\n")
    code = f"""
from django.core.files.uploadedfile import SimpleUploadedFile
from learning.importing.uploads import receive
from pathlib import Path
files = [Path({str(book)!r}), Path({str(note)!r})]
receive([(file.name, SimpleUploadedFile(file.name, file.read_bytes())) for file in files], by=None)
"""
    prepare_site(data, [["shell", "-v", "0", "-c", code]], **SETTINGS)


def _page(number: int):
    """A page that has no line, and no shape of a line, in common with its neighbours."""
    words = [hashlib.sha256(b"%d %d" % (number, place)).hexdigest() for place in range(40)]
    letters = [word.translate(str.maketrans("0123456789", "ghijklmnop"))[:9] for word in words]
    return lines(*(" ".join(letters[start : start + 10]) + "." for start in range(0, 40, 10)))


def imported(data: Path) -> tuple[str, int]:
    [found] = rows(data, "SELECT status, percent FROM learning_courseimport")
    return found


def job(data: Path) -> tuple[str, int, str]:
    [found] = rows(data, "SELECT status, attempts, message FROM learning_studyartefact")
    return found


def is_in_the_middle(data: Path, times: int = 1) -> bool:
    return gone_through(data).count(WAITS_AT) == times


def gone_through(data: Path) -> list[str]:
    note = data / GONE_THROUGH
    return note.read_text().split() if note.exists() else []


def let_go_on(data: Path) -> None:
    (data / GO_ON).touch()


def is_ready(data: Path) -> bool:
    return job(data)[0] == "ready"


def items(data: Path) -> int:
    """How many items there are; each stands on one passage, and each chapter bears one."""
    [(count,)] = rows(data, "SELECT count(*) FROM learning_studyitem")
    [found] = rows(
        data, "SELECT count(DISTINCT item_id), count(DISTINCT chapter_id) FROM learning_itempassage"
    )
    assert found == (count, count)
    return count


def trace_statuses(data: Path) -> list[str]:
    found = rows(data, "SELECT status FROM tracing_tracerecord WHERE name LIKE 'generate_%'")
    return sorted(status for (status,) in found)


@pytest.fixture
def redis(tmp_path) -> Iterator[Redis]:
    redis_program()
    server = Redis(tmp_path / "redis.log")
    server.start()
    yield server
    server.close()


def test_a_job_whose_worker_was_killed_goes_on_after_its_last_chapter(data):
    request(data)
    with worker(data) as killed:
        eventually(lambda: is_in_the_middle(data) and trace_statuses(data) == ["running"])
        killed.kill()
    assert job(data)[0] == "running"

    with worker(data):
        eventually(lambda: is_in_the_middle(data, times=2))
        let_go_on(data)
        eventually(lambda: is_ready(data))
        eventually(lambda: trace_statuses(data) == ["interrupted", "ok"])

    assert gone_through(data) == ["sea", "moon", "moon", "tables"]
    assert items(data) == 3
    assert job(data)[:2] == ("ready", 2)


def test_a_job_that_three_workers_were_killed_in_fails_in_words(data):
    request(data)
    for attempt in (1, 2, 3):
        with worker(data) as killed:
            eventually(lambda attempt=attempt: is_in_the_middle(data, times=attempt))
            killed.kill()

    with worker(data):
        eventually(lambda: job(data)[0] == "failed")

    assert "ended three times" in job(data)[2]
    assert items(data) == 1


def test_an_import_whose_worker_was_killed_is_done_by_the_next(data):
    upload(data, pages=600)
    with worker(data) as killed:
        eventually(lambda: imported(data)[1] > 5)
        killed.kill()
    assert imported(data)[0] == "running"

    with worker(data):
        eventually(lambda: imported(data)[0] == "ready")

    [(chapters, attempts)] = rows(
        data,
        "SELECT (SELECT count(*) FROM learning_chapter WHERE course_id = job.course_id), attempts"
        " FROM learning_courseimport job",
    )
    assert (chapters, attempts) == (21, 2)
    assert not list((data / "uploads").rglob("*.zip"))


def test_a_worker_that_is_told_to_end_gives_its_job_back_at_once(data):
    request(data)
    with worker(data) as told:
        eventually(lambda: is_in_the_middle(data))
        seconds = ended(told)

    assert seconds < END_SECONDS
    assert job(data) == ("pending", 0, "")
    assert trace_statuses(data) == ["interrupted"]

    let_go_on(data)
    with worker(data):
        eventually(lambda: is_ready(data))
    assert gone_through(data) == ["sea", "moon", "moon", "tables"]
    assert items(data) == 3


def test_a_job_that_does_not_look_up_is_given_back_all_the_same(data):
    request(data, "knowledge_graph")
    with worker(data) as told:
        eventually(lambda: is_in_the_middle(data) and trace_statuses(data) == ["running"])
        seconds = ended(told)

    assert seconds < END_SECONDS
    assert job(data) == ("pending", 0, "")

    let_go_on(data)
    with worker(data):
        eventually(lambda: is_ready(data))
        eventually(lambda: trace_statuses(data) == ["interrupted", "ok"])
    assert items(data) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_without_a_job_ends_at_once(data, number):
    request(data)
    let_go_on(data)
    with worker(data) as idle:
        eventually(lambda: is_ready(data))
        began = time.monotonic()
        idle.send_signal(number)
        assert idle.wait(15) == 0
    assert time.monotonic() - began < END_SECONDS


def test_of_two_workers_one_does_the_job(data):
    with worker(data), worker(data):
        request(data)
        eventually(lambda: is_in_the_middle(data))
        let_go_on(data)
        eventually(lambda: is_ready(data))

    assert gone_through(data) == ["sea", "moon", "tables"]
    assert items(data) == 3


def test_with_redis_a_job_goes_by_it_and_outlives_its_worker(data, redis):
    request(data, REDIS_URL=redis.url)
    assert rows(data, "SELECT count(*) FROM django_tasks_database_dbtaskresult") == [(0,)]
    with worker(data, REDIS_URL=redis.url) as killed:
        eventually(lambda: is_in_the_middle(data))
        killed.kill()

    with worker(data, REDIS_URL=redis.url) as told:
        eventually(lambda: is_in_the_middle(data, times=2))
        assert ended(told) < END_SECONDS
    assert job(data) == ("pending", 1, "")

    let_go_on(data)
    with worker(data, REDIS_URL=redis.url) as idle:
        eventually(lambda: is_ready(data))
        assert ended(idle) < END_SECONDS
    assert gone_through(data) == ["sea", "moon", "moon", "moon", "tables"]
    assert items(data) == 3


def test_a_job_outlives_a_redis_that_forgets_its_queue(data, redis):
    request(data, REDIS_URL=redis.url)
    redis.kill()
    with worker(data, REDIS_URL=redis.url) as working:
        eventually(lambda: "Redis is away" in (data / "worker.log").read_text())
        redis.start()
        let_go_on(data)
        eventually(lambda: is_ready(data))
        assert ended(working) < END_SECONDS

    assert items(data) == 3


def test_a_site_serves_on_while_its_worker_is_replaced(data):
    let_go_on(data)
    with running_server(data, "serve", **SETTINGS) as site:
        os.kill(worker_of(site), signal.SIGKILL)
        request(data)

        eventually(lambda: is_ready(data))

        assert urllib.request.urlopen(f"{site.url}/healthz").status == 200
        assert "The worker ended by itself" in site.log.read_text()
        assert site.end(signal.SIGINT) < END_SECONDS + 2
        assert site.process.returncode == 0


def worker_of(site: Server) -> int:
    """The process that does the jobs of a site that `serve` runs."""
    pid = site.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    [worker] = [c for c in children if "worker" in Path(f"/proc/{c}/cmdline").read_text()]
    return int(worker)
