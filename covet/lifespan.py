"""What runs before the first request and after the last."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

from covet.health import enter_stage

Hook = Callable[[], Any]
LifespanOf = Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any] | None]]


class LifespanFailed(Exception):
    """The application itself says that its start-up or shutdown failed; the text is what it says."""


class Lifespan:
    """Runs an application's lifespan in one task, as cancel scopes inside it require.

    Args:
        app: what the context manager is given.
        context: the application's context manager; see `APIRouter.lifespan_context`.
    """

    def __init__(self, app: Any, context: LifespanOf) -> None:
        self._app = app
        self._context = context
        self._started: asyncio.Future[Mapping[str, Any]] | None = None
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> Mapping[str, Any]:
        """Starts up and returns what the context manager yielded. Raises what start-up raises."""
        enter_stage(self._app, "starting")
        self._started = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(self._started), name="covet-lifespan")
        try:
            return await asyncio.shield(self._started)
        except asyncio.CancelledError:
            self._task.cancel()
            raise

    async def stop(self) -> None:
        """Shuts down. Raises what shutdown raises."""
        if self._task is not None:
            enter_stage(self._app, "stopping")
            self._ending.set()
            await self._task

    def cancel(self) -> None:
        """Gives the lifespan up."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self, started: "asyncio.Future[Mapping[str, Any]]") -> None:
        try:
            async with self._context(self._app) as state:
                enter_stage(self._app, "ready")
                started.set_result(state or {})
                await self._ending.wait()
        except BaseException as error:
            if started.done() or isinstance(error, asyncio.CancelledError):
                raise
            started.set_exception(error)


async def _call(hook: Hook) -> None:
    result = hook()
    if inspect.isawaitable(result):
        await result


def with_hooks(context: LifespanOf | None, startup: Sequence[Hook], shutdown: Sequence[Hook]) -> LifespanOf:
    """A lifespan that calls functions too.

    Args:
        context: the lifespan, which is the outermost; None for none.
        startup: functions to call at the start, in order.
        shutdown: functions to call at the end, in order.
    """
    outer = managed(context or _nothing)

    @asynccontextmanager
    async def hooked(app: Any) -> AsyncIterator[Mapping[str, Any] | None]:
        async with outer(app) as state:
            for hook in startup:
                await _call(hook)
            yield state
            for hook in shutdown:
                await _call(hook)

    return hooked


@asynccontextmanager
async def _nothing(_: Any) -> AsyncIterator[None]:
    yield


def merged(outer: LifespanOf, inner: LifespanOf) -> LifespanOf:
    """Two lifespans as one: what both yield is put together; where it differs, the outer one counts."""
    outer, inner = managed(outer), managed(inner)

    @asynccontextmanager
    async def both(app: Any) -> AsyncIterator[Mapping[str, Any] | None]:
        async with outer(app) as first, inner(app) as second:
            yield {**(second or {}), **(first or {})} if first or second else None

    return both


def managed(context: LifespanOf) -> LifespanOf:
    """A lifespan whose function may also be a generator that yields once, which Starlette takes as well."""
    function: Any = context
    if inspect.isasyncgenfunction(function):
        return asynccontextmanager(function)
    if not inspect.isgeneratorfunction(function):
        return context

    @asynccontextmanager
    async def lifted(app: Any) -> AsyncIterator[Mapping[str, Any] | None]:
        with contextmanager(function)(app) as state:
            yield state

    return lifted
