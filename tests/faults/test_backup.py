"""A backup made while students are answered, and a site that begins again from it."""

import asyncio
import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import urllib.request
from contextlib import AsyncExitStack
from pathlib import Path

from tests.faults.site import STUDENTS, eventually, rows, words_for
from tests.faults.students import Student, begin_answer
from tests.servers.openai_script import WAIT
from tests.servers.site import ROOT, _environment, running_server

WORDS = {"DJANGO_SETTINGS_MODULE": "tests.faults.settings"}
FIRST_WORDS = "The moon pulls "
ANSWERS = "SELECT id, status, text FROM learning_message WHERE role = 'assistant'"


def manage(data: Path, *arguments: object, **settings: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "manage.py", *map(str, arguments)],
        cwd=ROOT,
        env=_environment(data, WORDS | settings),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_site_begins_again_from_a_backup_made_while_it_answered(data, tmp_path, openai):
    backup, empty = tmp_path / "backup", tmp_path / "empty"
    settings = WORDS | {"OPENAI_BASE_URL": openai.url}
    with running_server(data, "daphne", **settings) as server:
        students = [Student(server.url, f"student{number}") for number in range(STUDENTS)]
        conversations = [student.opens_conversation("tides") for student in students]
        openai.answers(FIRST_WORDS, WAIT)

        async def begin() -> None:
            async with AsyncExitStack() as tabs:
                await begin_answer(students[0], conversations[0], "How does it begin?", tabs)

        asyncio.run(begin())
        eventually(lambda: [row for row in rows(data, ANSWERS) if row[2] == FIRST_WORDS])
        questions = [f"Why are there tides, for the {n}th time?" for n in range(5)]

        async def traffic() -> list:
            return await asyncio.gather(
                *(
                    student.asks(conversation, questions)
                    for student, conversation in zip(students[1:], conversations[1:], strict=True)
                )
            )

        heard = []
        asking = threading.Thread(target=lambda: heard.extend(asyncio.run(traffic())))
        asking.start()
        eventually(lambda: len(rows(data, ANSWERS)) > STUDENTS)
        made = manage(data, "backup", backup)
        asking.join()

    assert made.returncode == 0, made.stderr
    assert f"manage.py restore {backup}" in made.stdout
    # No student noticed.
    answers = [answer for of_student in heard for answer in of_student]
    assert len(answers) == (STUDENTS - 1) * len(questions)
    assert all(answer.text == words_for(answer.question) for answer in answers)

    restored = manage(empty, "restore", backup)
    assert restored.returncode == 0, restored.stderr
    kept = rows(empty, ANSWERS)
    assert STUDENTS < len(kept) < STUDENTS * len(questions)  # of the middle of it all
    copied = {id: text for id, status, text in kept if status == "complete"}
    assert copied.items() <= {id: text for id, _, text in rows(data, ANSWERS)}.items()
    # As if it were started later: an answer is believed alive for twenty seconds.
    rows(empty, "UPDATE learning_message SET saved_at = '2026-01-01 00:00:00'")

    with running_server(empty, "daphne", **settings) as server:
        eventually(lambda: "running" not in {status for _, status, _ in rows(empty, ANSWERS)})
        eventually(
            lambda: ("running",) not in rows(empty, "SELECT status FROM tracing_tracerecord")
        )
        assert (FIRST_WORDS, "interrupted") in {
            (text, status) for _, status, text in rows(empty, ANSWERS)
        }
        assert {id: text for id, status, text in rows(empty, ANSWERS) if id in copied} == copied
        # Still logged in: the sessions are there, and the key that signs them.
        student = students[1]
        student.url = server.url
        page = student._browser.open(f"{server.url}/conversations/{conversations[1]}/")
        assert questions[0] in page.read().decode()
        # The index is the one that was copied, and it is searched.
        assert rows(empty, "SELECT count(*) FROM rag_chunkvector") == rows(
            data, "SELECT count(*) FROM rag_chunkvector"
        )
        [answer] = asyncio.run(student.asks(conversations[1], ["And after it all?"]))
        assert answer.text == words_for("And after it all?")
        cited = (
            "SELECT count(*) FROM learning_citation JOIN learning_message m ON m.id = message_id"
        )
        [(sources,)] = rows(empty, f"{cited} WHERE m.text = ?", answer.text)
        assert sources > 0
        with urllib.request.urlopen(f"{server.url}/readyz") as ready:
            assert json.load(ready)["ready"]


