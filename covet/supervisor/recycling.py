"""Replaces workers that have served long enough, or take too much memory."""

import asyncio
import logging

from covet.options import ServeOptions
from covet.supervisor.child import Child
from covet.supervisor.pool import Pool
from covet.supervisor.rolling import Rolling
from covet.supervisor.tables import Engine
from covet.usage import resident_bytes

logger = logging.getLogger("covet.error")

LOOK_SECONDS = 1.0
RETRY_SECONDS = 30.0
MEBIBYTE = 1 << 20


class Recycler:
    """Looks at the workers once a second.

    Args:
        options: the limits.
        engine: knows how many requests each worker has answered.
        pool: the workers.
        rolling: what replaces them.
    """

    def __init__(self, options: ServeOptions, engine: Engine, pool: Pool, rolling: Rolling) -> None:
        self._options = options
        self._engine = engine
        self._pool = pool
        self._rolling = rolling

    async def run(self) -> None:
        """Works until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            finished = {worker["place"]: worker["finished"] for worker in self._engine.status()["workers"]}
            for child in self._pool.serving:
                reason = self._reason(child, finished.get(child.place, 0))
                if reason is None:
                    continue
                logger.info("%s. Replacing child process [%d].", reason, child.pid)
                if not await self._rolling.replace(child):
                    await asyncio.sleep(RETRY_SECONDS)

    def _reason(self, child: Child, finished: int) -> str | None:
        """Why a worker is to be replaced."""
        options = self._options
        if child.request_limit is not None and finished >= child.request_limit:
            return f"Maximum request limit of {child.request_limit} exceeded"
        if options.workers_lifetime is not None and child.age >= options.workers_lifetime:
            return f"Lifetime of {options.workers_lifetime:g} s exceeded"
        if options.workers_max_rss is not None:
            resident = (resident_bytes(child.pid) or 0) / MEBIBYTE
            if resident >= options.workers_max_rss:
                return f"Memory limit of {options.workers_max_rss} MiB exceeded with {resident:.0f} MiB"
        return None
