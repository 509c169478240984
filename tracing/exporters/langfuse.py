"""Send rows to Langfuse; the only file that imports its SDK.

Uses the SDK's generated client for its address, keys and connection, and `POST ingestion`, which
answers per event. The high-level client queues in memory, drops what is refused without a word, and
its `flush()` blocks. What is sent is built in `langfuse_events`.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from tracing import conf
from tracing.exporters.base import (
    BatchRefused,
    BatchTooLarge,
    Exporter,
    ExportForbidden,
    ExportUnavailable,
    Receipt,
)
from tracing.exporters.langfuse_events import Event, events_of
from tracing.models import ScoreRecord, TraceRecord

# The server takes 4.5 MB; less is gentler to both sides.
BATCH_BYTES = 1_000_000
BATCH_EVENTS = 500


class LangfuseExporter(Exporter):
    """Sends to `TRACING["LANGFUSE_HOST"]` with the keys beside it."""

    def __init__(self):
        self._client = None

    def send(self, rows: Sequence[TraceRecord | ScoreRecord]) -> Receipt:
        receipt = Receipt()
        unconfirmed: Counter[str] = Counter()
        taken_back = [row for row in rows if isinstance(row, ScoreRecord) and row.value is None]
        for row in taken_back:
            self._delete_score(row, receipt)
        for batch in _batches(events_of([row for row in rows if row not in taken_back])):
            unconfirmed.update(event.row_id for event in batch)
            self._send_batch(batch, unconfirmed, receipt)
        receipt.accepted |= {
            row_id
            for row_id, count in unconfirmed.items()
            if count == 0 and row_id not in receipt.rejected
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

    def score_with_public_key(self, row: ScoreRecord) -> None:
        """Send a score with the public key alone, as a browser would.

        The only request that tells whether that key is real: with both keys, the server looks the
        caller up by the secret one. It lands in the project of the public key, whatever the
        trace's.
        """
        bearer = f"Bearer {conf.get('LANGFUSE_PUBLIC_KEY')}"
        answer = self._post(list(events_of([row])), Authorization=bearer)
        for error in answer["errors"]:
            raise ExportUnavailable(f"{error['status']}: {_short(error)}")

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

    def _send_batch(self, batch: Sequence[Event], unconfirmed: Counter, receipt: Receipt) -> None:
        """Send events; count down `unconfirmed` per row, and note what the server refuses."""
        try:
            answer = self._post(batch)
        except (BatchTooLarge, BatchRefused) as error:
            if len(batch) == 1:
                receipt.rejected.setdefault(batch[0].row_id, str(error))
                return
            # One event spoils the batch: in halves of halves it ends up alone.
            middle = len(batch) // 2
            self._send_batch(batch[:middle], unconfirmed, receipt)
            self._send_batch(batch[middle:], unconfirmed, receipt)
            return
        succeeded = {success["id"] for success in answer["successes"]}
        failed = {error["id"]: error for error in answer["errors"]}
        for event in batch:
            error = failed.get(event.id)
            if event.id in succeeded and error is None:
                unconfirmed[event.row_id] -= 1
            elif error is not None and 400 <= error["status"] < 500 and error["status"] != 429:
                words = f"{error.get('message') or ''} {_short(error.get('error') or '')}"
                receipt.rejected.setdefault(event.row_id, f"{error['status']} {words}".strip())

    def _post(self, events: Sequence[Event], **headers: str) -> dict[str, Any]:
        """Send one batch and return what the server says of each event."""

        def request(client):
            from langfuse.api.core.api_error import ApiError

            wrapper = client._client_wrapper
            response = wrapper.httpx_client.httpx_client.post(
                f"{wrapper.get_base_url().rstrip('/')}/api/public/ingestion",
                content=b'{"batch":[%s]}' % b",".join(event.json for event in events),
                headers={
                    **wrapper.get_headers(),
                    "Content-Type": "application/json",
                    **headers,
                },
            )
            if not response.is_success:
                raise ApiError(status_code=response.status_code, body=_words_of(response))
            answer = response.json()
            if not isinstance(answer, dict) or not {"successes", "errors"} <= answer.keys():
                raise ValueError(_short(answer))
            return answer

        return self._call(request)

    def _delete_score(self, row: ScoreRecord, receipt: Receipt) -> None:
        try:
            self._call(lambda client: client.score.delete(row.id), gone_is_done=True)
        except (BatchTooLarge, BatchRefused) as error:
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
            status, body, words = error.status_code, error.body, _short(error.body)
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
        if status in (400, 422) and isinstance(body, dict):  # its own words, not a proxy's page
            raise BatchRefused(f"{status}: refused ({words})")
        if status in (401, 403):
            raise ExportForbidden(f"{status}: Langfuse does not accept the keys ({words})")
        if status == 413:
            raise BatchTooLarge(f"413: too large ({words})")
        raise ExportUnavailable(f"{status}: {words}")


def _short(body) -> str:
    words = body if isinstance(body, str) else json.dumps(body, default=str)
    return words[:300]


def _words_of(response) -> Any:
    try:
        return response.json()
    except ValueError:
        return response.text


def _batches(events: Iterable[Event]) -> Iterator[list[Event]]:
    """Gather events into batches within the server's limits."""
    batch: list[Event] = []
    size = 0
    for event in events:
        if batch and (size + len(event.json) > BATCH_BYTES or len(batch) == BATCH_EVENTS):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += len(event.json)
    if batch:
        yield batch
