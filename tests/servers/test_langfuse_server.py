"""The endpoint is held to the rules of v2.95, with the SDK's own synchronous client."""

import datetime as dt
import json
import urllib.error
import urllib.request
import uuid
from base64 import b64encode

import httpx
import pytest
from langfuse.api.client import FernLangfuse
from langfuse.api.core.api_error import ApiError
from langfuse.api.resources.ingestion.types import (
    CreateGenerationBody,
    IngestionEvent_GenerationCreate,
    IngestionEvent_TraceCreate,
    TraceBody,
)

NOW = "2026-11-22T10:00:00.000Z"
START = dt.datetime(2026, 11, 22, 10, tzinfo=dt.UTC)


def event(kind, **body):
    return {"id": str(uuid.uuid4()), "type": kind, "timestamp": NOW, "body": body}


@pytest.fixture
def send(langfuse_server):
    """Post events as JSON and return the status and what was answered."""

    def send(*events, raw=None, secret=langfuse_server.secret_key):
        request = urllib.request.Request(
            f"{langfuse_server.url}/api/public/ingestion",
            raw if raw is not None else json.dumps({"batch": events}).encode(),
            {"Authorization": "Basic " + b64encode(f"pk:{secret}".encode()).decode()},
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return send


@pytest.fixture
def client(langfuse_server):
    with httpx.Client(timeout=5) as http:
        yield FernLangfuse(
            base_url=langfuse_server.url,
            username=langfuse_server.public_key,
            password=langfuse_server.secret_key,
            httpx_client=http,
        )


def errors_of(answer):
    status, body = answer
    assert status == 207
    return [error["error"] for error in body["errors"]]


def test_the_sdk_can_send_and_read_back_a_trace(langfuse_server, client):
    answer = client.ingestion.batch(
        batch=[
            IngestionEvent_TraceCreate(
                id="e1", timestamp=NOW, body=TraceBody(id="t1", name="ai_chat", input={"q": 1})
            ),
            IngestionEvent_GenerationCreate(
                id="e2",
                timestamp=NOW,
                body=CreateGenerationBody(
                    id="g1",
                    trace_id="t1",
                    name="llm_call",
                    start_time=START,
                    end_time=START + dt.timedelta(seconds=2),
                    usage={"input": 3, "output": 4, "total": 7, "unit": "TOKENS"},
                ),
            ),
        ]
    )

    assert [success.id for success in answer.successes] == ["e1", "e2"]
    trace = client.trace.get("t1")
    assert (trace.name, trace.latency, trace.observations[0].name) == ("ai_chat", 2.0, "llm_call")
    assert langfuse_server.observation("llm_call")["usage"]["total"] == 7


def test_health_names_the_version_and_projects_want_the_key(client, langfuse_server):
    assert client.health.health().version == "2.95.11"
    assert client.projects.get().data[0].name == "coursetrace"

    langfuse_server.refuses_keys()
    with pytest.raises(ApiError) as caught:
        client.projects.get()
    assert caught.value.status_code == 401


@pytest.mark.parametrize(
    ("kind", "body", "wrong"),
    [
        ("trace-make", {}, "type: Invalid discriminator"),
        ("trace-create", {"id": "t", "timestamp": "2026-11-22T10:00:00"}, "timestamp"),
        ("trace-create", {"id": "t", "userId": 7}, "userId"),
        ("trace-create", {"id": "t", "tags": "course"}, "tags"),
        ("span-create", {"traceId": "t"}, "id: Required"),
        ("span-create", {"id": "s", "level": "INFO"}, "level"),
        ("generation-create", {"id": "g", "usage": {"input": 1.5}}, "usage: input"),
        ("generation-create", {"id": "g", "usage": {"unit": "tokens"}}, "usage: unit"),
        ("generation-create", {"id": "g", "modelParameters": {"a": {"b": 1}}}, "modelParameters"),
        ("score-create", {"name": "user_feedback", "value": 1}, "traceId: Required"),
        ("score-create", {"name": "", "value": 1, "traceId": "t"}, "name"),
    ],
)
def test_what_the_schema_forbids_is_refused_for_that_event_alone(send, kind, body, wrong):
    good = event("trace-create", id="good")

    [found] = errors_of(send(event(kind, **body), good))

    assert wrong in " ".join(found)


def test_a_later_delivery_wins_but_null_never_clears(send, langfuse_server):
    send(event("trace-create", id="t", name="ai_chat", input="a", metadata={"x": {"y": 1}}))
    send(event("trace-create", id="t", input="b", name=None, metadata={"x": {"z": 2}}))

    trace = langfuse_server.trace("ai_chat")
    assert trace["input"] == "b"
    assert trace["metadata"] == {"x": {"y": 1, "z": 2}}


def test_tags_unite(send, langfuse_server):
    send(event("trace-create", id="t", name="ai_chat", tags=["course"]))
    send(event("trace-create", id="t", tags=["assistant"]))

    assert langfuse_server.trace("ai_chat")["tags"] == ["assistant", "course"]


def test_a_score_of_the_same_id_is_replaced(send, langfuse_server):
    for value in (1, 0):
        send(event("score-create", id="s", traceId="t", name="user_feedback", value=value))

    assert [score["value"] for score in langfuse_server.scores.values()] == [0]


def test_a_time_that_is_not_given_is_reset_to_now(send, langfuse_server):
    send(event("span-create", id="s", traceId="t", name="retrieve", startTime=NOW))
    send(event("span-create", id="s", traceId="t", output="found"))

    assert langfuse_server.observation("retrieve")["startTime"] != NOW


def test_fields_of_later_servers_are_ignored(send, langfuse_server):
    send(
        event("generation-create", id="g", name="llm_call", environment="x",
              usageDetails={"input": 9}, costDetails={"input": 1.0})
    )  # fmt: skip

    stored = langfuse_server.observation("llm_call")
    assert stored["usage"] is None
    assert not {"usageDetails", "costDetails", "environment"} & stored.keys()


def test_a_known_model_without_usage_overwrites_the_real_counts(send, langfuse_server):
    usage = {"input": 1941, "output": 384, "total": 2325, "unit": "TOKENS"}
    send(event("generation-create", id="g", name="llm_call", model="gpt-4o-mini", usage=usage))
    assert langfuse_server.observation("llm_call")["usage"] == usage

    send(event("generation-update", id="g", model="gpt-4o-mini", output="A limit is"))

    assert langfuse_server.observation("llm_call")["usage"]["input"] < 1941


def test_the_largest_field_of_an_event_over_a_megabyte_is_lost(send, langfuse_server):
    # A Chinese character counts six.
    send(event("trace-create", id="t", name="ai_chat", input="short", output="极" * 170_000))

    trace = langfuse_server.trace("ai_chat")
    assert (trace["input"], trace["output"]) == ("short", None)
    assert langfuse_server.dropped_fields == [("t", "output")]


def test_a_batch_over_the_limit_is_413(send, langfuse_server):
    status, _ = send(*(event("trace-create", id=str(n), input="x" * 900_000) for n in range(6)))

    assert (status, langfuse_server.traces) == (413, {})


@pytest.mark.parametrize("value", ["Infinity", "NaN", '"\\ud800"'])
def test_what_is_not_json_spoils_the_whole_batch(send, langfuse_server, value):
    good = json.dumps(event("trace-create", id="good"))
    bad = json.dumps(event("trace-create", id="bad", input="@")).replace('"@"', value)

    status, _ = send(raw=f'{{"batch": [{good}, {bad}]}}'.encode())

    assert (status, langfuse_server.traces) == (400, {})


def test_a_wrong_secret_is_401_and_a_wrong_public_key_is_not(send):
    assert send(event("trace-create", id="t"), secret="wrong")[0] == 401
    assert send(event("trace-create", id="t"))[0] == 207


def test_faults_come_as_scripted_and_go(send, langfuse_server):
    langfuse_server.fails(500)
    langfuse_server.fails(429, retry_after=3)
    langfuse_server.rejects(lambda event: event["body"]["id"] == "bad")

    assert [send(event("trace-create", id="t"))[0] for _ in range(3)] == [500, 429, 207]
    assert errors_of(send(event("trace-create", id="bad"))) == [["scripted rejection"]]
    langfuse_server.recovers()
    assert errors_of(send(event("trace-create", id="bad"))) == []


def test_it_can_die_in_mid_batch(send, langfuse_server):
    langfuse_server.dies_in_mid_batch()

    with pytest.raises(OSError, match=r"reset|closed|aborted"):
        send(event("trace-create", id="1"), event("trace-create", id="2"))

    assert list(langfuse_server.traces) == ["1"]


def test_a_test_can_wait_for_what_arrives(send, langfuse_server):
    send(event("trace-create", id="t", name="ai_chat"))

    assert langfuse_server.wait_for(lambda server: server.traces)
    with pytest.raises(TimeoutError, match="trace-create"):
        langfuse_server.wait_for(lambda server: server.scores, timeout=0.05)


def test_nesting_can_be_read(send, langfuse_server):
    send(
        event("span-create", id="r", traceId="t", name="retrieve", startTime=NOW),
        event("span-create", id="e", traceId="t", name="embedding", startTime=NOW,
              parentObservationId="r"),
    )  # fmt: skip

    assert langfuse_server.children(None, trace_id="t") == ["retrieve"]
    assert langfuse_server.children("r", trace_id="t") == ["embedding"]


# --- Keys -----------------------------------------------------------------------------------------


@pytest.fixture
def ask(langfuse_server):
    """Make a request with an Authorization header; return the status and the server's words."""

    def ask(method, path, authorization, **content):
        headers = {"Authorization": authorization} if authorization else {}
        url = f"{langfuse_server.url}/api/public/{path}"
        answer = httpx.request(method, url, headers=headers, timeout=5, **content)
        return answer.status_code, answer.json()

    return ask


def basic(public, secret):
    return "Basic " + b64encode(f"{public}:{secret}".encode()).decode()


A_SCORE = {"id": "s", "traceId": "t", "name": "user_feedback", "value": 1}


@pytest.mark.parametrize(
    ("authorization", "words"),
    [
        (basic("pk-lf-test", "wrong"), "Invalid credentials. Confirm"),
        (basic("wrong", "wrong"), "Invalid public key. Confirm"),
        ("Bearer wrong", "Invalid public key. Confirm"),
        ("Basic é", "Invalid authorization header. Confirm"),
        ("Digest x", "Invalid authorization header"),
        (None, "No authorization header"),
    ],
)
def test_a_caller_that_is_not_known_is_told_why(authorization, words, ask):
    authorization = authorization and authorization.encode()
    status, answer = ask("POST", "ingestion", authorization, json={"batch": []})

    assert (status, answer["error"]) == (401, "UnauthorizedError")
    assert answer["message"].startswith(words)


def test_a_public_key_alone_may_send_scores_and_nothing_else(ask, langfuse_server):
    batch = [event("score-create", **A_SCORE), event("trace-create", id="t", name="ai_chat")]
    status, answer = ask("POST", "ingestion", "Bearer pk-lf-test", json={"batch": batch})

    assert (status, [done["id"] for done in answer["successes"]]) == (207, [batch[0]["id"]])
    assert answer["errors"] == [
        {"id": batch[1]["id"], "status": 500, "error": "Internal Server Error"}
    ]
    assert (list(langfuse_server.scores), langfuse_server.traces) == (["s"], {})
    for method, path in (("GET", "projects"), ("GET", "traces/t"), ("DELETE", "scores/s")):
        status, answer = ask(method, path, "Bearer pk-lf-test")
        assert (status, answer["message"][:13]) == (401, "Access denied")


def test_a_score_lands_in_the_project_of_its_key_and_no_other_takes_its_id(ask, langfuse_server):
    batch = {"batch": [event("score-create", **A_SCORE)]}

    assert ask("POST", "ingestion", "Bearer pk-lf-foreign", json=batch)[1]["errors"] == []
    assert (list(langfuse_server.foreign_scores), langfuse_server.scores) == (["s"], {})
    [error] = ask("POST", "ingestion", "Bearer pk-lf-test", json=batch)[1]["errors"]
    assert error["status"] == 500


def test_a_score_is_read_back_with_its_trace_and_can_be_removed(langfuse_server, client, send):
    send(event("trace-create", id="t", name="ai_chat"), event("score-create", **A_SCORE))
    assert [(score.id, score.value) for score in client.trace.get("t").scores] == [("s", 1)]

    client.score.delete("s")

    assert client.trace.get("t").scores == []
    with pytest.raises(ApiError) as gone:
        client.score.delete("s")
    assert gone.value.status_code == 404


# --- What it can be made to do --------------------------------------------------------------------


def test_it_can_lose_hide_and_show_another_version_and_clock(langfuse_server, client, send):
    langfuse_server.loses(lambda event: event["body"]["id"] == "lost")
    langfuse_server.hides("input")
    langfuse_server.version = "3.0.0"
    langfuse_server.clock_offset = dt.timedelta(days=-365)
    for trace_id in ("lost", "kept"):
        sent = event("trace-create", id=trace_id, name="ai_chat", input="a", output="b")
        assert errors_of(send(sent)) == []

    shown = client.trace.get("kept")
    health = httpx.get(f"{langfuse_server.url}/api/public/health", timeout=5)

    assert (list(langfuse_server.traces), shown.input, shown.output) == (["kept"], None, "b")
    assert health.json()["version"] == "3.0.0"
    assert health.headers["Date"].endswith("GMT")
    assert f" {dt.datetime.now(dt.UTC).year - 1} " in health.headers["Date"]
