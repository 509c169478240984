"""The connections to providers: the openai package's requests, carried by aiohttp.

One pool per event loop, for all models. Not the package's own aiohttp transport, because

- an answer's body is read straight from aiohttp here (`AnswerBody`), six layers less, and no
  oftener than it can be shown;
- what is not read to its end is cut off at once. Closing a TLS connection in good order waits half
  a minute for the provider's farewell, and meanwhile the provider goes on generating;
- the certificates are loaded once per process, and not on the event loop (30 ms).

Imported at the first question: it takes half a second.
"""

import asyncio
import functools
import math
import ssl
import urllib.request
import weakref
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from contextvars import ContextVar

import aiohttp
import httpx2
from yarl import URL

MOST_CONNECTIONS = 2_000  # of one process; whoever comes later waits for a free one
IDLE_SECONDS = 30.0  # a connection that is kept for the next question; servers keep theirs longer
NAMES_SECONDS = 60  # a name that was looked up is not looked up again
# A round of the event loop for twenty answers costs little more than for one: what it runs is at
# hand. With more, they wait for each other.
TOGETHER = 20
MOST_GRAIN_SECONDS = 0.02
REFUSAL_BYTES = 64 * 1024  # of a refusal's body; what it says stands at its beginning
REFUSAL_SECONDS = 2.0

# The transports of the request that this task is sending.
_transports: ContextVar[list[asyncio.Transport]] = ContextVar("transports")
_bodies: "weakref.WeakSet[AnswerBody]" = weakref.WeakSet()  # that are not closed
_clients: weakref.WeakKeyDictionary[
    asyncio.AbstractEventLoop, tuple[AsyncGenerator, httpx2.AsyncClient]
] = weakref.WeakKeyDictionary()


async def http_client() -> httpx2.AsyncClient:
    """Return the client of the running event loop; the loop's end closes it."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        keeper = _keep_client(loop)
        _clients[loop] = (keeper, await anext(keeper))
    return _clients[loop][1]


async def _keep_client(loop: asyncio.AbstractEventLoop) -> AsyncGenerator[httpx2.AsyncClient]:
    # A generator, because a loop shuts down its generators before it ends, and nothing else.
    client = httpx2.AsyncClient(transport=AiohttpTransport(), follow_redirects=True)
    try:
        yield client
    finally:
        _clients.pop(loop, None)
        await client.aclose()


@functools.cache
def certificates() -> ssl.SSLContext:
    """Load the certificates to trust; SSL_CERT_FILE and SSL_CERT_DIR name others."""
    return httpx2.create_ssl_context()


class AnswerBody:
    """The body of a response, as it comes. Close it, whatever happens."""

    def __init__(self, response: aiohttp.ClientResponse, transports: list[asyncio.Transport]):
        self._response = response
        self._transports = transports
        _bodies.add(self)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._response.content.iter_any()

    def rest(self, seconds: float) -> None:
        """Read nothing for about so long: what comes meanwhile is then read at one go.

        It waits in the kernel, where it outlives its connection; what waits in a buffer of this
        process is lost when the connection breaks. Answers that rest until nearly the same time
        are read together. From here on whoever reads watches how long nothing comes: a timer for
        each piece costs as much as reading it.
        """
        connection = self._response.connection
        if transport := connection and _innermost(connection.transport):
            transport.pause_reading()
            connection.protocol.read_timeout = None
            loop = asyncio.get_running_loop()
            grain = min(MOST_GRAIN_SECONDS, seconds * TOGETHER / len(_bodies))
            until = math.ceil((loop.time() + seconds) / grain) * grain
            loop.call_at(until, transport.resume_reading)

    def close(self) -> None:
        _bodies.discard(self)
        # At its end the body has given the connection back for the next question; if it has not,
        # something is still to come, and the connection must serve nobody else.
        if self._response.connection is not None:
            _cut(self._transports)
        self._response.close()


class AiohttpTransport(httpx2.AsyncBaseTransport):
    def __init__(self):
        self._session = aiohttp.ClientSession(
            connector=Connector(
                limit=MOST_CONNECTIONS,
                keepalive_timeout=IDLE_SECONDS,
                ssl=certificates(),
                ttl_dns_cache=NAMES_SECONDS,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            # HTTP_PROXY, HTTPS_PROXY and NO_PROXY; asked for once, since each look costs 50 µs.
            trust_env=bool(urllib.request.getproxies()),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        seconds = request.extensions.get("timeout", {})
        transports: list[asyncio.Transport] = []
        token = _transports.set(transports)
        try:
            response = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=request.headers.multi_items(),
                data=request.content,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    connect=seconds.get("pool"),
                    sock_connect=seconds.get("connect"),
                    sock_read=seconds.get("read"),
                ),
            )
        except BaseException:
            _cut(transports)
            raise
        finally:
            _transports.reset(token)
        body = AnswerBody(response, transports)
        return httpx2.Response(
            response.status,
            headers=[
                (name, value)
                for name, value in response.raw_headers
                if name.lower() != b"content-encoding"  # decoded by then
            ],
            stream=RefusalStream(body),
            request=request,
            extensions={"body": body},
        )

    async def aclose(self) -> None:
        await self._session.close()


class RefusalStream(httpx2.AsyncByteStream):
    """The body as httpx reads it: for refusals, so no more of it than tells why."""

    def __init__(self, body: AnswerBody):
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces: list[bytes] = []
        # The status is known: a body that breaks off, or does not end, takes nothing from it.
        with suppress(aiohttp.ClientError, OSError):
            async with asyncio.timeout(REFUSAL_SECONDS):
                async for piece in self._body:
                    pieces.append(piece)
                    if sum(map(len, pieces)) > REFUSAL_BYTES:
                        break
        yield b"".join(pieces)[:REFUSAL_BYTES]

    async def aclose(self) -> None:
        self._body.close()


class Connector(aiohttp.TCPConnector):
    """Tells which connection a request has got, so that it can be cut off while it still waits."""

    async def connect(self, *args, **kwargs) -> aiohttp.connector.Connection:
        connection = await super().connect(*args, **kwargs)
        if connection.transport is not None:
            _transports.get([]).append(connection.transport)
        return connection


def _innermost(transport: asyncio.Transport | None) -> asyncio.Transport | None:
    """Return the transport that reads from the socket; None where it cannot be known."""
    tls = getattr(transport, "_ssl_protocol", None)
    return getattr(tls, "_transport", None) if tls else transport


def _cut(transports: list[asyncio.Transport]) -> None:
    for transport in transports:
        transport.abort()
