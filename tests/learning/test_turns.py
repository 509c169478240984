"""A turn, seen from a browser tab: real socket protocol, real provider over HTTP, real rows."""

import asyncio
import threading

import pytest
from asgiref.sync import sync_to_async
from django.core.management import call_command

from learning import turns
from learning.events import Ask
from learning.models import Course, Message
from learning.turns import rows
from learning.turns.keeping import keeper
from learning.turns.turn import Turn
from rag import database
from tests.learning.chat import Tab
from tests.servers.openai_script import CUT, WAIT
from tracing import Status

pytestmark = pytest.mark.django_db(transaction=True)


async def answer_in(conversation) -> Message:
    return await conversation.messages.filter(role="assistant").alatest("created_at")


def step(traces, name):
    return next(found for found in traces.last.observations if found.name == name)


async def test_an_answer_streams_with_its_sources_and_is_saved_as_it_was_shown(
    tab, conversation, chat_model
):
    chat_model.answers("Photosynthesis turns ", "light into sugar 🌱 [1].", " That is all.")

    await tab.ask("What is photosynthesis?")
    sources = await tab.until("turn.sources")
    finished = await tab.until("turn.finished")

    answer = await answer_in(conversation)
    assert [event["type"] for event in tab.seen[1:3]] == ["turn.started", "turn.sources"]
    assert sources["sources"][0]["chapter"] == "photosynthesis"
    assert tab.text == answer.text == "Photosynthesis turns light into sugar 🌱 [1]. That is all."
    assert finished["status"] == answer.status == "complete"
    assert finished["length"] == len(answer.text)
    assert finished["turn"] == str(answer.pk)


async def test_the_tokens_are_exactly_the_providers(tab, conversation, chat_model, traces):
    chat_model.answers("Light into sugar.")

    await tab.ask("What is photosynthesis?")
    finished = await tab.until("turn.finished")

    counted = chat_model.last.usage
    usage = step(traces, "llm_call").usage
    answer = await answer_in(conversation)
    assert finished["usage"] == {
        "input": counted["prompt_tokens"],
        "output": counted["completion_tokens"],
        "total": counted["total_tokens"],
    }
    assert (usage.input, usage.output) == (answer.input_tokens, answer.output_tokens)
    assert usage.input == counted["prompt_tokens"]


async def test_the_trace_holds_every_field_of_the_contract(
    tab, conversation, chat_model, traces, alice
):
    chat_model.answers("Light into sugar.")

    await tab.ask("What is photosynthesis?", chapter="photosynthesis")
    await tab.until("turn.finished")

    trace = traces.last
    answer = await answer_in(conversation)
    chapter = await conversation.course.chapters.aget(slug="photosynthesis")
    assert (trace.name, trace.id, trace.status) == ("ai_chat", answer.trace_id, Status.OK)
    assert trace.session_id == str(conversation.pk)
    assert trace.user_id.startswith("u_") and alice.username not in trace.user_id
    assert trace.tags == ["assistant", "course", "course:plants"]
    assert trace.input == {
        "user_message": "What is photosynthesis?",
        "system_prompt": chat_model.last.body["messages"][0]["content"],
        "chapter_id": chapter.pk,
        "conversation_history_count": 0,
        "messages_count": 2,
    }
    assert trace.output == {
        "response": "Light into sugar.",
        "response_length": 17,
        "response_preview": "Light into sugar.",
    }
    nesting = {
        found.name: next((p.name for p in trace.observations if p.id == found.parent_id), None)
        for found in trace.observations
    }
    assert nesting == {
        "retrieve": None,
        "embedding": "retrieve",
        "rerank": "retrieve",
        "llm_call": None,
    }
    assert step(traces, "llm_call").first_token_at >= step(traces, "llm_call").started_at


