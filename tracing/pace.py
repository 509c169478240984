"""Leave the interpreter to others: this app's threads work in the background of whoever serves."""

import time


class Pace:
    """Rests after each bit of work for as long as the work took.

    An event loop gives the interpreter away with each read and each write, and gets it back from a
    busy thread only after a while: flat out, a backlog would slow every chat of the process down.
    """

    SHORTEST = 0.0002  # seconds of work that are worth a rest

    def __init__(self):
        self._rested_at = time.thread_time()

    def rest(self) -> None:
        worked = time.thread_time() - self._rested_at
        if worked > self.SHORTEST:
            time.sleep(worked)
            self._rested_at = time.thread_time()
