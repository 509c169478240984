"""Make a million traces in a database of their own, to look at the admin with.

    DATABASE_URL=sqlite:///million.sqlite3 python -m bench.million --traces 1000000

One trace in ten, the newest, has its words at full length and four observations; the others have
a short question and answer, so that the file stays below 4 GB. Rows go in past the ORM (COPY on
PostgreSQL): that takes a tenth of the time.
"""

import argparse
import json
import os
import random
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

BATCH = 20_000
WITH_STEPS = 10  # one in this many has observations
DAYS = 120
WORDS = "limit slope function value tangent curve series sum term error model data weight".split()
MODELS = ["gpt-4o-mini", "glm-4-flash", "deepseek-chat", "qwen-plus"]
COURSES = ["calculus", "machine-learning-zh", "plants", "statics", "databases"]
ERRORS = ["ModelUnavailable", "RateLimited", "ContextTooLong"]
RARE_ERROR = "RequestRefused"
TRACE_COLUMNS = (
    "id name status status_message error_type input output metadata started_at ended_at "
    "duration_ms first_token_ms model input_tokens output_tokens total_tokens usage_is_estimate "
    "cost export_state exported_at export_error export_attempts export_after user_id session_id "
    "request_id release tags group content_state process"
).split()
STEP_COLUMNS = (
    "id trace_id parent_id position kind name status status_message error_type input output "
    "metadata model_parameters started_at ended_at duration_ms first_token_ms model input_tokens "
    "output_tokens total_tokens usage_is_estimate cost input_cost output_cost"
).split()
SCORE_COLUMNS = (
    "id trace_id name value comment updated_at export_state exported_at export_error "
    "export_attempts export_after"
).split()


