"""A chapter's text is previewed as students will read it."""

import pytest
from django.urls import reverse

from learning.models import Chapter
from tests.learning.study import reviewer

pytestmark = pytest.mark.django_db

BACKEND = "django.contrib.auth.backends.ModelBackend"
TEXT = "## Light\n\nIt is $c$, and **fast**. <script>alert(1)</script>"


def preview(client, text, method="post"):
    return getattr(client, method)(reverse("admin:learning_chapter_preview"), {"text": text})


@pytest.fixture
def teacher(client, course):
    who = reviewer("teacher", "change_chapter", "view_chapter")
    course.teachers.add(who)
    client.force_login(who, backend=BACKEND)
    return client


def test_the_preview_is_what_the_page_shows(teacher, course, alice, client):
    Chapter.objects.filter(slug="roots").update(text=TEXT)
    html = preview(teacher, TEXT).json()["html"]

    client.force_login(alice)
    assert html in client.get("/courses/plants/chapters/roots/").text
    assert "<strong>fast</strong>" in html and "<math" in html
    assert "<script" not in html


def test_nothing_is_saved_by_a_look(teacher):
    preview(teacher, "Gone.")
    assert preview(teacher, "Gone.", "get").status_code == 405

    assert not Chapter.objects.filter(text="Gone.").exists()


def test_the_preview_is_for_those_who_write(client, course, alice):
    client.force_login(alice)
    assert preview(client, TEXT).url.startswith("/admin/login/")
    client.force_login(reviewer("reader", "view_chapter"), backend=BACKEND)
    assert preview(client, TEXT).status_code == 403


def test_the_form_of_a_chapter_brings_the_preview_and_the_study_material(teacher, course):
    chapter = course.chapters.get(slug="roots")

    page = teacher.get(reverse("admin:learning_chapter_change", args=[chapter.pk])).text

    assert "data-preview=" in page
    assert "learning/preview.js" in page and "learning/study_panel.js" in page