def test_a_backup_is_readable_by_its_owner_alone_and_holds_the_key(data, tmp_path):
    made = manage(data, "backup", tmp_path / "backup")

    assert made.returncode == 0, made.stderr
    files = {file.name: file for file in (tmp_path / "backup").iterdir()}
    assert set(files) == {"coursetrace.sqlite3", "secret_key"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files.values()} == {0o600}
    assert files["secret_key"].read_bytes() == (data / "secret_key").read_bytes()


def test_the_pictures_of_courses_come_along(data, tmp_path):
    picture = data / "images" / "1" / "leaf.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"green")
    manage(data, "backup", tmp_path / "backup")
    copy = tmp_path / "backup" / "images" / "1" / "leaf.png"
    assert [stat.S_IMODE(each.stat().st_mode) for each in (copy.parent, copy)] == [0o700, 0o600]

    picture.write_bytes(b"red")
    restored = manage(data, "restore", tmp_path / "backup", "--replace")

    assert restored.returncode == 0, restored.stderr
    assert picture.read_bytes() == b"green"
    [aside] = data.glob("images.before-*/1/leaf.png")
    assert aside.read_bytes() == b"red"
    assert manage(tmp_path / "empty", "restore", tmp_path / "backup").returncode == 0
    assert (tmp_path / "empty" / "images" / "1" / "leaf.png").read_bytes() == b"green"


def test_no_backup_is_written_over(data, tmp_path):
    kept = tmp_path / "backup"
    kept.mkdir()
    made = manage(data, "backup", kept)

    assert made.returncode == 1
    assert "exists already" in made.stderr
    assert list(kept.iterdir()) == []


def test_no_site_is_written_over_unless_it_is_put_aside(data, tmp_path):
    manage(data, "backup", tmp_path / "backup")
    rows(data, "UPDATE learning_user SET username = 'renamed' WHERE username = 'student0'")

    refused = manage(data, "restore", tmp_path / "backup")
    assert refused.returncode == 1 and "--replace" in refused.stderr
    assert rows(data, "SELECT 1 FROM learning_user WHERE username = 'renamed'")

    assert manage(data, "restore", tmp_path / "backup", "--replace").returncode == 0
    assert not rows(data, "SELECT 1 FROM learning_user WHERE username = 'renamed'")
    aside = min(data.glob("coursetrace.sqlite3.before-*"), key=lambda file: len(file.name))
    with sqlite3.connect(aside) as before:
        assert before.execute("SELECT 1 FROM learning_user WHERE username = 'renamed'").fetchall()


def test_a_damaged_backup_is_not_brought_back(data, tmp_path):
    manage(data, "backup", tmp_path / "backup")
    file = tmp_path / "backup" / "coursetrace.sqlite3"
    with file.open("r+b") as copy:
        copy.seek(8192)
        copy.write(os.urandom(20_000))

    restored = manage(tmp_path / "empty", "restore", tmp_path / "backup")
    assert restored.returncode == 1
    assert "cannot be used" in restored.stderr
    assert not (tmp_path / "empty" / "coursetrace.sqlite3").exists()


def test_a_site_on_postgresql_is_told_the_tool_for_it(data, tmp_path):
    elsewhere = "postgres://nobody@127.0.0.1:9/none"
    made = manage(data, "backup", tmp_path / "backup", DATABASE_URL=elsewhere)
    assert made.returncode == 1
    assert "pg_dump" in made.stderr
    assert not (tmp_path / "backup").exists()
