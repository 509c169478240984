"""A provider that behaves badly on purpose: it does not read, or does not notice a goodbye.

    with StubbornServer(answer=HALF_AN_ANSWER, tls=context) as server:
        ...
        server.wait_until_closed()       # by the connection itself: the client has let go of it

It serves one connection after another from a thread, over bare sockets.
"""

import select
import socket
import ssl
import struct
import threading
import time
from contextlib import suppress
from typing import Self

GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR
RESET = struct.pack("ii", 1, 0)  # for SO_LINGER: a close that takes leave of nobody


def _event(text: bytes) -> bytes:
    """One chunk of an answer, as a chunk of HTTP."""
    event = b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % text
    return b"%x\r\n%b\r\n" % (len(event), event)


HALF_AN_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
) + _event(b"Half ")
OTHER_HALF = _event(b"and half.")
HALF_A_REFUSAL = (
    b"HTTP/1.1 500 Oh dear\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    b'{"error": {"message": "out of'
)


class StubbornServer:
    """Reads a request (unless `reads` is False), sends `answer`, and does nothing any more.

    With `last_words` it sends those a moment later, and breaks the connection off with them.
    """

    def __init__(
        self,
        *,
        answer: bytes = b"",
        last_words: bytes = b"",
        reads: bool = True,
        tls: ssl.SSLContext | None = None,
    ):
        self.answer = answer
        self.last_words = last_words
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
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            connection = self.tls.wrap_socket(connection, server_side=True)
        if self.reads:
            connection.recv(65_536)
        self.has_request.set()
        if self.answer:
            connection.sendall(self.answer)
        if self.last_words:
            time.sleep(0.02)
            connection.sendall(self.last_words)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            connection.close()
            return
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
