"""The test server is itself held to what the real ones do: read here as plain bytes."""

import json

import aiohttp
import pytest

from tests.servers.openai_script import CUT, Raw, UsageShape
from tests.servers.openai_server import count_tokens


async def post(server, **fields):
    body = {"model": "m", "messages": [{"role": "user", "content": "What is it?"}], **fields}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/chat/completions", json=body) as response,
    ):
        return response.status, response.headers, await response.text()


def chunks_of(text):
    lines = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


async def test_without_a_script_it_gives_a_cited_answer(openai_server):
    _, headers, text = await post(openai_server)

    assert headers["Content-Type"] == "text/event-stream"
    assert text.endswith("data: [DONE]\n\n")
    assert "[1]" in openai_server.last.text
    assert openai_server.last.is_complete


async def test_usage_comes_only_when_asked_for_and_on_a_chunk_of_its_own(openai_server):
    openai_server.answers("It is.")
    openai_server.answers("It is.")

    _, _, without = await post(openai_server)
    _, _, asked = await post(openai_server, stream_options={"include_usage": True})

    assert not any(chunk["usage"] for chunk in chunks_of(without))
    *_, last = chunks_of(asked)
    assert last["choices"] == []
    # "What is it?" is 4 words and marks, and 3 for the message; "It is." is 3.
    assert last["usage"] == {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    assert count_tokens("It is.") == 3


async def test_usage_comes_in_the_shape_that_was_scripted(openai_server):
    openai_server.answers("It is.", usage=UsageShape.LAST_CHUNK)

    *_, last = chunks_of((await post(openai_server))[2])

    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["usage"]["completion_tokens"] == 3


async def test_a_refusal_carries_its_status_and_headers(openai_server):
    openai_server.fails(429, "slow down", retry_after=7)

    status, headers, text = await post(openai_server)

    assert (status, headers["Retry-After"]) == (429, "7")
    assert json.loads(text)["error"]["message"] == "slow down"


async def test_raw_bytes_are_sent_as_they_are(openai_server):
    openai_server.answers(Raw(b"data: {broken\n\n"))

    assert "data: {broken\n\n" in (await post(openai_server))[2]


async def test_a_cut_is_seen_by_the_client(openai_server):
    openai_server.answers("It ", CUT)

    with pytest.raises(aiohttp.ClientError):
        await post(openai_server)
