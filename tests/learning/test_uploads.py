"""Files that staff upload in the admin become a course, by a worker."""

import io
import shutil
import zipfile
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone, translation
from django_tasks_db.models import DBTaskResult

from learning import heart, jobs
from learning.importing import archive, uploads
from learning.models import Chapter, Conversation, Course, CourseImport, QuizAttempt
from learning.roles import TEACHER
from learning.tasks import import_upload
from rag.search import search_sync
from tests.learning.study import reviewer
from tracing import Status as TraceStatus

pytestmark = pytest.mark.django_db(transaction=True)

Status = CourseImport.Status
LIGHT = b"# Light\n\nLight is a wave and a particle.\n"
SOUND = b"# Sound\n\nSound is a wave in the air.\n"


@pytest.fixture(autouse=True)
def kept():
    """The archives that are kept."""
    folder = Path(CourseImport._meta.get_field("archive").storage.location)
    yield lambda: list(folder.rglob("*.zip"))
    shutil.rmtree(folder, ignore_errors=True)
    heart._is_ending.clear()


@pytest.fixture(autouse=True)
def word_embedder(settings):
    settings.RAG = {**settings.RAG, "EMBEDDER": "tests.rag.parts.WordEmbedder"}


@pytest.fixture
def teacher(course):
    """Who looks after the course of plants, and no other."""
    teacher = reviewer(
        "teacher",
        *("view_course", "add_course", "change_course", "view_chapter", "add_chapter"),
        *("change_chapter", "view_courseimport", "change_courseimport"),
    )
    teacher.groups.add(Group.objects.get_or_create(name=TEACHER)[0])
    course.teachers.add(teacher)
    return teacher


@pytest.fixture
def upload(client, teacher, course):
    """Send files by the form of the admin, as a browser does; return the answer."""
    client.force_login(teacher, backend="django.contrib.auth.backends.ModelBackend")

    def send(*files, into=None, paths=(), follow=False, **fields):
        files = [SimpleUploadedFile(name, content) for name, content in files]
        return client.post(address(into), {"files": files, "paths": paths, **fields}, follow=follow)

    return send


def give(user, *codenames) -> None:
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))


def address(course=None) -> str:
    if course is None:
        return reverse("admin:learning_course_import_new")
    return reverse("admin:learning_course_import", args=[course.pk])


def zipped(*files, name="optics.zip") -> tuple[str, bytes]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        for path, content in files:
            opened.writestr(path, content)
    return name, packed.getvalue()


def newest() -> CourseImport:
    return CourseImport.objects.latest("created_at")


def done() -> CourseImport:
    """Do the newest import, as its worker does."""
    import_upload.call(str(newest().pk))
    return newest()


def words(page) -> str:
    return page.content.decode()


# --- a new course -----------------------------------------------------------------------------


def test_a_zip_archive_becomes_a_course_that_can_be_searched(upload, teacher):
    page = upload(zipped(("optics/01-light.md", LIGHT), ("optics/02-sound.md", SOUND)))

    job = newest()
    assert page.url == reverse("admin:learning_courseimport_change", args=[job.pk])
    assert (job.status, job.course) == (Status.PENDING, None)
    job = done()

    assert (job.status, job.percent, job.message) == (Status.READY, 100, "")
    assert [chapter.title for chapter in job.course.chapters.all()] == ["Light", "Sound"]
    assert (job.course.slug, job.course.is_open) == ("optics", False)
    assert list(job.course.teachers.all()) == [teacher]
    keys = [str(chapter.pk) for chapter in job.course.chapters.all()]
    assert search_sync("particle", collection="optics", keys=keys)


def test_files_become_chapters_in_the_order_of_their_names(upload):
    upload(("2-sound.md", SOUND), ("1-light.md", LIGHT), title="Waves", is_open="on")

    course = done().course
    assert (course.slug, course.title, course.is_open) == ("waves", "Waves", True)
    assert [chapter.title for chapter in course.chapters.all()] == ["Light", "Sound"]


def test_a_folder_keeps_its_paths(upload):
    upload(
        ("README.md", b"# Waves\n\n- [sound](b/text.md)\n- [light](a/text.md)\n"),
        ("text.md", LIGHT),
        ("text.md", SOUND),
        paths=["waves/README.md", "waves/a/text.md", "waves/b/text.md"],
    )

    course = done().course
    assert [chapter.source_path for chapter in course.chapters.all()] == ["b/text.md", "a/text.md"]
    assert course.title == "Waves"


