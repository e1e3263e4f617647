"""Replaces workers while the server serves: all of them, or one."""

import asyncio
import logging

from covet.supervisor.child import Child
from covet.supervisor.errors import WorkerFailed
from covet.supervisor.pool import Pool
from covet.supervisor.report import report
from covet.supervisor.tables import Tables

logger = logging.getLogger("covet.error")


class Rolling:
    """Brings new workers up before it lets the old ones go.

    Args:
        pool: the workers.
        tables: the engine and its routes.

    Attributes:
        turn: held while workers are replaced, so that nothing else starts some meanwhile.
    """

    def __init__(self, pool: Pool, tables: Tables) -> None:
        self._pool = pool
        self._tables = tables
        self.turn = asyncio.Lock()

    async def restart(self, count: int) -> bool:
        """Replaces all workers by `count` new ones; False if a new one failed, with the rest of the old ones left."""
        async with self.turn:
            old = self._pool.wanted
            new: list[Child] = []
            try:
                await self._pool.expect(count)
                await self._bring(new)
                if new[0].table == self._tables.current:
                    await self._one_by_one(new, old, count)
                else:
                    await self._all_at_once(new, count)
            except BaseException as failure:
                for child in new:
                    self._pool.dismiss(child)
                if not isinstance(failure, WorkerFailed):
                    raise  # cancelled: a newer version is there, or the server stops
                report(failure)
                logger.error("The new version failed to start; the old one keeps serving")
                return False
            finally:
                await self._pool.expect_none()
            for child in old:
                self._pool.let_go(child)
            return True

    async def replace(self, child: Child) -> bool:
        """Replaces one worker; False if the new one failed and the old one stays."""
        async with self.turn:
            if child not in self._pool.serving:
                return True
            try:
                self._pool.admit(await self._bring([], renew=False))
            except WorkerFailed as failure:
                report(failure)
                return False
            self._pool.let_go(child)
            return True

    async def _one_by_one(self, new: list[Child], old: list[Child], count: int) -> None:
        self._pool.admit(new[0])
        while len(new) < count:
            if old:
                self._pool.let_go(old.pop(0))
            self._pool.admit(await self._bring(new))

    async def _all_at_once(self, new: list[Child], count: int) -> None:
        """For other routes: once they are the current ones, the old workers are given nothing."""
        await asyncio.gather(*(self._bring(new) for _ in range(count - len(new))))
        for child in new:
            self._pool.admit(child)

    async def _bring(self, new: list[Child], *, renew: bool = True) -> Child:
        """Starts a worker and waits until it is ready."""
        await self._pool.room()
        child = self._pool.spawn()
        new.append(child)
        await self._pool.prepare(child, renew=renew)
        return child
