"""Filters of the trace list and the trace page."""

from decimal import Decimal

from django import template
from django.utils.html import format_html
from django.utils.translation import gettext as _

from tracing import conf
from tracing.models import ScoreRecord

register = template.Library()


@register.filter
def seconds(milliseconds: float | None) -> str:
    """Write a duration as people read it: 640 ms, 1.32 s, 2 min 5 s."""
    if milliseconds is None:
        return "–"
    if milliseconds < 10:
        return f"{milliseconds:.1f} ms"
    if milliseconds < 1_000:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1_000:.2f} s"
    whole = round(milliseconds / 1_000)
    return f"{whole // 60} min {whole % 60} s"


@register.filter
def money(dollars: Decimal | float | None) -> str:
    """Write US dollars with as many digits as a small sum needs: $12.30, $0.0123, $0.00000045."""
    if dollars is None:
        return "–"
    dollars = Decimal(str(dollars))
    if not dollars:
        return "$0"
    places = 2 if abs(dollars) >= 1 else max(4, 1 - dollars.adjusted())
    return f"${dollars:,.{places}f}"


def is_thumb(score: ScoreRecord) -> bool:
    """Whether the score is a person's thumb, up or down."""
    return score.name == conf.get("FEEDBACK_SCORE") and score.value in (0, 1)


@register.filter
def judgement(score: ScoreRecord) -> str:
    """Write the value of a score: a thumb as a sign and a word, others as a number."""
    if not is_thumb(score):
        return f"{score.value:.3g}"
    if score.value:
        return format_html('<span class="trace-status trace-ok">▲ {}</span>', _("up"))
    return format_html('<span class="trace-status trace-error">▼ {}</span>', _("down"))
