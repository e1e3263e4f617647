"""A worker: takes an application's requests from the engine's channel, on the event loop of its process."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from covet.callgen import Call, make_call
from covet.config import Settings
from covet.core import Exchange, Runner
from covet.dispatch import NO_BODY, Dispatcher
from covet.encoders import encode
from covet.exceptions import HTTPException
from covet.lane import LaneTask
from covet.requests import Context
from covet.routing import Route, allowed_methods

if TYPE_CHECKING:
    from covet.app import CovetPy

CallEntry = tuple[Call, int, bool] | None


class Worker:
    """Answers an application's requests.

    Args:
        app: the application.
        settings: the settings it is served with.
        state: what its lifespan yielded.
        channel: the channel's descriptors: memory, this worker's doorbell, the loops' doorbells.
        place: this worker's place on the channel.
    """

    def __init__(
        self, app: "CovetPy", settings: Settings, state: Mapping[str, Any], channel: Sequence[int], place: int = 0
    ) -> None:
        routes = tuple(app.routes)
        context = Context(app, {n: route.param_names for n, route in enumerate(routes, 1)}, state)
        statuses = {n: route.status_code for n, route in enumerate(routes, 1)}
        self._calls = entries(routes, context, generate=settings.enable_jit)
        self._dispatcher = Dispatcher(context, dict(app.exception_handlers), statuses, debug=settings.debug)
        memory, doorbell, *loops = channel
        self._runner = Runner(memory, place, doorbell, loops)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begins to take requests on a loop."""
        # The runner wants coroutines of the built-in type; async functions give just that.
        render: Any = self._dispatcher.render
        fail: Any = self._dispatcher.fail
        self._runner.serve(self._calls, loop=loop, encode=encode, render=render, fail=fail)

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
        self._runner.close()


def entries(routes: Sequence[Route], context: Context, *, generate: bool) -> list[CallEntry]:
    """What the native runner calls, by route number; number 0 is what no route matched."""
    calls: list[CallEntry] = [(_unmatched(routes), 404, False)]
    for route in routes:
        if route.handler is None:
            calls.append(None)
            continue
        call = make_call(
            route.handler,
            route.parameters,
            context.request_of,
            blocking=route.blocking,
            cancel=route.cancel_on_disconnect,
            generate=generate,
        )
        calls.append((call, route.status_code, route.status_code not in NO_BODY))
    return calls


def _unmatched(routes: Sequence[Route]) -> Callable[[Exchange], Any]:
    def call(x: Exchange) -> Any:
        status = x.verdict or 404
        headers = {"allow": ", ".join(allowed_methods(routes, x.path))} if status == 405 else None
        raise HTTPException(status, headers=headers)

    return call
