"""Staff approve, reject, edit and undo, each item as they saw it; nobody overwrites another."""

import re

import pytest

from learning.artefacts import review
from learning.artefacts.items import ItemError
from learning.artefacts.knowledge_graph import KnowledgeGraph
from learning.artefacts.review import NotBorne, Overtaken, Queue
from learning.artefacts.standing import PASSAGE_GONE
from learning.models import StudyItem
from learning.views.review import address
from tests.learning.study import SHORT, SINGLE, concept, item, question, reviewer, stand, term

Status = StudyItem.Status
ALL = "view_studyitem", "change_studyitem"


@pytest.fixture
def teacher(db):
    return reviewer("teacher", *ALL)


@pytest.fixture
def desk(client, teacher):
    """A browser with the teacher logged in."""
    client.force_login(teacher, backend="django.contrib.auth.backends.ModelBackend")
    return client


def approve(chosen: StudyItem, by, **options):
    seen = options.pop("seen", None) or review.version(chosen)
    return review.decide(chosen.pk, Status.APPROVED, seen=seen, by=by)


def edit(chosen: StudyItem, content: dict, by, *, approves=False):
    seen = review.version(chosen)
    return review.edit(chosen.pk, content, seen=seen, by=by, approves=approves)


def test_an_approved_item_is_shown_to_students_and_says_who_approved_it(course, teacher, alice):
    asked = question(course)
    assert not StudyItem.objects.shown_to(alice).exists()

    approve(asked, teacher)

    asked = StudyItem.objects.shown_to(alice).get()
    assert (asked.status, asked.reviewed_by) == (Status.APPROVED, teacher)
    assert asked.reviewed_at is not None


def test_what_stands_on_no_passage_cannot_be_approved_but_rejected(course, teacher):
    bare = item(course, "question", SINGLE)
    seen = review.version(bare)

    with pytest.raises(NotBorne, match="no passage"):
        approve(bare, teacher)
    review.decide(bare.pk, Status.REJECTED, seen=seen, by=teacher)

    bare.refresh_from_db()
    assert bare.status == Status.REJECTED


def test_who_comes_second_is_told_who_was_first_and_changes_nothing(course, teacher):
    asked = question(course)
    seen = review.version(asked)
    review.decide(asked.pk, Status.REJECTED, seen=seen, by=reviewer("mary"))

    with pytest.raises(Overtaken, match="mary was quicker: “rejected” since"):
        approve(asked, teacher, seen=seen)

    asked.refresh_from_db()
    assert asked.status == Status.REJECTED


@pytest.mark.parametrize("change", ["content", "passages"])
def test_what_a_job_has_changed_meanwhile_is_not_approved_unseen(course, teacher, change):
    asked = question(course)
    seen = review.version(asked)
    if change == "content":
        StudyItem.objects.update(content={**SINGLE, "text": "Something else?"})
    else:
        stand(asked, "soil")

    with pytest.raises(Overtaken, match="A job has changed this item"):
        approve(asked, teacher, seen=seen)


def test_an_item_that_is_gone_is_said_to_be_gone(course, teacher):
    asked = question(course)
    seen = review.version(asked)
    pk = asked.pk
    asked.delete()

    with pytest.raises(Overtaken, match="gone"):
        review.decide(pk, Status.APPROVED, seen=seen, by=teacher)


def test_undo_puts_back_status_note_and_who_decided_before(course, teacher):
    asked = question(course, note="The passage it stood on is no longer in the chapter.")
    before = StudyItem.objects.values().get()

    decision = approve(asked, teacher)
    assert StudyItem.objects.get().note == ""
    review.undo(decision, by=teacher)

    assert StudyItem.objects.values().get() == before


def test_undo_puts_back_the_words_of_an_edit(course, teacher):
    asked = question(course)
    before = StudyItem.objects.values().get()

    decision = edit(asked, {**SINGLE, "text": "Where?"}, teacher, approves=True)
    review.undo(decision, by=teacher)

    assert StudyItem.objects.values().get() == before


