"""What was asked and answered, as staff read it in the admin."""

from django import template
from django.utils.html import format_html, linebreaks
from django.utils.safestring import SafeString, mark_safe

from learning.models import Message
from learning.rendering import language_of, render_quote
from learning.templatetags.learning_text import html_lang

register = template.Library()


@register.filter
def said(message: Message) -> SafeString:
    """Show an answer as its student reads it, and a question as it was typed."""
    course_language = message.conversation.course.language
    if message.role == Message.Role.USER:
        html = mark_safe(linebreaks(message.text, autoescape=True))  # noqa: S308 - escaped
        language = course_language
    else:
        html, language = render_quote(message.text), language_of(message.text, course_language)
    return format_html('<div class="said" lang="{}">{}</div>', html_lang(language), html)