async def test_stop_keeps_what_was_said_and_closes_the_providers_connection(
    tab, conversation, chat_model, traces
):
    chat_model.answers("Photosynthesis ", "is ", WAIT)

    await tab.ask("What is photosynthesis?")
    while tab.text != "Photosynthesis is ":
        await tab.until("turn.delta")
    await tab.stop()
    finished = await tab.until("turn.finished")

    answer = await answer_in(conversation)
    assert (answer.text, answer.status) == ("Photosynthesis is ", Message.Status.STOPPED)
    assert finished["status"] == "stopped"
    assert traces.last.status is Status.CANCELLED
    assert traces.last.output["response"] == "Photosynthesis is "
    assert step(traces, "llm_call").status is Status.CANCELLED
    chat_model.last.wait_until_closed()


async def test_a_provider_that_breaks_off_leaves_what_came_and_words_for_the_student(
    tab, conversation, chat_model, traces
):
    chat_model.answers("Light ", CUT)

    await tab.ask("What is photosynthesis?")
    finished = await tab.until("turn.finished")

    answer = await answer_in(conversation)
    assert (answer.text, answer.status) == ("Light ", Message.Status.FAILED)
    assert finished["status"] == "failed"
    assert finished["message"] == answer.error == "The answer broke off. You can ask again."
    assert traces.last.status is Status.ERROR
    assert traces.last.output["response"] == "Light "
    assert "AnswerCutOff" in traces.last.output["error"]


async def test_a_refused_key_says_nothing_internal_to_the_student(
    tab, conversation, chat_model, traces
):
    chat_model.requires_key("sk-another")

    await tab.ask("What is photosynthesis?")
    finished = await tab.until("turn.finished")

    assert finished["message"] == "The tutor is not set up correctly. Please tell your teacher."
    assert "sk-test" not in str(tab.seen) + str(traces.last.status_message)
    assert step(traces, "llm_call").usage is None  # nobody bills what was never answered


async def test_a_course_without_an_index_is_answered_in_words(tab, indexed, chat_model, traces):
    from rag.models import IndexVersion

    await IndexVersion.objects.all().adelete()

    await tab.ask("What is photosynthesis?")
    finished = await tab.until("turn.finished")

    assert finished["status"] == "failed"
    assert finished["message"] == "This course is not searchable yet. Please try again later."
    assert traces.last.status is Status.ERROR


async def test_a_call_that_blocks_the_thread_that_django_shares_holds_no_chat_up(
    conversation, alice, chat_model
):
    chat_model.answers("Light ", "into sugar.")
    tab = Tab(conversation.pk, alice)
    await tab.cookie()
    may_end = threading.Event()
    blocking = asyncio.create_task(sync_to_async(may_end.wait)())
    blocking_ours = asyncio.create_task(database.run(may_end.wait))
    await asyncio.sleep(0)  # both are on their way

    try:
        await tab.open()
        await tab.ask("What is photosynthesis?")
        await tab.until("turn.finished")
        assert tab.text == "Light into sugar."
        assert not blocking.done() and not blocking_ours.done()
    finally:
        may_end.set()
        await asyncio.gather(blocking, blocking_ours)
    await tab.close()


async def test_only_one_turn_runs_in_a_conversation(tab, conversation, chat_model):
    chat_model.answers("Wait ", WAIT)
    await tab.ask("First?", id="first")
    await tab.until("turn.delta")

    await tab.ask("Second?", id="second")
    rejected = await tab.until("turn.rejected")
    chat_model.release()
    await tab.until("turn.finished")

    assert (rejected["ask"], rejected["code"]) == ("second", "busy")
    assert await conversation.messages.filter(role="user").acount() == 1


async def test_asking_twice_with_one_id_starts_one_turn(tab, conversation, chat_model):
    chat_model.answers("Light ", WAIT, "into sugar.")
    await tab.ask("What is photosynthesis?", id="same")
    await tab.until("turn.delta")

    await tab.ask("What is photosynthesis?", id="same")
    running = await tab.until("turn.snapshot")
    chat_model.release()
    await tab.until("turn.finished")
    await tab.ask("What is photosynthesis?", id="same")
    done = await tab.until("turn.snapshot")

    assert (running["status"], running["text"]) == ("running", "Light ")
    assert (done["status"], done["text"]) == ("complete", "Light into sugar.")
    assert await conversation.messages.acount() == 2