def test_undo_approves_nothing_whose_passage_has_gone_meanwhile(course, teacher):
    asked = question(course)
    approve(asked, teacher)
    asked.refresh_from_db()
    seen = review.version(asked)
    rejection = review.decide(asked.pk, Status.REJECTED, seen=seen, by=teacher)
    chapter = asked.passages.get().chapter
    chapter.text = "Another text."
    chapter.save()

    [asked] = review.undo(rejection, by=teacher)

    assert (asked.status, asked.note) == (Status.PENDING, PASSAGE_GONE)


def test_a_graph_that_is_drawn_anew_overtakes_nobody(course, teacher):
    light = concept(course, "light")
    concept(course, "soil")
    seen = review.version(light)
    KnowledgeGraph().settle(course.pk)
    light.refresh_from_db()
    assert light.content["x"] != 0.25

    approve(light, teacher, seen=seen)


def test_what_another_has_decided_since_is_not_undone(course, teacher):
    asked = question(course)
    decision = approve(asked, teacher)
    asked.refresh_from_db()
    review.decide(asked.pk, Status.REJECTED, seen=review.version(asked), by=reviewer("mary"))

    with pytest.raises(Overtaken, match="nothing to undo"):
        review.undo(decision, by=teacher)

    assert StudyItem.objects.get().status == Status.REJECTED


def test_a_renamed_concept_keeps_its_old_name_and_its_place_in_the_graph(course, teacher):
    made = concept(course, "chloroplasts")

    edit(made, {**made.content, "name": "Chloroplast (organelle)"}, teacher)

    made.refresh_from_db()
    assert made.content["name"] == "Chloroplast (organelle)"
    assert made.content["aliases"] == ["chloroplasts"]
    assert (made.content["x"], made.content["y"]) == (0.25, 0.5)
    assert made.is_edited and made.status == Status.PENDING


def test_an_edit_that_changes_nothing_is_no_edit(course, teacher):
    asked = question(course)
    edit(asked, dict(SINGLE), teacher)
    assert not StudyItem.objects.get().is_edited


def test_two_items_do_not_get_the_same_name_or_question(course, teacher):
    term(course, "chloroplasts", "叶绿体")
    other = term(course, "soil")
    question(course)
    asked = question(course, SHORT, "soil")

    with pytest.raises(ItemError, match="one like it already"):
        edit(other, {"name": "葉綠體", "aliases": []}, teacher)
    with pytest.raises(ItemError, match="one like it already"):
        edit(asked, {**SHORT, "text": "where does Photosynthesis happen"}, teacher)


def test_what_was_approved_once_needs_a_look_of_its_own(course, teacher):
    term(course, "soil")
    term(course, "sugar", note="The passage it stood on is no longer in the chapter.")
    item(course, "term", {"name": "moss", "aliases": []})
    queue = Queue(course.pk, "term")
    pks = list(queue.to_approve_at_once().values_list("pk", flat=True))

    count, decision = review.approve_at_once(queue, seen=review.fingerprint(pks), by=teacher)

    approved = StudyItem.objects.filter(status=Status.APPROVED)
    assert count == 1 and [str(one) for one in approved] == ["soil"]
    review.undo(decision, by=teacher)
    assert StudyItem.objects.filter(status=Status.PENDING, reviewed_by=None).count() == 3


def test_what_came_after_the_question_was_asked_is_not_approved_with_the_rest(course, teacher):
    asked = term(course, "soil")
    seen = review.fingerprint([asked.pk])
    term(course, "sugar")

    with pytest.raises(Overtaken, match="has changed"):
        review.approve_at_once(Queue(course.pk, "term"), seen=seen, by=teacher)

    assert not StudyItem.objects.filter(status=Status.APPROVED).exists()


def test_items_come_chapter_by_chapter_and_the_weightiest_first(course):
    term(course, "soil", weight=9)
    term(course, "light", weight=1)
    term(course, "sugar", weight=2)

    assert [str(one) for one in Queue(course.pk).items()] == ["sugar", "light", "soil"]


