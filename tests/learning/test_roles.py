"""Roles: a teacher looks after their own courses, the staff after all, an auditor reads traces."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.utils import timezone

from learning.artefacts import review
from learning.citations import citations_for
from learning.models import (
    Chapter,
    Conversation,
    Course,
    Enrolment,
    QuizAttempt,
    StudyArtefact,
    StudyItem,
    User,
)
from learning.roles import courses_of, students_of
from tests.conftest import person
from tests.learning.canaries import make_roles
from tracing.models import TraceRecord

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def roles(db):
    make_roles()


def member(name: str, *roles: str, **rights) -> User:
    user = person(name, is_staff=True, **rights)
    user.groups.set(Group.objects.filter(name__in=roles))
    return user


def browser_of(user: User) -> Client:
    browser = Client()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return browser


class Rows:
    """One row of each kind in a course, named after it, so that a page can be searched for it."""

    def __init__(self, course: Course, student: User):
        self.course = course
        words = f"of-{course.slug}"
        self.chapter = course.chapters.create(
            slug=f"draft-{words}", title=f"Draft {words}", text=f"Text {words}.", published_at=None
        )
        self.enrolment = Enrolment.objects.get_or_create(user=student, course=course)[0]
        self.conversation = Conversation.objects.create(
            user=student, course=course, title=f"Talk {words}"
        )
        self.message = self.conversation.messages.create(
            role="assistant", text=f"Answer {words}", trace_id=f"trace-{words}"
        )
        self.studyartefact = StudyArtefact.objects.create(
            course=course, kind="quiz", trace_id=f"trace-{words}"
        )
        self.studyitem = StudyItem.objects.create(
            course=course,
            kind="term",
            key=words,
            content={"name": f"Term {words}", "aliases": []},
            weight=1.0,
        )
        self.studyitem.passages.create(
            chapter=self.chapter, start=0, end=4, title=words, quote="Text", form="Text"
        )
        self.user = student
        QuizAttempt.objects.create(user=student, course=course)


@pytest.fixture
def teacher(course) -> User:
    """Looks after the course of plants."""
    teacher = member("teacher", "Teacher")
    course.teachers.add(teacher)
    return teacher


@pytest.fixture
def desk(teacher) -> Client:
    return browser_of(teacher)


@pytest.fixture
def own(course, alice) -> Rows:
    return Rows(course, alice)


@pytest.fixture
def foreign(teacher) -> Rows:
    """A closed course of trees, with a student whom the teacher does not know."""
    return Rows(Course.objects.create(slug="trees", title="Trees"), person("carol-of-trees"))


KINDS = "course chapter enrolment conversation message studyartefact studyitem user".split()


# --- who looks after what ------------------------------------------------------------------------
def test_a_teacher_looks_after_the_courses_that_name_them(teacher, own, foreign):
    assert list(courses_of(teacher)) == [own.course]
    assert foreign.user not in students_of(teacher)
    assert own.user in students_of(teacher)


@pytest.mark.parametrize("roles", [("Staff",), ("Staff", "Teacher"), ()])
def test_other_staff_look_after_every_course(roles, own, foreign):
    assert set(courses_of(member("somebody", *roles))) == {own.course, foreign.course}


def test_students_look_after_none_not_even_as_a_member_of_the_group(own, alice):
    alice.groups.set(Group.objects.filter(name="Teacher"))
    own.course.teachers.add(alice)
    assert not courses_of(alice).exists()


def test_a_superuser_who_is_a_teacher_too_looks_after_every_course(own, foreign):
    chief = member("chief", "Teacher", is_superuser=True)
    assert courses_of(chief).count() == 2


# --- students' pages -----------------------------------------------------------------------------
def test_a_teacher_reads_the_unpublished_chapters_of_their_own_courses_alone(desk, own, foreign):
    Course.objects.filter(pk=foreign.course.pk).update(is_open=True)
    Enrolment.objects.create(user=User.objects.get(username="teacher"), course=foreign.course)
    foreign.course.chapters.create(slug="leaf", title="Leaf", text="Green.")

    assert desk.get(f"/courses/plants/chapters/{own.chapter.slug}/").status_code == 200
    assert desk.get("/courses/trees/chapters/leaf/").status_code == 200
    assert desk.get(f"/courses/trees/chapters/{foreign.chapter.slug}/").status_code == 404
    assert "Draft of-trees" not in desk.get("/courses/trees/").text


def test_a_teacher_enrols_in_an_open_course_of_another_before_reading_it(desk, own, foreign):
    Course.objects.filter(pk=foreign.course.pk).update(is_open=True)
    foreign.course.chapters.create(slug="leaf", title="Leaf", text="Green.")
    assert desk.get("/courses/trees/").status_code == 200
    assert desk.get("/courses/trees/chapters/leaf/").status_code == 302


def test_a_closed_course_of_another_teacher_is_not_there(desk, own, foreign):
    assert desk.get("/courses/trees/").status_code == 404
    assert "Trees" not in desk.get("/").text
    assert "Plants" in desk.get("/").text


# --- the admin -----------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_a_list_shows_the_rows_of_own_courses_and_no_others(kind, desk, own, foreign):
    page = desk.get(f"/admin/learning/{kind}/")

    assert page.status_code == 200
    shown = [row.pk for row in page.context["cl"].queryset]
    assert getattr(own, kind).pk in shown
    assert getattr(foreign, kind).pk not in shown
    assert "trees" not in page.text.lower()  # nor in a filter


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_of_another_course_has_no_address(kind, desk, own, foreign):
    pk = getattr(foreign, kind).pk
    for page in ("change", "delete", "history"):
        response = desk.get(f"/admin/learning/{kind}/{pk}/{page}/")
        assert response.status_code in (302, 403, 404), page
        assert "of-trees" not in response.text
    assert desk.get(f"/admin/learning/{kind}/{getattr(own, kind).pk}/change/").status_code < 400


@pytest.mark.parametrize("kind", ["chapter", "enrolment", "studyartefact", "studyitem"])
def test_what_is_of_another_course_is_not_deleted_with_a_selection(kind, desk, own, foreign):
    row = getattr(foreign, kind)
    chosen = {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"}
    desk.post(f"/admin/learning/{kind}/", chosen)
    assert type(row).objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_items_of_another_course_are_not_decided_with_a_selection(action, desk, own, foreign):
    both = [own.studyitem.pk, foreign.studyitem.pk]
    desk.post("/admin/learning/studyitem/", {"action": action, "_selected_action": both})

    own.studyitem.refresh_from_db()
    foreign.studyitem.refresh_from_db()
    assert own.studyitem.status != "pending"
    assert foreign.studyitem.status == "pending"


def test_a_form_offers_own_courses_and_takes_no_other(desk, own, foreign):
    form = desk.get(f"/admin/learning/chapter/{own.chapter.pk}/change/").text
    assert "Plants" in form and "Trees" not in form

    moved = {"course": foreign.course.pk, "slug": "moved", "title": "Moved", "position": 1}
    desk.post(f"/admin/learning/chapter/{own.chapter.pk}/change/", moved)
    desk.post("/admin/learning/chapter/add/", moved)
    desk.post("/admin/learning/enrolment/add/", {"course": foreign.course.pk, "user": own.user.pk})
    stranger = {"course": own.course.pk, "user": foreign.user.pk}
    desk.post("/admin/learning/enrolment/add/", stranger)

    assert not Chapter.objects.filter(slug="moved").exists()
    assert Enrolment.objects.filter(course=foreign.course).count() == 1
    assert not own.course.enrolments.filter(user=foreign.user).exists()


@pytest.mark.parametrize(
    ("field", "known", "unknown"), [("course", "Pla", "Tre"), ("user", "ali", "car")]
)
def test_what_is_searched_while_typing_is_of_own_courses(field, known, unknown, desk, own, foreign):
    def found(term):
        query = {"app_label": "learning", "model_name": "enrolment", "field_name": field}
        return desk.get("/admin/autocomplete/", {**query, "term": term}).json()["results"]

    assert len(found(known)) == 1
    assert found(unknown) == []


def test_a_course_that_a_teacher_makes_is_theirs_and_names_no_other_teacher(desk, teacher, alice):
    assert 'name="teachers"' not in desk.get("/admin/learning/course/add/").text

    empty = {"TOTAL_FORMS": 0, "INITIAL_FORMS": 0}
    forms = {f"{name}-{k}": v for name in ("chapters", "enrolments") for k, v in empty.items()}
    fields = {"slug": "moss", "title": "Moss", "language": "en", "stance": "answer"}
    desk.post("/admin/learning/course/add/", {**fields, **forms, "teachers": alice.pk})

    assert list(Course.objects.get(slug="moss").teachers.all()) == [teacher]


def test_a_course_is_given_to_teachers_by_those_who_look_after_all(own, teacher, alice):
    form = browser_of(member("boss", "Staff")).get(
        f"/admin/learning/course/{own.course.pk}/change/"
    )
    offered = form.context["adminform"].form.fields["teachers"].queryset
    assert list(offered) == [teacher]


def test_what_a_teacher_sees_of_a_student_is_who_they_are(desk, own):
    page = desk.get(f"/admin/learning/user/{own.user.pk}/change/").text
    assert "alice@example.org" in page
    for words in ("Superuser status", "Last login", "User permissions", "Groups"):
        assert words not in page


def test_steering_and_making_work_in_own_courses_alone(desk, own, foreign):
    for rows, status in ((own, 302), (foreign, 404)):
        for kind in ("course", "chapter"):
            url = f"/admin/learning/{kind}/{getattr(rows, kind).pk}/generate/"
            assert desk.post(url, {"kind": "wordcloud"}).status_code == status
        job = rows.studyartefact
        desk.post(f"/admin/learning/studyartefact/{job.pk}/cancel/")
        job.refresh_from_db()
        assert (job.status == "cancelled") is (rows is own)


def test_quiz_results_are_of_own_courses(desk, own, foreign):
    address = "/admin/learning/course/{}/quiz-results/"
    assert desk.get(address.format(own.course.pk)).status_code == 200
    assert desk.get(address.format(foreign.course.pk)).status_code == 404


# --- the review ----------------------------------------------------------------------------------
REVIEW = "/admin/learning/studyitem/review/"


def test_the_review_counts_and_shows_what_is_of_own_courses(desk, own, foreign):
    every = desk.get(REVIEW, {"status": "pending"})
    assert "Term of-plants" in every.text
    assert next(count for status, count, url in every.context["statuses"]) == 1
    assert [each["course__title"] for each in every.context["waiting"]] == ["Plants"]
    assert every.context["total"] == 1 and every.context["at_once"] == 1

    assert "Trees" not in desk.get(REVIEW).text
    assert desk.get(REVIEW, {"course": foreign.course.pk}).status_code == 404
    assert "of-trees" not in desk.get(REVIEW, {"item": foreign.studyitem.pk}, follow=True).text


def test_an_item_of_another_course_is_not_decided_on_edited_or_undone(desk, teacher, own, foreign):
    item = foreign.studyitem
    seen = review.version(item)
    desk.post(REVIEW, {"do": "approve", "item": item.pk, "seen": seen})
    desk.post(f"{REVIEW}{item.pk}/edit/", {"do": "approve", "name": "Mine", "seen": seen})
    all_of_it = f"{REVIEW}all/?course={foreign.course.pk}&kind=term&status=pending"
    assert desk.post(all_of_it, {"seen": review.fingerprint([item.pk])}).status_code == 404
    item.refresh_from_db()
    assert item.status == "pending" and item.content["name"] == "Term of-trees"

    seen = review.version(own.studyitem)
    desk.post(REVIEW, {"do": "approve", "item": own.studyitem.pk, "seen": seen})
    own.course.teachers.remove(teacher)
    assert "of-plants" not in desk.get(REVIEW).text
    desk.post(REVIEW, {"do": "undo"})
    own.studyitem.refresh_from_db()
    assert own.studyitem.status == "approved"


# --- traces --------------------------------------------------------------------------------------
def trace(rows: Rows) -> TraceRecord:
    return TraceRecord.objects.create(
        id=rows.message.trace_id,
        name="ai_chat",
        session_id=str(rows.conversation.pk),
        status="ok",
        started_at=timezone.now(),
        input={"user_message": "a secret word"},
    )


TRACED = ["conversation", "message", "studyartefact"]


@pytest.mark.parametrize("kind", TRACED)
def test_a_teacher_sees_no_traces_and_no_way_to_one(kind, desk, own):
    trace(own)
    row = getattr(own, kind)
    for page in (f"/admin/learning/{kind}/", f"/admin/learning/{kind}/{row.pk}/change/"):
        assert "tracerecord" not in desk.get(page).text, page
    assert desk.get("/admin/tracing/tracerecord/").status_code == 403


@pytest.mark.parametrize("kind", TRACED)
def test_a_teacher_who_is_an_auditor_too_is_led_to_them(kind, own):
    browser = browser_of(member("both", "Teacher", "Trace auditor"))
    own.course.teachers.add(User.objects.get(username="both"))
    assert (
        "/admin/tracing/tracerecord/trace-of-plants/"
        in browser.get(f"/admin/learning/{kind}/").text
    )


def test_an_auditor_sees_traces_but_their_words_only_with_the_permission_for_it(own):
    auditor = member("auditor", "Trace auditor")
    page = f"/admin/tracing/tracerecord/{trace(own).pk}/change/"

    assert browser_of(auditor).get("/admin/tracing/tracerecord/").status_code == 200
    assert browser_of(auditor).get("/admin/tracing/scorerecord/").status_code == 200
    assert browser_of(auditor).get("/admin/").status_code == 200
    shown = browser_of(auditor).get(page)
    assert shown.status_code == 200 and "a secret word" not in shown.text
    assert browser_of(auditor).get("/admin/learning/course/").status_code == 403

    group = Group.objects.get(name="Trace auditor")
    may_read = "read_content"
    auditor.user_permissions.add(*_permissions(may_read))
    assert not group.permissions.filter(codename=may_read).exists()
    assert "a secret word" in browser_of(User.objects.get(pk=auditor.pk)).get(page).text


def _permissions(codename: str):
    return Permission.objects.filter(codename=codename)


# --- the groups ----------------------------------------------------------------------------------
def test_the_staff_look_after_everything_and_give_no_rights(own, foreign, alice):
    browser = browser_of(member("boss", "Staff"))

    for kind in KINDS:
        shown = [row.pk for row in browser.get(f"/admin/learning/{kind}/").context["cl"].queryset]
        assert {getattr(own, kind).pk, getattr(foreign, kind).pk} <= set(shown), kind
    assert browser.get(f"/admin/learning/course/{own.course.pk}/quiz-results/").status_code == 200
    for closed in ("auth/group", "tracing/tracerecord"):
        assert browser.get(f"/admin/{closed}/").status_code == 403

    wanted = {"username": "alice", "first_name": "Edited", "is_active": "on", "is_staff": "on",
              "groups": Group.objects.get(name="Staff").pk,
              "date_joined_0": "2026-01-01", "date_joined_1": "00:00"}  # fmt: skip
    browser.post(f"/admin/learning/user/{alice.pk}/change/", wanted)
    alice.refresh_from_db()
    assert alice.first_name == "Edited"
    assert not alice.is_staff and not alice.groups.exists()


def test_staff_delete_a_student_with_what_they_wrote(own, alice):
    browser = browser_of(member("boss", "Staff"))
    browser.post(f"/admin/learning/user/{alice.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=alice.pk).exists()


def test_what_an_administrator_changed_in_a_group_survives():
    group = Group.objects.get(name="Teacher")
    group.permissions.remove(*_permissions("add_course"))
    Group.objects.get(name="Trace auditor").permissions.add(*_permissions("read_content"))

    make_roles()

    assert not group.permissions.filter(codename="add_course").exists()
    assert Group.objects.get(name="Trace auditor").permissions.filter(codename="read_content")


@pytest.fixture
def manage(tmp_path):
    """Run a command on a machine that has no database yet; return what it prints."""

    def run(*arguments: str) -> str:
        environment = {"DJANGO_SETTINGS_MODULE": "config.settings", "DATA_DIR": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True, text=True, timeout=120, check=True,
        ).stdout  # fmt: skip

    return run


def test_a_new_site_has_the_groups_with_their_permissions(manage):
    manage("migrate", "-v", "0")
    listed = manage(
        "shell", "-v", "0", "-c",
        "from django.contrib.auth.models import Group\n"
        "for group in Group.objects.all(): print(group, group.permissions.count())",
    )  # fmt: skip
    counts = dict(re.findall(r"^(.+) (\d+)$", listed, re.MULTILINE))
    assert counts.keys() == {"Teacher", "Staff", "Trace auditor"}
    assert int(counts["Teacher"]) > 20 and counts["Trace auditor"] == "3"


def test_a_role_is_neither_renamed_nor_deleted(staff):
    """Under another name it would be no role, and its teachers would see every course."""
    browser = browser_of(staff)
    group = Group.objects.get(name="Teacher")
    url = f"/admin/auth/group/{group.pk}"
    browser.post(f"{url}/change/", {"name": "Lecturer", "permissions": []})
    browser.post(f"{url}/delete/", {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": [str(group.pk)], "post": "yes"}
    browser.post("/admin/auth/group/", chosen)

    group.refresh_from_db()
    assert group.name == "Teacher" and not group.permissions.exists()


def test_a_teacher_reads_no_hidden_chapter_in_the_sources_of_another_course(course):
    teacher = member("stranger", "Teacher")
    Enrolment.objects.create(user=teacher, course=course)
    chapter = course.chapters.get(slug="photosynthesis")
    conversation = Conversation.objects.create(user=teacher, course=course)
    answer = conversation.messages.create(role="assistant", text="[1]")
    cited = {"chapter": chapter, "title": "T", "quote": "secret-words", "start": 0, "end": 5}
    answer.citations.create(number=1, score=1.0, **cited)
    course.chapters.filter(pk=chapter.pk).update(published_at=None)

    assert [one.quote for one in citations_for(teacher).filter(message=answer)] == [""]

    course.teachers.add(teacher)
    assert [one.quote for one in citations_for(teacher).filter(message=answer)] == ["secret-words"]
