"""Bring events to Langfuse in batches, and find out what became of each row."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from tracing.exporters.base import BatchRefused, BatchTooLarge, ExportUnavailable, Receipt
from tracing.exporters.langfuse_events import Event

# The server takes 4.5 MB; less is gentler to both sides.
BATCH_BYTES = 1_000_000
BATCH_EVENTS = 500

# Sends a batch and returns the server's answer: `successes` and `errors`, by event id.
Post = Callable[[Sequence[Event]], dict[str, Any]]


class Delivery:
    """One attempt to bring some rows over. A row is accepted when each of its events is."""

    def __init__(self, post: Post, still_sending: Callable[[], None]):
        self._still_sending = still_sending
        self.receipt = Receipt()
        self._post = post
        self._unconfirmed: Counter[str] = Counter()
        self._suspects: list[tuple[Event, str]] = []  # refused alone, with the server's words
        self._witness: Event | None = None  # one that the server took

    def of(self, events: Iterable[Event]) -> Receipt:
        for batch in _batches(events):
            self._unconfirmed.update(event.row_id for event in batch)
            self._send(batch)
        self._judge()
        self.receipt.accepted |= {
            row_id
            for row_id, count in self._unconfirmed.items()
            if count == 0 and row_id not in self.receipt.rejected
        }
        return self.receipt

    def _send(self, batch: Sequence[Event]) -> None:
        self._still_sending()
        try:
            answer = self._post(batch)
        except (BatchTooLarge, BatchRefused) as error:
            if len(batch) == 1:
                self._suspect(batch[0], str(error))
                return
            # One event spoils the batch: in halves of halves it ends up alone.
            middle = len(batch) // 2
            self._send(batch[:middle])
            self._send(batch[middle:])
            return
        self._read(answer, batch)

    def _read(self, answer: dict[str, Any], batch: Sequence[Event]) -> None:
        succeeded = {success["id"] for success in answer["successes"]}
        failed = {error["id"]: error for error in answer["errors"]}
        for event in batch:
            error = failed.get(event.id)
            if event.id in succeeded and error is None:
                self._unconfirmed[event.row_id] -= 1
                self._witness = event
            elif error is not None and 400 <= error["status"] < 500 and error["status"] != 429:
                self.receipt.rejected.setdefault(event.row_id, _words_of(error))

    def _suspect(self, event: Event, words: str) -> None:
        if self._suspects and self._witness is None:
            raise ExportUnavailable(words)  # the second in a row: it is the server's fault
        self._suspects.append((event, words))

    def _judge(self) -> None:
        """Set rows aside whose event is refused alone by a server that takes another one.

        It may refuse everything for a while, or a proxy in front of it: then nobody is to blame. So
        another event goes first, and then each suspect once more.
        """
        if not self._suspects:
            return
        try:
            if self._witness is None:
                raise BatchRefused
            self._post([self._witness])
        except (BatchTooLarge, BatchRefused):
            raise ExportUnavailable(self._suspects[0][1]) from None
        for event, words in self._suspects:
            try:
                self._read(self._post([event]), [event])
            except (BatchTooLarge, BatchRefused):
                self.receipt.rejected.setdefault(event.row_id, words)


def _words_of(error: dict[str, Any]) -> str:
    details = error.get("error") or ""
    if not isinstance(details, str):
        details = json.dumps(details, ensure_ascii=False)
    return f"{error['status']} {error.get('message') or ''} {details[:300]}".strip()


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
