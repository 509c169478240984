"""`{% tracing_dashboard %}`: the dashboard, for any page of an admin.

The charts are SVG made here: no script, nothing fetched.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from tracing import conf, dashboard
from tracing.daily_sums import Sums, Times
from tracing.templatetags.tracing import money, seconds

register = template.Library()

HEIGHT = 100  # of a chart, in its own units; a day is one unit wide
GAP = 0.12  # of a day, on either side of its bar


@register.inclusion_tag("tracing/dashboard.html", takes_context=True)
def tracing_dashboard(context):
    """Show what was traced: turns, tokens, cost, times, errors, thumbs, and the export.

    Nothing is asked of the database for who may not view traces.
    """
    request = context["request"]
    if not request.user.has_perm("tracing.view_tracerecord"):
        return {}
    made = dashboard.make(request.GET)
    return {
        "dashboard": made,
        # What Langfuse said may quote what it refused.
        "may_read": request.user.has_perm("tracing.read_content"),
        "ranges": [(days, made.choice.query(days=days)) for days in dashboard.RANGES],
        "errors": [
            (kind, count, made.choice.list_query(status__exact="error", error_type__exact=kind))
            for kind, count in made.sums.errors_by_kind.items()
        ],
        "warnings": [
            (step, count, made.choice.list_query(warned=step))
            for step, count in made.sums.warnings_by_step.items()
        ],
        "errors_query": made.choice.list_query(status__exact="error"),
        "chips": [
            (label, getattr(made.choice, kind), made.choice.query(**{kind: None}))
            for kind, label in (("group", conf.get("GROUP_LABEL")), ("model", _("model")))
            if getattr(made.choice, kind) is not None
        ],
        "charts": [chart for chart in charts(made) if chart.highest]
        if made.choice.days > 1
        else [],
        "first_day": made.days[0].key,
        "last_day": made.days[-1].key,
        "group_label": conf.get("GROUP_LABEL"),
        "list_url": reverse(
            "admin:tracing_tracerecord_changelist",
            current_app=getattr(request, "current_app", None),
        ),
        "refused_query": "?export_state__exact=rejected",
        "waiting_query": "?export_state__exact=new",
    }


@register.filter
def lasting(since: datetime) -> str:
    """Say how long ago that was, and not "0 minutes"."""
    if timezone.now() - since < timedelta(minutes=1):
        return _("less than a minute")
    return timesince(since)


@register.filter
def number(value: int | float, places: int = 0) -> str:
    """Write a number as the language groups its digits."""
    return number_format(round(value, places), places, use_l10n=True, force_grouping=True)


@dataclass
class Bar:
    """One day of a chart: two parts, one upon the other."""

    left: float
    width: float
    lower: float
    upper: float
    words: str

    @property
    def lower_top(self) -> float:
        return HEIGHT - self.lower

    @property
    def upper_top(self) -> float:
        return HEIGHT - self.lower - self.upper


@dataclass
class Chart:
    title: str
    lower: str  # what the lower part of a bar is
    upper: str  # … and the upper; "": there is none
    highest: float
    most: str  # the same in words
    bars: list[Bar]

    @property
    def length(self) -> int:
        return len(self.bars)


def charts(made: dashboard.Dashboard) -> Iterator[Chart]:
    yield _chart(
        made, _("Traces"), _("without error"), _("with an error"), number,
        lambda sums: (sums.traces - sums.errors, sums.errors),
    )  # fmt: skip
    yield _chart(
        made, _("Time to first token"), _("half within"), _("95 % within"), seconds,
        lambda sums: _beyond(sums.first_token), upper_includes_lower=True,
    )  # fmt: skip
    yield _chart(
        made, _("Duration"), _("half within"), _("95 % within"), seconds,
        lambda sums: _beyond(sums.duration), upper_includes_lower=True,
    )  # fmt: skip
    yield _chart(
        made, _("Tokens"), _("input"), _("output"), number,
        lambda sums: (sums.input_tokens, sums.output_tokens),
    )  # fmt: skip
    yield _chart(made, _("Cost"), _("cost"), "", money, lambda sums: (float(sums.cost or 0), 0))
    yield _chart(
        made, _("Feedback"), _("thumbs up"), _("thumbs down"), number,
        lambda sums: (sums.thumbs_up, sums.thumbs_down),
    )  # fmt: skip


def _beyond(times: Times) -> tuple[float, float]:
    """Return the median, and how much further the 95th percentile lies."""
    return (times.p50, times.p95 - times.p50) if times.p50 is not None else (0, 0)


def _chart(
    made: dashboard.Dashboard,
    title: str,
    lower: str,
    upper: str,
    write: Callable[[float], str],
    parts: Callable[[Sums], tuple[float, float]],
    *,
    upper_includes_lower: bool = False,
) -> Chart:
    values = [parts(line.sums) for line in made.days]
    most = max(sum(pair) for pair in values)
    bars = []
    for place, (line, (below, above)) in enumerate(zip(made.days, values, strict=True)):
        said = [f"{lower} {write(below)}"]
        if upper:
            said.append(f"{upper} {write(below + above if upper_includes_lower else above)}")
        bars.append(
            Bar(
                left=place + GAP,
                width=1 - 2 * GAP,
                lower=_height(below, most),
                upper=_height(above, most),
                words=f"{date_format(line.key)}: {', '.join(said)}",
            )
        )
    return Chart(title, lower, upper, most, write(most), bars)


def _height(value: float, most: float) -> float:
    return round(HEIGHT * value / most, 2) if most else 0.0
