"""One log line for each request, in the form of all others, with the id that its traces carry.

Outside Django, so that any server's requests look alike; the servers' own access logs are switched
off for it (`daphne -v 0`, `uvicorn --no-access-log`). The address without its query: what was
searched for, and a token in a link, are nobody's to read.
"""

import logging
import time

import structlog

from tracing.middleware import request_id

logger = logging.getLogger("coursetrace.requests")

HEADER = b"x-request-id"
SILENT = ("/static/", "/favicon.ico")


class RequestLog:
    """ASGI application: `app`, with a line about what became of each request and websocket."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        scope, path = _with_id(scope), scope["path"]
        began = time.perf_counter()
        status = None

        async def noting(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        # A websocket's frames are many and not looked at; its line comes when it ends.
        is_page = scope["type"] == "http"
        try:
            await self.app(scope, receive, noting if is_page else send)
        finally:
            if not path.startswith(SILENT):
                method = scope["method"] if is_page else "WEBSOCKET"
                seconds = round(time.perf_counter() - began, 3)
                said = {"method": method, "path": path, "status": status, "seconds": seconds}
                words = f"{method} {path} {status}" if is_page else f"{method} {path}"
                logger.info("%s, %g s", words, seconds, extra=said)


def _with_id(scope: dict) -> dict:
    """Settle the id of this request, and bind it for all that it does.

    The threads of its database work are included, and the turn that it starts.
    """
    headers = dict(scope["headers"])
    found = request_id(headers.get(HEADER, b"").decode("latin-1"))
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=found)
    others = [pair for pair in scope["headers"] if pair[0] != HEADER]
    return {**scope, "headers": [*others, (HEADER, found.encode())]}