async def test_closing_the_tab_does_not_lose_the_answer(tab, conversation, alice, chat_model):
    chat_model.answers("Light ", WAIT, "into sugar.")
    await tab.ask("What is photosynthesis?")
    await tab.until("turn.delta")
    await tab.close()

    again = await Tab(conversation.pk, alice).open()
    chat_model.release()
    await again.until("turn.finished")
    await again.close()

    assert again.ready["turn"]["text"] == "Light "
    assert again.ready["turn"]["status"] == "running"
    assert (await answer_in(conversation)).text == "Light into sugar."


async def test_all_tabs_on_a_conversation_see_the_same(tab, conversation, alice, chat_model):
    other = await Tab(conversation.pk, alice).open()
    chat_model.answers("Light ", "into ", "sugar.")

    await tab.ask("What is photosynthesis?")
    await tab.until("turn.finished")
    await other.until("turn.finished")
    await other.close()

    assert tab.seen[1:] == other.seen[1:]


async def test_resume_sends_all_there_is(tab, chat_model):
    chat_model.answers("Light into sugar [1].")
    await tab.ask("What is photosynthesis?")
    await tab.until("turn.finished")

    await tab.send({"type": "resume"})
    snapshot = await tab.until("turn.snapshot")

    assert snapshot["text"] == "Light into sugar [1]."
    assert snapshot["sources"][0]["n"] == 1
    assert 'data-n="1"' in snapshot["blocks"][0]["html"]


async def test_cited_sources_are_told_from_those_only_read(tab, conversation, chat_model):
    chat_model.answers("It happens in the chloroplasts [2].")

    await tab.ask("Where does photosynthesis happen?")
    await tab.until("turn.finished")

    answer = await answer_in(conversation)
    cited = [c.number async for c in answer.citations.filter(is_cited=True)]
    assert cited == [2]
    assert await answer.citations.acount() > 1


async def test_the_trace_tells_what_was_cited_from_what_was_only_given(
    tab, conversation, chat_model, traces
):
    chat_model.answers("It happens in the chloroplasts [2].")

    await tab.ask("Where does photosynthesis happen?")
    await tab.until("turn.finished")

    found = [passage["id"] for passage in step(traces, "retrieve").output["passages"]]
    assert len(found) > 1
    assert traces.last.metadata["given"] == [
        {"n": n, "id": chunk_id} for n, chunk_id in enumerate(found, start=1)
    ]
    assert traces.last.metadata["cited"] == [{"n": 2, "id": found[1]}]


async def test_a_stopped_answer_has_cited_what_it_had_said(tab, conversation, chat_model, traces):
    chat_model.answers("It happens in the chloroplasts [1].", WAIT)

    await tab.ask("Where does photosynthesis happen?")
    await tab.until("turn.delta")
    await tab.stop()
    await tab.until("turn.finished")

    assert [passage["n"] for passage in traces.last.metadata["cited"]] == [1]


async def test_the_conversation_so_far_is_sent_along(tab, chat_model):
    chat_model.answers("Light into sugar.")
    chat_model.answers("In the leaf.")

    await tab.ask("What is photosynthesis?", id="1")
    await tab.until("turn.finished")
    await tab.ask("And where?", id="2")
    await tab.until("turn.finished")

    said = [message["content"] for message in chat_model.last.body["messages"][1:]]
    assert said == ["What is photosynthesis?", "Light into sugar.", "And where?"]


async def test_a_chapter_that_is_not_published_is_never_read(tab, conversation, chat_model):
    await conversation.course.chapters.filter(slug="photosynthesis").aupdate(published_at=None)
    chat_model.answers("Nothing.")

    await tab.ask("What is photosynthesis?", chapter="photosynthesis")
    sources = await tab.until("turn.sources")
    await tab.until("turn.finished")

    assert {source["chapter"] for source in sources["sources"]} <= {"roots"}
    assert "carbon dioxide" not in str(chat_model.last.body)


def test_search_on_the_command_line_reads_what_students_may_read(indexed, capsys):
    indexed.chapters.filter(slug="photosynthesis").update(published_at=None)

    call_command("search", "Where does photosynthesis happen?", course="plants")

    assert "chloroplasts" not in capsys.readouterr().out


