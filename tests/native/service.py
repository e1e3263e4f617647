"""A runner that serves a few calls to the engine of the tests."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from covet.core import Exchange
from native.engine import Answer, Engine, attach

Call = Callable[[Exchange], Any]
LOOPS = ["asyncio", "uvloop"]


def encode(value: Any) -> bytes:
    """JSON as the application's encoder writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class Service:
    """An engine, a runner and what they went through.

    Args:
        lib: the compiled engine.
        calls: what answers routes 1, 2 …
        plain: whether dicts and lists are encoded by the runner itself.
        engine: further arguments of Engine.
    """

    def __init__(self, lib: ctypes.CDLL, calls: Sequence[Call | None], *, plain: bool = True, **engine: Any) -> None:
        self.engine = Engine(lib, **engine)
        self.runner = attach(self.engine)
        self.calls = [None, *calls]
        self.plain = plain
        self.failures: list[BaseException] = []
        self.unraisable: list[BaseException | None] = []
        self.encode: Callable[[Any], Any] = encode
        self.render: Callable[[Exchange, Any], Any] = self.render_text
        self.fail: Callable[[Exchange, BaseException], Any] = self.fail_plainly

    def render_text(self, x: Exchange, result: Any) -> None:
        """Answers with the text of a result."""
        x.respond(200, 2, b"", str(result).encode())

    def fail_plainly(self, x: Exchange, error: BaseException) -> None:
        """Notes an exception and answers with its name."""
        self.failures.append(error)
        if x.started:
            x.abort()
        else:
            x.respond(500, 2, b"", type(error).__name__.encode())

    def start(self) -> None:
        """Serves on the loop that runs."""
        sys.unraisablehook = lambda note: self.unraisable.append(note.exc_value)
        self.runner.serve(
            [None if call is None else (call, 200, self.plain) for call in self.calls],
            loop=asyncio.get_running_loop(),
            encode=lambda value: self.encode(value),
            render=lambda x, result: self.render(x, result),
            fail=lambda x, error: self.fail(x, error),
        )

    async def get(self, **kwargs: Any) -> Answer:
        """The answer to a request."""
        return await self.engine.get(**kwargs)

    def close(self) -> None:
        """Closes both sides; every exchange must have been ended exactly once."""
        self.runner.close()
        self.engine.reap()
        sys.unraisablehook = sys.__unraisablehook__
        # Exchanges that never left the inbox were not begun and are not the worker's to end.
        unfinished = self.engine.unfinished
        self.engine.close()
        assert unfinished == 0
        assert all(answer.done_count <= 1 for answer in self.engine.answers.values())


def run(
    service: Service, main: Callable[[Service], Awaitable[Any]], loop: str = "asyncio", *, quiet: bool = True
) -> Any:
    """Runs `main(service)` on a new event loop while the service serves; returns what it returns.

    Args:
        quiet: nothing may have been reported as unraisable.
    """
    factory = None
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop

    async def serving() -> Any:
        service.start()
        return await main(service)

    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(serving())
    finally:
        service.close()
        gc.collect()
        if quiet:
            assert not service.unraisable, service.unraisable
