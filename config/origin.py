"""Who may open a websocket: pages of this very site.

A browser sends a site's cookies along with a websocket that any other page opens, so the origin is
all that tells them apart. Compared with the host that was asked, port included: another port of the
same machine is another site.
"""

from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import split_domain_port, validate_host


class SameOriginValidator:
    """Refuse a websocket whose `Origin` is neither this host nor in CSRF_TRUSTED_ORIGINS."""

    def __init__(self, application):
        self.application = application
        self.refuse = WebsocketDenier()

    async def __call__(self, scope, receive, send):
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        origin, host = headers.get(b"origin", ""), headers.get(b"host", "")
        allowed = _is_ours(host) and _is_same(origin, host)
        return await (self.application if allowed else self.refuse)(scope, receive, send)


def _is_ours(host: str) -> bool:
    """Whether the host is one that this site is known by: names can be made to point here."""
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def _is_same(origin: str, host: str) -> bool:
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False
