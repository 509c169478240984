"""What a student wants forgotten is forgotten: here, in Langfuse, and by an answer that runs."""

import asyncio
import json

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection, transaction
from django_tasks_db.models import DBTaskResult

from learning import privacy, tasks
from learning.models import Conversation, Enrolment, User
from tests.learning.chat import Tab, browser_of
from tests.servers.openai_script import WAIT
from tracing import generation, outbox, pseudonym, trace
from tracing.exporters.langfuse import LangfuseExporter
from tracing.models import ContentState, ObservationRecord, TraceRecord

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/accounts/privacy/"


def page_of(user) -> str:
    response = browser_of(user).get(PAGE)
    assert response.status_code == 200
    return response.content.decode()


def forbid(user) -> str:
    """Switch the words off, as the browser does; return the page that follows."""
    return browser_of(user).post(PAGE, {}, follow=True).content.decode()


def allow(user) -> str:
    return browser_of(user).post(PAGE, {"allows_tracing": "on"}, follow=True).content.decode()


def delete_address(conversation) -> str:
    return f"/conversations/{conversation.pk}/delete/"


def words_here() -> list[str]:
    """Which of the words that students and tutor say in these tests are in a trace."""
    rows = [list(model.objects.values()) for model in (TraceRecord, ObservationRecord)]
    content = json.dumps(rows, default=str).lower()
    return [word for word in ("photosynthesis", "sugar", "chloroplasts") if word in content]


def asked(conversation, recorded) -> Conversation:
    """A conversation in which something was asked, with its trace."""
    conversation.title = "What is photosynthesis?"
    conversation.save()
    question = conversation.messages.create(role="user", text="What is photosynthesis?", ask_id="1")
    with trace(
        "ai_chat",
        session_id=str(conversation.pk),
        user_id=pseudonym(conversation.user),
        input={"user_message": question.text},
    ) as turn:
        with generation("llm_call", model="m", input=["chloroplasts"]) as answer:
            answer.output = turn.output = "sugar"
    conversation.messages.create(
        role="assistant", text="sugar", reply_to=question, trace_id=turn.id
    )
    recorded.drain()
    return conversation


@pytest.fixture
def conversation_of_plants(course, alice) -> Conversation:
    return Conversation.objects.create(user=alice, course=course)


@pytest.fixture
def with_words(conversation_of_plants, recorded) -> Conversation:
    asked(conversation_of_plants, recorded)
    assert words_here()
    return conversation_of_plants


# --- Consent ---------------------------------------------------------------------------------


async def test_switched_off_holds_from_the_next_question_on_without_a_new_connection(
    tab, alice, chat_model, recorded
):
    chat_model.answers("Light into sugar.")
    await tab.ask("What is photosynthesis?", id="1")
    await tab.until("turn.finished")
    await sync_to_async(forbid)(alice)
    chat_model.answers("In the chloroplasts.")
    await tab.ask("Where does photosynthesis happen?", id="2")
    await tab.until("turn.finished")
    recorded.drain()

    assert await sync_to_async(words_here)() == []
    states = TraceRecord.objects.order_by("started_at").values_list("content_state", flat=True)
    assert [state async for state in states] == [ContentState.REMOVED, ContentState.NOT_RECORDED]
    async for row in TraceRecord.objects.all():
        assert row.output_tokens > 0 and row.duration_ms > 0

    await sync_to_async(allow)(alice)
    chat_model.answers("Light into sugar.")
    await tab.ask("What is it again?", id="3")
    await tab.until("turn.finished")
    recorded.drain()
    assert (await TraceRecord.objects.alatest("started_at")).content_state == ContentState.KEPT


async def test_switched_off_while_an_answer_runs_its_words_are_not_kept_either(
    tab, alice, chat_model, recorded
):
    chat_model.answers("Light into ", "sugar.", WAIT)
    await tab.ask("What is photosynthesis?")
    await tab.until("turn.delta")
    await sync_to_async(recorded.drain)()
    await sync_to_async(forbid)(alice)
    await tab.stop()
    await tab.until("turn.finished")
    await sync_to_async(recorded.drain)()

    assert await sync_to_async(words_here)() == []


def test_switching_off_says_what_it_did_and_leaves_conversations_and_other_people(
    with_words, alice, bob, recorded
):
    other = asked(Conversation.objects.create(user=bob, course=with_words.course), recorded)

    page = forbid(alice)

    alice.refresh_from_db()
    assert not alice.allows_tracing
    assert "earlier ones neither" in page
    assert with_words.messages.count() == 2
    kept = TraceRecord.objects.get(content_state=ContentState.KEPT)
    assert kept.session_id == str(other.pk)
    assert "allows_tracing_help" in page and " checked" not in page


