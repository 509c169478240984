"""The OpenAI-compatible model against a real server, in every shape that servers have."""

import asyncio
import logging
import subprocess
import sys
import time
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from learning.llm import openai_transport
from learning.llm.base import AnswerFormat, ChatMessage
from learning.llm.errors import (
    AccessRefused,
    AnswerCutOff,
    AnswerFiltered,
    ChatModelTimeout,
    ChatModelUnavailable,
    ContentFiltered,
    ContextTooLong,
    EmptyAnswer,
    OnlyThought,
    RateLimited,
    RequestRefused,
)
from learning.llm.openai import OpenAIChatModel
from tests.servers.openai_script import (
    CLOSE,
    CUT,
    END,
    KEEP_ALIVE,
    NULL,
    WAIT,
    Delta,
    Raw,
    UsageShape,
)
from tracing import Usage

KEY = "sk-test-0123456789"
QUESTION = [ChatMessage("system", "You are a tutor."), ChatMessage("user", "What is a limit?")]


@pytest.fixture
def build_model(openai_server):
    def build(**kwargs):
        return OpenAIChatModel(
            "gpt-test", **{"base_url": openai_server.url, "api_key": KEY, **kwargs}
        )

    return build


@pytest.fixture
def model(build_model):
    return build_model(connect_timeout_seconds=2, read_timeout_seconds=2)


async def ask(model, messages=QUESTION, **kwargs):
    """Return the answer's text and its last chunk."""
    text, last = "", None
    async with aclosing(model.stream(messages, **kwargs)) as chunks:
        async for last in chunks:
            text += last.text
    return text, last


async def ask_in_vain(model, error_class, **kwargs):
    """Return the text that came before the error, the last chunk, and the error."""
    text, last = "", None
    with pytest.raises(error_class) as caught:
        async with aclosing(model.stream(QUESTION, **kwargs)) as chunks:
            async for last in chunks:
                text += last.text
    return text, last, caught.value


async def test_an_answer_arrives_piece_by_piece_in_order(openai_server, model):
    openai_server.answers("A ", "limit ", "is a value.")

    async with aclosing(model.stream(QUESTION)) as chunks:
        texts = [chunk.text async for chunk in chunks]

    assert texts == ["A ", "limit ", "is a value.", ""]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["Smile \ud83d", "\ude00 and ", "go on."], ["Smile ", "😀 and ", "go on."]),
        (["Smile \ud83d", "", "\ude00"], ["Smile ", "😀"]),
        (["Smile \ud83d", " and go"], ["Smile ", "\ufffd and go"]),
        (["Half \ude00 of it"], ["Half \ufffd of it"]),
        (["At the end \ud83d"], ["At the end ", "\ufffd"]),
        (["A NUL\0 less"], ["A NUL less"]),
    ],
)
async def test_every_piece_can_be_stored(openai_server, model, pieces, expected):
    openai_server.answers(*pieces)

    async with aclosing(model.stream(QUESTION)) as chunks:
        texts = [chunk.text async for chunk in chunks if chunk.text]

    assert texts == expected


