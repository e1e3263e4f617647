"""Lanes: tasks made before the coroutine that they will run.

See docs/decisions/0002-lanes.md. The native runner calls `make_lane` and looks
at nothing here but the `touch` calls.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import Any


class LaneTask(asyncio.Task[Any]):
    """A task that reports what would tell it from a new one.

    The native driver reuses a lane after a handler that never waited; a lane
    whose task was given a name, a callback or a cancellation is not reused.
    """

    __slots__ = ("_driver",)
    _driver: Any

    def cancel(self, msg: Any | None = None) -> bool:
        self._driver.touch()
        return super().cancel(msg)

    def uncancel(self) -> int:
        self._driver.touch()
        return super().uncancel()

    def set_name(self, value: object, /) -> None:
        self._driver.touch()
        super().set_name(value)

    def add_done_callback(self, fn: Any, /, *, context: Context | None = None) -> None:
        self._driver.touch()
        super().add_done_callback(fn, context=context)


def make_lane(driver: Any, loop: asyncio.AbstractEventLoop, base: Context) -> tuple[LaneTask, Context]:
    """Makes a task around `driver` on `loop`, and the copy of `base` that it runs in."""
    context = base.copy()
    task = LaneTask(driver, loop=loop, context=context)
    task._driver = driver
    return task, context