@pytest.mark.parametrize(
    "text, line",
    [
        ("What is $f(x)$ at $x = 2$?", "What is f(x) at x = 2?"),
        ("It costs $5 or $6 a day.", "It costs $5 or $6 a day."),
        (r"So \(a + b\) and $$c$$", "So a + b and c"),
        ("Say in one long sentence what $a + b + c + d$ is", "Say in one long sentence what …"),
        ("Say in one long sentence photosynthesis", "Say in one long sentence …"),
        ("根从土壤中吸收水分。" * 4, "根从土壤中吸收水分。" * 3 + "根从土壤 …"),
        ("x" * 50, "x" * 34 + " …"),
    ],
)
def test_a_line_is_cut_between_words_and_never_within_a_formula(course, text, line):
    asked = question(course, {**SINGLE, "text": text})
    assert review.in_a_line(asked, most=34) == line


# --- The pages ----------------------------------------------------------------------------------


def fields_of(page: str) -> dict:
    return dict(re.findall(r'<input type="hidden" name="(item|seen)" value="([^"]*)">', page))


def press(desk, url: str, button: str):
    """Open a page of the review, and press one of its buttons."""
    return desk.post(url, {**fields_of(desk.get(url).text), "do": button}, follow=True)


def shown_words(page) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page.text).split())


def test_the_page_shows_the_question_beside_its_passage_with_the_right_option_marked(desk, course):
    question(course)

    page = desk.get(address(Queue(course.pk, "question")))

    words = shown_words(page)
    assert "1 of 1 waiting: question" in words and "rv-status" not in page.text
    assert "✓ In the chloroplasts right" in words and "✗ In the soil" in words
    assert "<mark>chloroplasts</mark>" in page.text
    assert "/courses/plants/chapters/photosynthesis/?passage=0-" in page.text


def test_after_a_decision_the_next_comes_and_at_the_end_what_else_waits(desk, course):
    question(course)
    question(course, SHORT, "soil")
    term(course, "sugar")
    here = address(Queue(course.pk, "question"))

    second = press(desk, here, "approve")
    assert "1 of 1 waiting" in shown_words(second) and SHORT["text"] in second.text
    last = press(desk, here, "reject")

    assert "Done: nothing waits here" in shown_words(last)
    assert "Plants · term 1" in shown_words(last)
    decided = dict(StudyItem.objects.values_list("key", "status"))
    assert decided[SINGLE["text"]] == "approved" and decided[SHORT["text"]] == "rejected"


def test_undo_goes_back_to_the_item_that_was_decided_on_last(desk, course):
    asked = question(course)
    question(course, SHORT, "soil")
    here = address(Queue(course.pk, "question"))
    press(desk, here, "approve")

    page = press(desk, here, "undo")

    assert SINGLE["text"] in page.text
    asked.refresh_from_db()
    assert asked.status == Status.PENDING
    assert "There is nothing to undo." in press(desk, here, "undo").text


def test_the_line_of_what_was_done_says_the_new_words(desk, course):
    asked = term(course, "sugar")
    here = f"/admin/learning/studyitem/review/{asked.pk}/edit/"

    def send(name: str, button: str, aliases: str = "") -> str:
        sent = {**fields_of(desk.get(here).text), "name": name, "aliases": aliases, "do": button}
        return shown_words(desk.post(here, sent, follow=True))

    assert "edited: glucose" in send("glucose", "save")
    assert "edited and approved: sucrose" in send("sucrose", "approve")
    unchanged = send("sucrose", "approve", aliases="glucose")
    assert " approved: sucrose" in unchanged and "edited" not in unchanged


def test_no_sentence_with_a_time_ends_in_two_full_stops(desk, teacher, course):
    asked = question(course)
    seen = review.version(asked)
    approve(asked, teacher)

    page = desk.get(address(Queue(course.pk, "question", ""), asked.pk))
    assert re.search(r"Last decided on: .*[ap]\.m\., by teacher\.", shown_words(page))
    with pytest.raises(Overtaken, match=r"since [^–]*[ap]\.m\. – nothing"):
        approve(asked, teacher, seen=seen)


def test_in_the_menu_the_review_alone_is_lit_and_its_start_is_no_link_to_itself(
    client, staff, course
):
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    question(course)

    def lit(page) -> list[str]:
        groups = page.context["sidebar_navigation"]
        return [str(one["title"]) for group in groups for one in group["items"] if one["active"]]

    start = client.get("/admin/learning/studyitem/review/")
    assert lit(start) == ["Review"]
    assert '<span aria-current="page">Review</span>' in start.text
    inside = client.get(address(Queue(course.pk)))
    assert '<p class="rv-path"><a href="/admin/learning/studyitem/review/">' in inside.text
    assert lit(client.get("/admin/learning/studyitem/")) == ["Study items"]