async def test_the_request_holds_model_messages_limit_and_key(openai_server, build_model):
    await ask(build_model(answer_tokens=77))

    request = openai_server.last
    assert request.body == {
        "model": "gpt-test",
        "messages": [
            {"role": "system", "content": "You are a tutor."},
            {"role": "user", "content": "What is a limit?"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 77,
    }
    assert request.headers["Authorization"] == f"Bearer {KEY}"


async def test_a_server_of_ones_own_needs_no_key(openai_server, build_model):
    openai_server.answers("Hello")

    assert (await ask(build_model(api_key=None)))[0] == "Hello"


async def test_the_first_words_arrive_while_the_rest_is_being_written(openai_server, model):
    openai_server.answers("A ", WAIT, "limit")

    async with aclosing(model.stream(QUESTION)) as chunks:
        first = await anext(chunks)
        openai_server.release()
        rest = [chunk.text async for chunk in chunks]

    assert (first.text, rest) == ("A ", ["limit", ""])


@pytest.mark.parametrize(
    "shape", [UsageShape.OWN_CHUNK, UsageShape.LAST_CHUNK, UsageShape.EVERY_CHUNK]
)
async def test_the_providers_own_token_counts_are_kept(openai_server, model, shape):
    openai_server.answers("Limits, ", "slopes ", "and sums.", usage=shape)

    _, last = await ask(model)

    counts = openai_server.last.usage
    assert last.usage == Usage(
        input=counts["prompt_tokens"],
        output=counts["completion_tokens"],
        total=counts["total_tokens"],
    )


async def test_where_no_counts_come_the_usage_is_an_estimate_and_says_so(openai_server, model):
    openai_server.answers("Limits, ", "slopes ", "and sums.", usage=UsageShape.NEVER)

    _, last = await ask(model)

    assert last.usage.is_estimate
    assert last.usage.input > 0
    assert last.usage.output == model.count_tokens("Limits, slopes and sums.")


async def test_counts_that_came_are_not_lost_to_a_later_chunk_without_any(openai_server, model):
    counted = b'data: {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}\n\n'
    emptied = b'data: {"choices": [], "usage": {"prompt_tokens": null}}\n\n'
    openai_server.answers("A ", Raw(counted), Raw(emptied), "limit", usage=UsageShape.NEVER)

    assert (await ask(model))[1].usage == Usage(input=5, output=2, total=7)


async def test_why_it_ended_is_told(openai_server, model):
    openai_server.answers("A long", finish_reason="length")

    assert (await ask(model))[1].finish_reason == "length"


@pytest.mark.parametrize(
    "shape",
    [
        {"finish_reason": None},
        {"sends_done": False},
        {"finish_reason": None, "sends_done": False, "usage": UsageShape.NEVER},
    ],
)
async def test_an_answer_that_ends_in_good_order_is_whole(openai_server, model, shape):
    openai_server.answers("All ", "of it.", **shape)

    assert (await ask(model))[0] == "All of it."


async def test_an_answer_that_just_ends_is_whole(openai_server, model):
    openai_server.answers("All ", "of it.", END)

    assert (await ask(model))[0] == "All of it."


async def test_a_last_line_without_its_line_break_is_read(openai_server, model):
    openai_server.answers("All ", Raw(b'data: {"choices":[{"delta":{"content":"of it."}}]}'), END)

    assert (await ask(model))[0] == "All of it."


async def test_what_is_no_text_is_passed_over(openai_server, model):
    openai_server.answers(
        KEEP_ALIVE,
        Delta({"role": "assistant"}),
        NULL,
        Delta({"reasoning_content": "Let me think."}),
        "A ",
        KEEP_ALIVE,
        Raw(b"retry: 3000\n\ndata:\n\n"),
        Delta({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "lim"}]}),
        "it",
        Raw(b'data: {"choices": [], "usage": null}\r\n\r\n'),
    )

    assert (await ask(model))[0] == "A limit"


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "Let me see."},
        {"content": None, "reasoning": "Let me see."},
        {"content": "", "reasoning_details": [{"type": "reasoning.text", "text": "Let me see."}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Let me see."}]}]},
    ],
)
async def test_what_it_thinks_is_a_sign_of_life_and_nothing_more(openai_server, model, delta):
    openai_server.answers(Delta(delta), Delta(delta), "A limit")

    async with aclosing(model.stream(QUESTION)) as chunks:
        pieces = [(chunk.text, chunk.is_thinking) async for chunk in chunks]

    assert pieces == [("", True), ("", True), ("A limit", False), ("", False)]


async def test_what_keeps_a_connection_alive_is_no_sign_of_life(openai_server, model):
    openai_server.answers(
        KEEP_ALIVE, NULL, "", Delta({"role": "assistant", "reasoning_content": None}), "A limit"
    )

    async with aclosing(model.stream(QUESTION)) as chunks:
        pieces = [(chunk.text, chunk.is_thinking) async for chunk in chunks]

    assert pieces == [("A limit", False), ("", False)]


