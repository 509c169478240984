"""Staff have word clouds, graphs and quizzes made, and look at the jobs that make them."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from learning.artefacts import requesting
from learning.models import Course, StudyArtefact, StudyItem
from tests.learning.study import SHORT, concept, item, question, reviewer, stand, term

Status = StudyArtefact.Status
JOBS = "/admin/learning/studyartefact/"
MAKES = "view_course", "view_chapter", "add_studyartefact", "view_studyartefact"


@pytest.fixture
def desk(client, staff):
    """A browser with a member of staff logged in who may do everything."""
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    return client


def log_in(client, user):
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def job(course: Course, **fields) -> StudyArtefact:
    return StudyArtefact.objects.create(**{"course": course, "kind": "quiz", **fields})


def words_of(page) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page.text).split())


# --- Asking for one -------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", StudyArtefact.Kind.values)
def test_a_button_on_a_course_queues_a_job_for_who_pressed_it(desk, staff, course, kind):
    here = f"/admin/learning/course/{course.pk}/"
    assert f'value="{kind}"' in desk.get(f"{here}change/").text

    page = desk.post(f"{here}generate/", {"kind": kind}, follow=True)

    made = StudyArtefact.objects.get()
    assert (made.course, made.chapter, made.kind, made.requested_by) == (course, None, kind, staff)
    assert f"In the queue: {made}." in page.text
    assert DBTaskResult.objects.get().args_kwargs["args"] == [str(made.pk)]


def test_a_button_on_a_chapter_queues_a_job_for_that_chapter(desk, course):
    chapter = course.chapters.first()
    here = f"/admin/learning/chapter/{chapter.pk}/"
    assert "Make a quiz" in desk.get(f"{here}change/").text

    desk.post(f"{here}generate/", {"kind": "quiz", "only_changed": "on"})

    made = StudyArtefact.objects.get()
    assert (made.course, made.chapter, made.only_changed) == (course, chapter, False)


def test_only_what_has_changed_is_asked_for_by_a_tick(desk, course):
    job(course, status=Status.READY, chapters_done={"1": "hash"})
    here = f"/admin/learning/course/{course.pk}/"
    page = desk.get(f"{here}change/").text
    assert 'name="only_changed" aria-describedby="only-changed-hint"' in page
    assert 'id="only-changed-hint"' in page and "text is still the same" in page

    desk.post(f"{here}generate/", {"kind": "quiz", "only_changed": "on"})

    assert StudyArtefact.objects.get(status=Status.PENDING).only_changed


@pytest.mark.parametrize("model", ["course", "chapter"])
def test_many_are_asked_for_from_the_list(desk, course, model):
    trees = Course.objects.create(slug="trees", title="Trees")
    trees.chapters.create(slug="oak", title="Oak", text="An oak is a tree.")
    rows = Course.objects.all() if model == "course" else course.chapters.all()

    page = desk.post(
        f"/admin/learning/{model}/",
        {"action": "make_wordcloud", "_selected_action": [row.pk for row in rows]},
        follow=True,
    )

    assert StudyArtefact.objects.filter(kind="wordcloud", status=Status.PENDING).count() == 2
    assert "2 jobs are in the queue." in page.text


@pytest.mark.parametrize("model", ["course", "chapter"])
def test_where_there_is_no_text_a_press_is_refused_with_the_reason(desk, course, model):
    course.chapters.update(text="")
    bare = course if model == "course" else course.chapters.first()
    here = f"/admin/learning/{model}/{bare.pk}/"

    page = desk.post(f"{here}generate/", {"kind": "quiz"}, follow=True)

    assert f"“{bare}”: there is no text yet, so nothing can be made of it." in page.text
    assert page.redirect_chain[-1][0] == f"{here}change/"
    assert not StudyArtefact.objects.exists()


def test_of_many_those_without_text_are_refused_and_the_others_made(desk, course):
    trees = Course.objects.create(slug="trees", title="Trees")
    moss = Course.objects.create(slug="moss", title="Moss")
    chosen = [course.pk, trees.pk, moss.pk]

    page = desk.post(
        "/admin/learning/course/", {"action": "make_quiz", "_selected_action": chosen}, follow=True
    )

    assert StudyArtefact.objects.get().course == course
    assert "“Trees”" in page.text and "“Moss”" in page.text and "no text yet" in page.text


def test_the_page_carries_the_question_that_is_asked_before_edits_are_lost(desk, course):
    page = desk.get(f"/admin/learning/course/{course.pk}/change/").text
    assert 'data-unsaved="You have changed the form below and not saved it.' in page
    assert "learning/study_panel.js" in page


def test_asking_takes_a_press_and_never_a_link(desk, course):
    here = f"/admin/learning/course/{course.pk}/generate/"
    assert desk.get(here, {"kind": "quiz"}).status_code == 405
    assert desk.post(here, {"kind": "poem"}).status_code == 404
    assert not StudyArtefact.objects.exists()


def test_who_may_not_make_sees_no_button_and_makes_nothing(client, course):
    log_in(client, reviewer("guest", "view_course", "change_course", "view_studyitem"))
    here = f"/admin/learning/course/{course.pk}/"

    assert "Make a quiz" not in client.get(f"{here}change/").text
    assert client.post(f"{here}generate/", {"kind": "quiz"}).status_code == 403
    chosen = {"action": "make_quiz", "_selected_action": [course.pk]}
    client.post("/admin/learning/course/", chosen)
    assert not StudyArtefact.objects.exists()


def test_who_may_make_but_not_see_the_course_makes_nothing(client, course):
    log_in(client, reviewer("guest", "add_studyartefact"))
    here = f"/admin/learning/course/{course.pk}/generate/"
    assert client.post(here, {"kind": "quiz"}).status_code == 403


def test_who_may_look_at_courses_may_be_allowed_to_make(client, course):
    log_in(client, reviewer("maker", *MAKES))
    here = f"/admin/learning/course/{course.pk}/"
    assert "Make a quiz" in client.get(f"{here}change/").text
    assert client.post(f"{here}generate/", {"kind": "quiz"}).status_code == 302


# --- The jobs -------------------------------------------------------------------------------------


def test_a_job_that_runs_shows_how_far_it_is(desk, course, alice):
    job(
        course,
        status=Status.RUNNING,
        requested_by=alice,
        chapters_total=11,
        chapters_done={"1": "a", "2": "b", "3": "c"},
        started_at=timezone.now(),
        alive_at=timezone.now(),
        trace_id="trace-7",
    )

    page = desk.get(JOBS)

    assert "running, 3 of 11" in words_of(page)
    assert '<progress value="3" max="11" aria-label="running, 3 of 11">' in page.text
    assert "data-running" in page.text
    assert "/admin/tracing/tracerecord/trace-7/change/" in page.text


def test_a_failed_job_says_why_and_what_was_left_out(desk, course):
    made = job(
        course,
        status=Status.FAILED,
        message="The model could not be asked.",
        detail="401 <b>bad key</b>",
        counts={"made": {"question": 3}, "dropped": {"not in the asked form": 4}},
    )

    assert "3 × question; 4 left out" in words_of(desk.get(JOBS))
    page = desk.get(f"{JOBS}{made.pk}/change/")
    assert "The model could not be asked." in page.text
    assert "<code>401 &lt;b&gt;bad key&lt;/b&gt;</code>" in page.text
    assert "<li>4 × not in the asked form</li>" in page.text


def test_a_failed_job_is_tried_again_and_a_queued_one_cancelled(desk, course):
    made = job(course, status=Status.FAILED)
    here = f"{JOBS}{made.pk}/"
    assert "Try again" in desk.get(f"{here}change/").text

    desk.post(f"{here}retry/")
    made.refresh_from_db()
    assert made.status == Status.PENDING
    page = desk.get(f"{here}change/")
    assert "Try again" not in page.text and f"{here}cancel/" in page.text
    page = desk.post(f"{here}cancel/", follow=True)

    made.refresh_from_db()
    assert made.status == Status.CANCELLED
    assert "Cancelled." in page.text and "within seconds" not in page.text
    again = desk.post(f"{here}cancel/", follow=True)
    assert "It is over already." in again.text


def test_a_running_job_that_is_cancelled_ends_within_seconds(desk, course):
    made = job(course, status=Status.RUNNING, alive_at=timezone.now())
    page = desk.post(f"{JOBS}{made.pk}/cancel/", follow=True)
    assert "It ends within seconds." in page.text


def test_a_job_that_is_ready_leads_to_the_review_of_what_it_made(desk, course):
    made = job(course, kind="knowledge_graph", status=Status.READY)
    for name in ("soil", "light"):
        concept(course, name)
    question(course)

    for page in (desk.get(JOBS).text, desk.get(f"{JOBS}{made.pk}/change/").text):
        queue = f"course={course.pk}&amp;kind=concept&amp;status=pending"
        assert f'review/?{queue}">review 2 (concept)</a>' in page
        assert "(question)" not in page and "(relation)" not in page


def test_a_job_of_which_nothing_waits_leads_to_where_students_see_it(desk, course):
    made = job(course, kind="wordcloud", status=Status.READY, chapter=course.chapters.first())
    term(course, "light", status="approved")
    term(course, "soil", status="rejected")

    for page in (desk.get(JOBS).text, desk.get(f"{JOBS}{made.pk}/change/").text):
        shown = "/courses/plants/words/?chapter=photosynthesis"
        assert f'<a href="{shown}">1 approved (term)</a>' in page


def test_a_job_leads_to_nothing_that_is_not_made_or_not_allowed(client, desk, course):
    made = job(course, status=Status.RUNNING)
    question(course)
    assert "review 1" not in desk.get(JOBS).text

    StudyArtefact.objects.update(status=Status.READY)
    log_in(client, reviewer("guest", "view_studyartefact"))
    assert "review 1" not in client.get(f"{JOBS}{made.pk}/change/").text


def test_a_job_says_in_words_what_it_makes_anew(desk, course):
    made = job(course, status=Status.READY)
    assert "all of it" in desk.get(f"{JOBS}{made.pk}/change/").text
    StudyArtefact.objects.update(only_changed=True)
    assert "chapters whose text has changed" in desk.get(f"{JOBS}{made.pk}/change/").text


def test_a_job_is_steered_by_a_press_of_who_may_change_it(client, desk, course):
    made = job(course, status=Status.FAILED)
    assert desk.get(f"{JOBS}{made.pk}/retry/").status_code == 405

    log_in(client, reviewer("guest", "view_studyartefact"))
    page = client.get(f"{JOBS}{made.pk}/change/")
    assert page.status_code == 200 and "Try again" not in page.text
    for way in ("retry", "cancel"):
        assert client.post(f"{JOBS}{made.pk}/{way}/").status_code == 403
    assert StudyArtefact.objects.get().status == Status.FAILED


def test_a_job_that_waits_for_long_asks_whether_there_is_a_worker(desk, course):
    made = job(course)
    asks = "Is there a worker?"
    assert asks not in desk.get(JOBS).text

    StudyArtefact.objects.update(queued_at=timezone.now() - timedelta(minutes=1))
    assert asks in desk.get(JOBS).text
    assert "<code>.venv/bin/python manage.py worker</code>" in desk.get(JOBS).text
    assert asks in desk.get(f"{JOBS}{made.pk}/change/").text

    other = Course.objects.create(slug="trees", title="Trees")
    job(other, status=Status.RUNNING, alive_at=timezone.now())
    assert asks not in desk.get(JOBS).text


def test_a_job_is_deleted_when_it_is_over_and_goes_with_its_course_at_any_time(desk, course):
    running = job(course, status=Status.RUNNING)
    over = job(course, status=Status.READY)
    sure = {"post": "yes"}

    assert desk.post(f"{JOBS}{running.pk}/delete/", sure).status_code == 403
    desk.post(f"{JOBS}{over.pk}/delete/", sure)
    assert StudyArtefact.objects.get() == running
    assert desk.get(f"{JOBS}add/").status_code == 403
    desk.post(f"/admin/learning/course/{course.pk}/delete/", sure)
    assert not StudyArtefact.objects.exists()


def test_a_job_that_runs_is_not_deleted_among_many(desk, course):
    rows = [job(course, status=Status.RUNNING), job(course, status=Status.READY)]
    chosen = {"action": "delete_selected", "_selected_action": [row.pk for row in rows]}
    desk.post(JOBS, {**chosen, "post": "yes"})
    assert StudyArtefact.objects.filter(status=Status.RUNNING).exists()


def test_the_list_takes_the_same_few_queries_however_many_there_are(
    desk, course, django_assert_max_num_queries
):
    for number in range(20):
        made = requesting.request(course, "quiz", chapter=course.chapters.all()[number % 2])
        StudyArtefact.objects.filter(pk=made.pk).update(status=Status.READY)
        term(course, "soil", key=f"term-{number}")
    with django_assert_max_num_queries(12):
        desk.get(JOBS)
    with django_assert_max_num_queries(11):
        desk.get("/admin/learning/studyitem/")


# --- The items ------------------------------------------------------------------------------------


def test_the_course_says_how_many_items_wait_and_leads_to_them(desk, course):
    question(course)
    for name in ("soil", "sugar"):
        term(course, name)
    term(course, "light", status="approved")

    listed = desk.get("/admin/learning/course/").text
    assert re.search(rf'review/\?course={course.pk}&amp;[^"]*">3</a>', listed)
    page = desk.get(f"/admin/learning/course/{course.pk}/change/")
    assert "review 2 (term)" in page.text and "review 1 (question)" in page.text
    assert '<a href="/courses/plants/words/">1 approved (term)</a>' in page.text


def test_the_chapter_says_what_stands_on_it_also_where_it_was_made_of_the_course(desk, course):
    term(course, "soil", status="approved")
    for name in ("light", "sugar"):
        term(course, name, status="approved")
    elsewhere, here = question(course, SHORT, "soil"), question(course)
    chapter = course.chapters.get(slug="photosynthesis")

    page = desk.get(f"/admin/learning/chapter/{chapter.pk}/change/").text

    shown = "/courses/plants/words/?chapter=photosynthesis"
    assert f'<a href="{shown}">2 approved (term)</a>' in page
    assert f'item={here.pk}">1 waiting (question)</a>' in page
    assert f"item={elsewhere.pk}" not in page


def test_the_weight_of_an_item_is_a_plain_number(desk, course):
    term(course, "soil", weight=123.456)
    assert "123.5" in words_of(desk.get("/admin/learning/studyitem/"))


def test_many_items_are_approved_from_the_list_but_none_that_nothing_bears(desk, staff, course):
    borne = term(course, "soil")
    bare = item(course, "term", {"name": "moss", "aliases": []})
    chosen = {"action": "approve", "_selected_action": [borne.pk, bare.pk]}

    page = desk.post("/admin/learning/studyitem/", chosen, follow=True)

    assert "1 item is approved." in page.text and "1 item stands on no passage" in page.text
    borne.refresh_from_db()
    bare.refresh_from_db()
    assert (borne.status, borne.reviewed_by, bare.status) == ("approved", staff, "pending")
    desk.post("/admin/learning/studyitem/", {**chosen, "action": "reject"})
    assert StudyItem.objects.filter(status="rejected").count() == 2


def test_an_item_in_the_list_leads_to_its_review(desk, course):
    made = term(course, "soil")
    leads = desk.get(f"/admin/learning/studyitem/{made.pk}/change/")
    assert leads.url.startswith("/admin/learning/studyitem/review/?")
    assert f"item={made.pk}" in leads.url
    assert desk.get("/admin/learning/studyitem/99999/change/").status_code == 302


def test_the_list_finds_questions_names_and_what_passages_call_them(desk, course):
    asked, named = question(course), term(course, "soil")
    stand(named, "sugar")

    def found(words: str) -> set[str]:
        page = desk.get("/admin/learning/studyitem/", {"q": words}).text
        return set(re.findall(r"/studyitem/(\d+)/change/", page))

    assert found("happen") == {str(asked.pk)}
    assert found("SOIL") == found("sugar") == {str(named.pk)}
