"""An event loop in a thread of its own, for tests that are not asynchronous."""

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Any, Self

OPTIONS = frozenset({"debug", "loop_factory", "use_uvloop"})


class Portal:
    """Runs an event loop between `__enter__` and `__exit__`, and calls functions on it for other threads.

    What is called sees the caller's context variables. At the end, tasks that are left are cancelled.

    Args:
        options: debug (asyncio's debug mode), loop_factory (makes the loop), use_uvloop (makes it uvloop's).

    Raises:
        TypeError: there is no such option.
    """

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        self._options = dict(options or {})
        if unknown := self._options.keys() - OPTIONS:
            raise TypeError(
                f"backend_options has no {', '.join(sorted(unknown))}; it takes {', '.join(sorted(OPTIONS))}"
            )
        self._ready: Future[asyncio.AbstractEventLoop] = Future()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="covet-test-loop", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._loop = self._ready.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def call(self, function: Callable[..., Any], *args: Any, timeout: float | None = None) -> Any:
        """Calls a function, or a coroutine function, on the loop and returns its result.

        Args:
            function: what to call.
            args: its arguments.
            timeout: the most seconds to wait; then the call is cancelled.

        Raises:
            TimeLimitExceeded: there was no result in time.
        """
        future = self.start_task_soon(function, *args)
        try:
            _, unfinished = wait([future], timeout)
        except BaseException:  # Ctrl-C in the waiting thread
            future.cancel()
            raise
        if unfinished:
            future.cancel()
            raise TimeLimitExceeded(f"no answer within {timeout:g} seconds")
        return future.result()

    def start_task_soon(self, function: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Calls a function, or a coroutine function, on the loop and does not wait for its result."""
        return asyncio.run_coroutine_threadsafe(_called(function, args), self._loop)

    def _run(self) -> None:
        factory = self._options.get("loop_factory")
        try:
            if factory is None and self._options.get("use_uvloop"):
                import uvloop

                factory = uvloop.new_event_loop
            with asyncio.Runner(debug=self._options.get("debug"), loop_factory=factory) as runner:
                runner.run(self._main())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _main(self) -> None:
        self._ready.set_result(asyncio.get_running_loop())
        await self._stop.wait()


class TimeLimitExceeded(Exception):
    """A call had no result within the time that it was given."""


def _called(function: Callable[..., Any], args: tuple[Any, ...]) -> Coroutine[Any, Any, Any]:
    async def call() -> Any:
        result = function(*args)
        return await result if inspect.isawaitable(result) else result

    return call()
