"""The admin as each role meets it: the first page, the menu, what lists and forms say."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.utils import timezone

from learning import feedback
from learning.models import Conversation, Course, StudyItem, User
from tests.conftest import person
from tests.learning.canaries import make_roles

pytestmark = pytest.mark.django_db


def browser_of(user: User) -> Client:
    browser = Client()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return browser


def member(name: str, role: str) -> User:
    make_roles()
    user = person(name, is_staff=True)
    user.groups.set(Group.objects.filter(name=role))
    return user


@pytest.fixture
def teacher(course) -> User:
    """Looks after the course of plants."""
    teacher = member("teacher", "Teacher")
    course.teachers.add(teacher)
    return teacher


@pytest.fixture
def admin_browser(staff) -> Client:
    return browser_of(staff)


@pytest.fixture
def trees() -> Course:
    """A closed course that is none of the teacher's."""
    return Course.objects.create(slug="trees", title="Trees")


def text_of(response) -> str:
    assert response.status_code == 200
    text = response.content.decode()
    shown = re.sub(r"<(script|style).*?</\\1>|<[^>]*>", " ", text, flags=re.S)
    return " ".join(unescape(shown).split())


def asked(course: Course, student: User, **fields):
    conversation = Conversation.objects.create(user=student, course=course, title="Light?")
    question = conversation.messages.create(role="user", text="What is light?")
    return conversation.messages.create(
        role="assistant", text="Light is …", reply_to=question, trace_id="trace-1", **fields
    )


# --- the first page ------------------------------------------------------------------------------
def test_a_teacher_s_first_page_says_what_happened_in_their_courses(teacher, course, trees, alice):
    assert course.enrolments.count() == 2
    answer = asked(course, alice)
    asked(course, alice)
    asked(trees, alice)
    feedback.judge(answer, "down")
    for number in range(3):
        StudyItem.objects.create(
            course=course, kind="term", key=f"k{number}", content={"name": "x"}, weight=1
        )

    page = text_of(browser_of(teacher).get("/admin/"))

    assert re.search(r"students 2 questions in 30 days 2 thumbs down 1 to review 3", page)
    assert "Trees" not in page


def test_old_questions_are_not_counted_on_the_first_page(teacher, course, alice):
    answer = asked(course, alice)
    type(answer).objects.update(created_at=timezone.now() - timedelta(days=31))

    assert re.search(r"30 days 0 thumbs down 0", text_of(browser_of(teacher).get("/admin/")))


def test_the_first_page_asks_as_few_queries_for_many_courses(
    teacher, course, django_assert_max_num_queries
):
    for number in range(12):
        Course.objects.create(slug=f"c{number}", title=f"C {number}").teachers.add(teacher)
    browser = browser_of(teacher)
    with django_assert_max_num_queries(6):
        page = text_of(browser.get("/admin/"))
    assert "C 11" in page and "Plants" in page


def test_a_teacher_of_no_course_is_told_how_one_becomes_theirs():
    page = text_of(browser_of(member("teacher", "Teacher")).get("/admin/"))
    assert "You look after no course yet" in page


def test_who_logs_in_at_the_admin_s_own_door_comes_to_the_admin(client, staff):
    staff.set_password("a long secret")
    staff.save()
    page = client.get("/admin/login/").content.decode()
    onward = re.search(r'<input[^>]*name="next"[^>]*value="([^"]*)"[^>]*form="login-form"', page)

    answer = client.post(
        "/admin/login/",
        {"username": staff.username, "password": "a long secret", "next": onward[1]},
    )

    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


# --- the menu ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("role", "offered", "hidden"),
    [
        ("Teacher", {"course", "chapter", "user", "message"}, {"tracerecord", "group", "chunk"}),
        ("Staff", {"course", "user", "conversation"}, {"tracerecord", "group", "accessattempt"}),
        ("Trace auditor", {"tracerecord", "scorerecord"}, {"course", "user", "group"}),
    ],
)
def test_the_menu_offers_what_a_role_may_see(role, offered, hidden):
    page = browser_of(member("somebody", role)).get("/admin/").content.decode()
    links = set(re.findall(r'href="/admin/\w+/(\w+)/"', page))
    assert offered <= links
    assert not hidden & links


def test_no_page_speaks_of_the_libraries_behind_it(admin_browser):
    for path in ("/admin/axes/accessattempt/", "/admin/django_tasks_database/dbtaskresult/"):
        page = text_of(admin_browser.get(path))
        assert "Axes" not in page and "Tasks Database Backend" not in page


# --- view on site --------------------------------------------------------------------------------
def on_site(user: User, row):
    kind = ContentType.objects.get_for_model(row).pk
    return browser_of(user).get(f"/admin/r/{kind}/{row.pk}/")


def test_view_on_site_leads_a_teacher_to_their_course(teacher, course):
    assert on_site(teacher, course)["Location"] == "/courses/plants/"


def test_view_on_site_does_not_tell_a_teacher_the_address_of_another_course(teacher, trees):
    assert on_site(teacher, trees).status_code == 404
    chapter = trees.chapters.create(slug="oak", title="Oak")
    assert on_site(teacher, chapter).status_code == 404


