"""One answer as a tab shows it: pieces joined by their offsets, in code points.

Notices what a reader would: a letter that is shown and then not, or that turns into another one.
"""

import time
from dataclasses import dataclass, field

ENDED = ("complete", "stopped", "failed", "interrupted")


@dataclass
class Shown:
    turn: str
    ask: str = ""
    text: str = ""
    status: str = "running"
    message: str = ""
    ended_at: float = 0.0
    # (when, how many letters were there), by time.monotonic()
    lengths: list[tuple[float, int]] = field(default_factory=list)
    taken_back: int = 0  # letters that were shown, and are not in what was stored
    troubles: list[str] = field(default_factory=list)

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    def length_at(self, moment: float) -> int:
        """How many letters were shown then."""
        return max((length for at, length in self.lengths if at <= moment), default=0)

    def add(self, at: int, text: str) -> bool:
        """Take in a piece; return False where something before it is missing."""
        if at > len(self.text):
            return False
        known = self.text[at:]
        if known[: len(text)] != text[: len(known)]:
            self.troubles.append(f"{known[:40]!r} was shown where {text[:40]!r} stands")
        if at + len(text) > len(self.text):
            if self.has_ended:
                self.troubles.append(f"words after the end: {text!r}")
            self._show(self.text[:at] + text)
        return True

    def replace(self, text: str, status: str, message: str) -> None:
        """Take in a snapshot."""
        if self.has_ended:
            if (self.text, self.status) != (text, status):
                self.troubles.append(
                    f"it had ended {self.status} with {len(self.text)} letters; a snapshot says "
                    f"{status} with {len(text)}"
                )
            return
        if status not in ENDED and self.text.startswith(text):
            return  # made before the last pieces that came
        if self.text.startswith(text):
            self.taken_back = max(self.taken_back, len(self.text) - len(text))
        elif not text.startswith(self.text):
            self.troubles.append(f"{text[-60:]!r} was shown otherwise")
        self._show(text)
        if status in ENDED:
            self.end(status, message)

    def end(self, status: str, message: str) -> None:
        self.status, self.message, self.ended_at = status, message, time.monotonic()

    def _show(self, text: str) -> None:
        self.text = text
        self.lengths.append((time.monotonic(), len(text)))
