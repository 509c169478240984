"""After the words of a trace were removed there are none left, here or in Langfuse."""

import json
import threading

import pytest
from django.db import connections
from django.utils import timezone

from tests.tracing.conftest import eventually, row_of
from tracing import Usage, generation, outbox, privacy, score, span, trace
from tracing.models import ContentState, ExportState, ObservationRecord, ScoreRecord, TraceRecord

pytestmark = pytest.mark.django_db(transaction=True)

WORDS = ("hippopotamus", "mangrove", "passage", "exploded", "grumpy", "secretly", "temper")


def turn(*, session_id="s-1", user_id="u-1"):
    """A trace that has words in every field that can hold some."""
    with trace(
        "ai_chat",
        session_id=session_id,
        user_id=user_id,
        tags=["assistant"],
        input={"user_message": "a hippopotamus?", "more": ["mangrove"]},
        metadata={"note": {"deep": ["secretly"]}, "attempts": 3},
    ) as whole:
        with span("retrieve", input="hippopotamus", metadata={"why": "mangrove"}) as found:
            found.output = [{"text": "a passage"}]
            found.fail("the search exploded")
        with generation(
            "llm_call",
            model="gpt-4o-mini",
            input=["hippopotamus"],
            model_parameters={"stop": "mangrove", "max_tokens": 1500},
        ) as answer:
            answer.chunk_received()
            answer.metadata["finish_reason"] = "in a temper"
            answer.output = whole.output = "it bathes in the mangrove"
            answer.usage = Usage(input=7, output=5, is_estimate=True)
        whole.fail(RuntimeError("the model exploded"))
    score(whole.id, "user_feedback", 0, comment="a grumpy answer")
    return whole


def words_in(*places) -> list[str]:
    content = json.dumps(places, default=str)
    return [word for word in WORDS if word in content]


def words_here() -> list[str]:
    models = (TraceRecord, ObservationRecord, ScoreRecord)
    return words_in([list(model.objects.values()) for model in models])


def words_there(langfuse) -> list[str]:
    return words_in(langfuse.traces, langfuse.observations, langfuse.scores)


def send_all(exporter):
    while sent := outbox.send_once(exporter):
        assert sent.error is None, sent.error


def as_if_leases_were_over(model):
    """The time has come for what waits for the end of a lease."""
    model.objects.waiting().update(export_after=timezone.now())


@pytest.fixture
def sent(langfuse, recorded, exporter, by_hand):
    """A trace with words everywhere, here and in Langfuse."""
    whole = turn()
    recorded.drain()
    send_all(exporter)
    assert words_here() == words_there(langfuse) == list(WORDS)
    return whole


def test_no_word_is_left_here_or_in_langfuse(sent, langfuse, exporter):
    assert privacy.blank_session("s-1") == 1
    assert words_here() == []
    send_all(exporter)

    assert words_there(langfuse) == []
    assert langfuse.trace("ai_chat")["input"] == "[removed]"
    assert langfuse.observation("retrieve")["statusMessage"] == "[removed]"
    assert row_of(sent).content_state == ContentState.REMOVED
    assert row_of(sent).export_state == ExportState.CONFIRMED


def test_times_counts_and_whose_it_was_stay(sent, langfuse, exporter):
    def counts_there():
        answer = langfuse.observation("llm_call")
        whole = langfuse.trace("ai_chat")
        return [
            *(answer[name] for name in ("startTime", "endTime", "completionStartTime", "model")),
            *(answer["usage"], answer["metadata"]["duration_ms"], answer["parentObservationId"]),
            *(whole[name] for name in ("timestamp", "userId", "sessionId", "tags")),
            *(whole["metadata"]["status"], len(langfuse.observations), langfuse.scores),
        ]

    before, row_before = counts_there()[:-1], row_of(sent)
    privacy.blank_session("s-1")
    send_all(exporter)

    row = row_of(sent)
    assert counts_there()[:-1] == before
    assert [given["value"] for given in langfuse.scores.values()] == [0]
    for field in ("status", "error_type", "duration_ms", "total_tokens", "user_id", "started_at"):
        assert getattr(row, field) == getattr(row_before, field)
    assert row.error_type == "RuntimeError"
    assert row.metadata == {"note": "[removed]", "attempts": "[removed]", "status": "error"}


def test_only_the_session_or_person_that_is_named_loses_words(langfuse, recorded, by_hand):
    mine, other = turn(), turn(session_id="s-2")
    foreign, nobodys = turn(session_id="s-3", user_id="u-2"), turn(session_id="", user_id="")
    recorded.drain()

    assert (privacy.blank_session(""), privacy.blank_user("")) == (0, 0)
    assert privacy.blank_user("u-1") == 2
    assert privacy.blank_user("u-1") == 0

    states = [row_of(whole).content_state for whole in (mine, other, foreign, nobodys)]
    assert states == ["removed", "removed", "kept", "kept"]
    assert ObservationRecord.objects.filter(input="hippopotamus").count() == 2
    assert ScoreRecord.objects.filter(comment="a grumpy answer").count() == 2


def test_a_trace_on_its_way_is_overwritten_after_it_has_arrived(
    langfuse, recorded, exporter, by_hand
):
    whole = turn()
    recorded.drain()
    langfuse.hangs()

    def send():
        try:
            outbox.send_once(exporter)
        finally:
            connections.close_all()

    sending = threading.Thread(target=send)
    sending.start()
    eventually(lambda: langfuse.batches)
    privacy.blank_session("s-1")
    assert outbox._take(TraceRecord, 10) == []  # another process waits for the lease to end
    langfuse.recovers()
    sending.join()
    assert words_there(langfuse) != []
    assert row_of(whole).export_state == ExportState.NEW

    send_all(exporter)  # the sender said that the older copy has arrived: no need to wait longer

    assert words_there(langfuse) == []
    assert row_of(whole).export_state == ExportState.CONFIRMED