def test_the_keys_and_all_that_wait_stand_before_the_passages(desk, course):
    question(course)
    page = desk.get(address(Queue(course.pk, "question"))).text
    places = [page.index(word) for word in ('data-key="A"', "data-keys", "rv-passages")]
    assert places == sorted(places)


def test_a_page_that_was_open_for_long_overwrites_nobody(desk, course):
    asked = question(course)
    here = address(Queue(course.pk, "question"))
    old = fields_of(desk.get(here).text)
    approve(asked, reviewer("mary"))

    page = desk.post(here, {**old, "do": "reject"}, follow=True)

    assert "mary was quicker" in page.text
    asked.refresh_from_db()
    assert asked.status == Status.APPROVED


def test_the_form_says_in_words_what_is_wrong_and_keeps_what_was_written(desk, course):
    asked = question(course)
    here = f"/admin/learning/studyitem/review/{asked.pk}/edit/"
    fields = {
        **fields_of(desk.get(here).text),
        "text": "Where, then?",
        "type": "single",
        "explanation": "There.",
        "option_0": "Here",
        "option_1": "here!",
        "right_0": "on",
        "do": "approve",
    }

    page = desk.post(here, fields)
    assert "Two options are the same." in page.text and "Where, then?" in page.text
    asked.refresh_from_db()
    assert asked.content == SINGLE

    desk.post(here, {**fields, "option_1": "There", "right_1": "on", "type": "multiple"})
    asked.refresh_from_db()
    assert asked.content == SINGLE  # all of two, and at least three are asked for
    desk.post(here, {**fields, "option_1": "", "option_3": "There"})
    asked.refresh_from_db()
    assert asked.content["options"] == ["Here", "There"] and asked.content["right"] == [0]
    assert asked.is_edited and asked.status == Status.APPROVED


@pytest.mark.parametrize(
    "content, sent, expected",
    [
        (
            SHORT,
            {"text": "What?", "accepted": " a \r\n\r\nb", "explanation": "One\r\ntwo"},
            {"text": "What?", "accepted": ["a", "b"], "explanation": "One\ntwo"},
        ),
        (
            {**SHORT, "type": "true_false", "accepted": [], "right": [0]},
            {"text": "So?", "right": "1", "explanation": "No."},
            {"text": "So?", "right": [1], "options": []},
        ),
    ],
)
def test_each_type_of_question_has_its_form(desk, course, content, sent, expected):
    asked = question(course, content, "soil")
    here = f"/admin/learning/studyitem/review/{asked.pk}/edit/"

    answer = desk.post(here, {**fields_of(desk.get(here).text), **sent, "do": "save"})

    asked.refresh_from_db()
    assert answer.status_code == 302 and asked.status == Status.PENDING
    assert expected.items() <= asked.content.items()


def test_a_relation_is_edited_and_reads_as_a_sentence(desk, course):
    ends = {"source": concept(course, "chloroplasts"), "target": concept(course, "leaf")}
    made = item(course, "relation", {"type": "part_of"}, "chloroplasts", **ends)
    page = desk.get(f"/admin/learning/studyitem/{made.pk}/change/", follow=True)
    assert "chloroplasts is part of leaf" in shown_words(page)
    assert "once both of its concepts are approved" in page.text

    here = f"/admin/learning/studyitem/review/{made.pk}/edit/"
    desk.post(here, {**fields_of(desk.get(here).text), "type": "needs", "do": "save"})

    made.refresh_from_db()
    assert made.content == {"type": "needs"}


def test_a_term_is_edited_line_by_line(desk, course):
    made = term(course, "sugar")
    here = f"/admin/learning/studyitem/review/{made.pk}/edit/"
    sent = {**fields_of(desk.get(here).text), "name": "glucose", "aliases": "糖\r\nSugars"}

    desk.post(here, {**sent, "do": "approve"})

    made.refresh_from_db()
    assert made.content == {"name": "glucose", "aliases": ["糖", "Sugars"]}
    assert made.status == Status.APPROVED


