"""Work that is done after a response has been sent."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, ParamSpec

from covet.concurrency import run_in_threadpool
from covet.core import Exchange
from covet.exceptions import RAISED

logger = logging.getLogger("covet.error")

P = ParamSpec("P")


class BackgroundTask:
    """One call to be made after a response.

    Args:
        func: what is called: an async function, or another one, which runs in a thread.
        *args: its arguments.
        **kwargs: its arguments by name.
    """

    def __init__(self, func: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> None:
        self.func: Callable[..., Any] = func
        self.args: tuple[Any, ...] = args
        self.kwargs: dict[str, Any] = kwargs
        self.is_async = _is_async(func)

    async def __call__(self) -> None:
        """Makes the call. Raises what it raises."""
        if self.is_async:
            await self.func(*self.args, **self.kwargs)
        else:
            await run_in_threadpool(self.func, *self.args, **self.kwargs)


class BackgroundTasks(BackgroundTask):
    """Calls to be made after a response, one after the other; after one that fails, the rest are not made.

    Args:
        tasks: the first ones.
    """

    def __init__(self, tasks: Sequence[BackgroundTask] | None = None) -> None:
        self.tasks = list(tasks) if tasks else []

    def add_task(self, func: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> None:
        """Adds a call; the arguments are those of `BackgroundTask`."""
        self.tasks.append(BackgroundTask(func, *args, **kwargs))

    async def __call__(self) -> None:
        """Makes the calls. Raises what the first that fails raises."""
        for task in self.tasks:
            await task()


def _is_async(func: Any) -> bool:
    while isinstance(func, partial):
        func = func.func
    return inspect.iscoroutinefunction(func) or (
        callable(func) and inspect.iscoroutinefunction(getattr(func, "__call__", None))  # noqa: B004
    )


async def run_after(x: Exchange, background: Callable[[], Awaitable[None]]) -> None:
    """Does the background work of a complete response; an error in it is logged.

    The engine's memory for the exchange is given back first; the work still counts as in flight.

    Args:
        x: the exchange, whose response is complete.
        background: the work.
    """
    await let_go(x)
    try:
        await background()
    except asyncio.CancelledError:
        logger.error("Cancelled the background tasks of %s %s", x.method, x.path)
        raise
    except RAISED:
        logger.exception("Exception in a background task of %s %s", x.method, x.path)


async def let_go(x: Exchange) -> None:
    """Has a complete response sent, and gives the engine's memory for the exchange back."""
    flush = getattr(x, "flush", None)  # over an ASGI server
    if flush is not None:
        await flush(beside=True)
    else:
        await asyncio.sleep(0)  # what this step wrote goes out at its end
    x.leave()
