"""How a page or a slide is called."""

from django.utils.translation import gettext as _

from learning.documents.pages import Page


def page_label(page: Page) -> str:
    """Return what a reader is shown, such as “p. 12”, in the language that is active."""
    if page.kind == "slide":
        return _("slide %(number)d") % {"number": page.number}
    return _("p. %(number)d") % {"number": page.number}
