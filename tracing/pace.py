"""Leave the interpreter to others: this app's threads work in the background of whoever serves."""

import threading
import time


class Pace:
    """Rests after each bit of work: for as long as it took, and longer while others are busy.

    An event loop gives the interpreter away with each read and each write, and gets it back from a
    busy thread only after a while: flat out, a backlog would slow every chat of the process down.
    """

    SHORTEST = 0.0002  # seconds of work that are worth a rest
    BUSY = 0.1  # of one core, used by others: then rests are the longest
    SMOOTHING = 0.1

    def __init__(self, longest: float = 1.0):
        """Rest up to `longest` times as long as the work took."""
        self.longest = longest
        self._busy = 0.0
        self._thread = 0
        self._rested_at = 0.0

    def rest(self) -> None:
        if self._thread != threading.get_ident():  # each thread has a clock of its own
            self._thread, self._rested_at = threading.get_ident(), time.thread_time()
        worked = time.thread_time() - self._rested_at
        if worked < self.SHORTEST:
            return
        pause = worked * (1 + (self.longest - 1) * min(1.0, self._busy / self.BUSY))
        before = _by_others()
        time.sleep(pause)
        # Two clocks are read one after the other: where nobody does anything, less than nothing
        # seems to be done.
        by_others = max(0.0, _by_others() - before) / pause
        self._busy += (by_others - self._busy) * self.SMOOTHING
        self._rested_at = time.thread_time()


def _by_others() -> float:
    """CPU seconds that the other threads of this process have taken."""
    return time.process_time() - time.thread_time()
