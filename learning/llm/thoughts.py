"""Tell what a model thinks from what it says, where its server leaves both in one text.

Such a model begins with `<think>` and answers after `</think>`. Servers that know the model send
its thoughts in a field of their own; that is `openai_stream`'s business.
"""

from enum import Enum, auto

OPENING, CLOSING = "<think>", "</think>"


class _Place(Enum):
    BEFORE = auto()  # too little has come to tell
    INSIDE = auto()
    AFTER = auto()


class Thoughts:
    """Takes the text of one answer, piece by piece, and gives back what of it is said."""

    def __init__(self):
        self._place = _Place.BEFORE
        self._held = ""

    @property
    def is_thinking(self) -> bool:
        return self._place is _Place.INSIDE

    def without(self, text: str) -> str:
        """Return what is said in this piece, and in those before it that were held back."""
        if self._place is _Place.AFTER:
            return text
        text = self._held + text
        self._held = ""
        if self._place is _Place.BEFORE:
            beginning = text.lstrip()
            if OPENING.startswith(beginning):  # also where nothing but blanks has come
                if beginning != OPENING:
                    self._held = text
                    return ""
            elif not beginning.startswith(OPENING):
                self._place = _Place.AFTER
                return text
            self._place = _Place.INSIDE
            text = beginning.removeprefix(OPENING)
        _, closing, said = text.partition(CLOSING)
        if not closing:
            self._held = text[-len(CLOSING) :]
            return ""
        self._place = _Place.AFTER
        return said.lstrip()

    def end(self) -> str:
        """Return what was held back and turned out to be said."""
        return self._held if self._place is _Place.BEFORE else ""
