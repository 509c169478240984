"""How late an event loop is: a process beside it sends the time through a pipe a thousand times a
second, and the loop says when it came to read it.

A heartbeat task cannot tell this finer than a millisecond, and a thread would itself want the GIL.
"""

import asyncio
import os
import struct
import subprocess
import sys
import time
from contextlib import suppress

BEAT_SECONDS = 0.001
BEAT = struct.Struct("d")


class Metronome:
    """Beats in the background; `lateness` collects, in seconds, how late each beat was heard."""

    def __init__(self):
        self.lateness: list[float] = []
        self._heard, written = os.pipe()
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, this module
            [sys.executable, "-m", "bench.metronome", str(written)], pass_fds=[written]
        )
        os.close(written)
        os.set_blocking(self._heard, False)
        asyncio.get_running_loop().add_reader(self._heard, self._hear)

    def _hear(self) -> None:
        now = time.monotonic()
        try:
            beats = os.read(self._heard, 65536)
        except BlockingIOError:
            return  # forgotten between the loop's look and ours
        # After a block many beats wait: the first is the latest, and each of them was held up.
        self.lateness += [now - sent for (sent,) in BEAT.iter_unpack(beats)]

    def forget(self) -> None:
        """Begin anew: what waits in the pipe beat while this loop did not run."""
        with suppress(BlockingIOError):
            while os.read(self._heard, 65536):
                pass
        self.lateness.clear()

    def stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self._heard)
        self._process.kill()
        self._process.wait()
        os.close(self._heard)


def main() -> None:
    pipe = int(sys.argv[1])
    while True:
        time.sleep(BEAT_SECONDS)
        try:
            os.write(pipe, BEAT.pack(time.monotonic()))
        except BrokenPipeError:
            return


if __name__ == "__main__":
    main()
