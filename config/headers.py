"""What a browser may do with a page, beside the content security policy: store it, use devices.

Files under /static/ are served before these are reached, and keep their own headers.
"""

from django.conf import settings

from config.responses import changing_responses


def _set_headers(request, response) -> None:
    response.headers.setdefault("Permissions-Policy", settings.PERMISSIONS_POLICY)
    # Told by the cookie: to look into the session would make every page vary by it. What a person
    # has read or asked must not be found in the browser after they have logged out; a page for
    # everybody may be kept, but is asked for again: it holds the token of a form.
    has_session = settings.SESSION_COOKIE_NAME in request.COOKIES
    response.headers.setdefault(
        "Cache-Control", "private, no-store" if has_session else "private, no-cache"
    )


headers_middleware = changing_responses(_set_headers)
