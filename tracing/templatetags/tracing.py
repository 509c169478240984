"""Filters of the trace page."""

from django import template

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