@pytest.mark.parametrize("width", [1, 3, 7, 100])
async def test_thoughts_left_in_the_text_are_taken_out(openai_server, model, width):
    text = "\n<think>\nA < b, so </thin>… a value?\n</think>\n\nA <think> limit"
    openai_server.answers(*(text[i : i + width] for i in range(0, len(text), width)))

    async with aclosing(model.stream(QUESTION)) as chunks:
        pieces = [chunk async for chunk in chunks]

    assert "".join(piece.text for piece in pieces).strip() == "A <think> limit"
    assert any(piece.is_thinking for piece in pieces) == (width < 100)


@pytest.mark.parametrize("text", ["<b>bold</b>", "<thin", " < 3", "<"])
async def test_what_only_begins_like_a_thought_is_said(openai_server, model, text):
    openai_server.answers(*text)

    assert (await ask(model))[0] == text


async def test_a_refusal_in_words_is_the_answer(openai_server, model):
    openai_server.answers(Delta({"refusal": "I cannot "}), Delta({"refusal": "help with that."}))

    assert (await ask(model))[0] == "I cannot help with that."


async def test_text_of_any_script_survives_wherever_the_bytes_are_cut(openai_server, model):
    line = 'data: {"choices":[{"delta":{"content":"极限 é 🌱"}}]}\n\n'.encode()
    openai_server.answers(*(Raw(line[i : i + 1]) for i in range(len(line))), pace_seconds=0.0005)

    assert (await ask(model))[0] == "极限 é 🌱"


@pytest.mark.parametrize("step", [CUT, CLOSE])
async def test_a_connection_lost_in_the_middle_keeps_what_came(openai_server, model, step):
    openai_server.answers("Photosynthesis ", "is ", step, "never sent")

    text, last, _ = await ask_in_vain(model, AnswerCutOff)

    assert text == "Photosynthesis is "
    assert last.usage.is_estimate
    assert len(openai_server.requests) == 1


async def test_silence_in_the_middle_is_cut_off_by_the_read_timeout(openai_server, build_model):
    openai_server.answers("Photosynthesis ", WAIT)

    text, _, error = await ask_in_vain(build_model(read_timeout_seconds=0.2), AnswerCutOff)

    assert (text, "Timeout" in str(error)) == ("Photosynthesis ", True)


async def test_an_error_reported_in_the_middle_keeps_what_came(openai_server, model):
    report = b'data: {"error": {"message": "worker died", "code": 500}}\n\n'
    openai_server.answers("Photosynthesis ", Raw(report))

    text, _, error = await ask_in_vain(model, AnswerCutOff)

    assert (text, str(error)) == ("Photosynthesis ", "500: worker died")


@pytest.mark.parametrize("data", [b'{"choices": [{"del', b"[]", b'{"choices": 7}', b"\xff"])
async def test_a_broken_line_is_an_error_and_keeps_what_came(openai_server, model, data):
    openai_server.answers("Photosynthesis ", Raw(b"data: %b\n\n" % data), "never read")

    assert (await ask_in_vain(model, AnswerCutOff))[0] == "Photosynthesis "


async def test_a_connection_lost_after_the_end_was_told_loses_nothing(openai_server, model):
    end = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    openai_server.answers("All of it.", Raw(end), CUT)

    text, last = await ask(model)

    assert (text, last.finish_reason, last.usage.is_estimate) == ("All of it.", "stop", True)


async def test_an_answer_without_a_word_is_an_error(openai_server, model):
    openai_server.answers(finish_reason="length")

    _, last, error = await ask_in_vain(model, EmptyAnswer)

    assert last.usage.input == openai_server.last.usage["prompt_tokens"]
    assert "length" in str(error)


