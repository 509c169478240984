"""What a test can make the Langfuse endpoint do wrong.

langfuse_server.fails(500, times=2)                # the next two batches
langfuse_server.refuses_keys(); langfuse_server.recovers()
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta

from aiohttp import web

VERSION = "2.95.11"


class LangfuseFaults:
    """The scripting half of `LangfuseServer`; a fault lasts for its count or until `recovers()`."""

    def recovers(self) -> None:
        """Forget every fault."""
        self.version = VERSION
        self.clock_offset = timedelta(0)
        self._failures: list[tuple[int, Mapping[str, str]]] = []
        self._refuses_keys = False
        self._delay_seconds = 0.0
        self._hangs = False
        self._deaths = 0
        self._rejects: Callable[[dict], bool] = lambda event: False
        self._loses: Callable[[dict], bool] = lambda event: False
        self._hidden: dict[str, None] = {}
        self._chokes_on: Callable[[dict], bool] = lambda event: False
        self._choking_status = 400

    def fails(self, status: int, *, times: int = 1, retry_after: float | None = None) -> None:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        self._failures += [(status, headers)] * times

    def refuses_keys(self) -> None:
        self._refuses_keys = True

    def delays(self, seconds: float) -> None:
        self._delay_seconds = seconds

    def hangs(self) -> None:
        self._hangs = True

    def rejects(self, which: Callable[[dict], bool]) -> None:
        """Answer 207 with an error for every event of which this is true."""
        self._rejects = which

    def chokes_on(self, which: Callable[[dict], bool], *, status: int = 400) -> None:
        """Refuse every batch that holds an event of which this is true."""
        self._chokes_on, self._choking_status = which, status

    def loses(self, which: Callable[[dict], bool]) -> None:
        """Accept the events of which this is true, and do not keep them."""
        self._loses = which

    def hides(self, *fields: str) -> None:
        """Show traces and observations without these fields."""
        self._hidden = dict.fromkeys(fields)

    def dies_in_mid_batch(self, times: int = 1) -> None:
        """Store the first half of the next batch, then reset the connection."""
        self._deaths = times

    def _failed(self) -> web.Response | None:
        if not self._failures:
            return None
        status, headers = self._failures.pop(0)
        return web.json_response({"message": "scripted failure"}, status=status, headers=headers)

    async def _hang(self) -> None:
        while self._hangs:  # noqa: ASYNC110 - set by the test's thread
            await asyncio.sleep(0.01)