async def test_a_server_that_ends_saves_what_was_said_as_interrupted(
    tab, conversation, chat_model, traces
):
    chat_model.answers("Light ", WAIT)
    await tab.ask("What is photosynthesis?")
    await tab.until("turn.delta")

    await turns.interrupt_all(timeout_seconds=5)

    answer = await answer_in(conversation)
    assert (answer.text, answer.status) == ("Light ", Message.Status.INTERRUPTED)
    assert traces.last.status is Status.INTERRUPTED


async def test_an_answer_whose_process_died_does_not_block_the_conversation(
    tab, conversation, chat_model
):
    dead = await conversation.messages.acreate(
        role="assistant", status="running", text="Half an", saved_at="2026-01-01T00:00Z"
    )
    chat_model.answers("Light into sugar.")

    await tab.ask("What is photosynthesis?")
    await tab.until("turn.finished")

    await dead.arefresh_from_db()
    assert (dead.status, dead.text) == (Message.Status.INTERRUPTED, "Half an")


async def test_partial_text_is_saved_while_the_answer_is_written(tab, conversation, chat_model):
    chat_model.answers("Light ", WAIT)
    await tab.ask("What is photosynthesis?")
    await tab.until("turn.delta")

    await wait_for_text(conversation, "Light ")

    chat_model.release()
    await tab.until("turn.finished")


async def test_a_model_that_never_ends_is_cut_off(tab, conversation, chat_model, settings, traces):
    settings.TUTOR = {**settings.TUTOR, "ANSWER_CHARACTERS": 20}
    chat_model.answers("and so on, ", "and so on, ", "and so on, ", WAIT)

    await tab.ask("What is photosynthesis?")
    finished = await tab.until("turn.finished")

    assert finished["status"] == "failed"
    assert tab.text == (await answer_in(conversation)).text == "and so on, and so on, "
    chat_model.last.wait_until_closed()


async def test_a_model_that_only_keeps_the_line_open_is_cut_off(
    tab, conversation, chat_model, settings
):
    settings.TUTOR = {**settings.TUTOR, "ANSWER_SECONDS": 0.5}
    chat_model.answers("Light ", WAIT)

    await tab.ask("What is photosynthesis?")
    finished = await tab.until("turn.finished")

    assert finished["status"] == "failed"
    assert finished["message"] == "The answer broke off. You can ask again."
    assert (await answer_in(conversation)).text == "Light "


async def test_a_turn_says_that_it_lives_while_it_still_searches(
    tab, conversation, chat_model, settings
):
    settings.RAG = {**settings.RAG, "EMBEDDER": "tests.learning.parts.SlowEmbedder"}
    rows.HEARTBEAT_SECONDS, before = 0.1, rows.HEARTBEAT_SECONDS
    try:
        await tab.ask("What is photosynthesis?")
        await tab.until("turn.started")
        first = (await answer_in(conversation)).saved_at
        async with asyncio.timeout(5):
            while (await answer_in(conversation)).saved_at == first:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        rows.HEARTBEAT_SECONDS = before
    assert "turn.sources" not in [event["type"] for event in tab.seen]
    await tab.until("turn.finished")


async def test_stop_ends_a_search_too(tab, conversation, chat_model, settings, traces):
    settings.RAG = {**settings.RAG, "EMBEDDER": "tests.learning.parts.SlowEmbedder"}
    await tab.ask("What is photosynthesis?")
    await tab.until("turn.started")

    await tab.stop()
    finished = await tab.until("turn.finished")

    assert finished["status"] == "stopped"
    assert traces.last.status is Status.CANCELLED
    assert traces.last.input["user_message"] == "What is photosynthesis?"
    assert chat_model.requests == []


async def test_the_first_question_names_the_conversation_whichever_tab_it_comes_from(
    tab, conversation, alice, chat_model
):
    other = await Tab(conversation.pk, alice).open()
    await tab.ask("First question", id="1")
    await tab.until("turn.finished")

    await other.until("turn.finished")
    await other.ask("Second question", id="2")
    await other.until("turn.finished")
    await other.close()

    await conversation.arefresh_from_db()
    assert conversation.title == "First question"