@pytest.mark.parametrize("reason", ["content_filter", "sensitive"])
async def test_an_answer_that_a_filter_ended_keeps_what_came(openai_server, model, reason):
    openai_server.answers("It is ", finish_reason=reason)

    text, last, _ = await ask_in_vain(model, AnswerFiltered)

    assert (text, last.finish_reason) == ("It is ", reason)


async def test_an_answer_that_a_filter_let_nothing_of_through_says_so(openai_server, model):
    openai_server.answers(finish_reason="content_filter")

    await ask_in_vain(model, ContentFiltered)


async def test_an_answer_that_the_provider_gave_up_is_cut_off(openai_server, model):
    openai_server.answers("It is ", finish_reason="insufficient_system_resource")

    text, _, error = await ask_in_vain(model, AnswerCutOff)

    assert (text, str(error)) == ("It is ", "finish_reason insufficient_system_resource")


async def test_an_answer_given_up_before_its_first_word_is_asked_for_again(openai_server, model):
    openai_server.answers(finish_reason="error")
    openai_server.answers("Here I am.")

    assert (await ask(model))[0] == "Here I am."


async def test_an_answer_that_was_all_thought_says_so(openai_server, model):
    openai_server.answers(Delta({"reasoning_content": "Let me see."}), finish_reason="length")

    await ask_in_vain(model, OnlyThought)


@pytest.mark.parametrize("step", [b"data: " + b"x" * 2**20, b"y" * (2**20 + 1)])
async def test_a_line_without_an_end_is_not_gathered_for_ever(openai_server, model, step):
    openai_server.answers("It is ", Raw(step), Raw(step), WAIT)

    text, _, error = await ask_in_vain(model, AnswerCutOff)

    assert text == "It is " and "a line of more than" in str(error)


# --- retries ----------------------------------------------------------------------------------


async def test_a_failing_server_is_asked_again(openai_server, model):
    openai_server.fails(503)
    openai_server.drops()
    openai_server.answers("Here I am.")

    assert (await ask(model))[0] == "Here I am."
    assert len(openai_server.requests) == 3


async def test_an_error_reported_before_the_first_word_is_tried_again(openai_server, model):
    openai_server.answers(Raw(b'data: {"error": {"message": "busy", "code": 503}}\n\n'))
    openai_server.answers("Here I am.")

    assert (await ask(model))[0] == "Here I am."


async def test_retries_end(openai_server, build_model):
    openai_server.fails(500, "out of memory", times=5)

    _, _, error = await ask_in_vain(build_model(max_retries=1), ChatModelUnavailable)

    assert (len(openai_server.requests), str(error)) == (2, "500: out of memory")


@pytest.mark.parametrize("as_date", [False, True])
async def test_a_retry_waits_as_long_as_the_server_asks(openai_server, model, as_date):
    # Dates count whole seconds, and the machine may be busy: some of it is over by then.
    in_seconds = format_datetime(datetime.now(UTC) + timedelta(seconds=4), usegmt=True)
    openai_server.fails(429, retry_after=in_seconds if as_date else 1)
    openai_server.answers("Here I am.")

    assert (await ask(model))[0] == "Here I am."
    first, second = openai_server.requests
    assert second.started_at - first.started_at >= 0.9


async def test_a_server_that_asks_for_too_much_patience_is_not_asked_again(openai_server, model):
    openai_server.fails(429, retry_after=120)

    _, _, error = await ask_in_vain(model, RateLimited)

    assert (error.retry_after_seconds, len(openai_server.requests)) == (120, 1)


async def test_nobody_listening_is_unavailable(unused_tcp_port):
    model = OpenAIChatModel(
        "gpt-test", base_url=f"http://127.0.0.1:{unused_tcp_port}/v1", max_retries=0
    )

    _, _, error = await ask_in_vain(model, ChatModelUnavailable)

    assert "ConnectionRefusedError" in str(error)


