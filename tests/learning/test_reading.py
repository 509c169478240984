"""A model that lives but says nothing, or says nothing more: patience has an end."""

import asyncio

import pytest

from learning.llm.base import StreamChunk
from learning.llm.errors import AnswerCutOff, ChatModelTimeout
from learning.turns.reading import read


@pytest.fixture(autouse=True)
def little_patience(settings):
    settings.TUTOR = {
        **settings.TUTOR,
        "FIRST_TOKEN_SECONDS": 0.3,
        "BETWEEN_TOKENS_SECONDS": 0.3,
    }


async def chunks(*steps):
    for step in steps:
        if isinstance(step, float):
            await asyncio.sleep(step)
        else:
            yield step


async def taken(*steps) -> list[StreamChunk]:
    heard = []
    await read(chunks(*steps), heard.append)
    return heard


async def test_no_first_word_in_time_is_a_timeout():
    with pytest.raises(ChatModelTimeout, match=r"no first token within 0\.3 s"):
        await taken(StreamChunk(), 5.0)


async def test_an_answer_that_stands_still_is_cut_off():
    with pytest.raises(AnswerCutOff, match=r"nothing more came for 0\.3 s"):
        await taken(StreamChunk("Light "), 5.0, StreamChunk("into sugar."))


async def test_a_model_that_thinks_or_writes_is_given_time():
    said = [StreamChunk(is_thinking=True), 0.2, StreamChunk(is_thinking=True), 0.2]
    said += [StreamChunk("Light "), 0.2, StreamChunk("into sugar.")]
    assert "".join(chunk.text for chunk in await taken(*said)) == "Light into sugar."


async def test_a_chunk_without_text_or_thought_is_no_sign_of_life():
    with pytest.raises(ChatModelTimeout):
        await taken(*[StreamChunk(), 0.2] * 4, StreamChunk("Late."))


async def test_a_timeout_of_the_stream_itself_is_not_taken_for_lost_patience():
    async def fails():
        yield StreamChunk("Light ")
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        await read(fails(), lambda chunk: None)
