"""A browser down to its socket: how much of what is sent it reads, and when, the test says."""

import json
import os
import socket
import struct
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.faults.students import Student

SMALL_BYTES = 4096  # of the system's own buffer, so that what is not read stays at the server


class RawBrowser:
    """One tab of a student. Frames to a server are masked, frames from it are not (RFC 6455)."""

    def __init__(self, student: Student, conversation: str, *, buffer_bytes: int = SMALL_BYTES):
        address = urlsplit(student.url)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self._socket.connect((address.hostname, address.port))
        self._socket.settimeout(30)
        cookies = "; ".join(f"{c.name}={c.value}" for c in student.jar)
        lines = (
            f"GET /ws/conversations/{conversation}/ HTTP/1.1",
            f"Host: {address.netloc}",
            f"Origin: {student.url}",
            f"Cookie: {cookies}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._received = b""
        while b"\r\n\r\n" not in self._received:
            self.read(1024)
        head, self._received = self._received.split(b"\r\n\r\n", 1)
        assert b" 101 " in head.splitlines()[0], head

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._socket.close()

    def sends(self, **frame) -> None:
        content, mask = json.dumps(frame).encode(), os.urandom(4)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(content))
        size = (
            struct.pack("!B", 0x80 | len(content))
            if len(content) < 126
            else struct.pack("!BH", 0x80 | 126, len(content))
        )
        self._socket.sendall(b"\x81" + size + mask + masked)

    def read(self, most_bytes: int) -> None:
        """Take some bytes in. Raises ConnectionError once the server has cut the connection."""
        found = self._socket.recv(most_bytes)
        if not found:
            raise ConnectionResetError("closed by the server")
        self._received += found

    def frames(self) -> Iterator[dict]:
        """Yield the text frames that have been read whole, and forget them."""
        while (end := self._end_of_frame()) is not None:
            frame, self._received = self._received[: end[1]], self._received[end[1] :]
            if frame[0] & 0x0F == 1:
                yield json.loads(frame[end[0] :])

    def _end_of_frame(self) -> tuple[int, int] | None:
        """Where the content of the first frame begins and ends; None while it is not all there."""
        if len(self._received) < 2:
            return None
        size, begin = self._received[1] & 0x7F, 2
        for code, form, width in ((126, "!H", 2), (127, "!Q", 8)):
            if size == code:
                if len(self._received) < 2 + width:
                    return None
                (size,), begin = struct.unpack_from(form, self._received, 2), 2 + width
                break
        return (begin, begin + size) if len(self._received) >= begin + size else None

    def is_cut(self) -> bool:
        """Whether the server has cut the connection; takes in what still lies before that."""
        self._socket.settimeout(0.2)
        try:
            while True:
                self.read(65536)
        except TimeoutError:
            return False
        except ConnectionError:
            return True
