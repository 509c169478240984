"""Words of the admin's theme, named here so that our catalogs translate them: it has none."""

from django.utils.translation import gettext_noop

WORDS = (
    gettext_noop("Filters"),
    gettext_noop("Type to search"),
    gettext_noop("Light"),
    gettext_noop("Dark"),
    gettext_noop("System"),
)
