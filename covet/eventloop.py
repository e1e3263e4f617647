"""The event loop of a process that serves: which one, and how it ends."""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from covet.config import ConfigError

CANCEL_SECONDS = 1.0


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the event loop called auto, uvloop or asyncio. Raises ConfigError if it is not installed."""
    if name != "asyncio":
        try:
            import uvloop
        except ImportError:
            if name == "uvloop":
                raise ConfigError("loop is uvloop, which is not installed") from None
        else:
            return uvloop.new_event_loop
    return asyncio.new_event_loop


def cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    """Cancels what the application left running, but does not wait for ever."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=CANCEL_SECONDS))


def exit_now(code: int) -> None:
    """Ends the process without waiting for anything but its output."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(code)
