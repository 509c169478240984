"""A circuit breaker: after failures in a row, nobody waits for what does not answer.

    closed ──failures in a row──► open ──its pause is over──► one turn is let through, as a trial
      ▲                             ▲                             │
      └──────────success────────────┴──failure: a longer pause────┘

Knows no model and no error: `availability` says what counts. Safe to call from any thread and any
event loop; nothing waits in here.
"""

import threading
import time
from collections.abc import Callable


class Breaker:
    def __init__(
        self,
        *,
        failures: int = 5,
        pause_seconds: float = 30,
        longest_pause_seconds: float = 300,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._failures_to_open = failures
        self._first_pause = pause_seconds
        self._longest_pause = longest_pause_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0  # in a row
        self._pause = 0.0  # 0: closed
        self._next_trial_at = 0.0
        self._is_on_trial = False

    @property
    def is_open(self) -> bool:
        """Whether turns are held back; also while one of them is being tried."""
        return self._pause > 0

    @property
    def seconds_to_trial(self) -> float:
        with self._lock:
            return max(0.0, self._next_trial_at - self._clock()) if self._pause else 0.0

    def lets_through(self) -> bool:
        """Whether a turn may ask now; while the breaker is open, a True is the one trial."""
        with self._lock:
            if not self._pause:
                return True
            if self._clock() < self._next_trial_at:
                return False
            # A trial that is stopped half-way tells nothing: after a pause there is another.
            self._next_trial_at = self._clock() + self._pause
            self._is_on_trial = True
            return True

    def succeeded(self) -> None:
        with self._lock:
            self._failures = 0
            self._pause = 0.0
            self._is_on_trial = False

    def failed(self, *, wait_seconds: float = 0.0) -> None:
        """Count a failure; the provider asked to be left alone for `wait_seconds`."""
        with self._lock:
            self._failures += 1
            if self._pause and not self._is_on_trial:
                return  # asked before it opened: nothing new
            if self._pause:
                self._pause = min(2 * self._pause, self._longest_pause)
            elif self._failures >= self._failures_to_open:
                self._pause = self._first_pause
            else:
                return
            self._is_on_trial = False
            pause = max(self._pause, min(wait_seconds, self._longest_pause))
            self._next_trial_at = self._clock() + pause
