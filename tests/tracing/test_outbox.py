"""Whatever Langfuse does, every trace is there after it is well again, and none twice."""

import socket
import threading
from collections import Counter
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from tests.tracing.conftest import eventually, row_of
from tracing import generation, outbox, score, span, trace
from tracing.exporters.base import Exporter, Receipt
from tracing.exporters.memory import MemoryExporter
from tracing.models import ExportState, Outcome, ScoreRecord, TraceRecord

pytestmark = pytest.mark.django_db(transaction=True)


def turn(name="ai_chat"):
    with trace(name, input="why?") as whole:
        with generation("llm_call") as answer:
            answer.output = whole.output = "because"
    return whole


def states():
    return Counter(TraceRecord.objects.values_list("export_state", flat=True))


def all_confirmed():
    return set(states()) == {ExportState.CONFIRMED}


def accepted_ids(langfuse):
    """The body ids of what the endpoint took, with how often."""
    taken = Counter()
    for batch in langfuse.batches:
        if batch.status == 207:
            refused = {error["id"] for error in batch.errors}
            taken.update(e["body"]["id"] for e in batch.events if e["id"] not in refused)
    return taken


@pytest.fixture
def sending(langfuse, recorded):
    """The endpoint, with the real recorder and a real sender."""
    return langfuse


def test_an_ended_trace_is_sent_and_confirmed(sending, recorded):
    whole = turn()
    recorded.drain()
    eventually(all_confirmed)

    row = row_of(whole)
    assert row.exported_at is not None
    assert sending.trace("ai_chat")["id"] == whole.id
    assert set(accepted_ids(sending).values()) == {1}


def test_a_running_trace_is_not_sent(langfuse, recorded, exporter, by_hand):
    with trace("ai_chat"):
        recorded.drain()
        assert not outbox.send_once(exporter)
    recorded.drain()

    assert outbox.send_once(exporter).confirmed == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 429, 500, 502, 503])
def test_what_is_refused_is_kept_and_arrives_later(sending, recorded, status):
    sending.fails(status, times=3)
    turns = [turn(f"turn-{number}") for number in range(5)]
    recorded.drain()
    eventually(all_confirmed)

    assert {sending.trace(whole.name)["id"] for whole in turns} == {whole.id for whole in turns}
    assert set(accepted_ids(sending).values()) == {1}
    assert len(sending.batches) >= 4


def test_a_wrong_key_is_said_on_the_row_and_tried_seldom(
    langfuse, recorded, exporter, by_hand, monkeypatch
):
    monkeypatch.setattr(outbox, "FORBIDDEN_SECONDS", 60.0)
    langfuse.refuses_keys()
    whole = turn()
    recorded.drain()

    sent = outbox.send_once(exporter)

    row = row_of(whole)
    assert (sent.kept, row.export_state, row.export_attempts) == (1, ExportState.NEW, 1)
    assert "401: Langfuse does not accept the keys" in row.export_error
    assert row.export_after > timezone.now() + timedelta(seconds=50)
    assert not outbox.send_once(exporter)


def test_a_host_that_is_gone_is_waited_for(sending, recorded, tracing_settings):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        tracing_settings(LANGFUSE_HOST=f"http://127.0.0.1:{nobody.getsockname()[1]}")
        turn()
        recorded.drain()
        eventually(lambda: TraceRecord.objects.filter(export_error__contains="ConnectError"))
    outbox.stop()
    tracing_settings(LANGFUSE_HOST=sending.url)
    outbox.wake()

    eventually(all_confirmed)


def test_a_host_that_hangs_is_given_up_on_and_tried_again(sending, recorded, tracing_settings):
    tracing_settings(LANGFUSE_TIMEOUT_SECONDS=0.2)
    sending.hangs()
    whole = turn()
    recorded.drain()
    eventually(lambda: "Timeout" in row_of(whole).export_error)
    sending.recovers()
    eventually(all_confirmed)

    assert sending.trace("ai_chat")["input"] == "why?"


def test_a_host_that_dies_in_mid_batch_gets_the_whole_again(sending, recorded):
    sending.dies_in_mid_batch()
    turn()
    recorded.drain()
    eventually(all_confirmed)

    assert len(sending.traces) == len(sending.observations) == 1


