"""An edited question and an answer asked for again: a branch beside the old one, which is kept."""

import pytest
from asgiref.sync import sync_to_async

from learning.branches import Branches
from learning.models import Message
from tests.learning.chat import Tab, browser_of
from tests.servers.openai_script import WAIT

pytestmark = pytest.mark.django_db(transaction=True)


async def answered(tab, chat_model, text, *, id, says, **fields) -> dict:
    """Ask, and return the `turn.started` of the answer once it is there."""
    chat_model.answers(says)
    await tab.ask(text, id=id, **fields)
    started = await tab.until("turn.started")
    await tab.until("turn.finished")
    return started


def page(alice, conversation) -> str:
    return browser_of(alice).get(conversation.get_absolute_url()).content.decode()


def show(user, conversation, turn):
    address = f"{conversation.get_absolute_url()}show/"
    return browser_of(user).post(address, {"turn": turn}, follow=True)


async def test_an_answer_asked_for_again_stands_beside_the_first(
    tab, conversation, chat_model, alice
):
    first = await answered(tab, chat_model, "What is light?", id="1", says="It shines.")

    again = await answered(
        tab, chat_model, "What is light?", id="2", says="It is a wave.", instead_of=first["turn"]
    )

    assert (first["after"], first["versions"]) == (None, [first["turn"]])
    assert (again["after"], again["versions"]) == (None, [first["turn"], again["turn"]])
    shown = await sync_to_async(page)(alice, conversation)
    assert "It is a wave." in shown and "It shines." not in shown
    texts = {m.text async for m in conversation.messages.filter(role="assistant")}
    assert texts == {"It shines.", "It is a wave."}


async def test_the_model_reads_only_the_branch_that_is_shown(tab, chat_model):
    first = await answered(tab, chat_model, "What is light?", id="1", says="It shines.")
    await answered(tab, chat_model, "And a root?", id="2", says="It drinks.")

    edited = await answered(
        tab, chat_model, "What is sugar?", id="3", says="Sweet.", instead_of=first["turn"]
    )
    after = await answered(tab, chat_model, "And salt?", id="4", says="Not sweet.")

    said = [message["content"] for message in chat_model.last.body["messages"][1:]]
    assert said == ["What is sugar?", "Sweet.", "And salt?"]
    assert after["after"] == edited["turn"]


async def test_a_version_can_be_shown_again_with_all_that_followed_it(
    tab, conversation, chat_model, alice
):
    first = await answered(tab, chat_model, "What is light?", id="1", says="It shines.")
    await answered(tab, chat_model, "And a root?", id="2", says="It drinks.")
    await answered(
        tab, chat_model, "What is sugar?", id="3", says="Sweet.", instead_of=first["turn"]
    )

    shown = (await sync_to_async(show)(alice, conversation, first["turn"])).content.decode()

    assert "It shines." in shown and "It drinks." in shown and "Sweet." not in shown
    assert (await tab.receive())["type"] == "conversation.changed"
    next_one = await answered(tab, chat_model, "And then?", id="4", says="Then it grows.")
    said = [message["content"] for message in chat_model.last.body["messages"][1:]]
    assert said == ["What is light?", "It shines.", "And a root?", "It drinks.", "And then?"]
    assert next_one["versions"] == [next_one["turn"]]


async def test_a_branch_is_not_changed_under_an_answer_that_is_being_written(
    tab, conversation, chat_model, alice
):
    first = await answered(tab, chat_model, "What is light?", id="1", says="It shines.")
    chat_model.answers("A wave ", WAIT)
    await tab.ask("What is light?", id="2", instead_of=first["turn"])
    await tab.until("turn.delta")

    response = await sync_to_async(show)(alice, conversation, first["turn"])

    assert "Please wait until the answer is written." in response.content.decode()
    assert "It shines." not in response.content.decode()
    await tab.stop()
    await tab.until("turn.finished")


async def test_a_turn_of_another_conversation_cannot_be_replaced(
    tab, conversation, indexed, bob, chat_model
):
    bobs = await sync_to_async(_answered_conversation)(bob, indexed)

    await tab.ask("What is light?", id="1", instead_of=str(bobs))

    assert (await tab.receive())["code"] == "unknown_turn"
    assert await conversation.messages.acount() == 0
    assert chat_model.requests == []


async def test_nobody_shows_a_branch_of_somebody_else(indexed, alice, bob):
    def attempt():
        turn = _answered_conversation(bob, indexed)
        theirs = Message.objects.get(pk=turn).conversation
        return show(alice, theirs, turn).status_code

    assert await sync_to_async(attempt)() == 404


@pytest.mark.parametrize("value", ["", "7", "nonsense", "00000000-0000-0000-0000-000000000000"])
async def test_what_is_no_turn_cannot_be_shown(conversation, alice, value):
    assert (await sync_to_async(show)(alice, conversation, value)).status_code == 404


async def test_instead_of_must_be_an_id(tab):
    await tab.ask("What is light?", instead_of="the last one")
    error = await tab.receive()
    assert (error["type"], error["code"]) == ("error", "bad_frame")


async def test_a_tab_that_comes_later_sees_the_version_that_runs(
    tab, conversation, chat_model, alice
):
    first = await answered(tab, chat_model, "What is light?", id="1", says="It shines.")
    chat_model.answers("A wave ", WAIT)
    await tab.ask("What is light?", id="2", instead_of=first["turn"])
    await tab.until("turn.delta")

    second = await Tab(conversation.pk, alice).open()

    running = second.ready["turn"]
    assert (running["text"], running["after"]) == ("A wave ", None)
    assert running["versions"] == [first["turn"], running["turn"]]
    assert running["question"] == "What is light?"
    await tab.stop()
    await second.close()


def _answered_conversation(user, course):
    conversation = user.conversations.create(course=course)
    asked = conversation.messages.create(role="user", text="Why?", ask_id="b")
    return conversation.messages.create(role="assistant", text="So.", reply_to=asked).pk


def test_a_path_leads_from_the_first_turn_to_the_end_that_is_shown(conversation):
    asked = conversation.messages.create(role="user", text="1", ask_id="1")
    told = conversation.messages.create(role="assistant", text="one", reply_to=asked)
    then = conversation.messages.create(role="user", text="2", ask_id="2", reply_to=told)
    end = conversation.messages.create(role="assistant", text="two", reply_to=then)
    other = conversation.messages.create(role="user", text="2b", ask_id="3", reply_to=told)
    other_end = conversation.messages.create(role="assistant", text="two b", reply_to=other)

    branches = Branches(conversation.pk)

    assert branches.path(end.pk) == [asked.pk, told.pk, then.pk, end.pk]
    assert branches.versions(end.pk) == [end.pk, other_end.pk]
    assert branches.newest(within=told.pk) == other_end.pk
    assert branches.newest(within=end.pk) == end.pk
