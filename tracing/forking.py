"""Let no fork fall into the middle of this app's database work.

SQLite keeps its locks of a file in the memory of the process as well. A child forked while a thread
writes has a copy that says "locked", and no thread that would ever unlock it.
"""

import os
import threading
from contextlib import contextmanager

LONGEST_WAIT_SECONDS = 5.0  # then the fork goes ahead: a database may be away for long

_lock = threading.RLock()
_is_held = False


@contextmanager
def no_fork():
    """Hold off forks while the block runs; the threads of this app take turns by it."""
    with _lock:
        yield


def _before() -> None:
    global _is_held
    _is_held = _lock.acquire(timeout=LONGEST_WAIT_SECONDS)


def _after_in_parent() -> None:
    if _is_held:
        _lock.release()


def _after_in_child() -> None:
    global _lock
    _lock = threading.RLock()


os.register_at_fork(
    before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
)