def test_one_bad_event_rejects_its_trace_with_the_reason_and_no_other(sending, recorded):
    sending.rejects(lambda event: event["body"]["name"] == "bad")
    good, bad = turn("good"), turn("bad")
    recorded.drain()
    eventually(lambda: states() == {ExportState.CONFIRMED: 1, ExportState.REJECTED: 1})

    assert row_of(good).export_error == ""
    assert row_of(bad).export_error == '400 Invalid request data ["scripted rejection"]'


def test_a_batch_that_is_too_large_is_sent_in_halves(langfuse, recorded, exporter, by_hand):
    turns = [turn(f"turn-{number}") for number in range(4)]
    recorded.drain()
    langfuse.fails(413, times=1)

    assert outbox.send_once(exporter).confirmed == 4
    assert [len(batch.events) for batch in langfuse.batches] == [0, 4, 4]
    assert set(langfuse.traces) == {whole.id for whole in turns}


def test_a_row_that_is_too_large_alone_is_set_aside_when_others_are_taken(
    langfuse, recorded, exporter, by_hand
):
    large, small = turn("large"), turn("small")
    recorded.drain()
    langfuse.chokes_on(lambda event: event["body"]["id"] == large.id, status=413)

    outbox.send_once(exporter)

    assert row_of(large).export_state == ExportState.REJECTED
    assert row_of(large).export_error.startswith("413: too large")
    assert row_of(small).export_state == ExportState.CONFIRMED


def test_who_was_refused_alone_just_before_the_server_was_well_again_is_not_to_blame(
    langfuse, recorded, exporter, by_hand
):
    for number in range(4):
        turn(f"turn-{number}")
    recorded.drain()
    # 8 events, 4, 2, and the first of them alone; then it is well.
    langfuse.fails(413, times=4)

    sent = outbox.send_once(exporter)

    assert (sent.confirmed, sent.rejected) == (4, 0)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_server_that_refuses_everything_for_a_while_loses_nothing(
    langfuse, recorded, exporter, by_hand, status
):
    for number in range(4):
        turn(f"turn-{number}")
    recorded.drain()
    langfuse.fails(status, times=100)

    sent = outbox.send_once(exporter)

    assert (sent.rejected, sent.kept) == (0, 4)
    assert len(langfuse.batches) < 20  # it is not asked for each event


def test_a_fault_of_the_exporter_loses_nothing(recorded, langfuse, by_hand):
    class Broken(MemoryExporter):
        def send(self, rows, still_sending):
            raise RuntimeError("a fault of ours")

    whole = turn()
    recorded.drain()

    assert outbox.send_once(Broken()).kept == 1
    assert row_of(whole).export_error == "RuntimeError: a fault of ours"


def test_a_row_without_an_answer_is_kept(recorded, langfuse, by_hand):
    class Silent(MemoryExporter):
        def send(self, rows, still_sending):
            receipt = super().send(rows)
            receipt.accepted.clear()
            return receipt

    turn()
    recorded.drain()
    sent = outbox.send_once(Silent())

    assert (sent.kept, str(sent.error)) == (1, "no answer for every event of this row")


