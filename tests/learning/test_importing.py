"""A folder of Markdown becomes a course, and stays one when it is imported again."""

import os
import shutil
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from learning.importing import CourseImportError, import_course
from learning.models import Chapter, Course
from learning.sources import CourseSource
from tests.conftest import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "botany"
    write(folder, "01-leaves.md", "# Leaves\n\nGreen.\n")
    write(folder, "02-roots.md", "# Roots\n\nBrown.\n")
    return folder


def write(folder: Path, name: str, content: str | bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def titles(course: Course) -> list[str]:
    return [chapter.title for chapter in course.chapters.all()]


def test_a_folder_becomes_a_course(folder):
    report = import_course(folder)

    assert (report.course.slug, report.course.title) == ("botany", "Botany")
    assert report.is_new
    assert not report.course.is_open
    assert report.added == ["Leaves", "Roots"]
    chapter = report.course.chapters.get(slug="leaves")
    assert (chapter.text, chapter.source_path) == ("Green.\n", "01-leaves.md")
    assert chapter.published_at is not None


def test_without_an_index_files_stand_in_natural_order(tmp_path):
    for name in ("10-ten.md", "9-nine.md", "1-one.md"):
        write(tmp_path, name, "text")

    assert titles(import_course(tmp_path, slug="x").course) == ["One", "Nine", "Ten"]


@pytest.mark.parametrize("index", ["index.md", "SUMMARY.md", "README.md"])
def test_the_index_gives_the_order_and_the_rest_follows(folder, index):
    write(
        folder,
        index,
        "---\ntitle: Plants\nslug: plants\nsummary: All about them.\n---\n"
        "1. [Roots](02-roots.md)\n2. [Leaves](./01-leaves.md#top)\n[out](https://a.example/x.md)",
    )
    write(folder, "part/00-seeds.md", "Small.")

    course = import_course(folder).course

    assert (course.slug, course.title, course.summary) == ("plants", "Plants", "All about them.")
    assert titles(course) == ["Roots", "Leaves", "Seeds"]


def test_an_index_without_front_matter_describes_the_course(folder):
    write(folder, "index.md", "# The *green* book\n\nWhat grows,\nand why.\n")

    course = import_course(folder).course

    assert (course.title, course.summary) == ("The green book", "What grows, and why.")


def test_front_matter_of_a_chapter_wins(folder):
    write(
        folder,
        "01-leaves.md",
        "---\ntitle: Foliage\nslug: foliage\nsummary: Sum\npublished: 2031-05-01\n---\n\n"
        "# Foliage\n\nx",
    )
    write(folder, "02-roots.md", "---\npublished: false\n---\n\n# Roots\n\nx")

    course = import_course(folder).course

    foliage = course.chapters.get(slug="foliage")
    assert (foliage.title, foliage.summary, foliage.text) == ("Foliage", "Sum", "x\n")
    assert foliage.published_at == datetime(2031, 5, 1, tzinfo=UTC)
    assert course.chapters.get(slug="roots").published_at is None


def test_a_comment_in_code_is_no_title(tmp_path):
    write(tmp_path, "03-loops.md", "```py\n# not a title\n```\n")

    assert titles(import_course(tmp_path, slug="x").course) == ["Loops"]


def test_only_a_heading_that_opens_the_file_is_taken_out_of_the_text(tmp_path):
    text = "Before anything else.\n\n# Part two\n\nMore.\n"
    write(tmp_path, "01-parts.md", text)

    chapter = import_course(tmp_path, slug="x").course.chapters.get()

    assert (chapter.title, chapter.text) == ("Part two", text)


def test_options_win_over_the_index(folder):
    write(folder, "index.md", "---\ntitle: A\nslug: a\nlanguage: en\n---\n")

    course = import_course(folder, slug="b", title="B", language="zh-hans", is_open=True).course

    assert (course.slug, course.title, course.language, course.is_open) == (
        "b",
        "B",
        "zh-hans",
        True,
    )


def test_chinese_is_noticed_and_its_names_make_addresses(tmp_path):
    write(tmp_path, "01-线性回归.md", "# 线性回归\n\n用一条直线预测数值。")

    course = import_course(tmp_path, slug="x").course

    assert course.language == "zh-hans"
    assert course.chapters.get().slug == "线性回归"


def test_importing_again_changes_nothing_and_says_so(folder):
    course = import_course(folder, is_open=True).course
    before = list(Chapter.objects.values()), list(Course.objects.values())

    report = import_course(folder)

    assert (report.added, report.changed, report.unpublished) == ([], [], [])
    assert report.unchanged == ["Leaves", "Roots"]
    assert (list(Chapter.objects.values()), list(Course.objects.values())) == before
    assert report.course == course


def test_importing_again_says_what_changed(folder):
    first = import_course(folder)
    leaves = first.course.chapters.get(slug="leaves")
    write(folder, "01-leaves.md", "# Leaves\n\nGreen, then red.\n")
    write(folder, "03-seeds.md", "# Seeds\n\nSmall.\n")

    report = import_course(folder)

    assert (report.changed, report.added, report.unchanged) == (["Leaves"], ["Seeds"], ["Roots"])
    leaves.refresh_from_db()
    assert leaves.text == "Green, then red.\n"


def test_a_chapter_whose_file_has_gone_is_unpublished_until_it_returns(folder):
    course = import_course(folder).course
    (folder / "02-roots.md").rename(folder.parent / "kept.md")

    assert import_course(folder).unpublished == ["Roots"]
    roots = course.chapters.get(slug="roots")
    assert (roots.published_at, roots.text) == (None, "Brown.\n")
    assert import_course(folder).unpublished == []

    (folder.parent / "kept.md").rename(folder / "02-roots.md")
    assert import_course(folder).changed == ["Roots"]
    assert list(course.chapters.published()) == list(course.chapters.all())
    assert course.chapters.get(slug="roots").pk == roots.pk


def test_what_a_person_unpublished_stays_unpublished(folder):
    course = import_course(folder).course
    course.chapters.filter(slug="roots").update(published_at=None)
    write(folder, "02-roots.md", "# Roots\n\nNew text.\n")

    import_course(folder)

    assert course.chapters.get(slug="roots").published_at is None


def test_a_renamed_file_keeps_its_chapter(folder):
    roots = import_course(folder).course.chapters.get(slug="roots")
    (folder / "02-roots.md").rename(folder / "05-roots.md")

    report = import_course(folder)

    assert (report.changed, report.added, report.unpublished) == (["Roots"], [], [])
    roots.refresh_from_db()
    assert roots.source_path == "05-roots.md"


def test_chapters_may_exchange_their_slugs(folder):
    course = import_course(folder).course
    write(folder, "01-leaves.md", "---\nslug: roots\n---\n# Leaves\n\nx")
    write(folder, "02-roots.md", "---\nslug: leaves\n---\n# Roots\n\nx")

    import_course(folder)

    assert list(course.chapters.values_list("title", "slug")) == [
        ("Leaves", "roots"),
        ("Roots", "leaves"),
    ]


def test_a_chapter_written_by_hand_is_not_taken_over(folder):
    course = import_course(folder).course
    byhand = Chapter.objects.create(course=course, slug="seeds", title="Seeds", text="Mine.")
    write(folder, "03-seeds.md", "# Seeds\n\nTheirs.\n")

    import_course(folder)

    byhand.refresh_from_db()
    assert byhand.text == "Mine."
    assert course.chapters.get(slug="seeds-2").text == "Theirs.\n"


def test_files_of_one_name_in_two_folders_are_two_chapters(tmp_path):
    write(tmp_path, "a/01-intro.md", "one")
    write(tmp_path, "b/01-intro.md", "two")

    course = import_course(tmp_path, slug="x").course

    assert list(course.chapters.values_list("slug", "text")) == [
        ("intro", "one\n"),
        ("intro-2", "two\n"),
    ]


def test_importing_one_file_leaves_the_other_chapters_as_they_are(folder):
    write(folder, "part/03-seeds.md", "# Seeds\n\nSmall.\n")
    course = import_course(folder).course
    before = list(course.chapters.values_list("slug", "position", "source_path", "published_at"))
    write(folder, "part/03-seeds.md", "# Seeds\n\nVery small.\n")

    report = import_course(folder / "part" / "03-seeds.md", slug="botany")

    assert (report.changed, report.added, report.unpublished) == (["Seeds"], [], [])
    after = list(course.chapters.values_list("slug", "position", "source_path", "published_at"))
    assert after == before
    assert course.chapters.get(slug="seeds").text == "Very small.\n"
    assert course.title == "Botany"


def test_a_new_file_imported_alone_becomes_the_last_chapter(folder):
    course = import_course(folder).course
    write(folder, "00-start.md", "# Start\n\nHere.\n")

    report = import_course(folder / "00-start.md", slug="botany")

    assert report.added == ["Start"]
    assert titles(course) == ["Leaves", "Roots", "Start"]


@pytest.fixture
def unlistable(folder):
    """A folder that nobody can list, not even root: its path is longer than the system takes."""
    parent = os.open(folder, os.O_DIRECTORY)
    for _ in range(20):
        os.mkdir("x" * 250, dir_fd=parent)
        child = os.open("x" * 250, os.O_DIRECTORY, dir_fd=parent)
        os.close(parent)
        parent = child
    os.close(parent)
    yield folder
    shutil.rmtree(folder / ("x" * 250))


def test_a_folder_that_cannot_be_listed_is_named_and_unpublishes_nothing(folder, request):
    write(folder, "03-seeds.md", "# Seeds\n\nSmall.\n")
    course = import_course(folder).course
    request.getfixturevalue("unlistable")
    (folder / "03-seeds.md").unlink()

    report = import_course(folder)

    ((path, why),) = report.problems
    assert path.startswith("xxx")
    assert "cannot be read" in why
    assert report.unpublished == []
    assert titles(course) == ["Leaves", "Roots", "Seeds"]
    assert course.chapters.published().count() == course.chapters.count()


def test_where_no_folder_can_be_listed_no_course_is_made(unlistable):
    for name in ("01-leaves.md", "02-roots.md"):
        (unlistable / name).unlink()

    with pytest.raises(CourseImportError, match="cannot be read"):
        import_course(unlistable)


def test_a_name_that_is_not_utf8_is_named_and_the_rest_goes_on(folder):
    course = import_course(folder).course
    (folder / "02-roots.md").rename(folder / os.fsdecode(b"02-\xb8\xf9.md"))
    inner = folder / os.fsdecode(b"part-\xff")
    inner.mkdir()
    for name in ("03-seeds.md", "04-buds.html", "picture.png"):
        (inner / name).write_text("Small.")
    (folder / os.fsdecode(b"picture-\xff.png")).write_bytes(b"")

    report = import_course(folder)

    paths, whys = zip(*report.problems, strict=True)
    assert paths == (r"02-\xb8\xf9.md", r"part-\xff")
    assert all("not UTF-8. Rename it" in why for why in whys)
    assert report.unchanged == ["Leaves"]
    assert report.unpublished == []  # nobody can tell whose file the strange name is
    assert course.chapters.published().count() == 2


def test_a_path_that_is_not_utf8_makes_no_course(tmp_path):
    folder = tmp_path / os.fsdecode(b"\xff")
    write(folder, "01-leaves.md", "Green.")

    for path in (folder, folder / "01-leaves.md"):
        with pytest.raises(CourseImportError, match=r"\\xff.*: its name is not UTF-8"):
            import_course(path)

    assert not Course.objects.exists()


@pytest.mark.parametrize("name", ["03-pipe.md", "03-pipe.pdf", "index.md"])
def test_a_pipe_is_not_read(folder, name):
    os.mkfifo(folder / name)

    report = import_course(folder)

    ((path, why),) = report.problems
    assert path == name
    assert "is a pipe" in why
    assert report.added == ["Leaves", "Roots"]
    with pytest.raises(CourseImportError, match="is a pipe"):
        import_course(folder / name)


def test_half_a_character_in_the_front_matter_is_replaced(folder):
    write(folder, "01-leaves.md", '---\ntitle: "Leaves\\ud83d"\n---\nGreen.')

    assert titles(import_course(folder).course) == ["Leaves\ufffd", "Roots"]


BROKEN = {
    "not UTF-8": b"# Caf\xe9\n\ntext",
    "not valid YAML": "---\ntitle: [a\n---\ntext",
    "must consist of": "---\njust words\n---\ntext",
    "must be a date": "---\npublished: soon\n---\ntext",
    "cannot be used": "---\npublished: 2026-13-45\n---\ntext",
    "must be plain text": "---\ntitle: [a, b]\n---\ntext",
    "has no text": "# Only a title\n",
    "NUL": "text\0text",
    "larger than": b"x" * (5 * 1024 * 1024 + 1),
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_file_is_named_and_the_rest_goes_on(folder, reason):
    write(folder, "01-leaves.md", BROKEN[reason])

    report = import_course(folder)

    ((path, why),) = report.problems
    assert path == "01-leaves.md"
    assert reason in why
    assert report.added == ["Roots"]


def test_a_broken_file_leaves_its_chapter_as_it_was(folder):
    course = import_course(folder).course
    write(folder, "01-leaves.md", b"\xff\xfe")

    report = import_course(folder)

    assert report.unpublished == []
    leaves = course.chapters.get(slug="leaves")
    assert (leaves.text, leaves.published_at is None) == ("Green.\n", False)


def test_a_broken_index_still_lets_the_chapters_in(folder):
    write(folder, "index.md", "---\ntitle: [\n---\n")

    report = import_course(folder)

    assert report.added == ["Leaves", "Roots"]
    assert [problem.path for problem in report.problems] == ["index.md"]


def test_kinds_that_cannot_be_imported_are_told(folder):
    write(folder, "notes.odt", b"PK")

    report = import_course(folder)

    assert report.problems == []
    ((path, why),) = report.notes
    assert path == "notes.odt"
    assert "cannot be imported" in why


def test_where_there_is_nothing_to_import_nothing_is_made(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(CourseImportError):
            import_course(path)

    assert not Course.objects.exists()


def test_the_command_prints_what_it_did_and_what_comes_next(folder):
    out = StringIO()

    call_command("import_course", str(folder), "--open", "--title", "Plants", stdout=out)

    assert "Plants (botany): 2 added, 0 changed, 0 unchanged, 0 removed" in out.getvalue()
    assert "manage.py reindex --course botany" in out.getvalue()
    assert "searchable within seconds where a worker runs" in out.getvalue()
    assert Course.objects.get().is_open


def test_the_command_fails_after_the_rest_went_in(folder):
    write(folder, "01-leaves.md", b"\xff")
    err = StringIO()

    with pytest.raises(CommandError, match="1 file"):
        call_command("import_course", str(folder), stdout=StringIO(), stderr=err)

    assert "01-leaves.md: not UTF-8 (line 1)" in err.getvalue()
    assert titles(Course.objects.get()) == ["Roots"]


def test_the_command_says_plainly_that_a_folder_is_missing(tmp_path):
    with pytest.raises(CommandError, match="no file or folder"):
        call_command("import_course", str(tmp_path / "missing"))


def test_search_is_given_every_chapter_that_has_text(folder):
    course = import_course(folder).course
    course.chapters.filter(slug="roots").update(published_at=None)
    Chapter.objects.create(course=course, slug="empty", title="Empty", position=9)

    documents = list(CourseSource().documents("botany"))

    assert CourseSource().collections() == ["botany"]
    assert [(d.title, d.text, d.language) for d in documents] == [
        ("Leaves", "Green.\n", "en"),
        ("Roots", "Brown.\n", "en"),
    ]
    assert [d.key for d in documents] == [
        str(pk) for pk in course.chapters.exclude(text="").values_list("pk", flat=True)
    ]


def test_the_command_gives_the_course_to_its_teacher(folder):
    with pytest.raises(CommandError, match="There is no member of staff “tess”"):
        call_command("import_course", str(folder), "--teacher", "tess", stdout=StringIO())
    assert not Course.objects.exists()

    tess = person("tess", is_staff=True)
    call_command("import_course", str(folder), "--teacher", "tess", stdout=StringIO())

    assert [course.teachers.get() for course in Course.objects.all()] == [tess]
