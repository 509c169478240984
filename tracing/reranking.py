"""What the trace page shows of a rerank step: a line per candidate, from proposal to citation.

Reads the names that such a step is recorded under: input `candidates` (id, title,
lexical_position, dense_position), output `results` (id, position_before, position_after,
score_before, score_after, kept, dropped), metadata `gave_up`. Of the trace it reads the metadata
`given` and `cited`, each a list of {"n": mark in the answer, "id": candidate}.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_noop

from tracing.blocks import as_metadata
from tracing.models import ObservationRecord

# A reranker that keeps what it was given gives the scores back, but for rounding.
SAME_SCORE = 0.0002
FIRST_SHOWN = 10  # lines, and all down to the last that was kept
FEWEST_FOLDED = 4  # fewer are not worth a click
# Why a candidate was dropped, as recorded: what is written otherwise is shown as it is.
REASONS = (gettext_noop("near copy"), gettext_noop("not among the best"))


@dataclass
class Line:
    """One candidate. Positions count from 1; None: not known, or that ranker did not propose it."""

    id: Any
    title: str
    lexical_position: int | None
    dense_position: int | None
    position_before: int | None
    position_after: int | None
    score_before: float | None
    score_after: float | None
    is_kept: bool
    dropped_because: str
    mark: int | None = None  # its number in the prompt, [n]; None: not given to the model
    is_cited: bool = False

    @property
    def rise(self) -> int:
        """By how many places the reranker moved it up; negative: down."""
        if self.position_before is None or self.position_after is None:
            return 0
        return self.position_before - self.position_after

    @property
    def fall(self) -> int:
        return -self.rise

    @property
    def is_unchanged(self) -> bool:
        if None in (self.position_before, self.position_after, self.score_before, self.score_after):
            return False
        return not self.rise and abs(self.score_before - self.score_after) <= SAME_SCORE


@dataclass
class Reranking:
    """The candidates, best first. `is_idle`: order and scores are those before."""

    lines: list[Line]
    has_given_up: bool  # the fused order stands

    @property
    def is_idle(self) -> bool:
        return all(line.is_unchanged for line in self.lines)

    @property
    def keeps_order(self) -> bool:
        return self.is_idle or self.has_given_up

    @property
    def kept(self) -> int:
        return sum(line.is_kept for line in self.lines)

    @property
    def given(self) -> int:
        return sum(line.mark is not None for line in self.lines)

    @property
    def cited(self) -> int:
        return sum(line.is_cited for line in self.lines)

    @property
    def _shown(self) -> int:
        kept = [place for place, line in enumerate(self.lines, start=1) if line.is_kept]
        shown = max(FIRST_SHOWN, *kept, 0)
        return shown if len(self.lines) - shown >= FEWEST_FOLDED else len(self.lines)

    @property
    def parts(self) -> list[list[Line]]:
        """The lines that are shown, and those that are folded."""
        return [self.lines[: self._shown], self.lines[self._shown :]]


def reranking(row: ObservationRecord, trace_metadata: Any = None) -> Reranking | None:
    """Return what became of the candidates of a rerank step; None where nothing was reranked."""
    if not isinstance(row.input, dict) or not isinstance(row.output, dict):
        return None
    candidates, results = row.input.get("candidates"), row.output.get("results")
    if not isinstance(candidates, list) or not isinstance(results, list):
        return None
    proposed = {_key(item): item for item in candidates if isinstance(item, dict)}
    found = [item for item in results if isinstance(item, dict)]
    # By its final place, if that is known; a stable sort leaves the others in the order recorded.
    found.sort(key=lambda item: _count(item.get("position_after")) or math.inf)
    lines = [_line({**proposed.get(_key(item), {}), **item}) for item in found]
    _mark(lines, as_metadata(trace_metadata))
    has_given_up = as_metadata(row.metadata).get("gave_up") is True
    return Reranking(lines, has_given_up) if lines else None


def _line(item: dict) -> Line:
    return Line(
        id=item.get("id"),
        title=str(item.get("title") or ""),
        lexical_position=_count(item.get("lexical_position")),
        dense_position=_count(item.get("dense_position")),
        position_before=_count(item.get("position_before")),
        position_after=_count(item.get("position_after")),
        score_before=_number(item.get("score_before")),
        score_after=_number(item.get("score_after")),
        is_kept=bool(item.get("kept")),
        dropped_because=str(item.get("dropped") or ""),
    )


def _mark(lines: list[Line], metadata: dict) -> None:
    given, cited = dict(_marks(metadata.get("given"))), dict(_marks(metadata.get("cited")))
    for line in lines:
        line.mark = cited.get(str(line.id), given.get(str(line.id)))
        line.is_cited = str(line.id) in cited


def _marks(passages: Any) -> Iterator[tuple[str, int]]:
    for item in passages if isinstance(passages, list) else []:
        if isinstance(item, dict) and _count(item.get("n")) is not None:
            yield _key(item), item["n"]


def _key(item: dict) -> str:
    return str(item.get("id"))


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
