"""What templates need to say about a text."""

from django import template

register = template.Library()


@register.filter
def html_lang(code: str) -> str:
    """Turn a language code of the settings into the tag that HTML wants: `zh-hans` → `zh-Hans`."""
    language, _, script = code.partition("-")
    return f"{language}-{script.title()}" if len(script) == 4 else code