def test_nobody_writes_over_a_course_by_giving_a_new_one_its_name(upload, course):
    Course.objects.create(slug="optics", title="Another's")

    upload(zipped(("light.md", LIGHT)))

    job = done()
    assert (job.status, job.course) == (Status.FAILED, None)
    assert "There is a course “Another's” with the address “optics” already." in job.message
    assert not Chapter.objects.filter(course__slug="optics").exists()


# --- into a course that is there --------------------------------------------------------------


def test_one_file_brings_its_chapter_up_to_date_and_leaves_the_others(upload, course):
    course.chapters.filter(slug="roots").update(source_path="part/roots.md")

    upload(("roots.md", b"# Roots\n\nRoots drink.\n"), ("light.md", LIGHT), into=course)
    job = done()

    assert job.report["changed"] == ["Roots"]
    assert job.report["added"] == ["Light"]
    assert job.report["unpublished"] == []
    roots = course.chapters.get(slug="roots")
    assert (roots.text, roots.source_path) == ("Roots drink.\n", "part/roots.md")
    assert [chapter.slug for chapter in course.chapters.all()] == [
        "photosynthesis",
        "roots",
        "light",
    ]


def test_the_whole_course_unpublishes_what_has_gone(upload, course):
    course.chapters.filter(slug="roots").update(source_path="roots.md")

    upload(zipped(("light.md", LIGHT)), into=course, is_whole="on")

    assert done().report["unpublished"] == ["Roots"]
    assert course.chapters.get(slug="roots").published_at is None
    assert course.chapters.get(slug="photosynthesis").published_at  # written by hand


def test_what_cannot_be_read_is_named_and_the_rest_is_imported(upload, course, client):
    upload(("light.md", LIGHT), ("old.doc", b"x"), ("latin.md", b"# M\xfcller\n"), into=course)
    job = done()

    assert (job.status, job.report["added"]) == (Status.READY, ["Light"])
    page = words(client.get(reverse("admin:learning_courseimport_change", args=[job.pk])))
    assert "Some files could not be used; their chapters are as they were." in page
    assert "<b>latin.md</b> not UTF-8 (line 1). Save it with the encoding UTF-8." in page
    assert "<b>old.doc</b> is in the format of before 2007." in page


def test_the_report_is_in_the_language_of_who_uploaded(upload, course, client):
    client.cookies["django_language"] = "zh-hans"

    upload(("latin.md", b"# M\xfcller\n"), ("light.md", LIGHT), into=course)

    with translation.override("en"):  # the worker's own
        ((_name, reason),) = done().report["problems"]
    assert "UTF-8" in reason
    assert "Save it" not in reason


def test_the_course_keeps_the_title_that_its_teacher_gave_it(upload, course):
    upload(("index.md", b"# Botany\n\nOf plants.\n"), ("light.md", LIGHT), into=course)
    done()

    course.refresh_from_db()
    assert (course.title, course.summary) == ("Plants", "")


def test_a_chapter_that_was_only_given_a_date_is_unchanged(upload, course, client):
    upload(("light.md", LIGHT), into=course)
    done()
    chapter = course.chapters.get(slug="light")
    fields = {"course": course.pk, "slug": "light", "title": "Light", "position": 3, "summary": ""}
    dated = {"published_at_0": "2030-01-01", "published_at_1": "00:00:00"}
    # As a browser sends them.
    text = {"text": chapter.text.replace("\n", "\r\n")}
    page = reverse("admin:learning_chapter_change", args=[chapter.pk])
    assert client.post(page, {**fields, **dated, **text}).status_code == 302

    upload(("light.md", LIGHT), into=course)

    assert done().report["changed"] == []
    chapter.refresh_from_db()
    assert (chapter.published_at.year, chapter.text) == (2030, "Light is a wave and a particle.\n")


def test_a_file_of_another_kind_is_named(upload, course):
    upload(("light.md", LIGHT), ("marks.xlsx", b"PK"), into=course)

    ((name, reason),) = done().report["notes"]
    assert name == "marks.xlsx" and "cannot be imported" in reason


def test_files_picked_one_by_one_are_called_after_the_first(upload):
    upload(("index.md", b"# Waves\n\nOf waves.\n"), ("light.md", LIGHT))

    job = done()
    assert (job.name, job.course.title) == ("index.md + 1", "Waves")


