"""Has the number of workers follow the load; `covet.scaling` has the rule."""

import asyncio
import logging
import os
from typing import Any

from covet.cpus import available_cpus
from covet.scaling import Scaler
from covet.supervisor.keeper import Keeper
from covet.supervisor.options import SupervisorOptions
from covet.supervisor.tables import Engine
from covet.usage import Sampler

logger = logging.getLogger("covet.error")

LOOK_SECONDS = 1.0
# After so long without a queue, and with the fewest workers, the next look waits for a queue.
REST_SECONDS = 10


class Autoscale:
    """Looks once a second, from the moment that requests wait until the fewest workers do and none waits.

    Args:
        options: the fewest and the most workers.
        engine: knows the queue and the workers.
        keeper: starts and ends workers.
    """

    def __init__(self, options: SupervisorOptions, engine: Engine, keeper: Keeper) -> None:
        self._scaler = Scaler(options.workers_min, options.most, available_cpus())
        self._engine = engine
        self._keeper = keeper
        self._sampler = Sampler(os.getpid())
        self._queued = asyncio.Event()
        self._resting = REST_SECONDS

    def queued(self, event: dict[str, Any]) -> None:
        """The engine says that requests wait."""
        self._queued.set()

    def changed(self, count: int) -> None:
        """Somebody has asked for another number of workers."""
        self._scaler.move(count - self._scaler.target)
        self._queued.set()

    async def run(self) -> None:
        """Works until it is cancelled."""
        while True:
            if self._resting <= 0:
                await self._queued.wait()
            self._queued.clear()
            await asyncio.sleep(LOOK_SECONDS)
            self._look()

    def _look(self) -> None:
        sample = self._sampler.sample(self._engine.status())
        before = self._scaler.target
        target = self._scaler.decide(sample)
        if target != before:
            reason = f"{sample.queued} request(s) wait" if target > before else "the load has fallen"
            logger.info("Changing the number of processes from %d to %d: %s.", before, target, reason)
            self._keeper.set_count(target)
        at_rest = not sample.queued and sample.workers <= self._scaler.minimum
        self._resting = self._resting - 1 if at_rest else REST_SECONDS
