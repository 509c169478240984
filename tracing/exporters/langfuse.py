"""Send rows to Langfuse; the only file that imports its SDK.

Uses the SDK's generated client for its address, keys and connection, and `POST ingestion`, which
answers per event. The high-level client queues in memory, drops what is refused without a word, and
its `flush()` blocks. What is sent is built in `langfuse_events`.
"""

import functools
import json
from collections.abc import Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any

# Here and not where it is used: whoever looks it up while a thread of ours is importing it (openai
# does) finds half a module. `TracingConfig.ready` has it imported before there are threads.
import httpx

from tracing import conf
from tracing.exporters.base import (
    BatchRefused,
    BatchTooLarge,
    Exporter,
    ExportForbidden,
    ExportUnavailable,
    Receipt,
    unheard,
)
from tracing.exporters.langfuse_delivery import Delivery
from tracing.exporters.langfuse_events import Event, events_of
from tracing.forking import no_fork
from tracing.models import ScoreRecord, TraceRecord


class LangfuseExporter(Exporter):
    """Sends to `TRACING["LANGFUSE_HOST"]` with the keys beside it."""

    def __init__(self):
        self._client = None

    def send(self, rows: Sequence[TraceRecord | ScoreRecord], still_sending=unheard) -> Receipt:
        delivery = Delivery(self._post, still_sending)
        remaining = []
        for row in rows:
            if isinstance(row, ScoreRecord) and row.value is None:
                self._call(lambda client, score_id=row.id: client.score.delete(score_id), gone=True)
                delivery.receipt.accepted.add(row.id)
            else:
                remaining.append(row)
        return delivery.of(events_of(remaining))

    def close(self) -> None:
        if self._client is not None:
            self._client._client_wrapper.httpx_client.httpx_client.close()
            self._client = None

    def server_health(self) -> tuple[str, datetime | None]:
        """Return the server's version and what its clock shows. Needs no keys."""
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
        return self._call(lambda client: client.trace.get(trace_id), gone=True)

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
            self._client = _sdk().client.FernLangfuse(
                base_url=conf.get("LANGFUSE_HOST"),
                username=conf.get("LANGFUSE_PUBLIC_KEY"),
                password=conf.get("LANGFUSE_SECRET_KEY"),
                x_langfuse_sdk_name="python",
                x_langfuse_public_key=conf.get("LANGFUSE_PUBLIC_KEY"),
                timeout=conf.get("LANGFUSE_TIMEOUT_SECONDS"),
            )
        return self._client

    def _post(self, events: Sequence[Event], **headers: str) -> dict[str, Any]:
        """Send one batch and return what the server says of each event."""

        def request(client):
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
                raise _sdk().api_error.ApiError(
                    status_code=response.status_code, body=_words_of(response)
                )
            answer = response.json()
            if not isinstance(answer, dict) or not {"successes", "errors"} <= answer.keys():
                raise ValueError(_short(answer))
            return answer

        return self._call(request)

    def _call(self, request, *, gone: bool = False):
        """Make one request and translate what can go wrong into this app's errors."""
        try:
            return request(self.client)
        except _sdk().api_error.ApiError as error:
            status, body, words = error.status_code, error.body, _short(error.body)
        except httpx.HTTPError as error:
            self.close()
            raise ExportUnavailable(f"{type(error).__name__}: {error}") from None
        except (json.JSONDecodeError, ValueError) as error:
            # An answer that is not Langfuse's: a proxy's page, another server on that address.
            raise ExportUnavailable(f"an answer that is not Langfuse's: {error}") from None
        if status == 404 and gone:
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


@functools.cache
def _sdk() -> SimpleNamespace:
    """Import the SDK, on first use: half a second that no other command needs."""
    # A child forked in the middle of an import waits for its end for ever.
    with no_fork():
        from langfuse.api import client
        from langfuse.api.core import api_error
    return SimpleNamespace(client=client, api_error=api_error)


def _short(body) -> str:
    words = body if isinstance(body, str) else json.dumps(body, default=str)
    return words[:300]


def _words_of(response) -> Any:
    try:
        return response.json()
    except ValueError:
        return response.text
