"""What templates need to say about a text."""

from django import template
from django.utils.safestring import SafeString

from learning.rendering import render_title

register = template.Library()


@register.filter
def html_lang(code: str) -> str:
    """Turn a language code of the settings into the tag that HTML wants: `zh-hans` → `zh-Hans`."""
    language, _, script = code.partition("-")
    return f"{language}-{script.title()}" if len(script) == 4 else code


@register.filter
def with_formulas(title: object) -> SafeString:
    """Show the formulas and the code of a title as such."""
    return render_title(str(title))
