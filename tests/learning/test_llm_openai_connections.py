"""Connections to providers: let go of at once, never mixed up, and enough of them."""

import asyncio
import gzip
import socket
import time
import zlib
from contextlib import aclosing, suppress

import pytest

from learning.llm.base import ChatMessage
from learning.llm.errors import AnswerCutOff, ChatModelUnavailable
from learning.llm.openai import OpenAIChatModel
from learning.llm.openai_transport import certificates
from tests.servers.certificates import self_signed
from tests.servers.openai_script import WAIT, Raw
from tests.servers.stubborn_server import HALF_A_REFUSAL, HALF_AN_ANSWER, OTHER_HALF, StubbornServer

QUESTION = [ChatMessage("user", "What is a limit?")]
# What must happen at once takes a millisecond; the rest is for a machine that is busy.
AT_ONCE_SECONDS = 0.3


@pytest.fixture(autouse=True, scope="module")
def warm():
    """The first question imports for seconds, which is not what is timed here."""
    model_at("").warm_up()


@pytest.fixture
def tls(tmp_path, monkeypatch):
    """The context of a server that models trust."""
    trusted, context = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    certificates.cache_clear()
    yield context
    certificates.cache_clear()


def model_at(url: str, **options) -> OpenAIChatModel:
    return OpenAIChatModel("gpt-test", base_url=url, api_key="sk-test", **options)


async def ask(model) -> str:
    async with aclosing(model.stream(QUESTION)) as chunks:
        return "".join([chunk.text async for chunk in chunks])


async def cancel(task: asyncio.Task) -> float:
    """Cancel the task, wait for its end, and return when it was told, by time.monotonic()."""
    told_at = time.monotonic()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert time.monotonic() - told_at < AT_ONCE_SECONDS
    return told_at


@pytest.mark.parametrize("over", ["http", "https"])
@pytest.mark.parametrize(
    "provider",
    [
        pytest.param({"answer": HALF_AN_ANSWER}, id="in the middle of its answer"),
        pytest.param({}, id="before its first word"),
        pytest.param({"reads": False}, id="that does not even read"),
        pytest.param({"answer": HALF_A_REFUSAL}, id="in the middle of a refusal"),
    ],
)
async def test_a_cancelled_question_lets_go_of_a_provider_at_once(provider, over, request):
    tls = request.getfixturevalue("tls") if over == "https" else None
    with StubbornServer(**provider, tls=tls) as server:
        reader = asyncio.create_task(ask(model_at(server.url)))
        assert await asyncio.to_thread(server.has_request.wait, 20)
        await asyncio.sleep(0.1)  # what it sends has arrived

        cancelled_at = await cancel(reader)

        closed_at = await asyncio.to_thread(server.wait_until_closed)
        assert closed_at - cancelled_at < AT_ONCE_SECONDS


async def test_a_question_cancelled_between_two_tries_is_not_asked_again(openai_server):
    openai_server.fails(503, times=9)
    reader = asyncio.create_task(ask(model_at(openai_server.url)))
    while not openai_server.requests:  # noqa: ASYNC110 - the server is another thread
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)

    await cancel(reader)
    await asyncio.sleep(1)

    assert len(openai_server.requests) == 1


async def test_a_question_cancelled_while_it_connects_ends_at_once():
    # A listener that accepts nobody: once its queue is full, connecting hangs.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        crowd = [socket.socket() for _ in range(4)]
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(address)
        reader = asyncio.create_task(ask(model_at(f"http://127.0.0.1:{address[1]}/v1")))
        await asyncio.sleep(0.2)
        assert not reader.done()

        await cancel(reader)

        for one in crowd:
            one.close()


async def test_a_reader_cancelled_in_its_loop_lets_go_at_once():
    with StubbornServer(answer=HALF_AN_ANSWER) as server:
        is_in_loop = asyncio.Event()

        async def read():
            async with aclosing(model_at(server.url).stream(QUESTION)) as chunks:
                async for _ in chunks:
                    is_in_loop.set()
                    await asyncio.sleep(60)

        reader = asyncio.create_task(read())
        await is_in_loop.wait()
        cancelled_at = await cancel(reader)

        closed_at = await asyncio.to_thread(server.wait_until_closed)
        assert closed_at - cancelled_at < AT_ONCE_SECONDS


