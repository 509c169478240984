"""A reindex that is killed in the middle of its work, and the one after it."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.faults.site import eventually, rows
from tests.servers.site import ROOT, _environment

PASSAGES = 800
NEW_TEXT = "".join(
    f"\n\n## Harbour {n}\n\nHarbour number {n} lies at the mouth of river {n}."
    for n in range(PASSAGES)
)
WORDS = {"DJANGO_SETTINGS_MODULE": "tests.faults.settings"}
SLOW = {"DJANGO_SETTINGS_MODULE": "tests.faults.slow_settings"}


def start(data: Path, *arguments: str, settings=WORDS) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=_environment(data, settings),
        stdout=subprocess.PIPE,
        text=True,
    )


def run(data: Path, *arguments: str) -> str:
    process = start(data, *arguments)
    output, _ = process.communicate()
    assert process.returncode == 0
    return output


def count(data: Path, table: str, where: str = "1 = 1") -> int:
    [(found,)] = rows(data, f"SELECT count(*) FROM {table} WHERE {where}")
    return found


def test_students_search_the_old_index_and_the_next_run_goes_on_where_it_was_killed(data):
    before = count(data, "rag_chunkvector")
    [(old_version,)] = rows(data, "SELECT id FROM rag_indexversion WHERE status = 'active'")
    [(course,)] = rows(data, "SELECT slug FROM learning_course")
    rows(data, "UPDATE learning_chapter SET text = text || ? WHERE slug = 'moon'", NEW_TEXT)

    killed = start(data, "reindex", settings=SLOW)
    eventually(lambda: count(data, "rag_chunkvector") > before + 100)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()

    embedded = count(data, "rag_chunkvector") - before
    assert 100 < embedded < PASSAGES
    assert rows(data, "SELECT id FROM rag_indexversion WHERE status = 'active'") == [(old_version,)]
    found = json.loads(run(data, "search", "the moon pulls", "--course", course, "--json"))
    assert found["passages"] and "Harbour" not in str(found)

    said = run(data, "reindex")

    [newly_embedded, reused] = re.search(r"(\d+) passages embedded, (\d+) reused", said).groups()
    assert int(newly_embedded) == PASSAGES - embedded
    assert int(reused) >= embedded
    [(new_version,)] = rows(data, "SELECT id FROM rag_indexversion WHERE status = 'active'")
    assert new_version != old_version
    assert count(data, "rag_indexversion", "status = 'building'") == 0
    held = "SELECT {} FROM {}"
    assert (
        count(
            data,
            "rag_document",
            f"id NOT IN ({held.format('document_id', 'rag_indexversion_documents')})",
        )
        == 0
    )
    assert (
        count(data, "rag_chunkvector", f"id NOT IN ({held.format('vector_id', 'rag_chunk')})") == 0
    )