async def test_no_answer_in_time_is_not_waited_for_a_second_time(openai_server, build_model):
    openai_server.hangs()

    await ask_in_vain(build_model(read_timeout_seconds=0.2), ChatModelTimeout)

    assert len(openai_server.requests) == 1


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "message", "code", "error_class"),
    [
        (401, "Incorrect API key", "invalid_api_key", AccessRefused),
        (402, "Payment required", None, AccessRefused),
        (404, "The model does not exist", "model_not_found", AccessRefused),
        (429, "You exceeded your current quota", "insufficient_quota", AccessRefused),
        (400, "API key not valid. Please pass a valid API key.", None, AccessRefused),
        (400, "Invalid model: gpt-test", "invalid_model", AccessRefused),
        (400, "The response was filtered", "content_filter", ContentFiltered),
        (400, "Output data is inappropriate", "data_inspection_failed", ContentFiltered),
        (403, "Your input was flagged", None, ContentFiltered),
        (403, "Forbidden", None, AccessRefused),
        (400, "maximum context length is 4096 tokens", None, ContextTooLong),
        (400, "too long", "context_length_exceeded", ContextTooLong),
        (413, "Request too large", None, ContextTooLong),
    ],
)
async def test_a_refusal_is_told_apart_and_not_repeated(
    openai_server, model, status, message, code, error_class
):
    openai_server.fails(status, message, code=code)

    _, _, error = await ask_in_vain(model, error_class)

    assert (type(error), len(openai_server.requests)) == (error_class, 1)


@pytest.mark.parametrize("status", [400, 422])
async def test_a_server_that_refuses_stream_options_is_asked_without(openai_server, model, status):
    openai_server.refuses("stream_options", status=status, message="Extra inputs not permitted")
    openai_server.answers("One")
    openai_server.answers("Two")

    assert (await ask(model))[0] == "One"
    assert (await ask(model))[0] == "Two"

    asked = ["stream_options" in request.body for request in openai_server.requests]
    assert asked == [True, False, False]


async def test_a_model_with_another_word_for_the_limit_is_asked_in_it(openai_server, model):
    openai_server.refuses(
        "max_tokens", message="'max_tokens' is not supported, use 'max_completion_tokens' instead"
    )

    await ask(model)
    await ask(model)

    limits = [request.body.get("max_completion_tokens") for request in openai_server.requests]
    assert limits == [None, 1_500, 1_500]
    assert "stream_options" in openai_server.last.body


# --- Answers in a form ---------------------------------------------------------------------------

FORM = AnswerFormat("colours", {"type": "object", "properties": {"items": {"type": "array"}}})


async def test_an_answer_in_a_form_is_asked_for_by_its_schema(openai_server, model):
    openai_server.answers('{"items": []}')

    await ask(model, answer_format=FORM)

    asked = openai_server.last.body["response_format"]
    assert asked["type"] == "json_schema"
    assert asked["json_schema"] == {"name": "colours", "schema": FORM.schema, "strict": True}


async def test_a_question_in_a_chat_asks_for_no_form(openai_server, model):
    await ask(model, answer_format=FORM)
    await ask(model)

    assert "response_format" not in openai_server.last.body


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "'json_schema' is not supported"),
        (400, "Extra inputs not permitted"),
        (500, "1 validation error: ('body', 'response_format', 'type')"),
    ],
)
async def test_a_server_without_schemas_is_asked_for_json_from_then_on(
    openai_server, model, status, words
):
    openai_server.refuses("response_format", holding="json_schema", status=status, message=words)

    await ask(model, answer_format=FORM)
    await ask(model, answer_format=FORM)

    asked = [request.body["response_format"]["type"] for request in openai_server.requests]
    assert asked[-2:] == ["json_object", "json_object"]


async def test_a_server_that_knows_no_forms_is_asked_in_words_alone(openai_server, model):
    openai_server.refuses("response_format", message="response_format: unknown")
    openai_server.answers('{"items": []}')

    assert (await ask(model, answer_format=FORM))[0] == '{"items": []}'
    assert "response_format" not in openai_server.last.body
    assert "stream_options" in openai_server.last.body


