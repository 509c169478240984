"""A websocket that costs its process little: frames are handed on as bytes, unparsed.

Not for anything but the benchmark: it speaks what its own servers speak.
"""

import asyncio
import base64
import json
import os
import socket
import time
from collections.abc import Callable
from typing import Self
from urllib.parse import urlsplit

PATIENCE_SECONDS = 60
LITTLE_BYTES = 4096  # what the system takes for somebody who never reads


OnFrame = Callable[[bytes, float], None]


class Tab(asyncio.Protocol):
    """One websocket; `on_frame` gets the bytes of each text frame and when they came."""

    def __init__(self, url: str, path: str, cookie: str, on_frame: OnFrame):
        self.on_frame = on_frame
        self.is_open = asyncio.get_running_loop().create_future()
        self.is_closed = asyncio.get_running_loop().create_future()
        host = urlsplit(url).netloc
        self._hello = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {url}\r\nCookie: {cookie}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n"
        ).encode()
        self._rest = b""

    @classmethod
    async def open(
        cls, url: str, path: str, cookie: str, on_frame: OnFrame, *, is_deaf: bool = False
    ) -> Self:
        """Connect; somebody deaf reads no more once it stands."""
        loop, address = asyncio.get_running_loop(), urlsplit(url)
        line = socket.socket()
        line.setblocking(False)
        if is_deaf:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LITTLE_BYTES)
        await loop.sock_connect(line, (address.hostname, address.port))
        _, tab = await loop.create_connection(lambda: cls(url, path, cookie, on_frame), sock=line)
        await asyncio.wait_for(tab.is_open, PATIENCE_SECONDS)
        if is_deaf:
            tab.transport.pause_reading()
        return tab

    def connection_made(self, transport) -> None:
        self.transport = transport
        transport.write(self._hello)

    def connection_lost(self, error) -> None:
        for waiting in (self.is_open, self.is_closed):
            if not waiting.done():
                waiting.set_result(False)

    def data_received(self, came: bytes) -> None:
        now = time.monotonic()
        rest = self._rest + came if self._rest else came
        at = 0
        if not self.is_open.done():
            head, end, rest = rest.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                self.is_open.set_exception(ConnectionError(head.decode(errors="replace")))
                return
            self.is_open.set_result(True)
        while len(rest) - at >= 2:
            kind, length, begin = rest[at] & 15, rest[at + 1] & 127, at + 2
            if length >= 126:
                wide = 2 if length == 126 else 8
                if len(rest) < begin + wide:
                    break
                length = int.from_bytes(rest[begin : begin + wide], "big")
                begin += wide
            if len(rest) < begin + length:
                break
            at = begin + length
            if kind == 1:
                self.on_frame(rest[begin:at], now)
            elif kind == 9:
                self._write(10, rest[begin:at])
            elif kind == 8:
                self.transport.close()
        self._rest = rest[at:]

    def send(self, **frame) -> None:
        self._write(1, json.dumps(frame).encode())

    def _write(self, kind: int, content: bytes) -> None:
        # A mask of noughts is a mask too.
        size = len(content)
        length = bytes([128 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        self.transport.write(bytes([128 | kind]) + length + bytes(4) + content)

    def close(self) -> None:
        self.transport.abort()
