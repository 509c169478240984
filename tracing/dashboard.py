"""What the dashboard shows, worked out of the daily summaries and the state of the outbox.

Makes no markup, asks no network, and takes the same few queries whatever there is.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from django.db import DatabaseError
from django.db.models import Count, Min
from django.utils import timezone

from tracing import conf, summaries
from tracing.daily_sums import Sums
from tracing.models import DailySummary, ExportHealth, ExportState, ScoreRecord, TraceRecord

logger = logging.getLogger(__name__)

RANGES = (1, 7, 30, 90)  # days, today included
USUAL_RANGE = 7
MOST_LINES = 50  # of a table: what comes after the busiest fifty
OLD_BACKLOG = timedelta(minutes=15)


@dataclass(frozen=True)
class Choice:
    """What a person asked to see. A name is one kind of work; None: all groups, all models."""

    days: int
    name: str
    group: str | None
    model: str | None
    today: date

    @property
    def first_day(self) -> date:
        return self.today - timedelta(days=self.days - 1)

    def query(self, **changes) -> str:
        """Return the parameters of the dashboard with these changes; None leaves one out."""
        asked = {"days": self.days, "name": self.name, "group": self.group, "model": self.model}
        asked |= changes
        return "?" + urlencode({key: value for key, value in asked.items() if value is not None})

    def list_query(self, *, day: date | None = None, **lookups) -> str:
        """Return the parameters of the trace list for what is shown, narrowed by the lookups."""
        first, last = (day, day) if day else (self.first_day, self.today)
        asked = {
            "name__exact": self.name,
            "group__exact": self.group,
            "model__exact": self.model,
            "started_at__gte": summaries.beginning(first).isoformat(),
            "started_at__lt": summaries.beginning(last + timedelta(days=1)).isoformat(),
        } | lookups
        return "?" + urlencode({key: value for key, value in asked.items() if value is not None})


@dataclass
class Line:
    """One line of a table: a day, a group, a model or a name."""

    key: str | date
    sums: Sums
    query: str  # shows only this on the dashboard; "" where that cannot be asked for
    list_query: str  # shows its traces
    is_chosen: bool = False


@dataclass
class Backlog:
    """What the other side does not have yet, and what it said last."""

    has_exporter: bool
    traces: int
    scores: int
    oldest: datetime | None  # when the oldest of it was made
    rejected: int
    health: ExportHealth | None
    now: datetime

    @property
    def waiting(self) -> int:
        return self.traces + self.scores

    @property
    def are_keys_refused(self) -> bool:
        return bool(self.health and self.health.state == ExportHealth.State.FORBIDDEN)

    @property
    def is_old(self) -> bool:
        return bool(self.oldest and self.now - self.oldest >= OLD_BACKLOG)

    @property
    def has_something_to_say(self) -> bool:
        return self.has_exporter or bool(self.waiting or self.rejected)


@dataclass
class Dashboard:
    choice: Choice
    sums: Sums
    days: list[Line]  # every day of the range, the empty ones too
    names: list[Line]
    groups: list[Line]
    models: list[Line]
    backlog: Backlog
    summarised_at: datetime | None

    @property
    def is_filtered(self) -> bool:
        return self.choice.group is not None or self.choice.model is not None


def make(parameters: Mapping[str, str]) -> Dashboard:
    """Return what the page shows for these GET parameters; nonsense in them counts as absent."""
    try:
        summaries.refresh_for_a_look()
    except DatabaseError:
        logger.exception("the days could not be summarised; the dashboard shows what there is")
    now = timezone.now()
    today = now.astimezone(UTC).date()
    days = _number(parameters.get("days"))
    days = days if days in RANGES else USUAL_RANGE
    rows = list(DailySummary.objects.filter(day__gt=today - timedelta(days=days), day__lte=today))
    choice = _choice(parameters, days, today, rows)
    named = [row for row in rows if row.name == choice.name]
    # A table of courses shows all of them, one chosen or not: so a click leads to the next.
    of_model = [row for row in named if choice.model in (None, row.model)]
    of_group = [row for row in named if choice.group in (None, row.group)]
    shown = [row for row in of_model if choice.group in (None, row.group)]
    return Dashboard(
        choice=choice,
        sums=Sums(shown),
        days=_days(choice, shown),
        names=_lines(choice, "name", rows, group=None, model=None),
        groups=_lines(choice, "group", of_model),
        models=_lines(choice, "model", of_group),
        backlog=_backlog(now),
        summarised_at=max((row.summarised_at for row in rows), default=None),
    )


def _choice(parameters, days: int, today: date, rows: list[DailySummary]) -> Choice:
    return Choice(
        days=days,
        name=_known("name", parameters, rows) or _usual_name(rows),
        group=_known("group", parameters, rows),
        model=_known("model", parameters, rows),
        today=today,
    )


def _known(kind: str, parameters: Mapping[str, str], rows: list[DailySummary]) -> str | None:
    value = parameters.get(kind)
    if not value or "\0" in value:  # PostgreSQL takes no NUL
        return None
    # What had no traces in this range, but in another, stays chosen from range to range.
    is_known = (
        any(getattr(row, kind) == value for row in rows)
        or DailySummary.objects.filter(**{kind: value}).exists()
    )
    return value if is_known else None


def _usual_name(rows: list[DailySummary]) -> str:
    """Return the kind of work that answers most: what people wait for, not a job."""
    answers: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for row in rows:
        answered, traces = answers[row.name]
        answers[row.name] = (
            answered + sum(row.first_token_buckets.values()),
            traces + row.traces,
        )
    return max(sorted(answers), key=answers.get, default="")


def _days(choice: Choice, rows: list[DailySummary]) -> list[Line]:
    by_day = _grouped("day", rows)
    days = (choice.first_day + timedelta(days=number) for number in range(choice.days))
    return [Line(day, Sums(by_day.get(day, [])), "", choice.list_query(day=day)) for day in days]


def _lines(choice: Choice, kind: str, rows: list[DailySummary], **without) -> list[Line]:
    chosen = getattr(choice, kind)
    lines = [
        Line(
            key,
            Sums(of_key),
            query=choice.query(**{kind: key}, **without) if key else "",
            list_query=choice.list_query(**{f"{kind}__exact": key, **_exactly(without)}),
            is_chosen=key == chosen,
        )
        for key, of_key in _grouped(kind, rows).items()
    ]
    return sorted(lines, key=lambda line: (-line.sums.traces, line.key))[:MOST_LINES]


def _exactly(without: dict) -> dict:
    return {f"{kind}__exact": value for kind, value in without.items()}


def _grouped(kind: str, rows: Iterable[DailySummary]) -> dict:
    grouped = defaultdict(list)
    for row in rows:
        grouped[getattr(row, kind)].append(row)
    return grouped


def _backlog(now: datetime) -> Backlog:
    waiting_scores = ScoreRecord.objects.waiting().order_by()
    scores = waiting_scores.aggregate(count=Count("pk"), oldest=Min("updated_at"))
    # By state, not by `waiting()`: the index of the states gives the oldest at once, and a backlog
    # of a hundred thousand rows need not be read.
    oldest = [
        TraceRecord.objects.filter(export_state=state)
        .order_by("started_at")
        .values_list("started_at", flat=True)
        .first()
        for state in (ExportState.NEW, ExportState.SENT)
    ]
    return Backlog(
        has_exporter=bool(conf.get("EXPORTER")),
        traces=TraceRecord.objects.waiting().order_by().count(),
        scores=scores["count"],
        oldest=min((moment for moment in [*oldest, scores["oldest"]] if moment), default=None),
        rejected=TraceRecord.objects.filter(export_state=ExportState.REJECTED).count(),
        health=ExportHealth.objects.order_by("-heard_at").first(),
        now=now,
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 4 else None
