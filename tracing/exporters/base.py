"""What an exporter is, and what can go wrong when it sends.

ExportError
├── ExportUnavailable   refused, time-out, 429, 5xx    everything is kept and tried again
├── ExportForbidden     401, 403                       kept, tried again seldom, staff are told
├── BatchTooLarge       413                            kept, sent again in halves
└── BatchRefused        400, 422 for a whole batch     kept, sent again in halves: one is poison
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tracing.models import ScoreRecord, TraceRecord


class ExportError(Exception):
    """Nothing of the batch can be taken as sent."""


class ExportUnavailable(ExportError):
    pass


class ExportForbidden(ExportError):
    pass


class BatchTooLarge(ExportError):
    pass


class BatchRefused(ExportError):
    pass


@dataclass
class Receipt:
    """What became of each row of a batch, by its id. Rows in neither are to be sent again."""

    accepted: set[str] = field(default_factory=set)
    rejected: dict[str, str] = field(default_factory=dict)


def unheard() -> None:
    """What `still_sending` is where nobody asks."""


class Exporter(ABC):
    """Sends copies of rows somewhere, synchronously; called from the outbox's thread only."""

    @abstractmethod
    def send(
        self, rows: Sequence[TraceRecord | ScoreRecord], still_sending: Callable[[], None] = unheard
    ) -> Receipt:
        """Send rows, each trace with its observations, and say what became of each.

        Sending a row again must be harmless. Call `still_sending` after each request, so that
        nobody else takes the rows meanwhile. Raises one of the errors above when nothing of the
        batch can be taken as sent.
        """

    def close(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of connections."""
