"""Send rows to Langfuse; the only file that imports its SDK.

Uses the SDK's generated client, whose `ingestion.batch` is synchronous and answers per event. The
high-level client queues in memory, drops what is refused without a word, and its `flush()` blocks.

Written for server v2.95: one create event per row with ids and times of ours; `usage` always, as
integers; `usage_details`, `cost_details` and `environment` are ignored there and not sent.
"""

import json
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from django.utils import timezone

from tracing import conf
from tracing.exporters.base import (
    BatchTooLarge,
    Exporter,
    ExportForbidden,
    ExportUnavailable,
    Receipt,
)
from tracing.models import ObservationRecord, Outcome, ScoreRecord, TraceRecord

# The server takes 4.5 MB; what the SDK's models add to our own count stays below that.
BATCH_BYTES = 2_500_000
BATCH_EVENTS = 500

LEVELS = {
    Outcome.ERROR: "ERROR",
    Outcome.CANCELLED: "WARNING",
    Outcome.INTERRUPTED: "WARNING",
}


class Outbound(NamedTuple):
    """An event of the SDK's, and the row it is a copy of."""

    row_id: str
    event: Any


class LangfuseExporter(Exporter):
    """Sends to `TRACING["LANGFUSE_HOST"]` with the keys beside it."""

    def __init__(self):
        self._client = None

    def send(self, rows: Sequence[TraceRecord | ScoreRecord]) -> Receipt:
        receipt = Receipt()
        outbound: list[Outbound] = []
        for row in rows:
            if isinstance(row, ScoreRecord) and row.value is None:
                self._delete_score(row, receipt)
                continue
            try:
                events = [_score_event(row)] if isinstance(row, ScoreRecord) else _trace_events(row)
            except ValueError as error:  # pydantic: this row can never be sent; the others can
                receipt.rejected[row.id] = f"could not be put into Langfuse's form: {error}"
            else:
                outbound += [Outbound(row.id, event) for event in events]
        unconfirmed = Counter(sent.row_id for sent in outbound)
        for batch in _batches(outbound):
            self._send_batch(batch, unconfirmed, receipt)
        receipt.accepted |= {
            row_id
            for row_id in set(sent.row_id for sent in outbound)
            if unconfirmed[row_id] == 0 and row_id not in receipt.rejected
        }
        return receipt

    def close(self) -> None:
        if self._client is not None:
            self._client._client_wrapper.httpx_client.httpx_client.close()
            self._client = None

    def server_health(self) -> tuple[str, datetime | None]:
        """Return the server's version and what its clock shows. Needs no keys."""
        import httpx

        try:
            answer = httpx.get(
                f"{conf.get('LANGFUSE_HOST').rstrip('/')}/api/public/health",
                timeout=conf.get("LANGFUSE_TIMEOUT_SECONDS"),
            )
            answer.raise_for_status()
            version = str(answer.json()["version"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise ExportUnavailable(f"{type(error).__name__}: {error}") from None
        date = answer.headers.get("date")
        return version, parsedate_to_datetime(date) if date else None

    def project(self) -> tuple[str, str]:
        """Return id and name of the project that the keys belong to."""
        project = self._call(lambda client: client.projects.get()).data[0]
        return project.id, project.name

    def read_trace(self, trace_id: str) -> Any:
        """Return a trace as the server shows it, with its observations; None when it has none."""
        return self._call(lambda client: client.trace.get(trace_id), gone_is_done=True)

    @property
    def client(self):
        """The SDK's generated client, made on first use; it holds a connection and no threads."""
        if self._client is None:
            from langfuse.api.client import FernLangfuse

            self._client = FernLangfuse(
                base_url=conf.get("LANGFUSE_HOST"),
                username=conf.get("LANGFUSE_PUBLIC_KEY"),
                password=conf.get("LANGFUSE_SECRET_KEY"),
                x_langfuse_sdk_name="python",
                x_langfuse_public_key=conf.get("LANGFUSE_PUBLIC_KEY"),
                timeout=conf.get("LANGFUSE_TIMEOUT_SECONDS"),
            )
        return self._client

    def _send_batch(
        self, batch: Sequence[Outbound], unconfirmed: Counter, receipt: Receipt
    ) -> None:
        """Send events; count down `unconfirmed` per row, and note what the server refuses."""
        try:
            answer = self._call(
                lambda client: client.ingestion.batch(batch=[sent.event for sent in batch])
            )
        except BatchTooLarge as error:
            if len(batch) == 1:
                receipt.rejected[batch[0].row_id] = str(error)
                return
            middle = len(batch) // 2
            self._send_batch(batch[:middle], unconfirmed, receipt)
            self._send_batch(batch[middle:], unconfirmed, receipt)
            return
        succeeded = {success.id for success in answer.successes}
        failed = {error.id: error for error in answer.errors}
        for sent in batch:
            error = failed.get(sent.event.id)
            if sent.event.id in succeeded and error is None:
                unconfirmed[sent.row_id] -= 1
            elif error is not None and 400 <= error.status < 500 and error.status != 429:
                reason = f"{error.status} {error.message or ''} {_short(error.error or '')}".strip()
                receipt.rejected.setdefault(sent.row_id, reason)

    def _delete_score(self, row: ScoreRecord, receipt: Receipt) -> None:
        try:
            self._call(lambda client: client.score.delete(row.id), gone_is_done=True)
        except BatchTooLarge as error:
            receipt.rejected[row.id] = str(error)
        else:
            receipt.accepted.add(row.id)

    def _call(self, request, *, gone_is_done: bool = False):
        """Make one request and translate what can go wrong into this app's errors."""
        import httpx
        from langfuse.api.core.api_error import ApiError

        try:
            return request(self.client)
        except ApiError as error:
            status, words = error.status_code, _short(error.body)
        except httpx.HTTPError as error:
            self.close()
            raise ExportUnavailable(f"{type(error).__name__}: {error}") from None
        except (json.JSONDecodeError, ValueError) as error:
            # An answer that is not Langfuse's: a proxy's page, another server on that address.
            raise ExportUnavailable(f"an answer that is not Langfuse's: {error}") from None
        if status == 404 and gone_is_done:
            return None
        # A server that refuses a large body in the middle leaves the connection unusable.
        self.close()
        if status in (401, 403):
            raise ExportForbidden(f"{status}: Langfuse does not accept the keys ({words})")
        if status == 413:
            raise BatchTooLarge(f"413: too large ({words})")
        raise ExportUnavailable(f"{status}: {words}")


def _short(body) -> str:
    words = body if isinstance(body, str) else json.dumps(body, default=str)
    return words[:300]


def _batches(outbound: Sequence[Outbound]) -> Iterator[list[Outbound]]:
    """Split events into batches within the server's limits."""
    batch: list[Outbound] = []
    size = 0
    for sent in outbound:
        event_size = len(sent.event.json())
        if batch and (size + event_size > BATCH_BYTES or len(batch) == BATCH_EVENTS):
            yield batch
            batch, size = [], 0
        batch.append(sent)
        size += event_size
    if batch:
        yield batch


def _envelope() -> dict[str, str]:
    return {"id": str(uuid.uuid4()), "timestamp": timezone.now().isoformat()}


def _trace_events(row: TraceRecord) -> list:
    from langfuse.api import IngestionEvent_TraceCreate, TraceBody

    body = TraceBody(
        id=row.id,
        timestamp=row.started_at,
        name=row.name,
        userId=row.user_id or None,
        sessionId=row.session_id or None,
        release=row.release or None,
        input=row.input,
        output=row.output,
        metadata=row.metadata,
        tags=row.tags,
    )
    return [
        IngestionEvent_TraceCreate(body=body, **_envelope()),
        *(_observation_event(observation) for observation in row.observations.all()),
    ]


def _observation_event(row: ObservationRecord):
    from langfuse.api import (
        CreateGenerationBody,
        CreateSpanBody,
        IngestionEvent_GenerationCreate,
        IngestionEvent_SpanCreate,
    )

    common = {
        "id": row.id,
        "traceId": row.trace_id,
        "parentObservationId": row.parent_id or None,
        "name": row.name,
        "startTime": row.started_at,
        "endTime": row.ended_at,
        "input": row.input,
        "output": row.output,
        "metadata": row.metadata,
        "level": LEVELS.get(row.status, "DEFAULT"),
        "statusMessage": row.status_message or None,
    }
    if row.kind != ObservationRecord.Kind.GENERATION:
        return IngestionEvent_SpanCreate(body=CreateSpanBody(**common), **_envelope())
    first_token_at = None
    if row.first_token_ms is not None:
        first_token_at = row.started_at + timedelta(milliseconds=row.first_token_ms)
    body = CreateGenerationBody(
        **common,
        model=row.model or None,
        modelParameters=row.model_parameters or None,
        completionStartTime=first_token_at,
        usage=_usage(row),
    )
    return IngestionEvent_GenerationCreate(body=body, **_envelope())


def _usage(row: ObservationRecord):
    from langfuse.api import Usage

    # Always sent: without it the server counts for itself, and overwrites what the provider said.
    return Usage(
        input=row.input_tokens or 0,
        output=row.output_tokens or 0,
        total=row.total_tokens or 0,
        unit="TOKENS",
    )


def _score_event(row: ScoreRecord):
    from langfuse.api import IngestionEvent_ScoreCreate, ScoreBody

    body = ScoreBody(
        id=row.id,
        traceId=row.trace_id,
        name=row.name,
        value=row.value,
        comment=row.comment or None,
        dataType="NUMERIC",
    )
    return IngestionEvent_ScoreCreate(body=body, **_envelope())
