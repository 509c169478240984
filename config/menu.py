"""The admin's menu, by what people do, and its colours.

Each entry shows only to those who may see the rows of its model; a group without entries does not
show.
"""

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


def group(title, *entries: tuple) -> dict:
    """Return a group of the theme's sidebar; an entry is (icon, title, app, model).

    Another page than the list may be named after those.
    """
    return {
        "title": title,
        "separator": True,
        "items": [
            {
                "title": name,
                "icon": icon,
                "link": reverse_lazy(f"admin:{app}_{model}_{page[0] if page else 'changelist'}"),
                "permission": _may_view(f"{app}.view_{model}"),
            }
            for icon, name, app, model, *page in entries
        ],
    }


def _may_view(permission: str):
    return lambda request: request.user.has_perm(permission)


NAVIGATION = [
    {"items": [{"title": _("Overview"), "icon": "home", "link": reverse_lazy("admin:index")}]},
    group(
        _("Courses"),
        ("school", _("Courses"), "learning", "course"),
        ("menu_book", _("Chapters"), "learning", "chapter"),
        ("upload_file", _("Imports"), "learning", "courseimport"),
        ("fact_check", _("Review"), "learning", "studyitem", "review"),
        ("quiz", _("Study items"), "learning", "studyitem"),
        ("manufacturing", _("Study jobs"), "learning", "studyartefact"),
    ),
    group(
        _("Students"),
        ("person", _("People"), "learning", "user"),
        ("group_add", _("Enrolments"), "learning", "enrolment"),
        ("forum", _("Conversations"), "learning", "conversation"),
        ("chat", _("Messages"), "learning", "message"),
    ),
    group(
        _("Traces"),
        ("timeline", _("Traces"), "tracing", "tracerecord"),
        ("thumbs_up_down", _("Scores"), "tracing", "scorerecord"),
    ),
    group(
        pgettext_lazy("a group of the menu", "System"),
        ("badge", _("Roles"), "auth", "group"),
        ("database", _("Search index"), "rag", "indexversion"),
        ("notes", _("Passages"), "rag", "chunk"),
        ("task", _("Background jobs"), "django_tasks_database", "dbtaskresult"),
        ("lock", _("Failed log-ins"), "axes", "accessattempt"),
    ),
]

# The blue of the links and buttons that our own pages in the admin have; the theme's is purple.
BLUE = {
    "50": "oklch(97% .014 255)",
    "100": "oklch(93.5% .03 255)",
    "200": "oklch(88% .058 255)",
    "300": "oklch(80.5% .1 255)",
    "400": "oklch(74% .13 256)",
    "500": "oklch(70% .14 257)",
    "600": "oklch(42.5% .125 258)",
    "700": "oklch(38% .12 259)",
    "800": "oklch(34% .1 260)",
    "900": "oklch(30% .08 260)",
    "950": "oklch(23% .06 261)",
}

STYLES = [lambda request: static("learning/admin.css")]
