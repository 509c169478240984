"""Which content security policy a page gets: the students' or, under the admin, the theme's.

The policies themselves stand in the settings. A response that brings its own keeps it.
"""

import base64
import functools
import hashlib
import re

from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse

STYLE = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL)


class PolicyMiddleware(CSPMiddleware):
    def get_policy_parts(self, request, response, report_only=False) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if parts.config is None and not report_only and _is_of_the_admin(request):
            directives = settings.ADMIN_CONTENT_SECURITY_POLICY["DIRECTIVES"]
            styles = (*directives["style-src"], *_theme_styles())
            parts.config = {**directives, "style-src": styles}
        return parts


def _is_of_the_admin(request) -> bool:
    return request.path_info.startswith(reverse("admin:index"))


def _theme_styles() -> tuple[str, ...]:
    try:
        return hashes_of_theme_styles()
    except ValueError:  # static files were not collected, so the page has no style anyway
        return ()


@functools.cache
def hashes_of_theme_styles() -> tuple[str, ...]:
    """Return a source for each style element of the theme's frame: its colours.

    Read from the frame as nobody in particular sees it, empty: a style element that has got into a
    page by other ways has another hash.
    """
    request = HttpRequest()
    request.META["SCRIPT_NAME"] = ""
    request.user = AnonymousUser()
    frame = render_to_string(
        "unfold/layouts/skeleton.html", admin.site.each_context(request), request
    )
    return tuple(_source(style) for style in STYLE.findall(frame))


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