def test_switching_on_again_brings_nothing_back(with_words, alice):
    forbid(alice)
    page = allow(alice)

    assert "From your next question on" in page and " checked" in page
    assert words_here() == []


def test_the_words_of_very_many_questions_are_removed_behind_the_page(
    with_words, alice, monkeypatch
):
    monkeypatch.setattr(privacy, "AT_ONCE", 0)

    assert "earlier ones lose them now" in forbid(alice)
    assert words_here()
    tasks.remove_words.call(pseudonym(alice))
    assert words_here() == []


def test_the_page_says_what_is_kept_for_how_long_and_under_which_name(alice, settings):
    settings.TRACING = {**settings.TRACING, "RETENTION_DAYS": 30, "EXPORTER": "a.b"}
    page = page_of(alice)

    assert pseudonym(alice) in page
    assert "For 30 days" in page and "Langfuse" in page
    settings.TRACING = {**settings.TRACING, "RETENTION_DAYS": 0, "EXPORTER": None}
    page = page_of(alice)
    assert "Until those who run this site delete them" in page and "Langfuse" not in page


def test_a_site_that_keeps_no_words_says_so(alice, settings):
    assert "hold no words at all" not in page_of(alice)
    settings.TRACING = {**settings.TRACING, "CAPTURE_CONTENT": False}
    assert "hold no words at all" in page_of(alice)


def test_a_site_that_shows_names_in_traces_says_so(alice, settings):
    settings.TRACING = {**settings.TRACING, "USER_ID": "nickname"}
    assert "Your user name, <code>alice</code>" in page_of(alice)


def test_the_page_is_for_who_is_logged_in_and_linked_from_every_page(client, alice):
    assert client.get(PAGE).url == f"/accounts/login/?next={PAGE}"
    assert PAGE not in client.get("/").content.decode()
    assert f'href="{PAGE}"' in browser_of(alice).get("/").content.decode()


# --- Deleting --------------------------------------------------------------------------------


def test_a_student_deletes_a_conversation_after_being_asked(with_words, alice):
    browser = browser_of(alice)
    address = delete_address(with_words)
    assert address in browser.get(with_words.get_absolute_url()).content.decode()
    assert address in page_of(alice)
    asking = browser.get(address).content.decode()
    assert "What is photosynthesis?" in asking and "cannot be undone" in asking
    assert with_words.messages.count() == 2

    after = browser.post(address, follow=True)

    assert after.redirect_chain == [("/courses/plants/", 302)]
    assert "The conversation is deleted." in after.content.decode()
    assert "What is photosynthesis?" not in after.content.decode()
    assert browser.get(with_words.get_absolute_url()).status_code == 404
    assert words_here() == []
    assert TraceRecord.objects.get().content_state == ContentState.REMOVED


def test_nobody_else_deletes_it(with_words, bob, staff, client):
    address = delete_address(with_words)
    for other in (bob, staff):
        assert browser_of(other).get(address).status_code == 404
        assert browser_of(other).post(address).status_code == 404
    assert client.post(address).url.startswith("/accounts/login/")
    assert with_words.messages.count() == 2
    assert words_here()


def test_who_has_left_the_course_can_still_delete(with_words, alice):
    Enrolment.objects.filter(user=alice).delete()
    with_words.course.is_open = False
    with_words.course.save()
    assert delete_address(with_words) in page_of(alice)

    after = browser_of(alice).post(delete_address(with_words))

    assert (after.status_code, after.url) == (302, "/")
    assert not Conversation.objects.exists()


def by_staff(conversation):
    staff = User.objects.get(username="staff")
    address = f"/admin/learning/conversation/{conversation.pk}/delete/"
    assert browser_of(staff).post(address, {"post": "yes"}).status_code == 302


def by_staff_in_the_list(conversation):
    staff = User.objects.get(username="staff")
    chosen = {"action": "delete_selected", "_selected_action": str(conversation.pk), "post": "yes"}
    assert browser_of(staff).post("/admin/learning/conversation/", chosen).status_code == 302


@pytest.mark.parametrize(
    "delete",
    [
        by_staff,
        by_staff_in_the_list,
        lambda conversation: Conversation.objects.all().delete(),
        lambda conversation: conversation.user.delete(),
        lambda conversation: User.objects.filter(username="alice").delete(),
        lambda conversation: conversation.course.delete(),
    ],
    ids=["admin", "admin list", "queryset", "user", "users", "course"],
)
def test_whoever_deletes_it_its_traces_lose_their_words(with_words, staff, delete):
    delete(with_words)

    assert not Conversation.objects.exists()
    assert words_here() == []


