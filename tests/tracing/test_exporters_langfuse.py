"""Every field of the contract arrives at a real endpoint with the rules of v2.95."""

import asyncio
import json
from contextlib import suppress
from datetime import datetime

import pytest
from aiohttp import web
from django.utils import timezone

from tests.servers.http_server import ThreadedServer
from tests.tracing.conftest import row_of
from tracing import Usage, generation, outbox, span, trace
from tracing.exporters.base import ExportUnavailable
from tracing.models import ExportState, ObservationRecord, TraceRecord

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("by_hand")]


@pytest.fixture
def send(recorded, exporter):
    """Write what was traced and send it once."""

    def send():
        assert recorded.drain(20)
        return outbox.send_once(exporter)

    return send


def chat_turn():
    with trace(
        "ai_chat",
        input={"user_message": "What is a limit?", "system_prompt": "Cite.", "messages_count": 2},
        user_id="u_1",
        session_id="conversation-1",
        tags=["assistant", "course", "course:calculus"],
    ) as turn:
        with span("retrieve", input="What is a limit?") as found:
            with generation("embedding", model="minilm", input={"text_count": 1}) as embedding:
                embedding.output = {"embedding_count": 1, "dimension": 384}
                embedding.usage = Usage(input=6)
            with span("rerank", input={"query": "What is a limit?", "result_count": 6}) as rerank:
                rerank.output = {"reranked_count": 1}
            found.output = [{"id": 1, "score": 0.83}]
        messages = [{"role": "user", "content": "What is a limit?"}]
        with generation(
            "llm_call", model="gpt-4o-mini", input=messages, model_parameters={"max_tokens": 1500}
        ) as answer:
            answer.chunk_received()
            answer.output, answer.usage = "A limit is", Usage(input=1941, output=384)
        turn.output = {"response": "A limit is", "response_length": 10}
    return turn


def instant(text):
    return datetime.fromisoformat(text)


def test_a_chat_turn_arrives_with_every_field(langfuse, send):
    turn = chat_turn()
    assert send().confirmed == 1

    shown = langfuse.trace("ai_chat")
    assert shown["id"] == turn.id
    assert shown["input"]["user_message"] == "What is a limit?"
    assert shown["output"] == {"response": "A limit is", "response_length": 10}
    assert (shown["userId"], shown["sessionId"]) == ("u_1", "conversation-1")
    assert sorted(shown["tags"]) == ["assistant", "course", "course:calculus"]
    assert shown["metadata"] == {"status": "ok"}
    assert instant(shown["timestamp"]) == turn.started_at
    assert langfuse.children(None, trace_id=turn.id) == ["retrieve", "llm_call"]
    retrieve = langfuse.observation("retrieve")
    assert langfuse.children(retrieve["id"], trace_id=turn.id) == ["embedding", "rerank"]

    embedding = langfuse.observation("embedding")
    assert (embedding["type"], embedding["usage"]["input"]) == ("GENERATION", 6)
    answer = langfuse.observation("llm_call")
    assert (answer["model"], answer["output"]) == ("gpt-4o-mini", "A limit is")
    assert answer["input"] == [{"role": "user", "content": "What is a limit?"}]
    usage = {"input": 1941, "output": 384, "total": 2325, "unit": "TOKENS"}
    assert {name: answer["usage"][name] for name in usage} == usage
    assert answer["modelParameters"] == {"max_tokens": 1500}
    times = [answer[name] for name in ("startTime", "completionStartTime", "endTime")]
    assert times == sorted(times)
    assert instant(times[0]) < instant(times[2])
    assert answer["metadata"]["duration_ms"] > 0
    assert answer["level"] == "DEFAULT"


def test_the_row_here_and_the_copy_there_say_the_same(langfuse, send, exporter):
    turn = chat_turn()
    send()

    row, copy = row_of(turn), exporter.read_trace(turn.id)
    assert (copy.input, copy.output, copy.metadata) == (row.input, row.output, row.metadata)
    [llm_call] = [o for o in copy.observations if o.name == "llm_call"]
    assert llm_call.usage.total == row.total_tokens == 2325
    assert copy.latency > 0


def test_an_error_arrives_with_level_and_words(langfuse, send):
    with suppress(TimeoutError), trace("ai_chat"), generation("llm_call") as answer:
        answer.output = "A limit"
        raise TimeoutError("the provider was silent")
    send()

    shown = langfuse.observation("llm_call")
    assert (shown["level"], shown["output"]) == ("ERROR", "A limit")
    assert shown["statusMessage"] == "TimeoutError: the provider was silent"
    assert langfuse.trace("ai_chat")["metadata"] == {"status": "error"}


def test_a_stop_arrives_as_a_warning(langfuse, send):
    with suppress(asyncio.CancelledError), trace("ai_chat"), generation("llm_call"):
        raise asyncio.CancelledError
    send()

    shown = langfuse.observation("llm_call")
    assert (shown["level"], shown["statusMessage"]) == ("WARNING", "stopped")


def test_a_step_that_warned_arrives_as_a_warning_in_a_trace_that_is_well(langfuse, send):
    with trace("ai_chat") as turn, span("rerank") as step:
        step.warn("the fused order stands")
    send()

    shown = langfuse.observations[step.id]
    assert (shown["level"], shown["statusMessage"]) == ("WARNING", "the fused order stands")
    assert langfuse.traces[turn.id]["metadata"]["status"] == "ok"