def test_a_teacher_deletes_a_course_in_which_nobody_has_asked(upload, client, teacher, course):
    give(teacher, "delete_course", "delete_chapter", "delete_enrolment", "delete_courseimport")
    upload(("light.md", LIGHT))
    wrong = done().course
    student = course.enrolments.first().user
    Conversation.objects.create(user=student, course=course)
    tried = Course.objects.create(slug="tried", title="Tried")
    tried.teachers.add(teacher)
    QuizAttempt.objects.create(user=student, course=tried)

    for unwanted in (wrong, course, tried):
        page = reverse("admin:learning_course_delete", args=[unwanted.pk])
        client.post(page, {"post": "yes"})

    assert list(Course.objects.values_list("slug", flat=True)) == [course.slug, "tried"]


# --- what may be wrong with an upload ---------------------------------------------------------


def test_a_form_without_files_says_so(upload, course):
    page = upload(into=course)

    assert page.status_code == 422
    assert "Choose the files first." in words(page)
    assert not CourseImport.objects.exists()


def test_too_much_at_once_is_refused(upload, course, monkeypatch):
    monkeypatch.setattr("learning.views.course_import.MOST_MEGABYTES", 1)

    page = upload(("light.md", LIGHT + b"x" * 1024**2), into=course)

    assert "At most 1 MB at a time." in words(page)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"no zip at all", "damaged or of an unknown kind"),
        (zipped(("../../evil.md", LIGHT))[1], "“../../evil.md” is no name for a file"),
        (zipped(("a:b.md", LIGHT))[1], "“a:b.md” is no name for a file"),
        (zipped(("light.txt", LIGHT))[1], "light.txt: cannot be imported. Save it as Markdown"),
        (zipped(("a", b"x"), ("a/b.md", LIGHT))[1], "cannot be unpacked"),
    ],
)
def test_a_bad_archive_fails_in_words(upload, kept, content, complaint):
    upload(("bad.zip", content))
    folder = kept()[0].parent
    job = done()

    assert job.status == Status.FAILED
    assert complaint in job.message
    assert str(folder) not in job.message
    assert "import-" not in job.message
    assert not Course.objects.filter(slug="bad").exists()


def test_an_archive_that_lies_about_its_size_is_not_unpacked_to_the_end(monkeypatch, tmp_path):
    monkeypatch.setattr(archive, "MOST_BYTES", 1000)
    _name, content = zipped(("big.md", b"x" * 5000))

    with pytest.raises(archive.CourseImportError, match="unpacks to more than"):
        archive.unpack(io.BytesIO(content), tmp_path)

    assert sum(file.stat().st_size for file in tmp_path.rglob("*.md")) <= 1000


def test_an_archive_with_a_password_is_told(upload):
    name, content = zipped(("light.md", LIGHT))
    # The bit that says so, in the file's own head and in the list of all at the end.
    locked = bytearray(content)
    locked[6] |= 1
    locked[locked.index(b"PK\x01\x02") + 8] |= 1

    upload((name, bytes(locked)))

    assert "protected by a password" in done().message


@pytest.mark.parametrize(("name", "encoding"), [("光学入门", "gb18030"), ("光学01", "utf-8")])
def test_chinese_names_of_an_archive_are_read(tmp_path, name, encoding):
    _name, content = zipped(("AAAAAAAA.md", LIGHT))
    unmarked = content.replace(b"AAAAAAAA", name.encode(encoding))

    folder = archive.unpack(io.BytesIO(unmarked), tmp_path)

    assert [file.name for file in folder.iterdir()] == [f"{name}.md"]


def test_what_systems_put_beside_the_files_is_left_out(upload):
    upload(
        zipped(
            ("optics/light.md", LIGHT),
            ("__MACOSX/optics/light.md", SOUND),
            ("optics/.DS_Store", b"\0"),
        )
    )

    job = done()
    assert job.report["added"] == ["Light"]
    assert job.report["problems"] == []


# --- who may ----------------------------------------------------------------------------------


def test_a_teacher_imports_into_their_own_courses_only(upload):
    other = Course.objects.create(slug="physics", title="Physics")

    assert upload(("light.md", LIGHT), into=other).status_code == 404
    assert not CourseImport.objects.exists()