@pytest.mark.parametrize(
    "path", ["0/{row}", "x/{row}", "{course} /{row}", "{course}/{row}/1", "{course}/x"]
)
def test_view_on_site_knows_one_way_of_writing_an_address(path, teacher, trees):
    path = path.format(course=ContentType.objects.get_for_model(Course).pk, row=trees.pk)
    assert browser_of(teacher).get(f"/admin/r/{path}/").status_code == 404


# --- lists and forms -----------------------------------------------------------------------------
def test_the_list_of_people_says_who_has_which_role(admin_browser, staff, alice):
    both = member("both", "Teacher")
    both.groups.add(Group.objects.get(name="Trace auditor"))

    page = text_of(admin_browser.get("/admin/learning/user/"))

    assert "Teacher, Trace auditor" in page
    assert re.search(rf"{alice.username} .*? student", page)
    assert re.search(rf"{staff.username} .*? administrator", page)


def test_the_list_of_chapters_says_which_students_see(admin_browser, course):
    course.chapters.create(slug="draft", title="Draft", published_at=None)
    soon = timezone.now() + timedelta(days=400)
    course.chapters.create(slug="later", title="Later", published_at=soon)

    page = text_of(admin_browser.get("/admin/learning/chapter/"))
    hidden = text_of(admin_browser.get("/admin/learning/chapter/?published=no"))
    shown = text_of(admin_browser.get("/admin/learning/chapter/?published=yes"))

    assert re.search(r"Draft Plants \d+ not published", page)
    assert re.search(r"from \d+/\d+/\d+ on", page)
    assert "Draft" in hidden and "Later" in hidden
    assert "Draft" not in shown and "Later" not in shown


def test_the_form_of_a_course_has_every_field_but_the_key_of_its_link(admin_browser, course):
    page = admin_browser.get(f"/admin/learning/course/{course.pk}/change/")

    editable = {
        field.name
        for field in (*Course._meta.fields, *Course._meta.many_to_many)
        if field.editable and not field.primary_key
    }
    assert set(page.context["adminform"].form.fields) == editable - {"enrolment_key"}


def test_a_teacher_s_form_of_a_course_does_not_ask_who_its_teachers_are(teacher, course):
    page = browser_of(teacher).get(f"/admin/learning/course/{course.pk}/change/")
    assert page.status_code == 200
    assert "teachers" not in page.context["adminform"].form.fields


def test_a_list_says_what_it_is_good_for(admin_browser):
    assert "the active version" in text_of(admin_browser.get("/admin/rag/indexversion/"))
    assert "A role is what its members may do" in text_of(admin_browser.get("/admin/auth/group/"))


def test_a_long_list_says_once_how_many_there_are(admin_browser, course, alice):
    asked(course, alice)
    page = text_of(admin_browser.get("/admin/learning/message/"))
    assert "2 messages" in page and "2 results" not in page


def test_in_chinese_the_chapters_of_an_item_are_joined_by_a_chinese_comma(admin_browser, course):
    item = StudyItem.objects.create(
        course=course, kind="term", key="light", content={"name": "light"}, weight=1
    )
    for title in ("光", "叶"):
        chapter = course.chapters.create(slug=title, title=title)
        item.passages.create(chapter=chapter, start=0, end=1, title=title, quote="x", form="x")
    admin_browser.cookies["django_language"] = "zh-hans"

    assert "光、叶" in text_of(admin_browser.get("/admin/learning/studyitem/"))


# --- what was said -------------------------------------------------------------------------------
HOSTILE = "It is **light**: $x^2$. <img src=x onerror=alert(1)>"


@pytest.mark.parametrize(
    "path",
    [
        "/admin/learning/conversation/{0.conversation_id}/change/",
        "/admin/learning/message/{0.pk}/change/",
        "/admin/learning/course/{0.conversation.course_id}/questions/",
    ],
)
def test_an_answer_reads_as_its_student_read_it(path, admin_browser, course, alice):
    answer = asked(course, alice)
    type(answer).objects.filter(pk=answer.pk).update(text=HOSTILE)
    feedback.judge(answer, "down")

    page = admin_browser.get(path.format(answer)).content.decode()

    assert "<strong>light</strong>" in page and "<math" in page
    assert "<img src=x" not in page


def test_a_question_is_shown_as_it_was_typed(admin_browser, course, alice):
    answer = asked(course, alice)
    type(answer).objects.filter(pk=answer.reply_to_id).update(text="Is **this** <b>bold</b>?")

    page = admin_browser.get(f"/admin/learning/message/{answer.reply_to_id}/change/")

    assert "<p>Is **this** &lt;b&gt;bold&lt;/b&gt;?</p>" in page.content.decode()


def test_each_thumb_down_is_one_click_from_its_trace(admin_browser, course, alice):
    feedback.judge(asked(course, alice), "down")
    page = admin_browser.get(f"/admin/learning/course/{course.pk}/questions/").content.decode()
    assert 'href="/admin/tracing/tracerecord/trace-1/change/"' in page


def test_many_thumbs_down_take_as_few_queries(
    admin_browser, course, alice, django_assert_max_num_queries
):
    for _number in range(9):
        feedback.judge(asked(course, alice), "down")
    admin_browser.get("/admin/")
    with django_assert_max_num_queries(12):
        admin_browser.get(f"/admin/learning/course/{course.pk}/questions/")
