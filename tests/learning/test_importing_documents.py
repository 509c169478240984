"""Files of every kind in one folder; each that cannot be read is named, and the rest goes on."""

import json
import os
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils.translation import override

from learning.documents import kinds, office
from learning.documents.parts import DocumentFault
from learning.documents.process import DocumentReader
from learning.importing import CourseImportError, import_course
from learning.models import Course
from learning.rendering import render_chapter
from tests.learning.documents import Line, archive, docx, lines, paragraph, pdf

HERE = Path(__file__).resolve().parents[2]
TEXT = lines("A limit describes how a function behaves near a point.", top=150)
OLE = bytes.fromhex("d0cf11e0a1b11ae1")


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "botany"
    folder.mkdir()
    (folder / "01-leaves.md").write_text(
        "# Leaves\n\nSee [roots](02-roots.html), [all](03-book.pdf).\n"
    )
    return folder


@pytest.mark.django_db
def test_a_folder_mixes_all_kinds(folder):
    (folder / "02-roots.html").write_text("<h1>Roots</h1><p>Brown. <a href='04-soil.docx'>soil</a>")
    pages = [[Line("Seeds", 60, size=20), *TEXT], [Line("Buds", 60, size=20), *TEXT]]
    (folder / "03-book.pdf").write_bytes(pdf(*pages, outline=[("Seeds", 1), ("Buds", 2)]))
    (folder / "04-soil.docx").write_bytes(docx(paragraph("Soil", "H1"), paragraph("Dark.")))
    (folder / "~$soil.docx").write_bytes(b"lock")

    report = import_course(folder)

    assert report.problems == []
    assert report.added == ["Leaves", "Roots", "Seeds", "Buds", "Soil"]
    leaves, roots, *_ = report.course.chapters.all()
    urls = {c.source_path: f"/to/{c.slug}/" for c in report.course.chapters.all()}
    html = str(render_chapter(leaves.text, source_path="01-leaves.md", chapter_urls=urls).html())
    assert 'href="/to/roots/"' in html
    assert 'href="/to/seeds/"' in html
    html = str(render_chapter(roots.text, source_path="02-roots.html", chapter_urls=urls).html())
    assert 'href="/to/soil/"' in html
    assert import_course(folder).unchanged == ["Leaves", "Roots", "Seeds", "Buds", "Soil"]


@pytest.mark.django_db
def test_an_index_of_html_gives_the_order(folder):
    (folder / "02-roots.html").write_text("<h1>Roots</h1><p>Brown.")
    (folder / "index.html").write_text(
        "<h1>Plants</h1><p>What grows.</p>"
        "<a href='02-roots.html'>roots</a> <a href='01-leaves.md'>leaves</a>"
    )

    report = import_course(folder)

    assert (report.course.title, report.added) == ("Plants", ["Roots", "Leaves"])


