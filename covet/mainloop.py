"""Runs a server on an event loop of its own, and has the process end when it was told to."""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from covet.eventloop import cancel_all, exit_now

if TYPE_CHECKING:
    from covet.server import Server

logger = logging.getLogger("covet.error")

EXIT_SECONDS = 5.0


def run_server(server: "Server", new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Serves on a loop of its own, and sees to it that the process ends when it was told to."""
    loop = new_loop()
    finished = threading.Event()
    guard = threading.Thread(target=_guard, args=(server, loop, finished), name="covet-guard", daemon=True)
    guards = [guard]

    def on_signal() -> None:
        # The next signal may come while the thread starts, and is_alive() says nothing of that: pop() is one step.
        if not finished.is_set():
            with suppress(IndexError):
                guards.pop().start()

    server.on_signal = on_signal
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(server.serve())
    finally:
        try:
            cancel_all(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            finished.set()
            asyncio.set_event_loop(None)
            loop.close()
            limit_exit()


def _guard(server: "Server", loop: asyncio.AbstractEventLoop, finished: threading.Event) -> None:
    """Ends the process if the loop does not get to do so: a handler blocks it."""
    while not finished.wait(0.5):
        answered = threading.Event()
        try:
            loop.call_soon_threadsafe(answered.set)
        except RuntimeError:
            return
        waited = 0.0
        while not answered.wait(0.25) and not finished.is_set():
            waited += 0.25
            if waited >= (1.0 if server.force_exit else server.options.timeout_graceful_shutdown):
                logger.critical("A handler blocks the event loop; ending the process")
                exit_now(0)


@cache
def limit_exit() -> None:
    """Ends the process if a thread that never returns, of asyncio.to_thread say, keeps it from ending by itself."""
    ending = threading.Event()

    def end() -> None:
        ending.wait()
        threading.Event().wait(EXIT_SECONDS)
        exit_now(0)

    # It is called before executors wait for their threads; atexit comes too late.
    register: Callable[[Callable[[], None]], None] | None = getattr(threading, "_register_atexit", None)
    if register is not None:
        threading.Thread(target=end, name="covet-exit", daemon=True).start()
        register(ending.set)
