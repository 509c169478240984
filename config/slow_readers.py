"""Frames to browsers under Daphne, and what one costs that asks and does not read.

Daphne's `send` never waits: frames pile up in the memory of the process. Twisted says when what it
holds for a connection is too much (a push producer is paused) and when all of it is gone (resumed).
What comes in between is counted, and past a limit the connection is cut: the page connects again,
and is sent the answer as far as it is, so a student whose line is merely slow loses nothing.

Under other servers `send` waits; there the tab's own queue is the limit (learning/consumers.py).
"""

import logging
import socket
from contextlib import suppress

from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

logger = logging.getLogger(__name__)

MOST_UNREAD_BYTES = 128 * 1024
# What the system keeps beside that: by itself it takes up to 4 MB for a connection.
SYSTEM_BYTES = 64 * 1024


def bound() -> None:
    """Have Daphne make its websockets with the class below."""
    WebSocketFactory.protocol = BoundedWebSocketProtocol


def _not_yet() -> None:
    pass


@implementer(IPushProducer)
class BoundedWebSocketProtocol(WebSocketProtocol):
    """A websocket that is cut when its reader is too far behind."""

    _is_paused = False
    _unread_bytes = 0

    def onOpen(self):
        # Whoever was there before the upgrade, the HTTP channel, would be told instead of us.
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)
        with suppress(AttributeError, OSError):  # a transport without a socket of the system
            handle = self.transport.getHandle()
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SYSTEM_BYTES)
        super().onOpen()

    def onClose(self, wasClean, code, reason):
        self.transport.unregisterProducer()
        super().onClose(wasClean, code, reason)

    def pauseProducing(self):
        self._is_paused = True

    def resumeProducing(self):
        self._is_paused, self._unread_bytes = False, 0

    def stopProducing(self):
        """The connection is lost; `onClose` says so."""

    def serverSend(self, content, binary=False):
        if self._is_paused:
            self._unread_bytes += len(content)
            if self._unread_bytes > MOST_UNREAD_BYTES:
                self._cut()
                return
        if getattr(self.transport, "dataBuffer", None) == b"":
            self._send_now(content, binary)
        else:  # something waits already, or it is no connection of the system
            super().serverSend(content, binary)

    def _send_now(self, content, binary) -> None:
        """Hand a frame to the system at once, and wait for the connection only if it is full.

        Twisted waits in any case until the system says that it may be written to: two more calls
        of the system for every frame, a sixth of what a frame costs.
        """
        transport = self.transport
        transport.startWriting = _not_yet
        try:
            super().serverSend(content, binary)
        finally:
            del transport.startWriting
        if transport.connected and (transport.doWrite() or transport.dataBuffer):
            transport.startWriting()  # a connection that is broken is noticed there

    def _cut(self) -> None:
        if self.state == self.STATE_OPEN:
            logger.info("a browser did not read its answer and was cut off; it may come again")
            self.dropConnection(abort=True)