def test_two_senders_never_send_the_same_row(langfuse, recorded, by_hand):
    for number in range(60):
        turn(f"turn-{number}")
    recorded.drain()
    seen, start = Counter(), threading.Barrier(4)

    class Counting(MemoryExporter):
        def send(self, rows, still_sending):
            seen.update(row.id for row in rows)
            return super().send(rows)

    def work():
        start.wait()
        try:
            while outbox.send_once(Counting(), batch=7):
                pass
        finally:
            connections.close_all()

    senders = [threading.Thread(target=work) for _ in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()

    assert set(seen.values()) == {1}
    assert states() == {ExportState.CONFIRMED: 60}


def test_rows_of_a_sender_that_died_are_taken_after_its_lease(langfuse, recorded, by_hand):
    whole = turn()
    recorded.drain()
    assert [row.pk for row in outbox._take(TraceRecord, 10)] == [whole.id]

    assert outbox._take(TraceRecord, 10) == []
    assert TraceRecord.objects.due(timezone.now() + outbox.LEASE).exists()
    assert row_of(whole).export_state == ExportState.SENT


def test_a_score_is_sent_replaced_and_taken_back(langfuse, recorded, exporter, by_hand):
    judged = score("t-1", "user_feedback", 1, comment="clear")
    recorded.drain()
    outbox.send_once(exporter)
    assert langfuse.scores[judged.id]["value"] == 1
    assert langfuse.scores[judged.id]["comment"] == "clear"

    score("t-1", "user_feedback", 0, comment="wrong formula")
    recorded.drain()
    outbox.send_once(exporter)
    assert [one["value"] for one in langfuse.scores.values()] == [0]

    for _ in range(2):  # the second time there is nothing to remove
        score("t-1", "user_feedback", None)
        recorded.drain()
        assert outbox.send_once(exporter).confirmed == 1
    assert langfuse.scores == {}


def test_a_score_given_anew_while_it_was_sent_is_sent_again(langfuse, recorded, by_hand):
    class Slow(MemoryExporter):
        def send(self, rows, still_sending):
            score("t-1", "user_feedback", 0)
            recorded.drain()
            return super().send(rows)

    score("t-1", "user_feedback", 1)
    recorded.drain()
    outbox.send_once(Slow())

    assert ScoreRecord.objects.get().export_state == ExportState.NEW
    assert ScoreRecord.objects.get().value == 0


def test_ten_thousand_spans_arrive(sending, recorded):
    with trace("reindex") as whole:
        for number in range(10_000):
            with span(str(number)):
                pass
    recorded.drain(20)
    eventually(all_confirmed, 30)

    assert row_of(whole).status == Outcome.OK
    assert len(sending.observations) == 10_000


def test_what_was_left_at_the_end_goes_out_after_the_next_start(sending, recorded):
    sending.fails(500, times=1_000)
    turn()
    recorded.drain()
    eventually(lambda: sending.batches)
    outbox.stop()
    assert not [t for t in threading.enumerate() if t.name == "tracing-outbox"]

    sending.recovers()
    outbox.wake()
    eventually(all_confirmed)


def test_without_an_exporter_nothing_is_sent_and_no_thread_started(recorded, tracing_settings):
    tracing_settings(EXPORTER=None)
    turn()
    recorded.drain()

    assert states() == {ExportState.LOCAL: 1}
    assert not [t for t in threading.enumerate() if t.name == "tracing-outbox"]


def test_the_pause_doubles_up_to_a_minute():
    pauses = [outbox.backoff_seconds(attempts) for attempts in range(1, 40)]

    assert 1 <= pauses[0] <= 2
    assert 4 <= pauses[2] <= 8
    assert all(30 <= pause <= 60 for pause in pauses[9:])


def test_what_is_new_does_not_wait_as_long_as_what_has_failed_often(
    langfuse, recorded, exporter, by_hand, monkeypatch
):
    monkeypatch.setattr(outbox, "FIRST_BACKOFF_SECONDS", 2.0)
    old, new = turn("old"), turn("new")
    recorded.drain()
    TraceRecord.objects.filter(pk=old.id).update(export_attempts=10)
    langfuse.fails(500)
    outbox.send_once(exporter)

    soon = timezone.now() + timedelta(seconds=3)
    assert row_of(new).export_after < soon < row_of(old).export_after


def test_a_lease_is_prolonged_while_its_rows_are_being_sent(langfuse, recorded, by_hand):
    turn()
    recorded.drain()
    taken_until = []

    class Slow(Exporter):
        def send(self, rows, still_sending):
            TraceRecord.objects.update(export_after=timezone.now() + outbox.LEASE / 2)
            rows[0].export_after = TraceRecord.objects.get().export_after
            still_sending()
            taken_until.append(TraceRecord.objects.get().export_after)
            return Receipt(accepted={rows[0].pk})

    before = timezone.now()
    assert outbox.send_once(Slow()).confirmed == 1

    assert taken_until[0] >= before + outbox.LEASE
    assert states() == {ExportState.CONFIRMED: 1}


def test_resending_leaves_what_another_process_is_sending(langfuse, recorded, by_hand):
    whole = turn()
    recorded.drain()
    [taken] = outbox._take(TraceRecord, 10)
    call_command("resend_traces", stdout=StringIO())

    assert row_of(whole).export_after == taken.export_after