def test_usage_is_sent_even_where_nobody_counted(langfuse, send):
    with trace("ai_chat"), generation("llm_call", model="gpt-4o-mini", input="x" * 4_000):
        pass
    send()

    # Without it the server would estimate, over whatever was there.
    assert langfuse.observation("llm_call")["usage"]["total"] == 0


def test_sending_again_leaves_one_of_each(langfuse, send, exporter):
    chat_turn()
    send()
    before = json.dumps([langfuse.traces, langfuse.observations], default=str)
    TraceRecord.objects.all().put_into_outbox(due_at=timezone.now())
    assert outbox.send_once(exporter).confirmed == 1

    assert json.dumps([langfuse.traces, langfuse.observations], default=str) == before


def test_odd_content_arrives_and_spoils_nothing(langfuse, send):
    odd = {
        "inf": float("inf"),
        "half": "\ud83d",
        "nul": "\x00",
        "bytes": b"\xff",
        "data": "data:image/png;base64,AAAA",
        "big": 2**70,
    }
    with trace("odd", input=odd, metadata=odd, tags=["\udc80", 7]) as whole:
        whole.output = "data:text/plain,hello"
        with generation("call", model_parameters={"deep": {"a": [1]}, "none": None, "t": 0.7}):
            pass
    chat_turn()
    assert send().confirmed == 2

    shown = langfuse.trace("odd")
    assert shown["input"]["data"] == "data:image/png;base64,AAAA"
    assert shown["output"] == "data:text/plain,hello"
    assert shown["metadata"]["half"] == "\ufffd"
    assert shown["tags"] == ["7", "\ufffd"]
    assert langfuse.observation("call")["modelParameters"]["deep"] == '{"a": [1]}'


def test_five_megabytes_of_chinese_in_every_field_lose_no_field(langfuse, send):
    chinese = "极限是微积分的基础。" * 170_000
    with trace("ai_chat", input=chinese, metadata={"note": chinese}) as turn:
        with generation("llm_call", model="glm-4", input=chinese) as answer:
            answer.output = turn.output = chinese
    assert send().confirmed == 1

    assert langfuse.dropped_fields == []
    for shown in (langfuse.trace("ai_chat"), langfuse.observation("llm_call")):
        for name in ("input", "output"):
            assert shown[name].startswith("极限")
            assert "characters cut" in shown[name]


def test_batches_stay_below_what_the_server_takes(langfuse, send):
    for number in range(12):
        with trace(f"turn-{number}", input="极" * 45_000) as turn:
            turn.output = "限" * 45_000
            with span("step", input="极" * 45_000):
                pass
    assert send().confirmed == 12

    assert len(langfuse.batches) > 1
    assert max(batch.size_bytes for batch in langfuse.batches) < 4_500_000
    assert {batch.status for batch in langfuse.batches} == {207}


def test_a_row_that_langfuse_cannot_take_is_set_aside_alone(langfuse, recorded, send):
    bad, good = chat_turn(), chat_turn()
    recorded.drain()
    ObservationRecord.objects.filter(trace_id=bad.id, name="llm_call").update(
        model_parameters={"deep": {"a": 1}}
    )
    sent = send()

    assert (sent.confirmed, sent.rejected) == (1, 1)
    assert "modelParameters" in row_of(bad).export_error
    assert good.id in langfuse.traces


def test_another_server_on_that_address_keeps_the_rows(
    langfuse, exporter, send, openai_server, tracing_settings
):
    tracing_settings(LANGFUSE_HOST=openai_server.origin)
    turn = chat_turn()

    assert send().kept == 1
    assert row_of(turn).export_error.startswith("404")
    with pytest.raises(ExportUnavailable):
        exporter.server_health()


def test_what_the_doctor_asks_for_can_be_read(langfuse, exporter):
    version, time = exporter.server_health()
    assert version.startswith("2.95")
    assert time is not None
    assert exporter.project() == ("project-test", "coursetrace")
    assert exporter.read_trace("no-such-trace") is None


def test_one_event_that_spoils_the_whole_batch_is_found_and_set_aside(langfuse, recorded, send):
    turns = [chat_turn() for _ in range(8)]
    poison = turns[3].observations[0].id
    langfuse.chokes_on(lambda event: event["body"]["id"] == poison)
    sent = send()

    assert (sent.confirmed, sent.rejected) == (7, 1)
    assert "400: refused" in row_of(turns[3]).export_error
    assert all(turn.id in langfuse.traces for turn in turns)


def test_a_proxys_400_is_no_reason_to_set_rows_aside(langfuse, send, tracing_settings):
    with WebServer(status=400, text="<h1>Bad Request</h1>") as proxy:
        tracing_settings(LANGFUSE_HOST=proxy.origin)
        turn = chat_turn()

        assert send().kept == 1
    assert row_of(turn).export_state == ExportState.NEW


class WebServer(ThreadedServer):
    """Answers everything in one way."""

    def __init__(self, *, status: int, text: str):
        super().__init__()
        self.answer = {"status": status, "text": text}

    def build_app(self):
        async def answer(request):
            return web.Response(**self.answer)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        return app