def test_what_an_item_says_is_shown_as_words_and_never_run(desk, course):
    hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    asked = question(
        course,
        {**SINGLE, "text": hostile, "options": [hostile, "b"], "explanation": hostile},
    )
    named = item(course, "term", {"name": hostile, "aliases": [hostile]}, "sugar")
    named.passages.update(form=hostile, definition=hostile, title=hostile)
    for page in (
        *(address(Queue(course.pk, kind)) for kind in ("question", "term")),
        *(f"/admin/learning/studyitem/review/{one.pk}/edit/" for one in (asked, named)),
        "/admin/learning/studyitem/",
    ):
        text = desk.get(page).text
        assert "<script>alert" not in text and "<img src=x" not in text, page


def test_all_that_wait_are_approved_after_a_question_that_says_how_many(desk, course):
    for name in ("sugar", "light", "soil"):
        term(course, name)
    question(course)
    here = (
        "/admin/learning/studyitem/review/all/?" + address(Queue(course.pk, "term")).split("?")[1]
    )

    asked = desk.get(here)
    assert "3 items (term) of “Plants”" in shown_words(asked)
    assert not StudyItem.objects.filter(status=Status.APPROVED).exists()
    desk.post(here, fields_of(asked.text))

    assert StudyItem.objects.filter(status=Status.APPROVED, kind="term").count() == 3
    assert StudyItem.objects.get(kind="question").status == Status.PENDING
    press(desk, here.replace("/all", ""), "undo")
    assert not StudyItem.objects.filter(status=Status.APPROVED).exists()


@pytest.mark.parametrize(
    "query", ["course=x", "course=1&item=1e5", "kind=poem", "status=lost", "course=9" * 20]
)
def test_a_strange_address_is_not_found(desk, course, query):
    assert desk.get(f"/admin/learning/studyitem/review/?{query}").status_code == 404


def test_an_item_that_went_away_leads_to_the_next(desk, course):
    question(course)
    page = desk.get(address(Queue(course.pk, "question"), 10_000), follow=True)
    assert "This item is gone" in page.text and SINGLE["text"] in page.text


def test_a_chinese_course_is_reviewed_in_chinese(desk, course):
    course.language = "zh-hans"
    course.save()
    course.chapters.filter(slug="roots").update(text="根从土壤中吸收水分。")
    made = term(course, "土壤", "soil")

    page = desk.get(address(Queue(course.pk, "term"))).text

    assert "<mark>土壤</mark>" in page and 'lang="zh-Hans"' in page
    found = desk.get("/admin/learning/studyitem/", {"q": "土壤"}).text
    assert f"/admin/learning/studyitem/{made.pk}/change/" in found


# --- Who may --------------------------------------------------------------------------------------


def pages_of(made: StudyItem) -> list[str]:
    queue = address(Queue(made.course_id, made.kind))
    return [
        queue,
        queue.replace("/review/", "/review/all/"),
        f"/admin/learning/studyitem/review/{made.pk}/edit/",
        f"/admin/learning/studyitem/{made.pk}/change/",
        "/admin/learning/studyitem/",
    ]


def test_staff_without_permission_see_nothing_of_it(client, course):
    made = question(course)
    user = reviewer("guest")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    for page in pages_of(made):
        assert client.get(page).status_code == 403, page
        assert client.post(page, {"do": "approve", "item": made.pk}).status_code == 403, page
    assert StudyItem.objects.get().status == Status.PENDING


def test_who_may_only_look_decides_nothing(client, course):
    made = question(course)
    user = reviewer("guest", "view_studyitem")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    here, everything, form, *_ = pages_of(made)

    page = client.get(here)
    assert page.status_code == 200 and 'value="approve"' not in page.text
    sent = {"do": "approve", "item": made.pk, "seen": review.version(made)}
    assert client.post(here, sent).status_code == 403
    assert client.get(form).status_code == client.get(everything).status_code == 403
    assert client.post(everything, {"seen": review.fingerprint([made.pk])}).status_code == 403
    assert StudyItem.objects.get().status == Status.PENDING
