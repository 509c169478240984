"""The one application that a server runs: pages and websockets."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.sessions import CookieMiddleware
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
pages = get_asgi_application()  # first: it makes the apps ready that the lines below import from

from config import health, lifecycle  # noqa: E402
from config.origin import SameOriginValidator  # noqa: E402
from config.request_log import RequestLog  # noqa: E402
from learning.routing import conversation_id, websocket_urlpatterns  # noqa: E402
from learning.socket_auth import SocketAuthMiddleware  # noqa: E402
from tracing.middleware import TracingASGIMiddleware  # noqa: E402

# The origin check stands outside of it: cookies alone would let any page open a socket.
chat = CookieMiddleware(
    SocketAuthMiddleware(
        TracingASGIMiddleware(URLRouter(websocket_urlpatterns), session_id=conversation_id)
    )
)
application = ProtocolTypeRouter(
    {
        "http": health.Probes(RequestLog(pages)),
        "websocket": RequestLog(SameOriginValidator(chat)),
        "lifespan": lifecycle.lifespan,
    }
)
if settings.UPKEEP:
    lifecycle.start()
