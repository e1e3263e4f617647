"""How long to wait before the next worker is started, if workers die again and again."""

import asyncio
import logging
import time
from contextlib import suppress

logger = logging.getLogger("covet.error")

QUICK_SECONDS = 10.0
FREE_DEATHS = 3
LONGEST_SECONDS = 30.0
# Deaths that are further apart have nothing to do with each other; a pause and a short life fit in between.
APART_SECONDS = 60.0


class Backoff:
    """Counts workers that die soon after their start: from the third one on, starts wait 1, 2, 4 … 30 seconds."""

    def __init__(self) -> None:
        self._deaths = 0
        self._last = -APART_SECONDS
        self._over = asyncio.Event()

    @property
    def seconds(self) -> float:
        """How long the next start is to wait."""
        if self._deaths < FREE_DEATHS:
            return 0.0
        # The exponent is bounded as a server may go on failing for months.
        return min(LONGEST_SECONDS, 2.0 ** min(self._deaths - FREE_DEATHS, 10))

    def died(self, age: float) -> None:
        """A worker has died `age` seconds after its start, or has not come to serve."""
        now = time.monotonic()
        before = self._deaths if now - self._last < APART_SECONDS else 0
        self._deaths = before + 1 if age < QUICK_SECONDS else 0
        self._last = now

    def reset(self) -> None:
        """Forgets the deaths, and ends a pause: there is reason to believe that the next worker lives."""
        self._deaths = 0
        self._over.set()

    async def pause(self) -> None:
        """Waits as long as is due, and says so."""
        if not (seconds := self.seconds):
            return
        logger.error(
            "%d workers in a row ended within %g s of their start; the next one starts in %g s",
            self._deaths,
            QUICK_SECONDS,
            seconds,
        )
        self._over.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)
