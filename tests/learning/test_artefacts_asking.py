"""A model asked for items in JSON: what has the asked form is taken, all else is counted."""

import json

import pytest

from learning.artefacts.asking import Asker, Item
from learning.llm.errors import AccessRefused, ChatModelUnavailable
from tests.servers.openai_script import CLOSE, END
from tests.servers.openai_server import OpenAIServer
from tracing import trace

pytestmark = pytest.mark.django_db(transaction=True)


class Colour(Item):
    name: str
    shade: int


RED, BLUE = {"name": "red", "shade": 3}, {"name": "blue", "shade": 1}


def colours(*found) -> str:
    return json.dumps({"items": list(found)})


@pytest.fixture
def asker(chat_model):
    return Asker()


@pytest.fixture
def spare():
    with OpenAIServer() as server:
        yield server


async def ask(asker, *, most=5):
    async with trace("a job"):
        return await asker.ask(Colour, "Name the colours.", "[1] A red barn.", most=most)


async def test_items_in_the_asked_form_are_taken(asker, chat_model, traces):
    chat_model.answers(colours(RED, BLUE))

    answered = await ask(asker)

    assert answered.items == [Colour(**RED), Colour(**BLUE)]
    assert not answered.dropped and not asker.unusable
    [call] = traces.last.observations
    assert (call.name, call.usage.total) == ("llm_call", chat_model.last.usage["total_tokens"])
    assert call.output == colours(RED, BLUE)


async def test_json_in_a_fence_is_json(asker, chat_model):
    chat_model.answers(f"```json\n{colours(RED)}\n```\n")

    assert (await ask(asker)).items == [Colour(**RED)]


@pytest.mark.parametrize(
    "item",
    [
        {"name": "red"},
        {"name": "red", "shade": 3, "hex": "#f00"},
        {"name": "red", "shade": "3"},
        {"colour": "red", "shade": 3},
        "red",
        None,
        ["red", 3],
        {"name": "r\0ed", "shade": 3},
        {"name": "\ud83d", "shade": 3},
    ],
    ids=[
        "a key less",
        "a key more",
        "another type",
        "another key",
        "a word",
        "null",
        "a list",
        "a NUL",
        "half a character",
    ],
)
async def test_an_item_in_another_form_is_dropped_and_counted(asker, chat_model, item, traces):
    chat_model.answers(colours(item, BLUE))

    answered = await ask(asker)

    assert answered.items == [Colour(**BLUE)]
    assert answered.dropped == {"not in the asked form": 1}
    assert traces.last.observations[0].metadata["dropped"] == {"not in the asked form": 1}


BAD_ANSWERS = {
    "prose instead of JSON": ["Certainly! The colours are red and blue."],
    "broken JSON": ['{"items": [{"name": "red", "shade": 3,}]}'],
    "JSON with other keys than asked for": ['{"colours": []}'],
    "JSON without a list of items": ['{"items": {"name": "red"}}'],
    "the answer broke off": ['{"items": [{"na', CLOSE],
    "an empty answer": [END],
}


@pytest.mark.parametrize("reason", BAD_ANSWERS)
async def test_an_unusable_answer_is_asked_for_once_more(asker, chat_model, traces, reason):
    chat_model.answers(*BAD_ANSWERS[reason])
    chat_model.answers(colours(RED))

    assert (await ask(asker)).items == [Colour(**RED)]

    assert asker.unusable == {reason: 1}
    first, second = traces.last.observations
    assert (first.status, first.status_message) == ("error", f"NotTheForm: {reason}")
    assert second.status == "ok"


@pytest.mark.parametrize("reason", BAD_ANSWERS)
async def test_two_unusable_answers_give_nothing(asker, chat_model, reason):
    chat_model.answers(*BAD_ANSWERS[reason])
    chat_model.answers(*BAD_ANSWERS[reason])

    assert (await ask(asker)).items == []
    assert (asker.usable, asker.unusable) == (0, {reason: 2})


async def test_half_an_answer_at_its_length_limit_is_none(asker, chat_model):
    for _ in range(2):
        chat_model.answers('{"items": [{"name": "red", "sh', finish_reason="length")

    assert (await ask(asker)).items == []
    assert asker.unusable == {"the answer was cut off at its longest": 2}


async def test_a_deeply_nested_answer_is_broken_json(asker, chat_model):
    for _ in range(2):
        chat_model.answers("[" * 100_000)

    assert (await ask(asker)).items == []
    assert asker.unusable == {"broken JSON": 2}


async def test_of_two_hundred_items_as_many_are_taken_as_were_asked_for(asker, chat_model):
    chat_model.answers(colours(*[{"name": f"red {n}", "shade": n} for n in range(200)]))

    answered = await ask(asker, most=5)

    assert [item.shade for item in answered.items] == [0, 1, 2, 3, 4]
    assert answered.dropped == {"more than asked for": 195}


async def test_an_empty_list_is_an_answer(asker, chat_model):
    chat_model.answers(colours())

    assert (await ask(asker)).items == []
    assert (asker.usable, asker.unusable) == (1, {})


async def test_a_refused_key_is_no_fault_of_an_answer(asker, chat_model):
    chat_model.fails(401, "Incorrect API key")

    with pytest.raises(AccessRefused):
        await ask(asker)


async def test_the_built_in_tutor_is_never_asked_as_it_writes_nothing(
    chat_model, settings, forget_models
):
    settings.TUTOR = {
        **settings.TUTOR,
        "CHAT_MODEL_BACKEND": "learning.llm.extractive.ExtractiveChatModel",
    }
    forget_models()

    with pytest.raises(ChatModelUnavailable):
        await ask(Asker())


async def test_another_model_answers_where_the_first_is_away(
    chat_model, spare, settings, forget_models
):
    settings.TUTOR = {
        **settings.TUTOR,
        "MAX_RETRIES": 0,
        "FALLBACK": {"CHAT_MODEL": "spare", "BASE_URL": spare.url},
    }
    forget_models()
    chat_model.fails(503)
    spare.answers(colours(RED))
    asker = Asker()

    assert (await ask(asker)).items == [Colour(**RED)]
    assert asker.model_name == "spare"
