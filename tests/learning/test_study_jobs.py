"""The life of a study job: asked for, claimed once, cancelled, tried again, given back, revived."""

import json
import threading
from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from learning import heart, jobs
from learning.artefacts import requesting
from learning.artefacts.generating import NOTHING_USABLE, SOME_UNUSABLE, generate
from learning.models import Chapter, StudyArtefact, StudyItem
from learning.tasks import generate_artefact
from tests.faults.site import eventually
from tests.learning.makers import FIRST_WORDS, FirstWords
from tests.servers.openai_script import WAIT
from tracing import Status as TraceStatus
from tracing import pseudonym

Status = StudyArtefact.Status
CLOUD = StudyArtefact.Kind.WORDCLOUD

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def first_words(settings):
    settings.STUDY = FIRST_WORDS
    before = FirstWords.meanwhile
    yield
    FirstWords.meanwhile = before
    heart._is_ending.clear()


@pytest.fixture
def meanwhile():
    """Have something happen, in a thread of its own, when a chapter is begun with."""

    def call(slug, *actions):
        waiting = list(actions)

        def act(chapter):
            if chapter.slug != slug or not waiting:
                return
            thread = threading.Thread(target=_then_let_go, args=(waiting.pop(0),))
            thread.start()
            thread.join()

        FirstWords.meanwhile = staticmethod(act)

    return call


def _then_let_go(action):
    try:
        action()
    finally:
        connections.close_all()


def request(course, **options) -> StudyArtefact:
    return requesting.request(course, CLOUD, **options)


def begun(job) -> threading.Thread:
    """Do a job as a worker does, in a thread of its own."""
    thread = threading.Thread(target=_then_let_go, args=(lambda: generate(job.pk),))
    thread.start()
    return thread


def now(job) -> StudyArtefact:
    return StudyArtefact.objects.get(pk=job.pk)


def running(course, **options) -> StudyArtefact:
    """A job that some worker has begun with."""
    job = request(course, **options)
    beat = {"started_at": timezone.now(), "alive_at": timezone.now(), "attempts": 1}
    StudyArtefact.objects.filter(pk=job.pk).update(status=Status.RUNNING, **beat)
    return now(job)


def names(course) -> list[str]:
    return sorted(item.content["name"] for item in StudyItem.objects.filter(course=course))


def queued() -> list[str]:
    return [task.args_kwargs["args"][0] for task in DBTaskResult.objects.order_by("enqueued_at")]


def word(name: str) -> str:
    return json.dumps({"items": [{"name": name}]})


# --- asked for --------------------------------------------------------------------------------


def test_a_job_is_done_by_its_task(course, staff):
    job = request(course, by=staff)
    assert queued() == [str(job.pk)]

    assert generate_artefact.call(str(job.pk)) == "ready"

    done = now(job)
    assert names(course) == ["A", "Plants"]
    assert (done.status, done.chapters_total, len(done.chapters_done)) == (Status.READY, 2, 2)
    assert done.counts == {"made": {"term": 2}, "dropped": {}}
    assert done.finished_at >= done.started_at


def test_it_is_queued_once_it_is_written(course):
    with transaction.atomic():
        request(course)
        assert queued() == []

    assert len(queued()) == 1


def test_one_that_waits_is_enough(course):
    first, second = request(course), request(course)

    assert first == second
    assert len(queued()) == 1


def test_while_one_runs_another_may_wait(course):
    running = request(course)
    StudyArtefact.objects.update(status=Status.RUNNING)

    assert request(course) != running


def test_who_wants_all_of_it_is_not_served_by_a_job_for_what_has_changed(course, staff):
    request(course, only_changed=True)

    job = request(course, by=staff)

    assert not now(job).only_changed
    assert now(job).requested_by == staff


def test_a_chapter_and_its_course_may_both_wait(course):
    chapter = course.chapters.first()

    assert request(course) != request(course, chapter=chapter)
    assert request(course, chapter=chapter) == request(course, chapter=chapter)


def test_a_job_for_one_chapter_leaves_the_others_alone(course):
    job = request(course, chapter=course.chapters.get(slug="roots"))

    generate(job.pk)

    assert names(course) == ["A"]


def test_a_queue_that_is_away_costs_nobody_their_page(course, settings):
    settings.TASKS = {"default": {"BACKEND": "tests.learning.test_study_jobs.QueueThatIsAway"}}

    job = request(course)

    assert now(job).status == Status.PENDING


