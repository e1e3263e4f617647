"""Blocking functions in threads that never keep the process from ending."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MAX_THREADS = 40
IDLE_SECONDS = 30.0

_Job = Callable[[], None]


class ThreadPool:
    """Runs blocking functions for event loops.

    Its threads are daemons: a function that never returns must not keep the
    process from ending, as it would in `concurrent.futures`.

    Args:
        size: the most threads at a time; further calls wait for one.
    """

    def __init__(self, size: int = MAX_THREADS) -> None:
        self.size = size
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._free = 0
        self._made = 0

    async def run(self, function: Callable[[], T]) -> T:
        """Calls `function` in a thread, with a copy of the caller's context variables."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self.start(partial(_call, loop, future, copy_context(), function))
        return await future

    def start(self, job: _Job) -> None:
        """Has a thread call `job`, which must not raise, and does not wait for it."""
        self._jobs.put(job)
        self._grow()

    def _grow(self) -> None:
        with self._lock:
            # A free thread takes one job; those that wait beyond them need threads of their own.
            if self._threads >= self.size or self._free >= self._jobs.qsize():
                return
            self._threads += 1
            self._free += 1
            self._made += 1
            name = f"covet-thread-{self._made}"
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=IDLE_SECONDS)
            except Empty:
                with self._lock:
                    if self._jobs.empty():
                        self._threads -= 1
                        self._free -= 1
                        return
                continue
            with self._lock:
                self._free -= 1
            job()
            del job
            with self._lock:
                self._free += 1


def _call(
    loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Any]", context: Context, function: Callable[[], Any]
) -> None:
    if future.cancelled():
        return
    error: BaseException | None = None
    result: Any = None
    try:
        result = context.run(function)
    except BaseException as raised:
        error = raised
    with suppress(RuntimeError):  # the loop is closed: nobody waits for the result any more
        loop.call_soon_threadsafe(_settle, future, result, error)


def _settle(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if isinstance(error, StopIteration):
        # A future cannot hold one, just as a coroutine cannot raise one.
        wrapped = RuntimeError("the function raised StopIteration")
        wrapped.__cause__ = error
        error = wrapped
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


_pool = ThreadPool()


async def run_in_threadpool(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a blocking function in a thread and waits for its result.

    The function sees the caller's context variables. Cancelling the call does
    not stop the function; its result is dropped.
    """
    return await _pool.run(partial(func, *args, **kwargs))
