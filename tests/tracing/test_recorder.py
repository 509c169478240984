"""Rows are written, on a thread of their own, whatever the caller and the database do."""

import logging
import sqlite3
import threading
import time
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, connections, transaction

from tests.tracing.conftest import eventually, row_of
from tracing import Usage, generation, outbox, score, span, trace, trace_page
from tracing.models import ExportState, ObservationRecord, Outcome, ScoreRecord, TraceRecord
from tracing.recorder import get_recorder, use_recorder

pytestmark = pytest.mark.django_db(transaction=True)


def recorder_threads():
    return [thread for thread in threading.enumerate() if thread.name == "tracing-recorder"]


def test_a_running_trace_has_a_row_already(recorded):
    with trace("ai_chat", input={"user_message": "why?"}, session_id="s-1") as turn:
        assert recorded.drain()
        row = row_of(turn)
        assert (row.status, row.ended_at, row.session_id) == (Outcome.RUNNING, None, "s-1")
        assert row.input == {"user_message": "why?"}
        assert row.metadata == {"status": "running"}
        assert row.export_state == ExportState.LOCAL

    recorded.drain()
    assert row_of(turn).status == Outcome.OK


def test_the_final_row_has_everything(recorded):
    with trace("ai_chat", user_id="u-1", tags=["assistant"], metadata={"course": "plants"}) as turn:
        with span("retrieve", input="why?") as found:
            with generation("embedding", model="minilm") as embedding:
                embedding.usage = Usage(input=5)
            found.output = [{"id": 1, "score": 0.5}]
        parameters = {"temperature": 0.5}
        with generation("llm_call", model="gpt-4o-mini", model_parameters=parameters) as answer:
            answer.chunk_received()
            answer.output, answer.usage = "because", Usage(input=10, output=3, is_estimate=True)
        turn.output = {"response": "because"}
    recorded.drain()

    row = row_of(turn)
    assert (row.name, row.user_id, row.tags) == ("ai_chat", "u-1", ["assistant"])
    assert row.output == {"response": "because"}
    assert row.metadata == {"course": "plants", "status": "ok"}
    assert (row.model, row.total_tokens, row.usage_is_estimate) == ("gpt-4o-mini", 13, True)
    assert row.duration_ms == turn.duration_ms
    retrieve, embedding, llm_call = row.observations.all()
    assert (retrieve.kind, retrieve.parent_id, retrieve.output) == (
        "SPAN",
        "",
        [{"id": 1, "score": 0.5}],
    )
    assert (embedding.parent_id, embedding.input_tokens) == (retrieve.id, 5)
    assert (llm_call.kind, llm_call.model_parameters) == ("GENERATION", parameters)
    assert llm_call.metadata == {"duration_ms": llm_call.duration_ms, "usage_is_estimate": True}
    assert 0 <= llm_call.first_token_ms <= llm_call.duration_ms


def test_what_the_caller_rolls_back_stays_recorded(recorded):
    with pytest.raises(ValueError, match="undo"), transaction.atomic():
        with trace("ai_chat") as turn:
            raise ValueError("undo")
    assert recorded.drain()

    assert row_of(turn).status == Outcome.ERROR


def test_a_locked_database_is_waited_for(impatient_database, recorded, caplog):
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with caplog.at_level(logging.WARNING, "tracing"), trace("ai_chat") as turn:
            began = time.perf_counter()
            with span("retrieve"):
                pass
            assert time.perf_counter() - began < 0.05  # the traced code does not wait
            time.sleep(2)
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert recorded.drain(10)

    assert "traces wait for it" in caplog.text
    assert row_of(turn).observations.count() == 1


