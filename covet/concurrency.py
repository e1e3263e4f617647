"""Blocking functions in threads that never keep the process from ending."""

import asyncio
import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from contextvars import Context, ContextVar, copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar

logger = logging.getLogger("covet.error")

P = ParamSpec("P")
T = TypeVar("T")

MAX_THREADS = 40
IDLE_SECONDS = 30.0
STALL_SECONDS = 0.05
"""How long all threads may be busy without one getting free before who holds something gets a thread beyond them."""
NO_LIMIT = 1 << 30

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
        self._ended = 0

    async def run(self, function: Callable[[], T]) -> T:
        """Calls `function` in a thread, with a copy of the caller's context variables."""
        return await self.begin(function)

    def begin(self, function: Callable[[], T]) -> "asyncio.Future[T]":
        """As `run`, but does not wait: gives the result to be."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self.start(partial(_call, loop, future, copy_context(), function))
        return future

    async def run_or_beyond(self, function: Callable[[], T], beyond: "ThreadPool") -> T:
        """As `run`; if all threads are busy and none gets free, `function` is called in a thread of another pool."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        job = _Once(partial(_call, loop, future, copy_context(), function))
        self.start(job)
        try:
            while not job.begun:
                ended = self._ended
                await asyncio.wait([future], timeout=STALL_SECONDS)
                if not job.begun and self._ended == ended:
                    beyond.start(job)
                    break
            return await future
        finally:
            future.cancel()  # does nothing once there is a result

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
                self._ended += 1
                if self._threads > self.size:  # it has been made smaller
                    self._threads -= 1
                    return
                self._free += 1


class _Once:
    """A job in two queues, which whoever comes first does."""

    def __init__(self, job: _Job) -> None:
        self._job = job
        self._lock = threading.Lock()

    @property
    def begun(self) -> bool:
        return self._lock.locked()

    def __call__(self) -> None:
        if self._lock.acquire(blocking=False):
            self._job()


def _call(
    loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Any]", context: Context, function: Callable[[], Any]
) -> None:
    if future.cancelled():
        return
    error: BaseException | None = None
    result: Any = None
    try:
        if "anyio" in sys.modules:
            from covet.anyiothread import claim_for

            claim_for(loop)
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
_entering = ThreadPool()
"""For what may wait for what others hold: those others must not wait for its threads."""
_leaving = ThreadPool(NO_LIMIT)
"""For what gives back what it holds: it never waits."""

_held: ContextVar[int] = ContextVar("covet_held", default=0)
"""How many context managers the caller has entered in threads and not left."""


def set_threads(size: int) -> None:
    """Sets how many blocking functions run at a time, in this process."""
    _pool.size = _entering.size = size


async def run_in_threadpool(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a blocking function in a thread and waits for its result.

    The function sees the caller's context variables. Cancelling the call does
    not stop the function; its result is dropped.
    """
    function = partial(func, *args, **kwargs)
    if _held.get():
        return await _pool.run_or_beyond(function, _leaving)
    return await _pool.run(function)


async def iterate_in_threadpool(iterator: Iterable[T]) -> AsyncIterator[T]:
    """Gives the items of an iterable whose iterator blocks, each taken in a thread."""
    items = iter(iterator)
    while True:
        item = await run_in_threadpool(next, items, _END)
        if item is _END:
            return
        yield item


_END: Any = object()


@asynccontextmanager
async def contextmanager_in_threadpool(cm: AbstractContextManager[T]) -> AsyncIterator[T]:
    """A context manager whose methods block, as an asynchronous one: they are called in threads.

    Leaving never waits for a free thread, and what is done between entering and leaving does not wait for threads in
    which others enter: so a pool of connections cannot lock up, however many want one. A caller that is cancelled
    while it enters leaves again at once, one that is cancelled while it leaves has left before it goes on.
    """
    value = await _enter(cm)
    _held.set(_held.get() + 1)
    try:
        yield value
    except BaseException as error:
        if not await _leave(partial(cm.__exit__, type(error), error, error.__traceback__)):
            raise
    else:
        await _leave(partial(cm.__exit__, None, None, None))
    finally:
        _held.set(_held.get() - 1)


async def _enter(cm: AbstractContextManager[T]) -> T:
    entry = _Entry(cm)
    try:
        if _held.get():
            return await _pool.run_or_beyond(entry.enter, _leaving)
        return await _entering.run(entry.enter)
    except asyncio.CancelledError:
        entry.give_up()
        raise


async def _leave(exit_: Callable[[], T]) -> T:
    leaving = _leaving.begin(exit_)  # a task would let a SystemExit end the event loop
    try:
        return await asyncio.shield(leaving)
    except asyncio.CancelledError:
        await asyncio.wait([leaving])
        leaving.exception()  # the cancellation counts, not what came of it
        raise


class _Entry:
    """Enters a context manager, and leaves it again if the caller does not wait any more."""

    def __init__(self, cm: AbstractContextManager[Any]) -> None:
        self._cm = cm
        self._lock = threading.Lock()
        self._entered = self._given_up = False

    def enter(self) -> Any:
        if self._given_up:
            return None
        value = self._cm.__enter__()
        with self._lock:
            self._entered = True
            given_up = self._given_up
        if given_up:
            self._leave()
        return value

    def give_up(self) -> None:
        with self._lock:
            self._given_up = True
            entered = self._entered
        if entered:
            _leaving.start(self._leave)

    def _leave(self) -> None:
        error = asyncio.CancelledError()
        try:
            self._cm.__exit__(type(error), error, None)
        except BaseException as raised:
            if raised is not error:
                logger.error("Exception while leaving a context whose user was cancelled", exc_info=raised)
