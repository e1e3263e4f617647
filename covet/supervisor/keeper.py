"""Keeps as many workers as are wanted."""

import asyncio
import logging

from covet.supervisor.backoff import Backoff
from covet.supervisor.child import Child
from covet.supervisor.errors import StartFailed, WorkerFailed
from covet.supervisor.pool import Pool
from covet.supervisor.report import report
from covet.supervisor.rolling import Rolling

logger = logging.getLogger("covet.error")


class Keeper:
    """Starts workers in place of those that died, and more or fewer when the number changes.

    Args:
        pool: the workers.
        rolling: what replaces workers; nothing is started while it does.
        count: how many are wanted at first.

    Attributes:
        count: how many are wanted.
        backoff: how long starts wait when workers die again and again.
    """

    def __init__(self, pool: Pool, rolling: Rolling, count: int) -> None:
        self._pool = pool
        self._rolling = rolling
        self._changed = asyncio.Event()
        self._starts: set[asyncio.Future[None]] = set()
        self.count = count
        self.backoff = Backoff()

    def set_count(self, count: int) -> None:
        """Changes how many workers are wanted."""
        self.count = count
        self._changed.set()

    def look(self) -> None:
        """Has it compare what there is with what is wanted."""
        self._changed.set()

    def died(self, child: Child) -> None:
        """A worker has died that should have gone on."""
        self.backoff.died(child.age)

    async def run(self) -> None:
        """Works until it is cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while len(self._pool.wanted) < self.count:
                await self.backoff.pause()
                await self._fill()
            await self._shrink()

    async def _fill(self) -> None:
        """Starts one worker if one is still missing."""
        await self._pool.room()
        async with self._rolling.turn:
            if len(self._pool.wanted) >= self.count:
                return
            try:
                child = self._pool.spawn()
            except WorkerFailed as failure:
                report(failure)
                self.backoff.died(0.0)
                return
        start = asyncio.ensure_future(self._bring_up(child))
        self._starts.add(start)
        start.add_done_callback(self._starts.discard)

    async def _bring_up(self, child: Child) -> None:
        # Routes may only change with all workers at once, unless there are none left.
        renew = not self._pool.serving
        try:
            await self._pool.prepare(child, renew=renew)
            self._pool.admit(child)
        except (WorkerFailed, StartFailed) as failure:
            self.backoff.died(child.age)
            if isinstance(failure, WorkerFailed) and not self._pool.stopping:
                report(failure)
            self._changed.set()

    async def _shrink(self) -> None:
        async with self._rolling.turn:
            for child in self._pool.wanted[self.count :]:
                self._pool.let_go(child)
