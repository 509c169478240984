"""A row of the results: what was measured, beside what, and the limit the project sets itself."""

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any, NotRequired, TypedDict


class Row(TypedDict):
    """One line of a table.

    `limit` begins with ≤ or ≥. One that ends in × is held against `ratio`, any other against
    `value`. `peer` names what `ratio` is a ratio to, with its own figure from the same run.
    """

    what: str
    value: float | None
    unit: str
    limit: NotRequired[str | float | None]
    peer: NotRequired[str | None]
    ratio: NotRequired[float | None]


def is_reached(row: Row) -> bool | None:
    """Whether the row keeps its limit; None when it has none."""
    limit = row.get("limit")
    if limit is None or limit == "":
        return None
    words = limit if isinstance(limit, str) else f"≤ {limit}"  # a bare number is the most
    number = float(words.strip("≤≥× ").split()[0].replace(",", ""))
    measured = row.get("ratio") if words.rstrip().endswith("×") else row["value"]
    if measured is None or math.isnan(measured):
        return False
    return measured >= number if words.startswith("≥") else measured <= number


def percentile(values: Iterable[float], share: float) -> float:
    """The value that `share` of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def median(values: Iterable[float]) -> float:
    values = list(values)
    return statistics.median(values) if values else math.nan


def paired_ratio(values: Sequence[float], peers: Sequence[float]) -> float:
    """The median of the ratios round by round: both sides of each saw the same machine."""
    return median(value / peer for value, peer in zip(values, peers, strict=True))


def spread(values: Sequence[float], peers: Sequence[float]) -> str:
    """How far the middle half of the rounds lies apart: what a ratio may be trusted to."""
    ratios = [value / peer for value, peer in zip(values, peers, strict=True)]
    return f"half of the rounds {percentile(ratios, 0.25):.2f}–{percentile(ratios, 0.75):.2f}"


def number(value: Any) -> str:
    """A figure as people read it: three digits that count, thousands marked."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "—"
    if not isinstance(value, int | float):
        return str(value)
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"
