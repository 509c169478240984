"""Sums over some days' summaries: how much, how long, how it ended."""

from dataclasses import dataclass, field
from decimal import Decimal

from django.utils.functional import cached_property

from tracing import summaries
from tracing.models import DailySummary


@dataclass
class Times:
    """How long things took, in milliseconds; None where nothing was timed."""

    buckets: dict[str, int]

    @cached_property
    def p50(self) -> float | None:
        return summaries.percentile(self.buckets, 0.5)

    @cached_property
    def p95(self) -> float | None:
        return summaries.percentile(self.buckets, 0.95)


@dataclass
class Sums:
    """The sums of some summaries."""

    rows: list[DailySummary] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.traces)

    def _sum(self, name: str):
        return sum(getattr(row, name) for row in self.rows)

    @cached_property
    def traces(self) -> int:
        return self._sum("traces")

    @cached_property
    def stopped(self) -> int:
        return self._sum("stopped")

    @cached_property
    def interrupted(self) -> int:
        return self._sum("interrupted")

    @cached_property
    def input_tokens(self) -> int:
        return self._sum("input_tokens")

    @cached_property
    def output_tokens(self) -> int:
        return self._sum("output_tokens")

    @cached_property
    def cost(self) -> Decimal | None:
        """The known part of it; None when no trace has a price, which is not free."""
        if self.traces and self.unpriced >= self.traces:
            return None
        return self._sum("cost") or Decimal()

    @cached_property
    def unpriced(self) -> int:
        return self._sum("unpriced")

    @cached_property
    def thumbs_up(self) -> int:
        return self._sum("thumbs_up")

    @cached_property
    def thumbs_down(self) -> int:
        return self._sum("thumbs_down")

    @cached_property
    def errors(self) -> int:
        return sum(self.errors_by_kind.values())

    @cached_property
    def errors_by_kind(self) -> dict[str, int]:
        by_kind = summaries.add_up(row.errors for row in self.rows)
        return dict(sorted(by_kind.items(), key=lambda item: (-item[1], item[0])))

    @cached_property
    def warnings_by_step(self) -> dict[str, int]:
        by_step = summaries.add_up(row.warnings for row in self.rows)
        return dict(sorted(by_step.items(), key=lambda item: (-item[1], item[0])))

    @cached_property
    def error_share(self) -> float:
        return 100 * self.errors / self.traces if self.traces else 0.0

    @cached_property
    def first_token(self) -> Times:
        return Times(summaries.add_up(row.first_token_buckets for row in self.rows))

    @cached_property
    def duration(self) -> Times:
        return Times(summaries.add_up(row.duration_buckets for row in self.rows))