async def test_a_failure_that_names_no_field_changes_nothing(openai_server, model):
    openai_server.fails(500, "out of memory", times=3)

    await ask_in_vain(model, ChatModelUnavailable, answer_format=FORM)
    await ask(model, answer_format=FORM)

    assert openai_server.last.body["response_format"]["type"] == "json_schema"


async def test_a_key_of_one_letter_is_hidden_nowhere(openai_server, build_model):
    openai_server.fails(400, "next: no such thing", times=2)

    _, _, error = await ask_in_vain(build_model(api_key="x"), RequestRefused)

    assert "next: no such thing" in str(error)


async def test_a_refusal_with_another_reason_changes_nothing(openai_server, model):
    openai_server.fails(400, "no such thing", times=2)

    await ask_in_vain(model, RequestRefused)
    await ask(model)

    assert "stream_options" in openai_server.last.body


async def test_no_error_ever_holds_the_key(openai_server, build_model, caplog):
    caplog.set_level(logging.INFO)
    openai_server.requires_key("another")

    _, _, error = await ask_in_vain(build_model(api_key="secretsecret"), RequestRefused)

    chain = [error]
    while chain[-1] is not None:
        chain.append(chain[-1].__cause__ or chain[-1].__context__)
    assert "Incorrect API key" in str(error)
    assert not any("secretsecret" in str(link) + repr(link) for link in chain)
    assert "secretsecret" not in caplog.text
    assert "secretsecret" not in str(error.shown_to_user)


# --- letting go -------------------------------------------------------------------------------


async def test_a_cancelled_reader_closes_the_providers_connection(openai_server, model):
    openai_server.answers("Photosynthesis ", WAIT)
    has_begun = asyncio.Event()

    async def read():
        async with aclosing(model.stream(QUESTION)) as chunks:
            async for _ in chunks:
                has_begun.set()

    reader = asyncio.create_task(read())
    await has_begun.wait()
    cancelled_at = time.monotonic()
    reader.cancel()
    with suppress(asyncio.CancelledError):
        await reader

    closed_at = await asyncio.to_thread(openai_server.last.wait_until_closed)
    assert closed_at - cancelled_at < 0.5


async def test_a_reader_that_leaves_early_closes_the_providers_connection(openai_server, model):
    openai_server.answers("Photosynthesis ", WAIT)

    async with aclosing(model.stream(QUESTION)) as chunks:
        async for _ in chunks:
            break

    await asyncio.to_thread(openai_server.last.wait_until_closed)


async def test_a_question_cancelled_before_the_first_word_closes_too(openai_server, model):
    openai_server.hangs()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await ask(model)

    await asyncio.to_thread(openai_server.last.wait_until_closed)


async def test_one_connection_serves_question_after_question(openai_server, model):
    for _ in range(3):
        # The end of the body arrives some time after [DONE].
        openai_server.answers("A limit", Raw(b"data: [DONE]\n\n"), pace_seconds=0.02)
        await ask(model)

    assert len({request.peer for request in openai_server.requests}) == 1


def test_one_model_serves_one_event_loop_after_another(openai_server, model):
    texts = []
    for word in ("One", "Two"):
        openai_server.answers(word)
        texts.append(asyncio.run(ask(model))[0])

    assert texts == ["One", "Two"]
    assert not openai_transport._clients  # both are closed


async def test_answers_at_once_do_not_mix(openai_server, model):
    openai_server.answers("a", WAIT, "a")
    openai_server.answers("b", WAIT, "b")

    both = asyncio.gather(ask(model), ask(model))
    while len(openai_server.requests) < 2:  # noqa: ASYNC110 - the server is another thread
        await asyncio.sleep(0.01)
    openai_server.release()

    assert {text for text, _ in await both} == {"aa", "bb"}


def test_naming_the_model_does_not_load_the_openai_package():
    program = (
        "from django.conf import settings; settings.configure();"
        "import sys, learning.llm.openai; print('openai' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