@pytest.mark.parametrize("over", ["http", "https"])
async def test_what_came_before_a_connection_broke_is_read(over, request):
    tls = request.getfixturevalue("tls") if over == "https" else None
    heard = ""
    with StubbornServer(answer=HALF_AN_ANSWER, last_words=OTHER_HALF, tls=tls) as server:
        with pytest.raises(AnswerCutOff):
            async with aclosing(model_at(server.url).stream(QUESTION)) as chunks:
                async for chunk in chunks:
                    heard += chunk.text

    assert heard == "Half and half."


async def test_a_refusal_that_does_not_end_is_one_all_the_same():
    with StubbornServer(answer=HALF_A_REFUSAL) as server:
        with pytest.raises(ChatModelUnavailable, match="500"):
            await ask(model_at(server.url, max_retries=0))

        await asyncio.to_thread(server.wait_until_closed)


async def test_an_answer_left_half_read_does_not_reach_the_next_question(openai_server):
    model = model_at(openai_server.url)
    openai_server.answers("Old ", "words ", WAIT, "and more")
    openai_server.answers("New words")

    async with aclosing(model.stream(QUESTION)) as chunks:
        async for _ in chunks:
            break

    assert await ask(model) == "New words"
    assert len({request.peer for request in openai_server.requests}) == 2


async def test_a_body_that_goes_on_after_done_keeps_nobody_waiting(openai_server):
    openai_server.answers("All of it.", Raw(b"data: [DONE]\n\n"), WAIT)
    began = time.monotonic()

    assert await ask(model_at(openai_server.url)) == "All of it."

    assert time.monotonic() - began < 2
    await asyncio.to_thread(openai_server.last.wait_until_closed)


async def test_models_of_one_provider_share_its_connections(openai_server):
    for name in ("one", "two"):
        await ask(OpenAIChatModel(name, base_url=openai_server.url))

    assert len({request.peer for request in openai_server.requests}) == 1


async def test_a_hundred_and_fifty_answers_at_once_do_not_wait_for_each_other(openai_server):
    for _ in range(150):
        openai_server.answers("Both ", WAIT, "halves")
    model = model_at(openai_server.url)

    async def release_when_all_ask():
        async with asyncio.timeout(20):
            while len(openai_server.requests) < 150:  # noqa: ASYNC110 - another thread
                await asyncio.sleep(0.02)
        openai_server.release()

    texts = await asyncio.gather(*(ask(model) for _ in range(150)), release_when_all_ask())

    assert texts[:-1] == ["Both halves"] * 150


async def test_an_answer_comes_over_tls(tls):
    whole = HALF_AN_ANSWER + b"0\r\n\r\n"
    with StubbornServer(answer=whole, tls=tls) as server:
        assert await ask(model_at(server.url)) == "Half "


async def test_a_certificate_that_nobody_vouches_for_is_not_believed(tmp_path):
    _, context = self_signed(tmp_path)
    with StubbornServer(answer=HALF_AN_ANSWER, tls=context) as server:
        with pytest.raises(ChatModelUnavailable, match="certificate"):
            await ask(model_at(server.url, max_retries=0))


async def test_a_proxy_of_the_environment_is_used(monkeypatch):
    with StubbornServer(answer=HALF_AN_ANSWER + b"0\r\n\r\n") as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        monkeypatch.setenv("no_proxy", "127.0.0.1")

        assert await ask(model_at("http://provider.example/v1")) == "Half "


async def test_a_packed_answer_is_not_asked_for(openai_server):
    await ask(model_at(openai_server.url))

    assert openai_server.last.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
async def test_an_answer_that_comes_packed_all_the_same_is_read(packing):
    event = b'data: {"choices":[{"delta":{"content":"A limit"}}]}\n\n'
    body = gzip.compress(event) if packing == "gzip" else zlib.compress(event)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {packing}\r\nContent-Length: {len(body)}\r\n\r\n"
    with StubbornServer(answer=head.encode() + body) as server:
        assert await ask(model_at(server.url)) == "A limit"
