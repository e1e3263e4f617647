"""Lanes: tasks made before the coroutine that they will run.

See docs/decisions/0002-lanes.md. The native runner calls `make_lane` and
`Gate`, and reads where LaneTask keeps its weak references.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any


class LaneTask(asyncio.Task[Any]):
    """A task that reports what would tell it from a new one.

    The native driver reuses a lane after a handler that never waited; a lane
    whose task was given a name, an attribute, a callback or a cancellation is
    not reused.
    """

    __slots__ = ()

    def _touch(self) -> None:
        driver: Any = self.get_coro()
        if driver is not None:
            driver.touch()

    def cancel(self, msg: Any | None = None) -> bool:
        self._touch()
        return super().cancel(msg)

    def uncancel(self) -> int:
        self._touch()
        return super().uncancel()

    def set_name(self, value: object, /) -> None:
        self._touch()
        super().set_name(value)

    def add_done_callback(self, fn: Any, /, *, context: Context | None = None) -> None:
        self._touch()
        super().add_done_callback(fn, context=context)

    def __setattr__(self, name: str, value: object) -> None:
        self._touch()
        super().__setattr__(name, value)


class Gate:
    """What a parked task waits for: enough of a future for asyncio, opened by calling `wake(gate)`.

    It refuses to be cancelled, as a task that is running has nothing to
    cancel: a cancellation in the handler's first step stays with the task and
    takes effect when the handler waits.
    """

    __slots__ = ("_asyncio_future_blocking", "_loop", "wake")

    wake: Callable[[Any], object]

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._asyncio_future_blocking = True
        self._loop = loop

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, fn: Callable[[Any], object], *, context: Context | None = None) -> None:
        self.wake = fn

    def cancel(self, msg: Any | None = None) -> bool:
        return False

    def result(self) -> None:
        return None


def make_lane(driver: Any, loop: asyncio.AbstractEventLoop, base: Context) -> tuple[LaneTask, Context]:
    """Makes a task around `driver` on `loop`, and the copy of `base` that it runs in."""
    context = base.copy()
    return LaneTask(driver, loop=loop, context=context), context