def test_a_teacher_sees_imports_of_their_courses_and_their_own_new_ones(upload, client, staff):
    other = Course.objects.create(slug="physics", title="Physics")
    for fields in ({"course": other}, {"course": None, "requested_by": staff}):
        CourseImport.objects.create(name="another's", **fields)
    upload(("light.md", LIGHT))

    page = words(client.get(reverse("admin:learning_courseimport_changelist")))

    assert "light.md" in page
    assert "another&#x27;s" not in page


@pytest.mark.parametrize(
    "missing", ["add_chapter", "change_chapter", "view_courseimport", "change_course"]
)
def test_each_right_is_needed(upload, teacher, course, missing):
    teacher.user_permissions.remove(*teacher.user_permissions.filter(codename=missing))

    assert upload(("light.md", LIGHT), into=course).status_code == 403


def test_a_student_finds_no_door(client, alice, course):
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")

    assert client.get(address(course)).status_code == 302
    assert client.get(address()).status_code == 302


# --- the life of the job ----------------------------------------------------------------------


def test_what_was_uploaded_is_kept_until_it_is_imported(upload, kept):
    upload(("light.md", LIGHT), title="Light")
    assert len(kept()) == 1

    done()

    assert kept() == []


def test_an_import_that_failed_can_be_tried_again(upload, client, teacher):
    taken = Course.objects.create(slug="light", title="Taken")
    upload(("light.md", LIGHT), title="Light")
    failed = done()
    assert failed.status == Status.FAILED
    taken.delete()

    client.post(reverse("admin:learning_courseimport_retry", args=[failed.pk]))

    assert newest().status == Status.PENDING
    assert done().status == Status.READY


def test_one_that_is_cancelled_before_it_begins_imports_nothing(upload, client):
    upload(("light.md", LIGHT), title="Light")

    client.post(reverse("admin:learning_courseimport_cancel", args=[newest().pk]))

    assert done().status == Status.CANCELLED
    assert not Course.objects.filter(slug="light").exists()


def test_a_worker_that_is_told_to_end_gives_it_back_and_the_next_does_it(upload, traces):
    upload(("light.md", LIGHT), title="Light")
    heart.interrupt_all()

    assert done().status == Status.PENDING
    assert not Course.objects.filter(slug="light").exists()
    assert traces.last.status == TraceStatus.INTERRUPTED

    heart._is_ending.clear()
    assert done().status == Status.READY


def test_an_attempt_that_died_after_writing_keeps_its_report(upload):
    upload(("light.md", LIGHT), title="Light")
    first = done()
    CourseImport.objects.update(
        status=Status.RUNNING, alive_at=timezone.now() - jobs.DEAD_AFTER * 2
    )

    assert jobs.revive() == 1

    again = done()
    assert (again.status, again.report) == (Status.READY, first.report)
    assert again.report["added"] == ["Light"]


def test_two_workers_do_it_once(upload):
    upload(("light.md", LIGHT), title="Light")
    job = newest()

    assert import_upload.call(str(job.pk)) == "ready"
    assert import_upload.call(str(job.pk)) == "ready"

    assert newest().attempts == 1


def test_an_archive_that_is_gone_is_said(upload, kept):
    upload(("light.md", LIGHT), title="Light")
    for file in kept():
        file.unlink()

    assert done().message == uploads.ARCHIVE_GONE


def test_archives_of_old_failures_and_of_deleted_courses_go(upload, course, kept):
    upload(("bad.zip", b"x"))
    done()
    upload(("light.md", LIGHT), into=course)
    assert len(kept()) == 2

    course.delete()
    CourseImport.objects.update(finished_at=timezone.now() - uploads.KEPT_FOR * 2)
    assert uploads.discard_old() == 1

    assert kept() == []


def test_its_trace_says_what_was_done_and_nothing_of_where(upload, traces, kept):
    upload(("light.md", LIGHT), title="Light")
    (archive_path,) = kept()
    done()

    (imported,) = [each for each in traces.traces if each.name == "import_course"]
    assert imported.output["report"]["added"] == ["Light"]
    assert "reindex" in [each.name for each in traces.traces]
    assert str(archive_path.parent) not in str(imported.output)


def test_a_queue_that_lost_it_gets_it_again(upload):
    upload(("light.md", LIGHT), title="Light")
    DBTaskResult.objects.all().delete()
    CourseImport.objects.update(queued_at=timezone.now() - jobs.LOST_AFTER * 2)

    assert jobs.revive() == 1
    assert DBTaskResult.objects.count() == 1