def test_words_that_cannot_be_removed_now_are_removed_by_a_job(with_words):
    conversation_id = str(with_words.pk)

    def locked(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and "tracing_tracerecord" in sql:
            raise OperationalError("database is locked")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(locked):
        with_words.delete()

    assert not Conversation.objects.exists() and words_here()
    [job] = DBTaskResult.objects.all()
    assert job.args_kwargs["args"] == [conversation_id]
    tasks.remove_words_of_conversation.call(conversation_id)
    assert words_here() == []


def test_with_an_account_go_the_words_of_its_other_traces(alice, recorded):
    with trace("generate_quiz", user_id=pseudonym(alice), input="photosynthesis"):
        pass
    recorded.drain()

    alice.delete()

    assert words_here() == []


def test_a_deletion_that_is_rolled_back_leaves_the_words(with_words):
    with pytest.raises(RuntimeError), transaction.atomic():
        Conversation.objects.all().delete()
        raise RuntimeError

    assert with_words.messages.count() == 2
    assert words_here()


def test_no_word_is_left_in_langfuse(
    conversation_of_plants, recorded, langfuse_server, settings, monkeypatch, alice
):
    monkeypatch.setattr(outbox, "wake", lambda: None)  # the test sends by hand
    settings.TRACING = {
        **settings.TRACING,
        "EXPORTER": "tracing.exporters.langfuse.LangfuseExporter",
        "LANGFUSE_HOST": langfuse_server.url,
        "LANGFUSE_PUBLIC_KEY": langfuse_server.public_key,
        "LANGFUSE_SECRET_KEY": langfuse_server.secret_key,
    }
    exporter = LangfuseExporter()
    asked(conversation_of_plants, recorded)
    outbox.send_once(exporter)
    assert "chloroplasts" in json.dumps(langfuse_server.observations)

    browser_of(alice).post(delete_address(conversation_of_plants))
    outbox.send_once(exporter)
    exporter.close()

    there = json.dumps([langfuse_server.traces, langfuse_server.observations])
    assert "sugar" not in there and "photosynthesis" not in there and "chloroplasts" not in there
    assert langfuse_server.trace("ai_chat")["input"] == "[removed]"


# --- While an answer runs --------------------------------------------------------------------


async def test_an_answer_that_runs_is_stopped_and_keeps_no_words(
    tab, conversation, alice, chat_model, recorded
):
    second = await Tab(conversation.pk, alice).open()
    chat_model.answers("Light into ", "sugar.", WAIT)
    await tab.ask("What is photosynthesis?")
    while tab.text != "Light into sugar.":
        await tab.until("turn.delta")

    browser = await sync_to_async(browser_of)(alice)
    await sync_to_async(browser.post)(delete_address(conversation))

    for opened in (tab, second):
        assert await opened.close_code_after_frames() == 4404
    chat_model.last.wait_until_closed()
    ended = TraceRecord.objects.exclude(status="running")
    async with asyncio.timeout(5):
        while not await ended.aexists():
            await sync_to_async(recorded.drain)()
    assert await sync_to_async(words_here)() == []
    row = await ended.aget()
    assert (row.status, row.session_id) == ("cancelled", str(conversation.pk))


async def test_an_answer_whose_end_comes_first_keeps_no_words(
    tab, conversation, chat_model, traces
):
    """As in another process, where nobody hears that it should stop."""
    chat_model.answers("Light into ", "sugar.", WAIT)
    await tab.ask("What is photosynthesis?")
    await tab.until("turn.delta")
    await conversation.messages.all().adelete()
    await tab.stop()
    await tab.until("turn.finished")

    assert traces.last.capture_content is False


async def test_an_answer_that_was_saved_keeps_its_words(tab, chat_model, traces):
    chat_model.answers("Light into sugar.")
    await tab.ask("What is photosynthesis?")
    await tab.until("turn.finished")

    assert traces.last.capture_content is True


async def test_who_asks_in_a_deleted_conversation_is_shown_the_door(tab, conversation, chat_model):
    await conversation.adelete()

    assert await tab.close_code_after_frames() == 4404
    assert chat_model.requests == []


async def test_a_deletion_that_is_rolled_back_stops_no_answer(tab, conversation, chat_model):
    def begin_and_give_up():
        with pytest.raises(RuntimeError), transaction.atomic():
            conversation.delete()
            raise RuntimeError

    chat_model.answers("Light into ", "sugar.", WAIT)
    await tab.ask("What is photosynthesis?")
    # The HTML of the last words comes somewhat behind them.
    while tab.text != "Light into sugar." or not tab.seen[-1]["blocks"]:
        await tab.until("turn.delta")
    await sync_to_async(begin_and_give_up)()

    assert await tab.hears_nothing()
    await tab.stop()
    assert (await tab.until("turn.finished"))["status"] == "stopped"
