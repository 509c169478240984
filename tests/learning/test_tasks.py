"""Work behind the page: a changed chapter reaches the search index, without one run too many."""

import pytest
from django.db import transaction
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from learning.tasks import reindex_course, reindex_soon
from rag.embedders.base import get_embedder

pytestmark = pytest.mark.django_db(transaction=True)


def queued():
    return [job.args_kwargs["args"] for job in DBTaskResult.objects.order_by("enqueued_at")]


def test_ten_quick_saves_queue_one_run():
    for _ in range(10):
        reindex_soon("plants")

    assert queued() == [["plants"]]


def test_each_course_gets_a_run_of_its_own():
    for slug in ("plants", "stones", "plants"):
        reindex_soon(slug)

    assert queued() == [["plants"], ["stones"]]


def test_a_save_during_a_run_queues_another_as_the_run_may_have_read_the_old_text():
    reindex_soon("plants")
    DBTaskResult.objects.update(status=TaskResultStatus.RUNNING)

    reindex_soon("plants")

    assert queued() == [["plants"], ["plants"]]


def test_nothing_is_queued_before_the_text_is_written():
    with transaction.atomic():
        reindex_soon("plants")
        assert queued() == []

    assert queued() == [["plants"]]


def test_one_edited_chapter_has_only_its_changed_passages_embedded(indexed):
    embedder = get_embedder()
    embedder.embedded.clear()
    chapter = indexed.chapters.first()
    chapter.text += "\n\n## New\n\nA passage that nobody has read yet."
    chapter.save()

    said = reindex_course.call(indexed.slug)

    assert "0 added, 1 changed" in said
    assert "1 passages embedded" in said
    [text] = embedder.embedded
    assert text.endswith("A passage that nobody has read yet.")
