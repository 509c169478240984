"""What is made of a course follows its chapters: saved, imported, moved, deleted."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import transaction
from django.urls import reverse
from django_tasks_db.models import DBTaskResult

from learning.artefacts import requesting
from learning.artefacts.generating import generate
from learning.artefacts.standing import PASSAGE_GONE
from learning.importing import import_course
from learning.models import Chapter, Course, ItemPassage, StudyArtefact, StudyItem
from tests.learning.makers import FIRST_WORDS
from tests.learning.study import term

Kind, Status = StudyArtefact.Kind, StudyArtefact.Status
CLOUD = Kind.WORDCLOUD

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def first_words(settings):
    settings.STUDY = FIRST_WORDS


@pytest.fixture
def made(course, staff):
    """The course, with its word cloud made."""
    generate(requesting.request(course, CLOUD, by=staff).pk)
    StudyItem.objects.update(status=StudyItem.Status.APPROVED)
    return course


def waiting() -> list[StudyArtefact]:
    return list(StudyArtefact.objects.filter(status=Status.PENDING).order_by("kind"))


def chapter(slug: str) -> Chapter:
    return Chapter.objects.get(slug=slug)


def names() -> set[str]:
    return {item.content["name"] for item in StudyItem.objects.all()}


def test_a_changed_chapter_is_gone_through_again_for_who_asked_last(made, staff):
    roots = chapter("roots")
    roots.text = "Roots hold the plant."
    roots.save()

    [job] = waiting()
    assert (job.kind, job.chapter, job.requested_by, job.only_changed) == (CLOUD, None, staff, True)
    generate(job.pk)
    job.refresh_from_db()
    assert list(job.chapters_done) == [str(roots.pk)]
    assert names() == {"Plants", "A", "Roots"}


def test_a_chapter_that_only_gets_another_title_has_nothing_made_anew(made):
    roots = chapter("roots")
    roots.title = "About roots"
    roots.save()

    assert waiting() == []


def test_a_course_that_nobody_had_anything_made_of_gets_no_jobs(course):
    roots = chapter("roots")
    roots.text = "Roots hold the plant."
    roots.save()

    assert not StudyArtefact.objects.exists()


def test_a_new_chapter_is_gone_through_too(made):
    Chapter.objects.create(course=made, slug="leaves", title="Leaves", text="Leaves are green.")

    [job] = waiting()
    generate(job.pk)
    assert "Leaves" in names()


def test_each_kind_that_was_made_before_is_made_again(made):
    generate(requesting.request(made, Kind.QUIZ).pk)
    roots = chapter("roots")
    roots.text = "Roots hold the plant."
    roots.save()

    assert [job.kind for job in waiting()] == [Kind.QUIZ, CLOUD]


def test_where_one_chapter_was_asked_for_the_others_are_left_alone(course):
    generate(requesting.request(course, CLOUD, chapter=chapter("roots")).pk)

    for slug in ("roots", "photosynthesis"):
        changed = chapter(slug)
        changed.text += "\n\nMore of it."
        changed.save()

    [job] = waiting()
    assert job.chapter == chapter("roots")


def test_after_a_cancelled_job_only_what_it_had_made_is_made_again(course):
    job = requesting.request(course, CLOUD, chapter=None)
    generate(job.pk)
    job.refresh_from_db()
    del job.chapters_done[str(chapter("photosynthesis").pk)]
    job.status = Status.CANCELLED
    job.save()

    for slug in ("roots", "photosynthesis"):
        changed = chapter(slug)
        changed.text += "\n\nMore of it."
        changed.save()

    assert [job.chapter for job in waiting()] == [chapter("roots")]


def test_what_is_written_together_is_one_job(made):
    with transaction.atomic():
        for changed in made.chapters.all():
            changed.text += "\n\nMore of it."
            changed.save()
        assert waiting() == []

    assert len(waiting()) == 1


def test_what_is_rolled_back_has_nothing_made_anew(made):
    roots = chapter("roots")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        roots.text = "Roots hold the plant."
        roots.save()
        raise ZeroDivisionError

    assert waiting() == []
    assert ItemPassage.objects.get(chapter=roots).quote in chapter("roots").text


def test_the_form_of_the_admin_counts(made, staff, client):
    client.force_login(staff)
    roots = chapter("roots")
    fields = {"course": made.pk, "slug": "roots", "title": "Roots", "position": 2}
    url = reverse("admin:learning_chapter_change", args=[roots.pk])

    response = client.post(url, {**fields, "text": "Roots hold the plant."})

    assert response.status_code == 302
    assert len(waiting()) == 1
    tasks = [task.args_kwargs["args"] for task in DBTaskResult.objects.all()]
    assert [str(waiting()[0].pk)] in tasks


def test_an_import_is_one_job_and_the_same_import_again_is_none(tmp_path, made):
    for number in range(30):
        (tmp_path / f"{number:02}.md").write_text(f"# Part {number}\n\nWord{number} is a word.\n")
    course = import_course(tmp_path, slug="words").course
    assert waiting() == []
    generate(requesting.request(course, CLOUD).pk)
    (tmp_path / "07.md").write_text("# Part 7\n\nSeven is a number.\n")
    (tmp_path / "08.md").write_text("# Part 8\n\nEight is a number.\n")

    import_course(tmp_path, slug="words")

    [job] = waiting()
    generate(job.pk)
    assert {"Seven", "Eight"} <= names()
    import_course(tmp_path, slug="words")
    assert waiting() == []


def test_the_demo_courses_come_without_jobs():
    call_command("load_demo", password="for-the-demo", verbosity=0, stdout=StringIO())

    assert Course.objects.count() == 2
    assert not StudyArtefact.objects.exists()


def test_what_stood_on_a_deleted_chapter_waits_for_staff(made):
    chapter("roots").delete()

    bare = StudyItem.objects.get(content__name="A")
    assert bare.status == StudyItem.Status.PENDING
    assert "no longer in the chapter" in bare.note_shown
    assert waiting() == []


def test_what_nobody_had_approved_goes_with_its_chapter(made):
    StudyItem.objects.update(status=StudyItem.Status.PENDING)

    chapter("roots").delete()

    assert names() == {"Plants"}


def test_what_staff_have_edited_waits_with_a_note_when_its_passage_goes(made):
    StudyItem.objects.update(status=StudyItem.Status.PENDING, is_edited=True)

    chapter("roots").delete()

    assert {item.note for item in StudyItem.objects.filter(passages=None)} == {PASSAGE_GONE}


def test_a_passage_that_comes_to_where_another_stood_is_followed(course):
    roots = chapter("roots")
    roots.text = "aaa bbb ccc"
    roots.save()
    word = term(course, "aaa", status=StudyItem.Status.APPROVED)
    word.passages.all().delete()
    for start, words in ((0, "aaa"), (4, "bbb")):
        place = {"start": start, "end": start + 3, "quote": words, "form": words}
        ItemPassage.objects.create(item=word, chapter=roots, title="Roots", **place)

    roots.text = "xxx aaa bbb ccc"
    roots.save()

    places = word.passages.order_by("start").values_list("start", "quote")
    assert list(places) == [(4, "aaa"), (8, "bbb")]


def test_a_chapter_that_moves_to_another_course_leaves_its_items_behind(made):
    other = Course.objects.create(slug="stones", title="Stones")
    roots = chapter("roots")
    roots.course = other
    roots.save()

    assert not ItemPassage.objects.filter(chapter=roots).exists()
    assert StudyItem.objects.get(content__name="A").status == StudyItem.Status.PENDING


def test_a_course_can_be_deleted_with_all_that_was_made_of_it(made):
    made.delete()

    assert not StudyItem.objects.exists()
    assert not StudyArtefact.objects.exists()