def huge(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.write(b"%PDF-1.6\n")
        file.truncate(size)


BROKEN = {
    "damaged": ("a.pdf", pdf(TEXT)[:400]),
    "has no text": ("a.docx", b""),
    "holds only pictures": ("a.pdf", pdf([], [])),
    "protected by a password": ("a.pdf", pdf(TEXT, encrypt=True)),
    "protected by": ("a.docx", OLE + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le")),
    "before 2007": ("a.docx", OLE + b"\0" * 600),
    "save it as DOCX": ("a.doc", OLE),
    "save it as PPTX": ("a.ppt", OLE),
    "(PNG)": ("a.pdf", b"\x89PNG\r\n\x1a\n" + b"\0" * 100),
    "(PDF)": ("a.pptx", pdf(TEXT)),
    "(DOCX)": ("a.pptx", docx(paragraph("x"))),
    "unpacks to 30 MB": ("a.docx", archive({"word/document.xml": b"\0" * 30 * 1024**2})),
    "is damaged": ("a.docx", docx(paragraph("x"))[:500]),
    "more than 5 MB of text": ("a.html", b"<p>" + b"word " * 1_100_000),
    "unknown encoding": ("a.html", b"<p>\x81\x8d\xff\xff\x90</p>"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_file_is_named_and_the_rest_goes_on(folder, reason):
    name, content = BROKEN[reason]
    (folder / name).write_bytes(content)

    report = import_course(folder)

    ((path, why),) = report.problems
    assert path == name
    assert reason in why
    assert report.added == ["Leaves"]


@pytest.mark.django_db
def test_a_file_of_500_mb_is_refused_by_its_size(folder):
    huge(folder / "a.pdf", 500 * 1024**2)

    ((path, why),) = import_course(folder).problems

    assert (path, "larger than 100 MB" in why) == ("a.pdf", True)


@pytest.mark.django_db
def test_a_link_out_of_the_folder_is_not_followed(folder, tmp_path):
    (tmp_path / "secret.html").write_text("<p>secret</p>")
    os.symlink(tmp_path / "secret.html", folder / "a.html")

    report = import_course(folder)

    ((path, why),) = report.problems
    assert (path, "leads out" in why) == ("a.html", True)
    assert report.added == ["Leaves"]


@pytest.mark.django_db
def test_a_single_file_that_cannot_be_read_makes_no_course(tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"words")

    with pytest.raises(CourseImportError, match=r"a\.pdf: is not a PDF file"):
        import_course(tmp_path / "a.pdf")

    assert not Course.objects.exists()


@pytest.mark.django_db
def test_the_command_names_what_failed_and_ends_with_an_error(folder):
    (folder / "a.pdf").write_bytes(pdf([], []))
    out, err = StringIO(), StringIO()

    with pytest.raises(CommandError, match="1 file"):
        call_command("import_course", str(folder), stdout=out, stderr=err)

    assert "a.pdf: holds only pictures; run text recognition (OCR) first" in err.getvalue()
    assert "added: Leaves" in out.getvalue()


def test_a_reader_that_takes_too_long_is_ended_and_the_next_file_is_read(tmp_path):
    good = tmp_path / "good.pdf"
    (tmp_path / "slow.html").write_text("<p>word</p>" * 500_000)
    good.write_bytes(pdf(TEXT))
    with DocumentReader(most_seconds=120) as reader:
        assert reader.read(good)
        child = reader._child.pid
        reader.most_seconds = 0.05
        with pytest.raises(DocumentFault, match="too_slow"):
            reader.read(tmp_path / "slow.html")
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
        reader.most_seconds = 120
        assert reader.read(good)


def test_a_reader_that_is_killed_says_so_and_the_next_file_is_read(tmp_path):
    good = tmp_path / "good.pdf"
    good.write_bytes(pdf(TEXT))
    with DocumentReader() as reader:
        assert reader.read(good)

        def kill(done, of):
            os.kill(reader._child.pid, 9)

        many = tmp_path / "many.pdf"
        many.write_bytes(pdf(*[TEXT] * 500))
        with pytest.raises(DocumentFault, match="crashed"):
            reader.read(many, kill)
        assert reader.read(good)


def test_a_reader_whose_parent_has_died_ends_in_the_middle_of_a_file(tmp_path):
    (tmp_path / "slow.html").write_text("<p>word</p>" * 1_500_000)
    reader = subprocess.Popen(
        [sys.executable, "-m", "learning.documents"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=HERE,
        text=True,
    )
    with reader:
        try:
            reader.stdin.write(json.dumps({"path": str(tmp_path / "slow.html")}) + "\n")
            reader.stdin.close()  # the system does that to the pipes of a process that was killed
            assert reader.wait(timeout=20) == 1
        finally:
            reader.kill()


def test_a_reader_whose_library_lets_no_thread_run_is_ended_by_the_system():
    code = (
        "import re; from learning.documents.__main__ import limit_cpu; limit_cpu(1);"
        "re.match('(a+)+$', 'a' * 60 + 'b')"
    )

    ended = subprocess.run([sys.executable, "-c", code], cwd=HERE, check=False, timeout=60)

    assert ended.returncode == -signal.SIGXCPU


def test_the_reader_is_given_no_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    good = tmp_path / "good.pdf"
    good.write_bytes(pdf(TEXT))
    with DocumentReader() as reader:
        reader.read(good)
        environment = Path(f"/proc/{reader._child.pid}/environ")
        if not environment.exists():
            pytest.skip("only Linux shows a process's environment")
        assert b"sk-secret" not in environment.read_bytes()


def test_django_never_loads_a_reader_of_files():
    loaded = {"pypdfium2", "mammoth", "pptx", "markdownify", "lxml.etree"}
    code = (
        "import django, sys; django.setup(); import learning.management.commands.import_course;"
        f"print(sorted({loaded!r} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=HERE,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        check=True,
    )
    assert said.stdout.strip().endswith("[]")


def test_the_limits_are_those_of_the_manual():
    limits = {suffix: kind.most_bytes // 1024**2 for suffix, kind in kinds.KINDS.items()}

    assert limits == {".pdf": 100, ".docx": 100, ".pptx": 100, ".html": 20, ".htm": 20}
    assert office.MOST_UNPACKED == 500 * 1024**2


def test_pages_are_shown_and_do_not_move_the_passages():
    text = "<!-- page 12 -->\n\nOne.\n\n<!-- slide 3 -->\n\nTwo.\n"

    with override("en"):
        rendered = render_chapter(text)

    start = text.index("Two.")
    marks = [block.html for block in rendered.blocks if "page-mark" in block.html]
    assert marks == [
        '<p class="page-mark" lang="en">p. 12</p>',
        '<p class="page-mark" lang="en">slide 3</p>',
    ]
    html = str(rendered.html((start, start + 4)))
    assert f'<div class="block cited" id="p-{start}"' in html
    assert html.count("cited") == 1
