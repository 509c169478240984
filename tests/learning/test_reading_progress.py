"""How far a student has read, and where they go on."""

import pytest

from learning import readings
from learning.models import Course, Enrolment, Reading

pytestmark = pytest.mark.django_db

CHAPTER = "/courses/plants/chapters/photosynthesis/"
ROOTS = "/courses/plants/chapters/roots/"


@pytest.fixture
def as_alice(client, alice, course):
    client.force_login(alice)
    return client


def read(client, percent, chapter=CHAPTER):
    return client.post(f"{chapter}read/", {"percent": percent})


def test_home_and_course_lead_to_the_chapter_that_was_open_last(as_alice):
    assert "Start reading" in as_alice.get("/courses/plants/").text
    as_alice.get(ROOTS)
    as_alice.get(CHAPTER)
    as_alice.get(ROOTS)

    home, course = as_alice.get("/").text, as_alice.get("/courses/plants/").text

    assert f'<a href="{ROOTS}">Go on:' in home
    assert f'<a class="button" href="{ROOTS}"><span>Go on:' in course
    assert "0 of 2 chapters read" in home and "0 of 2 chapters read" in course


def test_a_chapter_seen_to_its_last_lines_is_read(as_alice, alice, course):
    as_alice.get(CHAPTER)
    assert read(as_alice, 40).status_code == 204
    assert "40%" in as_alice.get("/courses/plants/").text

    read(as_alice, 92)

    page = as_alice.get("/courses/plants/").text
    assert "1 of 2 chapters read" in page and "✓ read" in page


def test_a_chapter_that_was_read_gives_way_to_the_next_one_that_was_not(as_alice):
    as_alice.get(CHAPTER)
    read(as_alice, 100)

    assert f'<a href="{ROOTS}">Go on:' in as_alice.get("/").text

    as_alice.get(ROOTS)
    read(as_alice, 100, ROOTS)
    assert f'<a href="{ROOTS}">Go on:' in as_alice.get("/").text, "there is nothing after it"


def test_the_course_that_was_open_last_comes_first(as_alice, alice, course):
    other = Course.objects.create(slug="algae", title="Algae", is_open=True)
    Enrolment.objects.create(user=alice, course=other)
    page = as_alice.get("/").text
    assert page.index("Algae") < page.index("Plants")

    as_alice.get(CHAPTER)

    page = as_alice.get("/").text
    assert page.index("Plants") < page.index("Algae")


def test_a_course_without_a_summary_is_told_of_by_its_first_chapters(client, course):
    Course.objects.update(summary="", is_open=True)

    page = client.get("/").text

    assert "Photosynthesis · Roots" in page and "2 chapters" in page

    course.chapters.filter(slug="roots").update(published_at=None)
    page = client.get("/").text
    assert "Roots" not in page and "1 chapter<" in page


def test_scrolling_back_unreads_nothing(as_alice, alice, course):
    read(as_alice, 60)
    read(as_alice, 20)

    assert Reading.objects.get().furthest == 60


@pytest.mark.parametrize("percent", ["", "x", "-1", "1000", "5.5"])
def test_what_is_no_share_of_a_page_is_refused(as_alice, percent):
    assert read(as_alice, percent).status_code == 400
    assert not Reading.objects.exists()


def test_more_than_all_of_it_is_all_of_it(as_alice):
    read(as_alice, 999)

    assert Reading.objects.get().furthest == 100


def test_a_chapter_that_is_not_open_any_more_is_no_place_to_go_on(as_alice, alice, course):
    as_alice.get(CHAPTER)
    as_alice.get(ROOTS)
    course.chapters.filter(slug="roots").update(published_at=None)

    assert readings.last_opened(alice, [course])[course.pk].slug == "photosynthesis"
    assert "1 chapter read" in as_alice.get("/").text
    assert read(as_alice, 50, ROOTS).status_code == 404


def test_one_student_sees_nothing_of_another_s_reading(as_alice, client, bob):
    read(as_alice, 100)
    client.force_login(bob)

    assert "chapters read" not in client.get("/courses/plants/").text
