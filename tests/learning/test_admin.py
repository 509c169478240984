"""What staff see of conversations, and that a change of a chapter reaches the search index."""

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from learning.models import Conversation, Course, Message
from tracing import pseudonym, summaries
from tracing.models import TraceRecord


@pytest.fixture
def desk(client, staff):
    """A browser with a member of staff logged in."""
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def answer(course, alice) -> Message:
    conversation = Conversation.objects.create(user=alice, course=course, title="Light?")
    asked = conversation.messages.create(role="user", text="What is light?")
    return conversation.messages.create(
        role="assistant",
        text="<script>alert(1)</script> Light is …",
        reply_to=asked,
        trace_id="trace-1",
        model="extractive",
        input_tokens=10,
        output_tokens=5,
    )


PAGES = ["conversation", "message", "course", "chapter", "enrolment", "user"]


@pytest.mark.parametrize("model", PAGES)
def test_every_list_opens(desk, answer, model):
    assert desk.get(f"/admin/learning/{model}/").status_code == 200


def test_an_answer_in_the_list_is_one_click_from_its_trace(desk, answer, settings):
    settings.TRACING = {**settings.TRACING, "LANGFUSE_HOST": "https://langfuse.example"}

    page = desk.get("/admin/learning/message/").content.decode()

    assert "/admin/tracing/tracerecord/trace-1/change/" in page
    assert "https://langfuse.example/trace/trace-1" in page


def test_a_conversation_shows_its_messages_with_their_traces(desk, answer):
    page = desk.get(f"/admin/learning/conversation/{answer.conversation_id}/change/")

    text = page.content.decode()
    assert "What is light?" in text
    assert "/admin/tracing/tracerecord/trace-1/change/" in text
    assert "<script>alert(1)</script>" not in text


def test_a_conversation_in_the_list_leads_to_its_newest_trace(desk, answer):
    page = desk.get("/admin/learning/conversation/").content.decode()
    assert "/admin/tracing/tracerecord/trace-1/change/" in page


def test_what_students_wrote_cannot_be_changed(desk, answer):
    page = desk.post(f"/admin/learning/message/{answer.pk}/change/", {"text": "Something else"})
    answer.refresh_from_db()
    assert page.status_code == 403
    assert "Light is" in answer.text


@pytest.mark.django_db(transaction=True)
def test_saving_a_chapter_has_its_course_indexed_behind_the_page(desk, course):
    chapter = course.chapters.first()
    saved = desk.post(
        f"/admin/learning/chapter/{chapter.pk}/change/",
        {
            "course": course.pk,
            "slug": chapter.slug,
            "title": chapter.title,
            "position": 1,
            "text": "New text.",
            "summary": "",
            "published_at_0": "2026-01-01",
            "published_at_1": "00:00",
        },
    )
    job = DBTaskResult.objects.get()
    assert saved.status_code == 302
    assert job.task_path == "learning.tasks.reindex_course"
    assert job.args_kwargs["args"] == ["plants"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("model", ["chapter", "course"])
def test_deleting_what_was_selected_has_its_course_indexed(desk, course, model):
    rows = course.chapters.all() if model == "chapter" else [course]

    desk.post(
        f"/admin/learning/{model}/",
        {
            "action": "delete_selected",
            "_selected_action": [row.pk for row in rows],
            "post": "yes",
        },
    )

    assert not course.chapters.exists()
    assert [job.args_kwargs["args"] for job in DBTaskResult.objects.all()] == [["plants"]]


@pytest.mark.django_db(transaction=True)
def test_moving_a_chapter_has_both_courses_indexed(desk, course):
    chapter = course.chapters.first()
    other = Course.objects.create(slug="trees", title="Trees")

    desk.post(
        f"/admin/learning/chapter/{chapter.pk}/change/",
        {"course": other.pk, "slug": chapter.slug, "title": chapter.title, "position": 1},
    )

    assert other.chapters.get() == chapter
    jobs = DBTaskResult.objects.all()
    assert {job.args_kwargs["args"][0] for job in jobs} == {"plants", "trees"}


@pytest.mark.django_db(transaction=True)
def test_a_course_with_a_new_address_leaves_the_index_under_its_old_one(desk, course):
    empty = {"TOTAL_FORMS": 0, "INITIAL_FORMS": 0}
    forms = {f"{name}-{k}": v for name in ("chapters", "enrolments") for k, v in empty.items()}

    desk.post(
        f"/admin/learning/course/{course.pk}/change/",
        {"slug": "botany", "title": "Botany", "language": "en", "stance": "answer", **forms},
    )

    jobs = DBTaskResult.objects.all()
    assert {job.args_kwargs["args"][0] for job in jobs} == {"plants", "botany"}


def test_a_user_is_one_click_from_the_traces_of_their_questions(desk, alice):
    page = desk.get(f"/admin/learning/user/{alice.pk}/change/").content.decode()
    assert f"/admin/tracing/tracerecord/?q={pseudonym(alice)}" in page


def test_whose_a_pseudonym_is_is_not_told_to_who_may_not_see_traces(client, alice, bob):
    bob.is_staff = True
    bob.save()
    bob.user_permissions.set(Permission.objects.filter(codename="view_user"))
    client.force_login(bob, backend="django.contrib.auth.backends.ModelBackend")

    page = client.get(f"/admin/learning/user/{alice.pk}/change/")

    assert page.status_code == 200
    assert pseudonym(alice) not in page.content.decode()


def test_the_list_of_answers_says_which_course(desk, answer, django_assert_max_num_queries):
    with django_assert_max_num_queries(8):
        page = desk.get("/admin/learning/message/").content.decode()
    assert ">Plants<" in page.replace("\n", "").replace("  ", "")


def test_the_first_page_shows_what_was_traced(desk):
    TraceRecord.objects.create(
        id="t-1", name="ai_chat", group="plants", status="ok", started_at=timezone.now()
    )
    summaries.refresh()
    page = desk.get("/admin/", {"days": 1}).content.decode()

    assert "What was traced" in page and "By course" in page
    assert "name__exact=ai_chat&amp;group__exact=plants" in page
    assert "app-learning" not in page  # the menu has it all


def test_who_sees_neither_traces_nor_courses_finds_the_tables_on_the_first_page(client, bob):
    bob.is_staff = True
    bob.save()
    bob.user_permissions.set(Permission.objects.filter(codename="view_chapter"))
    client.force_login(bob, backend="django.contrib.auth.backends.ModelBackend")

    page = client.get("/admin/").content.decode()

    assert "What was traced" not in page and "app-learning" in page


def test_students_do_not_get_into_the_admin(client, alice, answer):
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/admin/learning/message/").status_code == 302
