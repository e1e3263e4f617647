"""A worker: takes an application's requests from the engine's channel, on the event loop of its process."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from covet.config import Settings
from covet.core import Runner
from covet.interfaces import Application
from covet.lane import LaneTask


class Worker:
    """Answers an application's requests.

    Args:
        app: the application, as `covet.interfaces.adapt` gives it.
        settings: the settings it is served with.
        state: what its lifespan yielded.
        channel: the channel's descriptors: memory, this worker's doorbell, the loops' doorbells.
        place: this worker's place on the channel.
    """

    def __init__(
        self, app: Application, settings: Settings, state: Mapping[str, Any], channel: Sequence[int], place: int = 0
    ) -> None:
        self._calls = app.calls(settings, state)
        memory, doorbell, *loops = channel
        self._runner = Runner(memory, place, doorbell, loops)
        self._topics = app.topics
        self._attached = [user for user in (app.figures, app.topics) if user is not None]
        for user in self._attached:
            user.attach(self._runner)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begins to take requests on a loop."""
        if self._topics is not None:
            self._topics.serve_on(loop)
        # The runner wants coroutines of the built-in type; async functions give just that.
        entries, encode, render, fail = self._calls
        self._runner.serve(entries, loop=loop, encode=encode, render=render, fail=fail)

    @property
    def in_flight(self) -> int:
        """Requests that have begun and are not answered."""
        return self._runner.in_flight

    async def cancel(self, limit: float) -> int:
        """Cancels the tasks of all handlers, waits up to `limit` seconds for them, and returns how many there were."""
        tasks = [task for task in asyncio.all_tasks() if isinstance(task, LaneTask)]
        count = self.in_flight
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=limit)
        return count

    def close(self) -> None:
        """Takes no more requests and lets go of the channel."""
        for user in self._attached:
            user.detach(self._runner)
        self._runner.close()
