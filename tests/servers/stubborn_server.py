"""A provider that behaves badly on purpose: it does not read, or does not notice a goodbye.

    with StubbornServer(answer=HALF_AN_ANSWER, tls=context) as server:
        ...
        server.wait_until_closed()       # by the connection itself: the client has let go of it

It serves one connection after another from a thread, over bare sockets.
"""

import select
import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import Self

GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR
_EVENT = b'data: {"choices":[{"delta":{"content":"Half "}}]}\n\n'
HALF_AN_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"%x\r\n%b\r\n" % (len(_EVENT), _EVENT)
)
HALF_A_REFUSAL = (
    b"HTTP/1.1 500 Oh dear\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    b'{"error": {"message": "out of'
)


class StubbornServer:
    """Reads a request (unless `reads` is False), sends `answer`, and does nothing any more."""

    def __init__(
        self, *, answer: bytes = b"", reads: bool = True, tls: ssl.SSLContext | None = None
    ):
        self.answer = answer
        self.reads = reads
        self.tls = tls
        self.has_request = threading.Event()
        self.connections = 0
        self.closed_at: float | None = None
        self._is_closed = threading.Event()
        self._is_over = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, name="stubborn server", daemon=True)

    @property
    def url(self) -> str:
        port = self._listener.getsockname()[1]
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{port}/v1"

    def wait_until_closed(self, timeout: float = 5.0) -> float:
        """Return when the client closed its connection, by time.monotonic()."""
        if not self._is_closed.wait(timeout):
            raise TimeoutError("the client still holds the connection")
        return self.closed_at

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info) -> None:
        self._is_over = True
        # Closing a listener does not wake the thread that accepts from it; a caller does.
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._is_over:
                connection.close()
                return
            # A client that goes in the middle of a handshake is no failure of the server.
            with connection, suppress(OSError):
                self._stand_there(connection)

    def _stand_there(self, connection: socket.socket) -> None:
        self.connections += 1
        connection.settimeout(5)
        if self.tls:
            connection = self.tls.wrap_socket(connection, server_side=True)
        if self.reads:
            connection.recv(65_536)
        self.has_request.set()
        if self.answer:
            connection.sendall(self.answer)
        # Nothing is read any more, so that a goodbye inside TLS goes unheard, as with servers
        # that only look whether the connection stands.
        poll = select.poll()
        poll.register(connection.fileno(), GONE)
        while not self._is_over:
            if poll.poll(50):
                self.closed_at = time.monotonic()
                self._is_closed.set()
                break
        connection.close()
