"""Who sees which page, and what stands on it."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from learning.models import Chapter, Citation, Conversation, Course, Enrolment, Message

pytestmark = pytest.mark.django_db

CHAPTER = "/courses/plants/chapters/photosynthesis/"


@pytest.fixture
def visitor(client):
    return client


@pytest.fixture
def as_alice(client, alice, course):
    client.force_login(alice)
    return client


@pytest.fixture
def conversation(alice, course) -> Conversation:
    """Alice asked about photosynthesis and got an answer with two sources."""
    chapter = course.chapters.get(slug="photosynthesis")
    conversation = Conversation.objects.create(
        user=alice, course=course, chapter=chapter, title="What is it?"
    )
    question = conversation.messages.create(
        role=Message.Role.USER, text="What is <it>?", ask_id="1", chapter=chapter
    )
    answer = conversation.messages.create(
        role=Message.Role.ASSISTANT, text="It is **light** made sugar [1].", reply_to=question
    )
    start = chapter.text.index("Photosynthesis is")
    Citation.objects.create(
        message=answer,
        number=1,
        chapter=chapter,
        title="Photosynthesis › What it is",
        quote=chapter.text[start : start + 40],
        start=start,
        end=start + 40,
        score=0.9,
        is_cited=True,
    )
    return conversation


def add_turns(conversation: Conversation, count: int) -> None:
    for number in range(count):
        question = conversation.messages.create(
            role=Message.Role.USER, text=f"Question {number}", ask_id=f"more-{number}"
        )
        answer = conversation.messages.create(
            role=Message.Role.ASSISTANT, text=f"{number} [1]", reply_to=question
        )
        answer.citations.create(
            number=1, chapter=conversation.chapter, title="t", quote="q", start=0, end=9, score=1
        )


def text_of(response) -> str:
    assert response.status_code == 200
    return response.content.decode()


def student_outside(django_user_model):
    return django_user_model.objects.create_user("dora", password="dora")


# --- Who may see what -----------------------------------------------------------------------------


def test_visitors_see_open_courses_only(visitor, course):
    Course.objects.create(slug="secret", title="Secret")

    page = text_of(visitor.get("/"))

    assert "/courses/plants/" in page
    assert "Secret" not in page
    assert visitor.get("/courses/secret/").status_code == 404


def test_a_student_s_own_courses_come_first(as_alice):
    Course.objects.create(slug="open", title="Open one", is_open=True)

    response = as_alice.get("/")

    assert [c.slug for c in response.context["my_courses"]] == ["plants"]
    assert [c.slug for c in response.context["other_courses"]] == ["open"]


def test_a_closed_course_is_there_for_those_enrolled(as_alice, course):
    Course.objects.update(is_open=False)

    assert as_alice.get("/courses/plants/").status_code == 200


def test_visitors_are_asked_to_log_in_before_a_chapter(visitor, course):
    response = visitor.get(CHAPTER)

    assert response.status_code == 302
    assert response.url == f"/accounts/login/?next={CHAPTER}"


def test_who_is_not_enrolled_is_invited_to(client, course, django_user_model):
    client.force_login(student_outside(django_user_model))

    response = client.get(CHAPTER, follow=True)

    assert response.redirect_chain == [("/courses/plants/", 302)]
    assert "/courses/plants/enrol/" in text_of(response)
    assert CHAPTER not in text_of(response)


def test_enrolling_opens_the_chapters(client, course, django_user_model):
    client.force_login(student_outside(django_user_model))

    assert client.get("/courses/plants/enrol/").status_code == 405
    assert client.post("/courses/plants/enrol/").url == "/courses/plants/"
    assert client.post("/courses/plants/enrol/").url == "/courses/plants/"

    assert Enrolment.objects.filter(user__username="dora").count() == 1
    assert client.get(CHAPTER).status_code == 200


@pytest.mark.parametrize("click", ["enrol", "conversations"])
def test_a_visitor_s_first_click_leads_over_the_sign_up_to_the_enrol_button(visitor, course, click):
    to_login = visitor.post(f"/courses/plants/{click}/")
    assert to_login.url == "/accounts/login/?next=/courses/plants/"

    signed_up = visitor.post(
        "/accounts/signup/?next=/courses/plants/",
        {"username": "zoe", "email": "z@e.org", "password1": "kjH78-sf", "password2": "kjH78-sf"},
        follow=True,
    )

    assert 'action="/courses/plants/enrol/"' in text_of(signed_up)
    assert not Enrolment.objects.filter(user__username="zoe").exists()


def test_a_log_in_does_not_tell_whether_a_closed_course_is_there(visitor, course):
    Course.objects.update(is_open=False)

    for slug in ("plants", "nothing"):
        for click in ("enrol", "conversations"):
            response = visitor.post(f"/courses/{slug}/{click}/")
            assert response.url == f"/accounts/login/?next=/courses/{slug}/"


def test_nobody_enrols_in_a_course_they_may_not_know(client, course, django_user_model):
    Course.objects.update(is_open=False)
    client.force_login(student_outside(django_user_model))

    assert client.post("/courses/plants/enrol/").status_code == 404
    assert client.get(CHAPTER).status_code == 404


@pytest.mark.parametrize("published_at", [None, timezone.now() + timedelta(days=1)])
def test_an_unpublished_chapter_is_for_staff(as_alice, course, staff, published_at):
    Chapter.objects.filter(slug="photosynthesis").update(published_at=published_at)

    assert as_alice.get(CHAPTER).status_code == 404
    assert CHAPTER not in text_of(as_alice.get("/courses/plants/"))
    assert CHAPTER not in text_of(as_alice.get("/courses/plants/chapters/roots/"))

    as_alice.force_login(staff)
    assert as_alice.get(CHAPTER).status_code == 200


@pytest.mark.parametrize("published_at", [None, timezone.now() + timedelta(days=1)])
def test_staff_see_which_chapters_students_do_not(client, course, staff, published_at):
    client.force_login(staff)
    pages = ("/courses/plants/", CHAPTER)
    assert not any("not published" in text_of(client.get(page)) for page in pages)

    Chapter.objects.filter(slug="photosynthesis").update(published_at=published_at)

    for page in pages:
        assert text_of(client.get(page)).count("not published") == 1


@pytest.mark.parametrize("page", ["quiz", "graph", "words"])
def test_study_pages_stand_before_anything_was_made(as_alice, page):
    response = as_alice.get(f"/courses/plants/{page}/")

    assert "has been approved for this course yet" in text_of(response)


# --- A chapter ------------------------------------------------------------------------------------


def test_a_chapter_shows_its_text_its_contents_and_its_neighbours(as_alice):
    page = text_of(as_alice.get(CHAPTER))

    assert "<p>Plants feed on light.</p>" in page
    assert '<a href="#what-it-is">What it is</a>' in page
    assert '<h2 id="what-it-is">' in page
    assert 'rel="next" href="/courses/plants/chapters/roots/"' in page
    assert 'rel="prev"' not in page


def test_a_citation_s_address_leads_to_its_passage_highlighted(as_alice, conversation):
    address = Citation.objects.get().url

    page = text_of(as_alice.get(address))

    anchor = address.partition("#")[2]
    cited = re.findall(r'class="block cited" id="p-\d+"[^>]*>(.*?)</div>', page, re.DOTALL)
    assert len(cited) == 1
    assert "Photosynthesis is the process" in cited[0]
    assert page.count(f'id="{anchor}"') == 1


def test_a_citation_leads_to_its_words_where_they_stand_after_an_edit(as_alice, conversation):
    citation = Citation.objects.get()
    chapter = citation.chapter
    chapter.text = f"A new beginning.\n\n{chapter.text}"
    chapter.save()

    response = as_alice.get(citation.url.partition("#")[0] + "&conversation=1", follow=True)

    moved_to = citation.start + len("A new beginning.\n\n")
    [(address, _)] = response.redirect_chain
    assert f"passage={moved_to}-{moved_to + 40}" in address and "conversation=1" in address
    assert address.endswith(f"#p-{moved_to}")
    highlighted = re.findall(r'<div class="block cited".*?</div>', response.text, re.DOTALL)
    assert len(highlighted) == 1 and "Photosynthesis is" in highlighted[0]


def test_a_citation_whose_words_are_gone_highlights_nothing_and_says_so(as_alice, conversation):
    citation = Citation.objects.get()
    Chapter.objects.filter(pk=citation.chapter_id).update(text="All is written anew. " * 40)

    page = as_alice.get(citation.url.partition("#")[0]).text

    assert "block cited" not in page
    assert "the cited passage is no longer in it" in page


@pytest.mark.parametrize("passage", ["", "x", "9-", "99999999-999999999", "5-1", "1-2-3", "-1-5"])
def test_a_passage_that_makes_no_sense_highlights_nothing(as_alice, passage):
    assert "block cited" not in as_alice.get(CHAPTER, {"passage": passage}).text


def test_chinese_text_says_that_it_is_chinese(as_alice):
    Course.objects.update(language="zh-hans")

    page = text_of(as_alice.get(CHAPTER))

    assert '<article lang="zh-Hans">' in page
    assert '<html lang="en">' in page


def test_addresses_may_be_chinese(as_alice, course):
    Chapter.objects.create(course=course, slug="光合作用", title="光合作用", text="光。")

    assert "<p>光。</p>" in text_of(as_alice.get("/courses/plants/chapters/光合作用/"))


def test_beside_a_chapter_stands_the_last_conversation_begun_from_it(as_alice, conversation):
    Conversation.objects.create(
        user=conversation.user, course=conversation.course, chapter=conversation.chapter
    )  # nothing was asked in it

    page = text_of(as_alice.get(CHAPTER))

    assert f'data-socket="/ws/conversations/{conversation.pk}/"' in page
    assert "made sugar" in page
    assert "made sugar" not in text_of(as_alice.get("/courses/plants/chapters/roots/"))


def test_a_conversation_can_come_along_to_another_chapter(as_alice, conversation):
    page = as_alice.get("/courses/plants/chapters/roots/", {"conversation": conversation.pk})

    assert "made sugar" in text_of(page)


@pytest.mark.parametrize("wanted", ["x", "", "00000000-0000-0000-0000-000000000000"])
def test_a_conversation_that_is_not_there_is_not_missed(as_alice, wanted):
    page = text_of(as_alice.get(CHAPTER, {"conversation": wanted}))

    assert 'data-socket=""' in page


def test_another_student_s_conversation_does_not_come_along(client, bob, conversation):
    client.force_login(bob)

    page = text_of(client.get(CHAPTER, {"conversation": conversation.pk}))

    assert "made sugar" not in page


# --- Conversations --------------------------------------------------------------------------------


def test_a_conversation_is_begun_by_a_post(as_alice, alice):
    assert as_alice.get("/courses/plants/conversations/").status_code == 405

    response = as_alice.post("/courses/plants/conversations/", {"chapter": "roots"})

    conversation = Conversation.objects.get()
    assert response.status_code == 302
    assert response.url == f"/conversations/{conversation.pk}/"
    assert (conversation.user, conversation.chapter.slug) == (alice, "roots")


def test_a_script_is_told_where_its_conversation_is(as_alice):
    response = as_alice.post(
        "/courses/plants/conversations/", headers={"accept": "application/json"}
    )

    conversation = Conversation.objects.get()
    assert response.status_code == 201
    assert response.json() == {
        "id": str(conversation.pk),
        "url": f"/conversations/{conversation.pk}/",
        "socket": f"/ws/conversations/{conversation.pk}/",
    }


def test_who_is_not_enrolled_begins_no_conversation(client, course, django_user_model):
    client.force_login(student_outside(django_user_model))

    assert client.post("/courses/plants/conversations/").url == "/courses/plants/"
    response = client.post("/courses/plants/conversations/", headers={"accept": "application/json"})
    assert response.status_code == 403
    assert not Conversation.objects.exists()


def test_no_conversation_begins_from_a_chapter_that_is_not_there(as_alice):
    response = as_alice.post("/courses/plants/conversations/", {"chapter": "stems"})

    assert response.status_code == 404


def test_history_is_rendered_with_its_sources(as_alice, conversation):
    page = text_of(as_alice.get(f"/conversations/{conversation.pk}/"))

    assert "What is &lt;it&gt;?" in page
    assert "<strong>light</strong>" in page
    address = Citation.objects.get().url.replace("&", "&amp;")
    assert f'<a class="cite" href="{address}" data-n="1"' in page
    assert "Photosynthesis › What it is" in page
    assert "made sugar" in page


@pytest.mark.parametrize("published_at", [None, timezone.now() + timedelta(days=1)])
def test_what_was_quoted_goes_with_a_chapter_that_was_taken_back(
    as_alice, conversation, published_at
):
    Chapter.objects.filter(slug="photosynthesis").update(published_at=published_at)

    page = text_of(as_alice.get(f"/conversations/{conversation.pk}/"))

    assert "not open any more" in page
    assert "Photosynthesis is the process" not in page
    assert '<a class="cite" data-n="1"' in page
    assert CHAPTER not in page
    assert 'data-chapter=""' in page


def test_a_long_conversation_shows_its_newest_turns_and_a_way_to_the_others(as_alice, conversation):
    add_turns(conversation, 40)
    address = f"/conversations/{conversation.pk}/"

    for path in (address, CHAPTER):
        page = text_of(as_alice.get(path))
        numbers = [int(number) for number in re.findall(r"Question (\d+)", page)]
        assert numbers == list(range(10, 40))
        assert f'href="{address}?all=1"' in page

    whole = text_of(as_alice.get(f"{address}?all=1"))
    assert len(re.findall(r"Question \d+", whole)) == 40
    assert "What is &lt;it&gt;?" in whole
    assert "?all=1" not in whole


def test_a_conversation_is_read_without_the_text_of_any_chapter(
    as_alice, conversation, django_assert_max_num_queries
):
    add_turns(conversation, 40)

    with django_assert_max_num_queries(14) as queries:
        as_alice.get(f"/conversations/{conversation.pk}/?all=1")

    assert not [query for query in queries if '"learning_chapter"."text"' in query["sql"]]


def test_how_an_answer_ended_stands_under_it(as_alice, conversation):
    answers = conversation.messages.filter(role=Message.Role.ASSISTANT)
    answers.update(status=Message.Status.FAILED, error="The model is away.")

    assert "The model is away." in text_of(as_alice.get(f"/conversations/{conversation.pk}/"))


def test_a_stranger_s_conversation_is_not_there(client, bob, staff, conversation):
    for somebody in (bob, staff):
        client.force_login(somebody)
        assert client.get(f"/conversations/{conversation.pk}/").status_code == 404


def test_who_left_the_course_reads_its_conversations_no_more(as_alice, conversation):
    Enrolment.objects.filter(user__username="alice").delete()

    assert as_alice.get(f"/conversations/{conversation.pk}/").status_code == 404


def test_the_course_page_lists_my_conversations_and_nobody_else_s(client, alice, bob, conversation):
    for somebody, expected in ((alice, True), (bob, False)):
        client.force_login(somebody)
        page = text_of(client.get("/courses/plants/"))
        assert (f"/conversations/{conversation.pk}/" in page) is expected


def test_a_tutor_that_only_quotes_says_so_and_names_the_setting(as_alice):
    page = text_of(as_alice.get(CHAPTER))

    assert "This tutor quotes the course" in page
    assert "OPENAI_API_KEY" in page


# --- Every page -----------------------------------------------------------------------------------


def test_pages_hold_to_the_content_security_policy(as_alice, conversation):
    for address in ("/", "/courses/plants/", CHAPTER, f"/conversations/{conversation.pk}/"):
        response = as_alice.get(address)
        page = text_of(response)
        assert "script-src 'self'" in response["Content-Security-Policy"]
        assert not re.search(r"<[^>]*\s(style|on\w+)=", page)
        assert not re.search(r"<script(?![^>]*\ssrc=)", page)
        assert not re.search(r'(?:src|<link[^>]*href)="(?:https?:)?//', page)


def test_a_chapter_page_takes_few_queries_however_long_the_history(
    as_alice, conversation, django_assert_max_num_queries
):
    for number in range(20):
        answer = conversation.messages.create(role=Message.Role.ASSISTANT, text=f"{number} [1]")
        answer.citations.create(
            number=1, chapter=conversation.chapter, title="t", quote="q", start=0, end=9, score=1
        )

    with django_assert_max_num_queries(17):
        as_alice.get(CHAPTER)


def test_what_is_not_there_has_a_page_of_its_own(visitor):
    response = visitor.get("/courses/none/")

    assert response.status_code == 404
    assert "Not found" in response.content.decode()