class QueueThatIsAway:
    """A task backend whose server refuses connections."""

    task_class = type(generate_artefact)

    def __init__(self, alias, params):
        self.queues = set()

    def validate_task(self, task):
        """Any task will do."""

    def enqueue(self, task, args, kwargs):
        raise ConnectionError("connection refused")


# --- claimed ----------------------------------------------------------------------------------


def test_of_many_workers_one_does_it(course, traces):
    job = request(course)
    barrier = threading.Barrier(8)
    workers = [
        threading.Thread(target=_then_let_go, args=(lambda: (barrier.wait(), generate(job.pk)),))
        for _ in range(8)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert now(job).attempts == 1
    assert [trace.name for trace in traces.traces] == ["generate_wordcloud"]
    assert names(course) == ["A", "Plants"]


def test_a_worker_whose_job_another_has_taken_over_keeps_nothing(course, traces, meanwhile):
    job = request(course)

    def take_over():
        StudyArtefact.objects.update(started_at=timezone.now())

    meanwhile("roots", take_over)

    generate(job.pk)

    assert names(course) == ["Plants"]
    assert now(job).status == Status.RUNNING  # by the other
    assert traces.last.status == TraceStatus.INTERRUPTED


# --- traced -----------------------------------------------------------------------------------


def test_a_job_is_a_trace_of_who_asked_for_it(course, staff, traces):
    chapter = course.chapters.get(slug="roots")
    job = request(course, by=staff, chapter=chapter, only_changed=True)

    generate(job.pk)

    trace = traces.last
    assert (trace.name, trace.user_id, trace.tags) == (
        "generate_wordcloud",
        pseudonym(staff),
        ["job"],
    )
    assert trace.input == {
        "course": "plants",
        "chapter": "roots",
        "options": {"only_changed": True},
    }
    assert trace.output["made"] == {"term": 1}
    assert trace.status == TraceStatus.OK
    assert now(job).trace_id == trace.id


def test_each_call_of_the_model_is_in_the_trace_with_its_usage(course, traces, chat_model):
    chat_model.answers(word("Plants"))
    chat_model.answers(word("root"))
    job = request(course)

    generate(job.pk)

    seen = traces.last.observations
    assert [one.name for one in seen] == ["chapter", "llm_call"] * 2
    assert [one.input for one in seen[::2]] == [{"chapter": "photosynthesis"}, {"chapter": "roots"}]
    calls = seen[1::2]
    assert [call.usage.total for call in calls] == [
        asked.usage["total_tokens"] for asked in chat_model.requests
    ]
    assert now(job).model == "gpt-4o-mini"


# --- failed, and tried again ------------------------------------------------------------------


def test_a_job_that_fails_says_so_in_words(course, traces, meanwhile):
    def break_down(chapter):
        raise ZeroDivisionError("by a comet")

    FirstWords.meanwhile = staticmethod(break_down)
    job = request(course)

    assert generate(job.pk) == "failed"

    assert "Something went wrong" in now(job).message_shown
    assert traces.last.status == TraceStatus.ERROR
    assert "comet" in traces.last.status_message


def test_a_kind_whose_maker_cannot_be_loaded_fails_in_words(course, settings):
    settings.STUDY = {"MAKERS": {CLOUD: "tests.learning.makers.Nobody"}}
    job = request(course)

    assert generate(job.pk) == "failed"


def test_a_model_that_refuses_ends_the_job_and_its_words_are_kept_without_the_key(
    course, chat_model, traces
):
    chat_model.fails(401, "Incorrect API key provided: sk-test-0123456789abcdef")
    job = request(course)

    assert generate(job.pk) == "failed"

    failed = now(job)
    assert failed.message_shown == "The model could not be asked."
    assert "Incorrect API key" in failed.detail
    assert "0123456789" not in failed.detail
    assert traces.last.status == TraceStatus.ERROR


def test_tried_again_it_goes_on_after_its_last_chapter(course, chat_model):
    chat_model.answers(word("Plants"))
    chat_model.fails(401)
    job = request(course)
    generate(job.pk)
    assert names(course) == ["Plants"]
    chat_model.answers(word("root"))

    assert jobs.retry(now(job))
    assert generate(job.pk) == "ready"

    assert names(course) == ["Plants", "root"]
    assert len(chat_model.requests) == 3
    assert now(job).counts["made"] == {"term": 2}
    assert queued() == [str(job.pk)] * 2


def test_tried_again_after_useless_answers_it_begins_anew(course, chat_model):
    for _ in range(4):
        chat_model.answers("I would rather talk.")
    job = request(course)
    assert generate(job.pk) == "failed"
    assert now(job).message == NOTHING_USABLE
    assert now(job).counts["dropped"] == {"prose instead of JSON": 4}
    chat_model.answers(word("Plants"))
    chat_model.answers(word("root"))

    jobs.retry(now(job))
    generate(job.pk)

    assert names(course) == ["Plants", "root"]
    assert now(job).counts == {"made": {"term": 2}, "dropped": {}}


def test_a_job_that_is_done_cannot_be_tried_again(course):
    job = request(course)
    generate(job.pk)

    assert not jobs.retry(now(job))


def test_what_waits_already_is_not_queued_again(course):
    job = request(course)
    jobs.cancel(job)
    request(course)

    assert not jobs.retry(now(job))
    assert now(job).status == Status.CANCELLED


def test_a_refused_retry_leaves_the_reason_of_the_failure(course, chat_model):
    chat_model.fails(401)
    job = request(course)
    generate(job.pk)
    request(course)

    assert not jobs.retry(now(job))
    assert now(job).message_shown == "The model could not be asked."


def test_a_chapter_whose_answers_were_useless_keeps_what_waits_and_is_tried_again(
    course, chat_model
):
    for answer in (word("Plants"), word("root"), word("light"), *["I would rather talk."] * 2):
        chat_model.answers(answer)
    generate(request(course).pk)
    job = request(course)

    assert generate(job.pk) == "failed"

    assert names(course) == ["light", "root"]
    assert now(job).message == SOME_UNUSABLE
    assert now(job).counts["dropped"] == {"prose instead of JSON": 2}
    chat_model.answers(word("soil"))
    jobs.retry(now(job))
    assert generate(job.pk) == "ready"
    assert names(course) == ["light", "soil"]


# --- cancelled --------------------------------------------------------------------------------


def test_cancelled_before_it_begins_it_never_does(course, traces):
    job = request(course)

    assert jobs.cancel(job)

    assert generate(job.pk) == "cancelled"
    assert traces.traces == []


def test_cancelled_between_chapters_it_keeps_what_it_has(course, traces, meanwhile):
    job = request(course)
    meanwhile("roots", lambda: jobs.cancel(job))

    assert generate(job.pk) == "cancelled"

    assert names(course) == ["Plants"]
    assert traces.last.status == TraceStatus.CANCELLED
    assert not now(job).is_cancel_wanted


def test_cancelled_in_the_middle_of_an_answer_it_lets_go_of_the_provider(
    course, chat_model, traces
):
    chat_model.answers('{"items": [', WAIT)
    job = request(course)
    worker = begun(job)
    eventually(lambda: chat_model.requests and chat_model.last.sent)

    jobs.cancel(job)

    chat_model.last.wait_until_closed()
    worker.join()
    assert now(job).status == Status.CANCELLED
    assert traces.last.status == TraceStatus.CANCELLED
    _, call = traces.last.observations
    assert (call.status, call.output) == (TraceStatus.CANCELLED, '{"items": [')
    assert call.usage.is_estimate


def test_what_is_over_cannot_be_cancelled(course):
    job = request(course)
    generate(job.pk)

    assert not jobs.cancel(now(job))


# --- the course changes meanwhile -------------------------------------------------------------


def test_a_chapter_that_changes_while_it_is_gone_through_is_gone_through_again(course, meanwhile):
    def rewrite():
        chapter = Chapter.objects.get(slug="roots")
        chapter.text = "Roots hold the plant."
        chapter.save()

    meanwhile("roots", rewrite)

    generate(request(course).pk)

    assert names(course) == ["Plants", "Roots"]
    for item in StudyItem.objects.all():
        [passage] = item.passages.select_related("chapter")
        assert passage.chapter.text[passage.start : passage.end] == passage.quote


def test_a_chapter_that_is_deleted_meanwhile_is_left_out(course, meanwhile):
    meanwhile("roots", lambda: Chapter.objects.get(slug="roots").delete())

    assert generate(request(course).pk) == "ready"

    assert names(course) == ["Plants"]


def test_a_course_that_is_deleted_takes_its_job_along(course, traces, meanwhile):
    meanwhile("roots", lambda: course.delete())

    generate(request(course).pk)

    assert not StudyArtefact.objects.exists()
    assert not StudyItem.objects.exists()
    assert traces.last.status == TraceStatus.CANCELLED


# --- the worker ends --------------------------------------------------------------------------


def test_a_worker_that_is_told_to_end_gives_its_job_back_at_once(course, chat_model, traces):
    chat_model.answers(word("Plants"))
    chat_model.answers('{"items": [', WAIT)
    job = request(course)
    worker = begun(job)
    eventually(lambda: len(chat_model.requests) == 2 and chat_model.last.sent)

    heart.interrupt_all()

    chat_model.last.wait_until_closed()
    worker.join()
    assert (now(job).status, now(job).attempts) == (Status.PENDING, 0)
    assert len(queued()) == 2
    assert traces.last.status == TraceStatus.INTERRUPTED
    heart._is_ending.clear()
    chat_model.answers(word("root"))
    assert generate(job.pk) == "ready"
    assert len(chat_model.requests) == 3  # the first chapter was not asked for again


def test_a_job_that_was_to_be_cancelled_is_not_given_back(course):
    job = running(course)
    jobs.cancel(job)

    assert not jobs.give_back(job)
    assert now(job).status == Status.CANCELLED


def test_what_waits_takes_over_all_that_a_job_given_back_was_to_do(course):
    whole = running(course)
    changed = request(course, only_changed=True)

    assert not jobs.give_back(whole)

    assert (now(whole).status, now(whole).message) == (Status.CANCELLED, jobs.REPLACED)
    assert not now(changed).only_changed


def test_a_job_given_back_is_not_confused_with_its_next_attempt(course):
    job = request(course)
    StudyArtefact.objects.update(status=Status.RUNNING, attempts=1, started_at=timezone.now())
    first = now(job)
    jobs.give_back(first)
    StudyArtefact.objects.update(status=Status.RUNNING, attempts=1, started_at=timezone.now())

    assert not jobs.give_back(first)

    assert now(job).status == Status.RUNNING


# --- the worker dies --------------------------------------------------------------------------


def silent(job, *, attempts=1, **fields) -> None:
    """As a killed worker leaves it."""
    long_ago = timezone.now() - jobs.DEAD_AFTER - timedelta(seconds=1)
    StudyArtefact.objects.filter(pk=job.pk).update(
        status=Status.RUNNING,
        attempts=attempts,
        started_at=long_ago,
        alive_at=long_ago,
        **fields,
    )


def test_a_job_that_is_silent_is_queued_again(course):
    job = request(course)
    silent(job)

    assert jobs.revive() == 1

    assert now(job).status == Status.PENDING
    assert len(queued()) == 2
    assert generate(job.pk) == "ready"


def test_a_job_that_lives_is_left_alone(course):
    job = request(course)
    silent(job)
    StudyArtefact.objects.update(alive_at=timezone.now())

    assert jobs.revive() == 0
    assert now(job).status == Status.RUNNING


def test_many_processes_revive_a_job_once(course):
    silent(request(course))
    barrier, revived = threading.Barrier(6), []
    threads = [
        threading.Thread(
            target=_then_let_go, args=(lambda: (barrier.wait(), revived.append(jobs.revive())),)
        )
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(revived) == [0, 0, 0, 0, 0, 1]
    assert len(queued()) == 2


def test_after_three_killed_workers_a_job_fails_in_words(course):
    job = request(course)
    silent(job, attempts=jobs.MOST_ATTEMPTS)

    assert jobs.revive() == 0

    assert now(job).status == Status.FAILED
    assert "ended three times" in now(job).message_shown


def test_a_cancelled_job_whose_worker_was_killed_is_cancelled(course):
    job = request(course)
    silent(job, is_cancel_wanted=True)

    jobs.revive()

    assert now(job).status == Status.CANCELLED


def test_a_job_whose_queue_was_lost_is_queued_again(course):
    job = request(course)
    DBTaskResult.objects.all().delete()
    StudyArtefact.objects.update(queued_at=timezone.now() - jobs.LOST_AFTER * 2)

    assert jobs.revive() == 1

    assert queued() == [str(job.pk)]
    assert jobs.revive() == 0  # it has been queued just now


def test_a_running_job_says_that_it_lives(course, chat_model):
    chat_model.answers(WAIT)
    job = request(course)
    worker = begun(job)
    first = eventually(lambda: now(job).alive_at)

    eventually(lambda: now(job).alive_at > first)

    jobs.cancel(job)
    worker.join()
