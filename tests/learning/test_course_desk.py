"""The desk of a course: try a question, see what students ask, enrol by list or link."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from learning import enrolling
from learning.models import Conversation, Enrolment, Feedback, Message, User
from tests.conftest import person
from tests.learning.study import reviewer
from tracing.models import TraceRecord

pytestmark = pytest.mark.django_db(transaction=True)

BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def desk(client, course):
    """The pages of the desk, for a member of staff with these permissions."""

    def open_page(page, *may, method="get", data=None):
        if not hasattr(client, "who"):
            client.who = reviewer("teacher", "view_course", *may)
            client.force_login(client.who, backend=BACKEND)
        address = reverse(f"admin:learning_course_{page}", args=[course.pk])
        return getattr(client, method)(address, data or {})

    return open_page


def asked(course, user, question, *, chapter=None, weak=False, thumb=None, **feedback) -> Message:
    conversation = Conversation.objects.create(user=user, course=course)
    said = conversation.messages.create(role="user", text=question, chapter=chapter)
    answer = conversation.messages.create(
        role="assistant",
        text="An answer.",
        reply_to=said,
        is_weakly_sourced=weak,
        input_tokens=100,
        output_tokens=20,
        trace_id=f"{said.pk.hex}",
    )
    if thumb is not None:
        Feedback.objects.create(message=answer, is_helpful=thumb, **feedback)
    return answer


def words(page) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())


# --- Try a question ---------------------------------------------------------------------------


def test_a_question_is_tried_without_asking_a_model(desk, indexed, traces):
    page = desk("try", "view_chapter", data={"q": "What is photosynthesis?"})

    assert "Photosynthesis is the process" in words(page)
    assert re.search(
        r'href="/courses/plants/chapters/photosynthesis/\?passage=\d+-\d+#p-', page.text
    )
    assert not Message.objects.exists()
    assert {each.name for each in traces.last.observations}.isdisjoint({"llm_call"})


def test_what_is_not_published_is_not_what_the_tutor_would_read(desk, indexed, course):
    course.chapters.filter(slug="photosynthesis").update(published_at=None)

    page = desk("try", "view_chapter", data={"q": "What is photosynthesis?"})

    assert "is the process" not in words(page)


def test_a_course_without_an_index_says_so(desk):
    assert "index" in words(desk("try", "view_chapter", data={"q": "What is light?"}))


# --- What students ask ------------------------------------------------------------------------


def test_thumbs_down_come_with_question_answer_and_reason_and_without_a_name(desk, course, alice):
    why = {"reason": Feedback.Reason.WRONG, "comment": "Plants do not."}
    asked(course, alice, "Do plants sleep?", thumb=False, **why)
    asked(course, alice, "Do plants breathe?", thumb=True)

    page = words(desk("questions", "view_message"))

    assert "Do plants sleep?" in page and "It is wrong. “Plants do not.”" in page
    assert "Do plants breathe?" not in page and "alice" not in page
    assert "thumbs up 1 thumbs down 1" in page and "tokens 240" in page


def test_what_is_covered_badly_is_shown_from_five_students_on(desk, course):
    roots, light = course.chapters.get(slug="roots"), course.chapters.get(slug="photosynthesis")
    for number in range(5):
        student = person(f"student{number}")
        asked(course, student, f"Why do roots sing {number}?", chapter=roots, weak=True)
        if number:
            asked(course, student, f"Why does light sing {number}?", chapter=light, weak=True)

    page = words(desk("questions", "view_message"))

    assert "Roots 5 questions" in page and "Why do roots sing 0?" in page
    assert "Why does light sing" not in page


def test_one_student_who_asks_five_times_is_one(desk, course, alice):
    for number in range(5):
        asked(course, alice, f"Why do roots sing {number}?", weak=True)

    assert "roots sing" not in words(desk("questions", "view_message"))


def test_the_cost_is_that_of_the_course_s_traces(desk, course, alice):
    now = timezone.now()
    for group, cost in (("plants", "0.25"), ("stones", "7")):
        TraceRecord.objects.create(id=group, name="ai_chat", group=group, cost=cost, started_at=now)

    assert "cost $0.2500" in words(desk("questions", "view_message"))


def test_the_tokens_of_today_stand_beside_the_limit(desk, course, alice):
    asked(course, alice, "Why?")
    assert "have taken 120 tokens; there is no limit" in words(desk("questions", "view_message"))
    course.tokens_per_day = 50_000
    course.save()

    assert "have taken 120 of 50000 tokens" in words(desk("questions", "view_message"))


@pytest.mark.parametrize("page", ["try", "questions", "enrol"])
def test_each_page_needs_its_permission(desk, page):
    assert desk(page).status_code == 403


# --- Enrol ------------------------------------------------------------------------------------


def test_a_list_enrols_by_name_or_address_and_says_who_is_not_known(desk, course, alice):
    carol = person("carol")
    User.objects.filter(pk=carol.pk).update(email="Carol@Example.org")

    page = desk(
        "enrol", "add_enrolment", method="post", data={"names": "ALICE\ncarol@example.org, nobody"}
    )

    assert "1 student was enrolled. 1 was enrolled before." in words(page)
    assert "must sign up first: nobody" in words(page)
    assert carol.enrolments.filter(course=course).exists()


def test_an_address_of_two_accounts_enrols_neither(desk, course):
    for name in ("carol", "dave"):
        user = person(name)
        User.objects.filter(pk=user.pk).update(email="family@example.org")

    page = desk("enrol", "add_enrolment", method="post", data={"names": "family@example.org"})

    assert "Several accounts have these addresses" in words(page)
    assert not Enrolment.objects.filter(user__username__in=["carol", "dave"]).exists()


def test_who_has_the_link_enrols_after_logging_in(client, course):
    key = enrolling.new_key(course)
    address = f"/courses/plants/enrol/{key}/"
    course.is_open = False
    course.save()
    assert client.get(address).url.startswith("/accounts/login/?next=")
    carol = person("carol")
    client.force_login(carol, backend=BACKEND)

    assert "Enrol in this course" in client.get(address).text
    assert client.post(address).url == "/courses/plants/"

    assert carol.enrolments.filter(course=course).exists()


@pytest.mark.parametrize("key", ["wrong", "x" * 200])
def test_a_link_that_is_no_good_is_not_found(client, course, key):
    enrolling.new_key(course)
    client.force_login(person("carol"), backend=BACKEND)

    assert client.get(f"/courses/plants/enrol/{key}/").status_code == 404


def test_a_renewed_or_removed_link_is_of_no_use_any_more(desk, client, course):
    may = ("add_enrolment", "change_course")
    old = enrolling.new_key(course)
    desk("enrol", *may, method="post", data={"do": "link"})
    assert enrolling.course_of("plants", old) is None
    course.refresh_from_db()
    assert course.enrolment_url in desk("enrol").text

    desk("enrol", method="post", data={"do": "unlink"})

    assert enrolling.course_of("plants", course.enrolment_key) is None
    assert enrolling.course_of("plants", "") is None
