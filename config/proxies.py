"""Where a request comes from, when proxies stand between: each adds the address that it saw.

Only as many entries are believed as there are proxies of ours (DJANGO_PROXIES); what stands left
of them, the client has written itself.
"""

import ipaddress

from django.conf import settings


def client_address(request) -> str | None:
    """Return the address of the client; None where there is none, as on a Unix socket."""
    seen = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if 0 < settings.PROXIES <= len(seen):
        if address := _address(seen[-settings.PROXIES]):
            return address
    return _address(request.META.get("REMOTE_ADDR") or "")


def _address(text: str) -> str | None:
    """Some proxies add the port: 192.0.2.1:443, [2001:db8::1]:443."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    # A subscriber has a whole network of these, so the network counts.
    return str(ipaddress.ip_network((int(address), 64), strict=False).network_address)
