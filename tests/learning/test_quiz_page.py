"""A student takes a quiz; who sees what of it; what the teacher sees of all of them."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from learning import quizzes
from learning.models import Chapter, QuizAnswer, QuizAttempt, StudyItem
from learning.quiz_results import results
from learning.views.quiz_text import shown, shown_in_line
from tests.conftest import person
from tests.learning.study import SHORT, SINGLE, item, question, reviewer, stand

pytestmark = pytest.mark.django_db

PAGE = "/courses/plants/quiz/"
BACKEND = "django.contrib.auth.backends.ModelBackend"
Status = StudyItem.Status
MULTIPLE = {
    "type": "multiple",
    "text": "What does a plant turn into sugar?",
    "options": ["Light", "Water", "Minerals"],
    "right": [0, 1],
    "accepted": [],
    "explanation": "Light and water, by photosynthesis.",
}
TRUE_FALSE = {
    "type": "true_false",
    "text": "A plant turns sugar into light.",
    "options": [],
    "right": [1],
    "accepted": [],
    "explanation": "It is the other way round.",
}


@pytest.fixture
def as_alice(client, alice, course):
    client.force_login(alice)
    return client


@pytest.fixture
def asked(course) -> StudyItem:
    """An approved question about the first chapter."""
    return question(course, status=Status.APPROVED)


@pytest.fixture
def about_roots(course) -> StudyItem:
    """Another one, about the second chapter."""
    return question(course, SHORT, "soil", status=Status.APPROVED)


def begin(client, **fields) -> QuizAttempt:
    response = client.post(f"{PAGE}start/", fields)
    assert response.status_code == 302
    return QuizAttempt.objects.latest("started_at")


def give(client, attempt: QuizAttempt, position: int, *answers, **fields):
    fields = {"question": position, "answer": list(answers), **fields}
    return client.post(attempt.get_absolute_url(), fields)


def answer_all(client, attempt: QuizAttempt, **right) -> None:
    for row in attempt.answers.all():
        is_right = right.get(row.asked["type"], True)
        if row.asked["type"] == "short":
            give(client, attempt, row.position, row.asked["accepted"][0] if is_right else "no")
        else:
            wrong = [n for n in range(3) if n not in row.asked["right"]][:1]
            give(client, attempt, row.position, *(row.asked["right"] if is_right else wrong))


def hide(slug: str) -> None:
    Chapter.objects.filter(slug=slug).update(published_at=None)


# --- The start ------------------------------------------------------------------------------------


def test_the_page_says_that_nothing_is_approved_yet(as_alice, course):
    question(course)

    assert "No question has been approved" in as_alice.get(PAGE).text
    assert as_alice.post(f"{PAGE}start/").url == PAGE
    assert not QuizAttempt.objects.exists()


def test_the_page_offers_the_course_and_each_chapter_with_questions(as_alice, asked):
    page = as_alice.get(PAGE).text

    assert "There is 1 question." in page
    assert 'value="photosynthesis"' in page
    assert 'value="roots"' not in page


@pytest.mark.parametrize("status", [Status.PENDING, Status.REJECTED])
def test_a_question_that_is_not_approved_is_not_asked(as_alice, course, asked, status):
    question(course, SHORT, "soil", status=status)

    attempt = begin(as_alice)

    assert [row.item for row in attempt.answers.all()] == [asked]


def test_a_chapter_asks_its_own_questions(as_alice, asked, about_roots):
    attempt = begin(as_alice, chapter="roots")

    assert [row.item for row in attempt.answers.all()] == [about_roots]
    assert attempt.chapter.slug == "roots"


def test_ten_at_most_and_those_first_that_were_met_least(as_alice, course):
    for number in range(12):
        question(course, {**SINGLE, "text": f"Question {number}?"}, status=Status.APPROVED)
    first = begin(as_alice)
    assert first.answers.count() == 10
    answer_all(as_alice, first)

    second = begin(as_alice)

    met = set(first.answers.values_list("item", flat=True))
    assert [row.item_id in met for row in second.answers.all()] == [False] * 2 + [True] * 8


def test_my_mistakes_are_what_i_last_answered_wrong(as_alice, asked, about_roots):
    answer_all(as_alice, begin(as_alice), single=False)
    assert "Practise my mistakes" in as_alice.get(PAGE).text

    practice = begin(as_alice, only="mistakes")
    assert [row.item for row in practice.answers.all()] == [asked]

    answer_all(as_alice, practice)
    page = as_alice.get(PAGE).text
    assert "Practise my mistakes" not in page and "What to look at again" not in page


def test_the_start_page_lists_attempts_weak_chapters_and_what_to_read(as_alice, asked, about_roots):
    answer_all(as_alice, begin(as_alice), single=False)

    page = as_alice.get(PAGE)

    assert re.search(r"1 of 2 right\s*</span>", page.text)
    assert [weak.chapter.slug for weak in page.context["weak_chapters"]] == ["photosynthesis"]
    [mistake] = page.context["mistakes"]
    assert mistake["passage"].url in page.text.replace("&amp;", "&")
    assert "In the chloroplasts" not in page.text


def test_an_attempt_that_was_left_is_offered_first(as_alice, asked, about_roots):
    attempt = begin(as_alice)
    assert "Go on:" not in as_alice.get(PAGE).text
    give(as_alice, attempt, 1, **{"pass": "1"})

    assert "Go on: question 2 of 2" in as_alice.get(PAGE).text
    give(as_alice, attempt, 2, **{"pass": "1"})
    assert "Go on:" not in as_alice.get(PAGE).text


@pytest.mark.parametrize("page", ["words", "graph", "quiz"])
def test_staff_who_find_nothing_are_led_to_where_it_is_made_or_reviewed(
    client, staff, course, page
):
    client.force_login(staff)
    kinds = {"words": "term", "graph": "concept", "quiz": "question"}
    making = reverse("admin:learning_course_change", args=[course.pk])
    assert f'href="{making}"' in client.get(f"/courses/plants/{page}/").text

    item(course, kinds[page], {"name": "soil", "text": "soil"}, "soil")

    review = reverse("admin:learning_studyitem_review")
    assert f'href="{review}"' in client.get(f"/courses/plants/{page}/").text


def test_course_and_chapter_lead_to_what_there_is(as_alice, course, asked):
    assert 'href="/courses/plants/quiz/"' in as_alice.get("/courses/plants/").text
    chapter = "/courses/plants/chapters/photosynthesis/"
    assert 'href="/courses/plants/quiz/#by-chapter"' in as_alice.get(chapter).text

    StudyItem.objects.update(status=Status.PENDING)

    assert "quiz/" not in as_alice.get("/courses/plants/").text
    assert "quiz/" not in as_alice.get(chapter).text


# --- One question after another -------------------------------------------------------------------


def test_what_is_right_does_not_reach_the_browser_before_the_answer(as_alice, course, asked):
    content = {**SHORT, "accepted": ["canary-accepted"], "explanation": "canary-explained"}
    question(course, content, "soil", status=Status.APPROVED)
    StudyItem.objects.filter(pk=asked.pk).update(
        content={**SINGLE, "explanation": "canary-explained"}
    )
    attempt = begin(as_alice)
    for position in (1, 2):
        for address in ("", "?question=1", "?question=2"):
            page = as_alice.get(attempt.get_absolute_url() + address).text
            if "data-mark" not in page:
                assert "canary" not in page and "is-right" not in page
        give(as_alice, attempt, position, **{"pass": "1"})


def test_an_answer_shows_its_mark_the_explanation_and_the_passage(as_alice, asked):
    attempt = begin(as_alice)

    to = give(as_alice, attempt, 1, 1)
    assert to.url == f"{attempt.get_absolute_url()}?question=1#result"
    page = as_alice.get(to.url)

    assert 'data-mark="wrong"' in page.text
    assert re.search(r"is-right.*In the chloroplasts.*is-wrong.*In the roots", page.text, re.DOTALL)
    assert "It happens in the chloroplasts." in page.text
    passage = asked.passages.get()
    assert passage.url in page.text.replace("&amp;", "&")
    assert "Plants feed on light." in page.text
    asks = page.context["for_the_tutor"]
    assert "Where does photosynthesis happen?" in asks
    assert 'name="chapter" value="photosynthesis"' in page.text


@pytest.mark.parametrize(
    ("content", "given", "mark"),
    [
        (SINGLE, [0], 1.0),
        (SINGLE, [2], 0.0),
        (SINGLE, [0, 1], 1.0),  # of radio buttons a browser sends one
        (MULTIPLE, [0, 1], 1.0),
        (MULTIPLE, [0], 0.5),
        (TRUE_FALSE, [1], 1.0),
        (TRUE_FALSE, [0], 0.0),
        (SHORT, ["Water."], 1.0),
        (SHORT, ["mineral"], 0.0),
    ],
)
def test_each_type_is_marked(as_alice, course, content, given, mark):
    question(course, content, "light", status=Status.APPROVED)
    attempt = begin(as_alice)

    page = as_alice.get(give(as_alice, attempt, 1, *given).url).text

    row = QuizAnswer.objects.get()
    assert (row.mark, row.answered_at is not None) == (mark, True)
    assert f'data-mark="{ {1.0: "right", 0.5: "partly", 0.0: "wrong"}[mark] }"' in page


@pytest.mark.parametrize("given", [[], ["9"], ["-1"], ["x"], ["0", "9"]])
def test_what_is_no_answer_is_not_marked(as_alice, course, given):
    question(course, MULTIPLE, "light", status=Status.APPROVED)
    attempt = begin(as_alice)

    page = as_alice.post(
        attempt.get_absolute_url(), {"question": 1, "answer": given}, follow=True
    ).text

    assert "Choose or write an answer first." in page
    assert QuizAnswer.objects.get().answered_at is None


@pytest.mark.parametrize("content", [SINGLE, MULTIPLE, TRUE_FALSE, SHORT])
def test_who_does_not_know_learns_the_answer_for_no_mark(as_alice, course, content):
    question(course, content, "light", status=Status.APPROVED)
    attempt = begin(as_alice)

    page = as_alice.get(give(as_alice, attempt, 1, **{"pass": "1"}).url).text

    assert QuizAnswer.objects.get().mark == 0
    assert content["explanation"] in page


def test_answering_twice_changes_nothing(as_alice, asked):
    attempt = begin(as_alice)
    give(as_alice, attempt, 1, 1)
    first = QuizAnswer.objects.get()

    page = as_alice.get(give(as_alice, attempt, 1, 0).url).text

    assert "You have answered this question before; that answer counts." in page
    again = QuizAnswer.objects.get()
    assert (again.given, again.mark, again.answered_at) == ([1], 0.0, first.answered_at)
    assert not quizzes.answer(first, [0], 1.0)


def test_a_typo_counts_and_is_said(as_alice, course):
    question(course, {**SHORT, "accepted": ["minerals"]}, "soil", status=Status.APPROVED)
    attempt = begin(as_alice)

    page = as_alice.get(give(as_alice, attempt, 1, "minerels").url).text

    assert "One letter is off" in page
    assert QuizAnswer.objects.get().mark == 1


def test_the_end_adds_up_by_chapter_and_leads_to_what_was_wrong(as_alice, asked, about_roots):
    attempt = begin(as_alice)
    answer_all(as_alice, attempt, single=False)

    end = as_alice.get(attempt.get_absolute_url())

    assert re.search(r"Result:\s+1 of 2", end.text)
    marks = [(row.chapter.slug, row.marks, row.answers) for row in end.context["by_chapter"]]
    assert marks == [("photosynthesis", 0.0, 1), ("roots", 1.0, 1)]
    [wrong] = end.context["wrong"]
    assert wrong["passage"].url in end.text.replace("&amp;", "&")
    attempt.refresh_from_db()
    assert attempt.finished_at is not None

    again = begin(as_alice, of=attempt.pk)
    assert [row.item for row in again.answers.all()] == [asked]


def test_an_edit_changes_no_mark_given_before(as_alice, asked):
    attempt = begin(as_alice)
    give(as_alice, attempt, 1, 0)
    asked.content = {**SINGLE, "right": [1], "text": "Another question?"}
    asked.save()

    page = as_alice.get(f"{attempt.get_absolute_url()}?question=1").text

    assert 'data-mark="right"' in page
    assert "Where does photosynthesis happen?" in page


# --- Who sees what --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bob", "teacher"])
def test_an_attempt_is_its_student_s_alone(client, as_alice, asked, bob, name):
    attempt = begin(as_alice)
    give(as_alice, attempt, 1, 1)
    client.force_login(bob if name == "bob" else person("teacher", is_staff=True))

    assert client.get(attempt.get_absolute_url()).status_code == 404
    assert give(client, attempt, 1, 0).status_code == 404
    client.post(f"{PAGE}start/", {"of": attempt.pk})
    assert not QuizAttempt.objects.exclude(pk=attempt.pk).exists()


def test_visitors_and_those_outside_are_turned_away(client, as_alice, asked):
    attempt = begin(as_alice)
    client.logout()
    for address in (PAGE, attempt.get_absolute_url()):
        assert client.get(address).url.startswith("/accounts/login/")
    assert client.post(f"{PAGE}start/").url == "/accounts/login/?next=/courses/plants/"
    client.force_login(person("dora"))
    assert client.get(PAGE).url == client.post(f"{PAGE}start/").url == "/courses/plants/"


def test_staff_take_it_too(client, staff, asked):
    client.force_login(staff)

    attempt = begin(client)

    assert 'data-mark="right"' in client.get(give(client, attempt, 1, 0).url).text


def test_an_address_of_another_course_shows_no_attempt(as_alice, asked, course):
    attempt = begin(as_alice)
    other = type(course).objects.create(slug="trees", title="Trees", is_open=True)
    other.enrolments.create(user=attempt.user)

    assert as_alice.get(f"/courses/trees/quiz/{attempt.pk}/").status_code == 404


@pytest.mark.parametrize("goes", ["rejected", "unpublished", "deleted"])
def test_a_question_that_goes_is_skipped_and_its_words_are_not_shown_again(
    as_alice, asked, about_roots, goes
):
    finished = begin(as_alice)
    answer_all(as_alice, finished, single=False)
    running = begin(as_alice)
    if goes == "rejected":
        StudyItem.objects.filter(pk=asked.pk).update(status=Status.REJECTED)
    elif goes == "unpublished":
        hide("photosynthesis")
    else:
        asked.delete()

    here = finished.get_absolute_url()
    pages = [PAGE, here, f"{here}?question=1", f"{here}?question=2", running.get_absolute_url()]
    for address in pages:
        page = as_alice.get(address)
        assert page.status_code == 200
        assert "photosynthesis happen" not in page.text and "chloroplast" not in page.text
    assert re.search(r"Result:\s+1 of 2", as_alice.get(here).text)

    read = quizzes.read(running)
    assert [row.item for row in read.answers] == [about_roots]
    gone = next(row for row in running.answers.all() if row.position != read.answers[0].position)
    give(as_alice, running, gone.position, 0)
    gone.refresh_from_db()
    assert gone.answered_at is None


def test_a_question_of_two_chapters_shows_the_passage_of_the_open_one(as_alice, asked):
    stand(asked, "minerals")
    hide("photosynthesis")
    attempt = begin(as_alice)

    page = as_alice.get(give(as_alice, attempt, 1, 0).url).text

    assert "/chapters/roots/" in page and "/chapters/photosynthesis/" not in page
    assert QuizAnswer.objects.get().chapter.slug == "roots"


def test_an_unpublished_chapter_cannot_be_chosen(as_alice, asked):
    hide("photosynthesis")

    assert as_alice.post(f"{PAGE}start/", {"chapter": "photosynthesis"}).status_code == 404
    assert "Photosynthesis" not in as_alice.get(PAGE).text


@pytest.mark.parametrize("wanted", ["x", "00000000-0000-0000-0000-000000000000"])
def test_mistakes_of_an_attempt_that_is_not_there_are_none(as_alice, asked, wanted):
    response = as_alice.post(f"{PAGE}start/", {"of": wanted})

    assert response.status_code == (404 if wanted == "x" else 302)
    assert not QuizAttempt.objects.exists()


# --- Words ----------------------------------------------------------------------------------------


def test_formulas_and_the_blank_of_a_question_are_shown():
    html = shown("The ____ of $x^2$ is <b>not</b> ____.")

    assert html.count('<span class="blank"><span class="visually-hidden">blank</span></span>') == 2
    assert "<math" in html and "<b>" not in html and "____" not in html


@pytest.mark.parametrize("option", ["+ C", "2.", "# 1", "- 3", "> 0", "= 1", "1) one"])
def test_an_option_is_a_line_whatever_it_begins_with(option):
    html = shown_in_line(option)

    assert "<p" not in html and "<ul" not in html and "<ol" not in html and "<h1" not in html
    assert option.replace(">", "&gt;") == html


def test_two_blanks_of_a_chinese_sentence_are_no_bold_type():
    assert "<strong>" not in shown("____是一种方法，____，很好。")


def test_a_correction_reaches_who_has_not_answered_yet(as_alice, asked):
    attempt = begin(as_alice)
    seen = re.search(r'name="wording" value="(\w+)"', as_alice.get(attempt.get_absolute_url()).text)
    corrected = {**SINGLE, "text": "Where do roots grow?", "right": [2]}
    StudyItem.objects.filter(pk=asked.pk).update(content=corrected)

    to = give(as_alice, attempt, 1, 0, wording=seen[1])
    page = as_alice.get(to.url).text
    assert "This question was corrected meanwhile" in page and "Where do roots grow?" in page
    give(as_alice, attempt, 1, 2)

    row = attempt.answers.get()
    assert (row.mark, row.asked) == (1, corrected)


def test_an_answer_with_a_sign_that_no_database_takes_is_an_answer(as_alice, about_roots):
    attempt = begin(as_alice)

    give(as_alice, attempt, 1, "wa\0ter")

    assert attempt.answers.get().given == "water"


# --- The teacher ----------------------------------------------------------------------------------


@pytest.fixture
def answered(client, course, alice, bob, staff, asked, about_roots):
    """Alice and Bob are wrong about photosynthesis, Bob also about roots; staff try it out."""
    for who, right in (
        (alice, {"single": False}),
        (bob, {"single": False, "short": False}),
        (staff, {}),
    ):
        client.force_login(who)
        answer_all(client, begin(client), **right)
    return course


def test_results_count_by_chapter_and_leave_out_who_is_staff(answered):
    found = results(answered)

    assert (found.students, found.answers, found.share) == (2, 4, 0.25)
    rows = [(r.chapter.slug, r.questions, r.students, r.answers, r.share) for r in found.chapters]
    assert rows == [("photosynthesis", 1, 2, 2, 0.0), ("roots", 1, 2, 2, 0.5)]


def test_the_hardest_questions_come_first_with_what_was_answered(answered, asked):
    hardest = results(answered).hardest

    assert (hardest[0].item, hardest[0].answers, hardest[0].share) == (asked, 2, 0.0)
    assert [(one.words, one.count, one.is_right) for one in hardest[0].given] == [
        ("In the roots", 2, False)
    ]
    assert ("no", 1, False) in [(o.words, o.count, o.is_right) for o in hardest[1].given]


def test_results_count_what_was_answered_to_a_question_that_has_gone(answered, asked):
    asked.delete()

    found = results(answered)

    assert [row.answers for row in found.chapters] == [2, 2]
    assert len(found.hardest) == 1


def test_a_course_without_answers_has_results_too(course):
    found = results(course)

    assert (found.students, found.share, found.hardest) == (0, None, [])
    assert len(found.chapters) == 2


def results_page(client, course, *may: str):
    client.force_login(reviewer("teacher", *may), backend=BACKEND)
    return client.get(reverse("admin:learning_course_quiz_results", args=[course.pk]))


@pytest.mark.parametrize("may", [(), ("view_course",), ("view_quizattempt",)])
def test_results_need_both_permissions(client, course, may):
    assert results_page(client, course, *may).status_code == 403


def test_results_are_for_staff(as_alice, course):
    address = reverse("admin:learning_course_quiz_results", args=[course.pk])

    assert as_alice.get(address).url.startswith("/admin/login/")


def test_the_results_page_names_no_student(client, answered):
    page = results_page(client, answered, "view_course", "view_quizattempt").text

    assert "Answers: 4, by 2 students; 25 % of all marks." in page and "In the roots" in page
    assert "alice" not in page and "bob" not in page


def test_results_lead_to_the_review_of_a_hard_question_and_to_each_chapter(client, answered, asked):
    may = "view_course", "view_quizattempt"
    chapter = answered.chapters.first()
    links = [
        f'kind=question&amp;status=approved&amp;item={asked.pk}">edit or reject</a>',
        f'<a href="/admin/learning/chapter/{chapter.pk}/change/">{chapter.title}</a>',
    ]

    shown = results_page(client, answered, *may, "view_studyitem", "view_chapter").text
    assert all(link in shown for link in links)
    assert f'<a href="/admin/learning/course/{answered.pk}/change/"' in shown
    get_user_model().objects.get(username="teacher").delete()
    hidden = results_page(client, answered, *may).text
    assert not any(link in hidden for link in links)


def test_what_a_student_has_written_is_no_link_for_staff(client, as_alice, course, about_roots):
    give(as_alice, begin(as_alice), 1, "[Answer key](https://evil.example/login)")

    page = results_page(client, course, "view_course", "view_quizattempt").text

    assert "[Answer key](https://evil.example/login)" in page
    assert 'href="https://evil' not in page


def test_staff_are_asked_about_a_chapter_that_is_not_published_yet(client, staff, course, asked):
    hide("photosynthesis")
    client.force_login(staff)

    assert begin(client).answers.count() == 1


def test_results_count_questions_alone(course):
    item(course, "term", {"name": "soil", "aliases": []}, "soil", status=Status.APPROVED)

    assert [row.questions for row in results(course).chapters] == [0, 0]