def test_removing_twice_does_not_hurry_what_waits_for_a_lease(langfuse, recorded, by_hand):
    whole = turn()
    recorded.drain()
    lease = outbox._take(TraceRecord, 10)[0].export_after
    privacy.blank_session("s-1")
    TraceRecord.objects.update(content_state=ContentState.KEPT)
    privacy.blank_session("s-1")

    assert row_of(whole).export_after > lease


def test_what_the_server_may_have_been_too_slow_to_confirm_waits_as_long_as_a_lease(
    langfuse, recorded, exporter, by_hand
):
    whole = turn()
    recorded.drain()
    langfuse.fails(500)
    outbox.send_once(exporter)
    before = timezone.now()
    privacy.blank_session("s-1")

    assert row_of(whole).export_after >= before + outbox.LEASE


def test_a_trace_that_still_runs_is_written_without_words_at_its_end(
    langfuse, recorded, exporter, by_hand
):
    with trace("ai_chat", session_id="s-1", input="a hippopotamus?") as whole:
        with span("retrieve", input="hippopotamus") as found:
            found.output = "a passage"
        recorded.drain()
        privacy.blank_session("s-1")
        whole.output = "the mangrove"
    score(whole.id, "user_feedback", 1, comment="grumpy")
    recorded.drain()
    send_all(exporter)

    assert words_here() == words_there(langfuse) == []
    assert row_of(whole).content_state == ContentState.REMOVED
    assert langfuse.trace("ai_chat")["output"] == "[removed]"


def test_what_is_said_of_a_trace_without_words_is_not_kept_either(recorded):
    silent = {"session_id": "s-1", "capture_content": False}
    with trace("ai_chat", input="a hippopotamus?", **silent) as at_once:
        score(at_once.id, "user_feedback", 0, comment="a grumpy answer")
    with trace("ai_chat", input="a hippopotamus?", **silent) as later:
        pass
    recorded.drain()
    score(later.id, "user_feedback", 1, comment="a grumpy answer")
    recorded.drain()

    assert words_here() == []
    assert sorted(ScoreRecord.objects.values_list("value", "comment")) == [(0, ""), (1, "")]


def test_a_trace_that_ended_a_moment_ago_loses_its_words_too(recorded):
    for _ in range(20):
        turn()
        privacy.blank_user("u-1")

    recorded.drain()
    assert TraceRecord.objects.count() == 20
    assert words_here() == []


def test_a_comment_given_after_the_words_were_removed_can_be_removed_as_well(
    sent, langfuse, exporter, recorded
):
    privacy.blank_session("s-1")
    ScoreRecord.objects.update(comment="grumpy")

    assert privacy.blank_session("s-1") == 0
    send_all(exporter)

    assert words_here() == words_there(langfuse) == []


def test_a_comment_that_was_left_out_the_second_time_is_removed_in_langfuse(
    sent, langfuse, exporter, recorded
):
    score(sent.id, "user_feedback", 1)
    recorded.drain()
    send_all(exporter)
    privacy.blank_session("s-1")
    send_all(exporter)

    assert words_there(langfuse) == []


def test_a_score_that_was_taken_back_does_not_return(sent, langfuse, exporter, recorded):
    score(sent.id, "user_feedback", None, comment="grumpy")
    recorded.drain()
    send_all(exporter)
    privacy.blank_session("s-1")
    send_all(exporter)

    assert langfuse.scores == {}
    assert words_here() == []


def test_a_trace_without_recorded_words_is_left_as_it_is(
    langfuse, recorded, exporter, by_hand, tracing_settings
):
    tracing_settings(CAPTURE_CONTENT=False)
    whole = turn()
    recorded.drain()
    send_all(exporter)

    assert privacy.blank_session("s-1") == 0
    assert row_of(whole).content_state == ContentState.NOT_RECORDED
    assert row_of(whole).export_state == ExportState.CONFIRMED


def test_without_langfuse_the_rows_stay_local(recorded):
    whole = turn()
    recorded.drain()
    privacy.blank_session("s-1")

    assert words_here() == []
    assert row_of(whole).export_state == ExportState.LOCAL
    assert ScoreRecord.objects.get().export_state == ExportState.LOCAL
    assert not TraceRecord.objects.waiting().exists()


def test_what_was_refused_goes_out_again_without_its_words(langfuse, recorded, exporter, by_hand):
    langfuse.rejects(lambda event: "generation" in event["type"])
    whole = turn()
    recorded.drain()
    send_all(exporter)
    assert row_of(whole).export_state == ExportState.REJECTED
    assert words_there(langfuse) != []
    langfuse.recovers()

    privacy.blank_session("s-1")
    send_all(exporter)

    assert words_there(langfuse) == []
    assert row_of(whole).export_state == ExportState.CONFIRMED


def test_the_sender_is_told_and_needs_no_further_push(langfuse, recorded):
    turn()
    recorded.drain()
    eventually(lambda: not TraceRecord.objects.waiting().exists())
    eventually(lambda: not ScoreRecord.objects.waiting().exists())
    privacy.blank_session("s-1")

    eventually(lambda: words_there(langfuse) == [])


def test_many_traces_are_done_in_many_short_transactions(recorded, monkeypatch):
    monkeypatch.setattr(privacy, "BATCH", 3)
    for _ in range(8):
        turn()
    recorded.drain()

    assert privacy.blank_user("u-1") == 8
    assert words_here() == []