async def wait_for_text(conversation, text: str) -> None:
    """Wait for the row of the running answer to hold a text."""
    async with asyncio.timeout(5):
        while (await answer_in(conversation)).text != text:  # noqa: ASYNC110 - rows tell nobody
            await asyncio.sleep(0.05)


async def test_a_stop_in_the_very_first_moment_ends_the_turn_in_good_order(
    conversation, chat_model, traces
):
    ask = Ask(id="1", text="What is photosynthesis?", chapter="")
    turn = Turn(conversation, ask, lambda event: None)
    await turn.save_question()
    turn.task = asyncio.create_task(turn.run())

    turn.stop()
    await turn.task

    answer = await answer_in(conversation)
    assert answer.status == Message.Status.STOPPED
    assert traces.last.status is Status.CANCELLED


async def test_an_old_turn_that_ends_late_leaves_the_next_one_kept(conversation, chat_model):
    first, second = (
        Turn(conversation, Ask(id=id, text="What?", chapter=""), lambda event: None)
        for id in ("1", "2")
    )
    keeper().add(first)
    keeper().add(second)

    keeper().discard(first)

    assert [kept.turn for kept in keeper()._kept.values()] == [second]
    keeper().discard(second)


async def test_a_server_that_goes_takes_no_more_questions(tab, conversation, chat_model):
    await turns.interrupt_all(timeout_seconds=1)

    await tab.ask("What is photosynthesis?")
    rejected = await tab.receive()

    assert (rejected["code"], rejected["ask"]) == ("busy", "ask-1")
    assert "being restarted" in rejected["message"]
    assert await conversation.messages.acount() == 0


async def test_waiting_writers_hold_up_no_reader(conversation, alice):
    may_end = threading.Event()
    writers = [asyncio.create_task(database.write(may_end.wait)) for _ in range(20)]
    await asyncio.sleep(0)
    try:
        tab = await Tab(conversation.pk, alice).open()
        await tab.close()
        assert not any(writer.done() for writer in writers)
    finally:
        may_end.set()
        await asyncio.gather(*writers)


async def test_a_course_is_answered_by_its_own_model_and_as_it_wants(
    tab, conversation, chat_model, traces
):
    await Course.objects.aupdate(
        chat_model="bigger", stance=Course.Stance.GUIDE, tutor_notes="Mind the units."
    )
    chat_model.answers("What have you tried?")

    await tab.ask("What is photosynthesis?")
    await tab.until("turn.finished")

    assert chat_model.last.body["model"] == "bigger"
    prompt = chat_model.last.body["messages"][0]["content"]
    assert "one hint at a time" in prompt and "Mind the units." in prompt
    assert (await answer_in(conversation)).model == "bigger"
    assert step(traces, "llm_call").model == "bigger"


async def test_a_model_that_the_provider_does_not_know_leaves_it_to_the_site_s(
    tab, conversation, chat_model
):
    await Course.objects.aupdate(chat_model="misspelt")
    chat_model.fails(404, "The model misspelt does not exist")
    chat_model.answers("Here I am.")

    await tab.ask("What is photosynthesis?")
    await tab.until("turn.finished")

    answer = await answer_in(conversation)
    assert (answer.text, answer.status) == ("Here I am.", "complete")
    assert [each.body["model"] for each in chat_model.requests] == ["misspelt", answer.model]


async def test_a_course_s_model_that_fails_for_everybody_is_left_alone_for_a_while(
    tab, conversation, chat_model, settings
):
    settings.TUTOR = {**settings.TUTOR, "FAILURES_BEFORE_PAUSE": 2}
    await Course.objects.aupdate(chat_model="misspelt")
    chat_model.refuses("model", holding="misspelt", status=404, message="There is no such model")

    for number in range(4):
        chat_model.answers("Here I am.")
        await tab.ask("What is photosynthesis?", id=str(number))
        assert (await tab.until("turn.finished"))["status"] == "complete"

    asked = [each.body["model"] for each in chat_model.requests]
    assert asked.count("misspelt") == 2
    assert len(asked) == 6 and "misspelt" not in asked[-2:]
