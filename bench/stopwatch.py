"""How long calls take on the thread that watches: their sum, and the longest of them."""

import inspect
import threading
import time
from contextlib import contextmanager
from functools import wraps

DOORS = ("__init__", "__enter__", "__exit__", "__aenter__", "__aexit__")


class Stopwatch:
    """Counts wall time, so that a call that waits for the GIL counts with its waiting."""

    def __init__(self):
        self.restart()
        self._thread = threading.get_ident()
        self._is_inside = False

    def restart(self) -> None:
        self.total_seconds = self.longest_seconds = 0.0

    @contextmanager
    def watching(self):
        """Count the block as one call."""
        began = time.perf_counter()
        yield
        self._add(time.perf_counter() - began)

    def add_many(self, call, *, times: int) -> None:
        """Count a call that is too short to be timed alone: many of them, less an empty loop."""

        def nothing(): ...

        began = time.perf_counter()
        for _ in range(times):
            call()
        between = time.perf_counter()
        for _ in range(times):
            nothing()
        ended = time.perf_counter()
        self.total_seconds += max(0.0, (between - began) - (ended - between))

    @contextmanager
    def watching_tracing(self):
        """Count whatever blocks of `tracing` do as they are made, entered and left in here."""
        from tracing import generation, span, trace

        blocks = {
            block
            for kind in (trace, span, generation)
            for block in kind.__mro__
            if block.__module__.startswith("tracing")
        }
        doors = [(block, name) for block in blocks for name in DOORS if name in vars(block)]
        before = [vars(block)[name] for block, name in doors]
        for (block, name), method in zip(doors, before, strict=True):
            setattr(block, name, self._timed(method))
        try:
            yield
        finally:
            for (block, name), method in zip(doors, before, strict=True):
                setattr(block, name, method)

    def _timed(self, method):
        if inspect.iscoroutinefunction(method):

            @wraps(method)
            async def timed(*args, **kwargs):
                with self._outermost():
                    return await method(*args, **kwargs)  # they suspend nowhere
        else:

            @wraps(method)
            def timed(*args, **kwargs):
                with self._outermost():
                    return method(*args, **kwargs)

        return timed

    @contextmanager
    def _outermost(self):
        """One door leads through another: the outermost counts for all."""
        if self._is_inside or threading.get_ident() != self._thread:
            yield
            return
        self._is_inside = True
        began = time.perf_counter()
        try:
            yield
        finally:
            self._add(time.perf_counter() - began)
            self._is_inside = False

    def _add(self, seconds: float) -> None:
        self.total_seconds += seconds
        self.longest_seconds = max(self.longest_seconds, seconds)