@pytest.fixture
def full_disk():
    """No connection opened from now on gets the file to grow, until `full_disk()` makes room."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # leave no page empty inside
    options = connections.settings["default"]["OPTIONS"]
    before = options["init_command"]
    options["init_command"] = f"{before} PRAGMA max_page_count=1;"  # what it has is the least

    def make_room():
        options["init_command"] = before

    yield make_room
    make_room()


def test_a_full_disk_is_waited_for(full_disk, recorded, caplog):
    with caplog.at_level(logging.WARNING, "tracing"):
        turns = []
        for number in range(30):
            with trace("ai_chat", input=f"{number} " * 10_000) as turn, span("retrieve"):
                pass
            turns.append(turn)
        eventually(lambda: "database or disk is full" in caplog.text)
        assert not TraceRecord.objects.exists()
        full_disk()
        assert recorded.drain(10)

    assert {row_of(turn).status for turn in turns} == {Outcome.OK}
    assert row_of(turns[-1]).input == turns[-1].input
    assert ObservationRecord.objects.count() == 30


def test_a_database_that_is_locked_while_langfuse_answers_is_told_later_and_once(
    impatient_database, langfuse, recorded, monkeypatch
):
    monkeypatch.setattr(outbox, "LEASE", timedelta(seconds=1))
    other = sqlite3.connect(
        connection.settings_dict["NAME"], isolation_level=None, check_same_thread=False
    )
    langfuse._on_event = lambda event: other.in_transaction or other.execute("BEGIN EXCLUSIVE")
    try:
        with trace("ai_chat") as turn:
            pass
        langfuse.wait_for(lambda server: server.batches and server.batches[0].status)
        time.sleep(0.5)  # in which nothing can be written down
        assert row_of(turn).export_state == ExportState.SENT
    finally:
        langfuse._on_event = None
        other.execute("ROLLBACK")
        other.close()

    eventually(lambda: row_of(turn).export_state == ExportState.CONFIRMED)
    assert list(langfuse.traces) == [turn.id]


def test_one_row_that_cannot_be_written_does_not_lose_the_others(
    impatient_database, recorded, caplog
):
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with caplog.at_level(logging.CRITICAL, "tracing"):
        score("t-0", "user_feedback", 1)
        assert not recorded.drain(0.2)
        # While the database is away, what follows gathers into one batch.
        score(None, "user_feedback", 1)  # a score of nothing: the database refuses it
        with trace("after"):
            pass
        score("t-1", "user_feedback", 1)
        other.execute("ROLLBACK")
        other.close()
        assert recorded.drain()

    assert TraceRecord.objects.get().name == "after"
    assert set(ScoreRecord.objects.values_list("trace_id", flat=True)) == {"t-0", "t-1"}


def test_a_step_that_cannot_be_written_does_not_lose_its_trace(recorded, caplog):
    with caplog.at_level(logging.ERROR, "tracing"), trace("ai_chat") as turn:
        with span("good"):
            pass
        with span("bad") as bad:
            pass
        bad.started_at = None
        assert recorded.drain()
    assert recorded.drain()

    assert [step.name for step in row_of(turn).observations.all()] == ["good"]
    assert "could not be written" in caplog.text


def test_a_nonsense_of_the_provider_does_not_cost_the_row(recorded):
    with trace(7, user_id=12, session_id=None) as turn:
        with generation("llm \udc80 call\x00", model=None) as answer:
            answer.usage = Usage(input=-1, output=2**40, total="many")
            answer.model_parameters = {"stop": ["\n"], "response_format": {"type": "json"}}
    recorded.drain()

    row = row_of(turn)
    assert (row.name, row.user_id, row.session_id) == ("7", "12", "")
    [step] = row.observations.all()
    assert (step.name, step.model, step.input_tokens) == ("llm \ufffd call", "", None)
    assert step.model_parameters == {"stop": '["\\n"]', "response_format": '{"type": "json"}'}


def test_without_content_times_and_counts_stay(recorded, tracing_settings):
    tracing_settings(CAPTURE_CONTENT=False)
    with pytest.raises(ValueError, match="secret"), trace("ai_chat", input="secret") as turn:
        turn.output, turn.metadata["note"] = "secret", "secret"
        with generation("llm_call", model="m", input="secret") as answer:
            answer.usage = Usage(input=3, output=2)
        raise ValueError("secret")
    score(turn.id, "user_feedback", 1, comment="secret")
    recorded.drain()

    row = row_of(turn)
    assert (row.status, row.total_tokens, row.status_message) == (Outcome.ERROR, 5, "")
    kept = [*TraceRecord.objects.values(), *ObservationRecord.objects.values()]
    assert "secret" not in str([*kept, *ScoreRecord.objects.values()])


def test_secrets_are_masked_in_every_field(recorded):
    mail = "alice@example.org"
    with pytest.raises(ValueError), trace(f"ask {mail}", input=mail, tags=[mail]) as turn:
        turn.output, turn.metadata = [mail], {mail: mail}
        with generation(mail, model=mail, model_parameters={"user": mail}):
            raise ValueError(mail)
    score(turn.id, "user_feedback", 0, comment=f"call {mail}")
    recorded.drain()

    kept = [*TraceRecord.objects.values(), *ObservationRecord.objects.values()]
    written = str([*kept, *ScoreRecord.objects.values()])
    assert mail not in written
    # trace: name, input, output, tag, metadata (name and value), model, message;
    # step: name, model, parameter, message; score: comment
    assert written.count("[e-mail]") == 8 + 4 + 1


def fail(value: str) -> str:
    raise RuntimeError(value)


def test_a_mask_that_raises_costs_the_words_and_not_the_trace(recorded, tracing_settings):
    tracing_settings(MASK="tests.tracing.test_recorder.fail")
    with pytest.raises(ValueError, match="secret"), trace("ai_chat", input="secret") as turn:
        turn.output, turn.metadata["note"] = ["secret"], "secret"
        with generation("llm_call", model="m", input="secret") as answer:
            answer.usage = Usage(input=3, output=2)
            raise ValueError("secret")
    score(turn.id, "user_feedback", 0, comment="secret")
    assert recorded.drain()

    row = row_of(turn)
    assert (row.status, row.total_tokens, row.observations.count()) == (Outcome.ERROR, 5, 1)
    assert row.input == "[not kept: masking failed with RuntimeError]"
    kept = [*TraceRecord.objects.values(), *ObservationRecord.objects.values()]
    assert "secret" not in str([*kept, *ScoreRecord.objects.values()])


mask_may_go_on = threading.Event()


def hang(value: str) -> str:
    mask_may_go_on.wait(1)
    return value.upper()


def test_a_mask_that_hangs_does_not_hold_who_traces(recorded, tracing_settings):
    tracing_settings(MASK="tests.tracing.test_recorder.hang")
    mask_may_go_on.clear()
    for _ in range(3):
        with trace("ai_chat", input="why?") as turn, span("retrieve", input="why?"):
            pass
    # The caller is through with all three; the mask is still at the first.
    assert not recorded.drain(0.1)
    assert not TraceRecord.objects.exists()

    mask_may_go_on.set()
    assert recorded.drain()
    assert row_of(turn).input == "WHY?"


def test_a_model_instance_arrives_in_langfuse_as_its_label_and_key(langfuse, recorded):
    user = get_user_model()(pk=7)
    with trace("odd", input=user, metadata={"who": user}) as turn:
        turn.output = [user]

    described = f"<{user._meta.label} 7>"
    copy = langfuse.wait_for(lambda server: server.traces.get(turn.id))
    assert (copy["input"], copy["output"]) == (described, [described])
    assert copy["metadata"]["who"] == described


def test_a_score_is_replaced_and_taken_back(recorded):
    score("t-1", "user_feedback", 1)
    recorded.drain()
    score("t-1", "user_feedback", 0, comment="wrong formula")
    recorded.drain()
    [row] = ScoreRecord.objects.all()
    assert (row.value, row.comment) == (0, "wrong formula")

    score("t-1", "user_feedback", None)
    recorded.drain()
    assert ScoreRecord.objects.get().value is None


def test_closing_writes_what_waits_and_a_later_trace_starts_anew(recorded):
    for number in range(500):
        with trace(f"trace-{number}"):
            pass
    assert recorded.close()
    assert TraceRecord.objects.filter(status=Outcome.OK).count() == 500
    assert recorder_threads() == []

    with trace("later") as later:
        pass
    assert recorded.drain()
    assert row_of(later).status == Outcome.OK
    assert len(recorder_threads()) == 1


def test_draining_says_when_the_time_was_too_short(impatient_database, recorded, caplog):
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with caplog.at_level(logging.CRITICAL, "tracing"):
        with trace("ai_chat") as turn:
            pass
        assert not recorded.drain(0.2)
        other.execute("ROLLBACK")
        other.close()
        assert recorded.drain()
    assert row_of(turn)


def test_an_exporter_that_cannot_be_built_does_not_end_the_writing(
    recorded, tracing_settings, caplog
):
    tracing_settings(EXPORTER="tests.tracing.no_such_module.Exporter")
    with caplog.at_level(logging.ERROR, "tracing"):
        for name in ("first", "second"):
            with trace(name):
                pass
            assert recorded.drain()

    assert TraceRecord.objects.count() == 2
    assert "the outbox does not start" in caplog.text


def test_a_trace_of_ten_thousand_steps_is_written_whole(recorded):
    with trace("reindex") as whole:
        for number in range(10_000):
            with span(f"chunk {number}"):
                pass
    assert recorded.drain(20)

    assert row_of(whole).observations.count() == 10_000


def test_the_recorder_is_what_the_settings_name_and_one_per_process(tracing_settings):
    tracing_settings(RECORDER="tracing.recorder.MemoryRecorder")
    before = use_recorder(None)
    try:
        assert type(get_recorder()).__name__ == "MemoryRecorder"
        assert get_recorder() is get_recorder()
    finally:
        use_recorder(before)


def test_no_trace_is_written_by_more_than_one_thread(recorded):
    def work():
        for _ in range(20):
            with trace("job"), span("step"):
                pass

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert recorded.drain()

    assert TraceRecord.objects.filter(status=Outcome.OK).count() == 160
    assert ObservationRecord.objects.count() == 160
    assert len(eventually(recorder_threads)) == 1


def test_a_value_of_the_wrong_kind_costs_no_trace(recorded):
    with trace("ai_chat", tags="course", metadata="a note") as turn:
        with span("retrieve", metadata=["a", "list"]) as found:
            found.status = "error"
        with generation("llm_call") as answer:
            answer.metadata, answer.usage = None, {"input": "many"}
        turn.status = "splendid"
    recorded.drain()

    row = row_of(turn)
    assert (row.tags, row.metadata["metadata"], row.status) == (["course"], "a note", "error")
    steps = {step.name: step for step in row.observations.all()}
    assert steps["retrieve"].metadata == {"metadata": ["a", "list"]}
    assert steps["retrieve"].status == "error"
    assert "duration_ms" in steps["llm_call"].metadata


def test_metadata_of_too_many_things_stays_metadata(recorded):
    with trace("ai_chat", metadata={str(n): "x" * 30 for n in range(20_000)}) as turn:
        pass
    recorded.drain()

    metadata = row_of(turn).metadata
    assert metadata["status"] == "ok"
    assert trace_page.timeline(row_of(turn), first=1, with_content=True).total == 0
