"""An answer as its tabs see it while it grows: frames of text, and its HTML somewhat behind.

The first words go out at once. After that text is gathered into a frame each 40 ms; the HTML of a
block comes a few times a second, and the seldomer the longer it is: a phone on a bad network must
not be sent a long table twenty-five times a second, and rendering it must leave the event loop to
other students. A tab shows the bare text until its HTML is there. The more answers are written at
once, the less of each is rendered anew.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Set

from django.utils.html import format_html

from learning import events
from learning.events import Event
from learning.rendering import AnswerRenderer
from learning.turns.places import places

logger = logging.getLogger(__name__)

FRAME_SECONDS = 0.04
HTML_SECONDS = 0.25
CROWD = 50  # so many answers at once, and HTML comes half as often
HTML_BYTES_PER_SECOND = 40_000
# Of the event loop's time an answer may take an eighth for its HTML, however slow that is.
SHARE = 8

Emit = Callable[[Event], None]


class Showing:
    """The frames of one answer."""

    def __init__(self, emit: Emit):
        self._emit = emit
        self.turn_id = ""
        self.text = ""
        self._renderer = AnswerRenderer()
        self._shown = 0  # how much of the text the tabs have
        self._rendered = 0  # how much of it they have as HTML
        self._frame_at = 0.0  # by the loop's clock: not before
        self._html_at = 0.0
        self._next_frame: asyncio.Handle | None = None
        self._next_html: asyncio.Handle | None = None

    def stands_on(self, sources: Mapping[int, str], addresses: Set[str] = frozenset()) -> None:
        """Take what may be cited and what may be linked to, before the first word."""
        self._renderer = AnswerRenderer(sources, addresses)

    @property
    def cited(self) -> set[int]:
        """The numbers that the answer cites, once it has ended."""
        return self._renderer.cited

    def say(self, text: str) -> None:
        self.text += text
        if self._next_frame is None:
            loop = asyncio.get_running_loop()
            if loop.time() >= self._frame_at:
                # Not now: what came in one piece from the provider goes out in one.
                self._next_frame = loop.call_soon(self._frame)
            else:
                self._next_frame = loop.call_at(self._frame_at, self._frame)

    def flush(self) -> None:
        """Send all there is, as text and as HTML."""
        for timer in filter(None, (self._next_frame, self._next_html)):
            timer.cancel()
        self._next_html = None
        self._html_at = 0.0
        self._frame()

    def blocks(self) -> list[tuple[int, str]]:
        """The HTML of what was said up to the last `flush`."""
        return list(enumerate(self._renderer.blocks))

    def _html_is_due(self) -> None:
        self._next_html = None
        if self._next_frame is None:  # or it brings the HTML, in a moment
            self._frame()

    def _frame(self) -> None:
        self._next_frame = None
        loop = asyncio.get_running_loop()
        at, self._shown = self._shown, len(self.text)
        changed = self._html(loop) if loop.time() >= self._html_at else []
        if at < self._shown or changed:
            self._emit(events.delta(self.turn_id, at, self.text[at:], changed))
            self._frame_at = loop.time() + FRAME_SECONDS
        if self._rendered < self._shown and self._next_html is None:
            # Somewhat later than it is due: as a rule a frame of text comes by that takes it along.
            self._next_html = loop.call_at(self._html_at + 2 * FRAME_SECONDS, self._html_is_due)

    def _html(self, loop: asyncio.AbstractEventLoop) -> list[tuple[int, str]]:
        if self._rendered == self._shown:
            return []
        began = loop.time()
        try:
            changed = self._renderer.feed(self.text)
        except Exception:
            # How it looks must not decide whether the answer arrives.
            logger.exception("an answer could not be rendered")
            plain = format_html("<p>{}</p>", self.text[self._rendered :])
            changed = [(len(self._renderer.blocks), plain)]
            self._renderer.blocks = [*self._renderer.blocks, plain]
        self._rendered = self._shown
        ended = loop.time()
        size = sum(len(html) for _, html in changed)
        self._html_at = ended + max(
            HTML_SECONDS * (1 + places.taken / CROWD),
            SHARE * (ended - began),
            size / HTML_BYTES_PER_SECOND,
        )
        return changed
