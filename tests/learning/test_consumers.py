"""Who may open the chat's socket, and what it does with frames that make no sense."""

import asyncio

import pytest
from django.contrib.sessions.models import Session

from learning import tabs
from learning.consumers import ADMITTED_SECONDS
from learning.models import Conversation, Enrolment
from tests.learning.chat import Tab
from tests.servers.openai_script import WAIT

pytestmark = pytest.mark.django_db(transaction=True)


async def close_code(tab: Tab) -> int:
    await tab.connect()
    return await tab.close_code()


async def test_nobody_gets_in_without_logging_in(conversation):
    assert await close_code(Tab(conversation.pk)) == 4401


async def test_a_strangers_conversation_is_not_there(conversation, bob):
    assert await close_code(Tab(conversation.pk, bob)) == 4404


async def test_staff_do_not_sit_in_a_students_chat(conversation, staff):
    assert await close_code(Tab(conversation.pk, staff)) == 4404


async def test_a_conversation_that_does_not_exist_is_not_there(conversation, alice):
    assert await close_code(Tab("00000000-0000-0000-0000-000000000000", alice)) == 4404


async def test_who_left_the_course_cannot_come_back_to_its_chat(conversation, alice):
    await Enrolment.objects.filter(user=alice).adelete()
    assert await close_code(Tab(conversation.pk, alice)) == 4404


@pytest.mark.parametrize(
    "origin",
    [
        "https://elsewhere.example",
        "http://testserver:9999",
        "http://localhost:3000",
        "http://testserver.elsewhere.example",
        "null",
        "",
    ],
)
async def test_another_site_cannot_open_a_socket_with_a_students_cookie(
    conversation, alice, origin
):
    assert not await Tab(conversation.pk, alice, origin=origin).connect()


async def test_a_proxys_public_name_is_trusted_when_it_is_named(conversation, alice, settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://tutor.example"]
    tab = await Tab(conversation.pk, alice, origin="https://tutor.example").open()
    await tab.close()


async def test_who_was_locked_out_with_the_chat_open_is_shown_the_door(tab, alice, chat_model):
    alice.is_active = False
    await alice.asave()

    await tab.ask("What is photosynthesis?")

    assert await tab.close_code() == 4401
    assert chat_model.requests == []


async def test_who_logged_out_elsewhere_reads_no_more(tab, chat_model):
    await Session.objects.all().adelete()

    await tab.send({"type": "resume"})

    assert await tab.close_code() == 4401


async def test_who_logged_out_hears_nothing_of_what_another_session_asks(
    tab, conversation, alice, chat_model
):
    await Session.objects.all().adelete()
    elsewhere = await Tab(conversation.pk, alice).open()
    await asyncio.sleep(ADMITTED_SECONDS)

    await elsewhere.ask("What is photosynthesis?")

    assert await tab.close_code() == 4401
    await elsewhere.until("turn.finished")
    assert elsewhere.text
    await elsewhere.close()


async def test_a_fault_in_a_tab_does_not_leave_it_among_the_open_ones(conversation, alice):
    tab = await Tab(conversation.pk, alice).open()
    assert tabs._tabs[conversation.pk]

    # What no server sends: it ends the application with an error.
    tab.socket.input_queue.put_nowait({"type": "websocket.receive", "text": 7})
    with pytest.raises(TypeError):
        await tab.socket.wait()

    assert conversation.pk not in tabs._tabs


async def test_who_leaves_the_course_with_the_chat_open_cannot_ask(tab, alice, chat_model):
    await Enrolment.objects.filter(user=alice).adelete()

    await tab.ask("What is photosynthesis?")

    assert (await tab.receive())["code"] == "not_enrolled"
    assert chat_model.requests == []


@pytest.mark.parametrize("reason", ["left the course", "was switched off"])
async def test_who_may_not_read_any_more_hears_no_more_of_a_running_answer(
    tab, conversation, alice, chat_model, reason
):
    chat_model.answers("Light ", WAIT)
    await tab.ask("What is photosynthesis?")
    await tab.until("turn.delta")

    if reason == "left the course":
        await Enrolment.objects.filter(user=alice).adelete()
    else:
        alice.is_active = False
        await alice.asave()

    assert await tab.close_code_after_frames() == 4404
    chat_model.last.wait_until_closed()


async def test_two_students_never_see_each_others_frames(tab, indexed, bob, chat_model):
    bobs = await Conversation.objects.acreate(user=bob, course=indexed)
    bobs_tab = await Tab(bobs.pk, bob).open()
    chat_model.answers("For Alice.")

    await tab.ask("What is photosynthesis?")
    await tab.until("turn.finished")

    assert await bobs_tab.hears_nothing()
    await bobs_tab.close()


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "empty"), (" \n\t ", "empty"), ("x" * 100_000, "too_long")],
    ids=["nothing", "white space", "100,000 characters"],
)
async def test_a_question_that_cannot_be_asked_is_rejected(tab, text, code, traces, chat_model):
    await tab.ask(text)

    rejected = await tab.receive()

    assert (rejected["type"], rejected["code"]) == ("turn.rejected", code)
    assert rejected["message"]
    assert "ai_chat" not in [trace.name for trace in traces.traces]
    assert chat_model.requests == []


BAD_FRAMES = {
    "no JSON": "hello",
    "a broken object": '{"type": "ask"',
    "a list": "[1, 2]",
    "no type": "{}",
    "another type": '{"type": "dance"}',
    "no id": '{"type": "ask", "text": "What?"}',
    "an id that is a number": '{"type": "ask", "id": 7, "text": "What?"}',
    "an endless id": '{"type": "ask", "id": "' + "i" * 101 + '", "text": "What?"}',
    "a text that is a list": '{"type": "ask", "id": "1", "text": ["What?"]}',
    "NUL": '{"type": "ask", "id": "1", "text": "What\\u0000?"}',
    "half a surrogate pair": '{"type": "ask", "id": "1", "text": "What \\ud83d?"}',
    "a chapter that is a number": '{"type": "ask", "id": "1", "text": "What?", "chapter": 3}',
    "a hundred thousand brackets": "[" * 100_000,
    "a megabyte": '{"type": "ask", "id": "1", "text": "' + "x" * 1_000_000 + '"}',
}


@pytest.mark.parametrize("frame", BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
async def test_a_bad_frame_is_answered_in_words_and_the_socket_lives(tab, frame, chat_model):
    await tab.socket.send_to(text_data=frame)
    error = await tab.receive()

    assert (error["type"], error["code"]) == ("error", "bad_frame")
    assert error["message"]
    chat_model.answers("Still here.")
    await tab.ask("What is photosynthesis?")
    await tab.until("turn.finished")
    assert tab.text == "Still here."


async def test_bytes_are_a_bad_frame(tab):
    await tab.socket.send_to(bytes_data=b"\x00\x01")
    assert (await tab.receive())["code"] == "bad_frame"


async def test_a_socket_on_an_address_that_is_none_is_refused(alice):
    tab = Tab("nowhere", alice)
    tab.path = "/ws/elsewhere/"
    assert not await tab.connect()