def fill(connection, traces: int, *, seed: int = 1) -> None:
    """Put `traces` traces, spread over four months, into the empty tables of a database."""
    from tracing.models import ObservationRecord, ScoreRecord, TraceRecord

    models = (TraceRecord, ObservationRecord, ScoreRecord)
    indexes = [(model, index) for model in models for index in model._meta.indexes]
    # Made at the end, an index takes a fraction of the time.
    with connection.schema_editor() as schema:
        for model, index in indexes:
            schema.remove_index(model, index)
    chance = random.Random(seed)  # noqa: S311  the same rows each time, no secret
    made = _rows(chance, traces)
    while batch := [row for _, row in zip(range(BATCH), made, strict=False)]:
        _insert(connection, "tracing_tracerecord", TRACE_COLUMNS, [row[0] for row in batch])
        steps = [step for row in batch for step in row[1]]
        _insert(connection, "tracing_observationrecord", STEP_COLUMNS, steps)
        scores = [row[2] for row in batch if row[2]]
        _insert(connection, "tracing_scorerecord", SCORE_COLUMNS, scores)
    with connection.schema_editor() as schema:
        for model, index in indexes:
            schema.add_index(model, index)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def _rows(chance: random.Random, traces: int) -> Iterator[tuple]:
    """Yield (trace, observations, score or None), oldest first."""
    texts = _Texts(chance)
    users = [f"u_{chance.getrandbits(80):020x}" for _ in range(max(10, traces // 250))]
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(days=DAYS)
    gap = timedelta(days=DAYS) / traces
    session, user = "", ""
    for number in range(traces):
        if number % 8 == 0:
            session, user = str(uuid.UUID(int=chance.getrandbits(128))), chance.choice(users)
        started = began + number * gap
        full = number >= traces - traces // WITH_STEPS
        yield _trace(chance, texts, number, started, session, user, full)


def _trace(chance, texts, number, started, session, user, full) -> tuple:
    trace_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    first_token, duration = chance.lognormvariate(6.5, 0.6), chance.lognormvariate(8.2, 0.7)
    duration = max(duration, first_token + 50)
    ended = started + timedelta(milliseconds=duration)
    status, error = "ok", ""
    if number % 100_000 == 77:
        status, error = "error", RARE_ERROR
    elif (luck := chance.random()) < 0.03:
        status, error = "error", chance.choice(ERRORS)
    elif luck < 0.06:
        status = "cancelled"
    model = chance.choice(MODELS)
    course = COURSES[min(int(chance.expovariate(1)), len(COURSES) - 1)]
    read, written = chance.randrange(800, 4_000), chance.randrange(50, 900)
    cost = f"{read * 15e-8 + written * 6e-7:.9f}" if model != "qwen-plus" else None
    message = "The model was not reached." if error else ""
    trace = (
        trace_id, "ai_chat" if chance.random() < 0.97 else "generate_quiz", status, message, error,
        texts.asked[full], texts.answered[full], '{"status": "ok"}', started, ended,
        duration, first_token, model, read, written, read + written, False, cost,
        "rejected" if number % 50_000 == 9 else "confirmed", ended, "", 1, None, user, session,
        uuid.UUID(int=chance.getrandbits(128)).hex, "1.0", f'["assistant", "course:{course}"]',
        course, "kept", "web:1:1",
    )  # fmt: skip
    steps = _steps(texts, trace_id, started, duration, first_token, model, read, written)
    score = None
    if chance.random() < 0.08:
        thumb = float(chance.random() < 0.7)
        score = (f"{trace_id}-f", trace_id, "user_feedback", thumb, "", ended, "confirmed", ended,
                 "", 1, None)  # fmt: skip
    return trace, list(steps) if full else [], score


def _steps(texts, trace_id, started, duration, first_token, model, read, written):
    search = first_token / 2
    plan = [
        ("retrieve", "SPAN", "", 0.0, search, texts.question, texts.passages),
        ("embedding", "GENERATION", "-0", 1.0, search / 3, '{"text_count": 1}', '{"n": 384}'),
        ("rerank", "SPAN", "-0", search / 2, search / 2, texts.candidates, texts.reranked),
        ("llm_call", "GENERATION", "", search, duration - search, texts.messages, texts.answer),
    ]
    for position, (name, kind, inside, at, lasts, read_in, out) in enumerate(plan):
        begins = started + timedelta(milliseconds=at)
        calls = name == "llm_call"
        yield (
            f"{trace_id}-{position}", trace_id, f"{trace_id}{inside}" if inside else "", position,
            kind, name, "ok", "", "", read_in, out, "{}", "{}", begins,
            begins + timedelta(milliseconds=lasts), lasts, search if calls else None,
            model if kind == "GENERATION" else "", read if calls else None,
            written if calls else None, read + written if calls else None, False, None, None, None,
        )  # fmt: skip


class _Texts:
    """Content of the sizes that real turns have, written once and used again."""

    def __init__(self, chance: random.Random):
        def words(count):
            return " ".join(chance.choices(WORDS, k=count))

        passages = [
            {"id": number, "title": words(3), "heading_path": [words(2)], "score": 0.5,
             "text": words(70)}
            for number in range(6)
        ]  # fmt: skip
        candidates = [
            {"id": number, "position": number + 1, "lexical_position": number + 1,
             "dense_position": None, "score": 0.02, "title": words(3)}
            for number in range(20)
        ]  # fmt: skip
        results = [
            {"id": 19 - number, "position_before": 20 - number, "position_after": number + 1,
             "score_before": 0.02, "score_after": 0.4, "kept": number < 6}
            for number in range(20)
        ]  # fmt: skip
        prompt = words(450)
        self.question = json.dumps({"query": words(12)})
        self.passages = json.dumps({"passages": passages, "is_weak": False})
        self.candidates = json.dumps({"query": words(12), "candidates": candidates})
        self.reranked = json.dumps({"reranked_count": 20, "results": results})
        self.messages = json.dumps(
            [{"role": "system", "content": prompt}, {"role": "user", "content": words(12)}]
        )
        self.answer = json.dumps(words(180))
        self.asked = {
            True: json.dumps({"user_message": words(12), "system_prompt": prompt}),
            False: json.dumps({"user_message": words(12)}),
        }
        self.answered = {
            True: json.dumps({"response": words(180), "response_length": 1_100}),
            False: json.dumps({"response": words(20)}),
        }


def _insert(connection, table: str, columns: list[str], rows: list[tuple]) -> None:
    if not rows:
        return
    names = ", ".join(f'"{column}"' for column in columns)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as to:
            for row in rows:
                to.write_row(row)
        return
    marks = ", ".join(["%s"] * len(columns))
    # SQLite keeps times as text, in UTC, without saying so.
    kept = [
        [f"{cell:%Y-%m-%d %H:%M:%S.%f}" if isinstance(cell, datetime) else cell for cell in row]
        for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", kept)  # noqa: S608


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--traces", type=int, default=1_000_000)
    traces = parser.parse_args().traces

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    began = time.monotonic()
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=OFF")
            cursor.execute("PRAGMA cache_size=-1000000")
    fill(connection, traces)
    print(f"{traces:,} traces in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
