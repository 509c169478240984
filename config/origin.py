"""Who may open a websocket: pages of this very site.

A browser sends a site's cookies along with a websocket that any other page opens, so the origin is
all that tells them apart. Compared with the host that was asked, port included: another port of the
same machine is another site. Where the site is reached by https, its http pages are another site
too: whoever sits on the line can write them.
"""

from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host

REFUSED = 4403


class SameOriginValidator:
    """Refuse a websocket whose `Origin` is neither this host nor in CSRF_TRUSTED_ORIGINS."""

    def __init__(self, application):
        self.application = application

    async def __call__(self, scope, receive, send):
        # A browser sends each once; of two that differ, a proxy may have looked at the other.
        origins, hosts = _headers(scope, b"origin"), _headers(scope, b"host")
        if len(origins) == len(hosts) == 1 and _is_allowed(origins[0], hosts[0]):
            return await self.application(scope, receive, send)
        # By hand: a consumer of Channels would look after the database connections first.
        await receive()
        await send({"type": "websocket.close", "code": REFUSED})


def _headers(scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _is_allowed(origin: str, host: str) -> bool:
    if not _is_ours(host):
        return False
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    schemes = ("https",) if settings.SECURE_SSL_REDIRECT else ("http", "https")
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in schemes and parts.netloc.lower() == host.lower()


def _is_ours(host: str) -> bool:
    """Whether the host is one that this site is known by: names can be made to point here."""
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
