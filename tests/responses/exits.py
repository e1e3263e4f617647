"""Applications whose code calls sys.exit(), or raises KeyboardInterrupt."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

from covet import BackgroundTasks, CovetPy, Depends, Request, WebSocket
from covet.responses import StreamingResponse


class Trouble(Exception):
    pass


async def lasting_async() -> AsyncIterator[None]:
    yield
    sys.exit("lasting_async")


def lasting() -> Iterator[None]:
    yield
    sys.exit("lasting")


def told(request: Request) -> None:
    sys.exit("told")


async def chunks() -> AsyncIterator[str]:
    yield "a"
    await asyncio.sleep(0.01)
    sys.exit("chunks")


def blocking_chunks() -> Iterator[str]:
    yield "a"
    sys.exit("blocking_chunks")


def ends() -> None:
    sys.exit("ends")


async def ends_async() -> None:
    sys.exit("ends_async")


def make() -> CovetPy:
    app = CovetPy()

    @app.get("/ok")
    async def ok() -> str:
        return "ok"

    @app.get("/plain")
    async def plain() -> None:
        sys.exit("plain")

    @app.get("/waiting")
    async def waiting() -> None:
        await asyncio.sleep(0.01)
        sys.exit("waiting")

    @app.get("/blocking")
    def blocking() -> None:
        sys.exit("blocking")

    @app.get("/interrupt")
    async def interrupt() -> None:
        raise KeyboardInterrupt("interrupt")

    @app.get("/dependency", dependencies=[Depends(told)])
    async def dependency() -> None:
        pass

    @app.get("/handled")
    async def handled() -> None:
        raise Trouble

    @app.exception_handler(Trouble)
    async def on_trouble(request: Request, error: Trouble) -> None:
        sys.exit("on_trouble")

    @app.exception_handler(Exception)
    async def on_any(request: Request, error: Exception) -> str:
        return "not for these"

    @app.get("/lasting", dependencies=[Depends(lasting)])
    async def with_lasting() -> str:
        return "ok"

    @app.get("/lasting_async", dependencies=[Depends(lasting_async)])
    async def with_lasting_async() -> str:
        return "ok"

    @app.get("/ends")
    async def after(tasks: BackgroundTasks) -> str:
        tasks.add_task(ends)
        return "ok"

    @app.get("/ends_async")
    async def after_async(tasks: BackgroundTasks) -> str:
        tasks.add_task(ends_async)
        return "ok"

    @app.get("/chunks")
    async def stream() -> StreamingResponse:
        return StreamingResponse(chunks())

    @app.get("/blocking_chunks")
    async def blocking_stream() -> StreamingResponse:
        return StreamingResponse(blocking_chunks())

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        sys.exit("socket")

    @app.websocket("/refused")
    async def refused(websocket: WebSocket) -> None:
        sys.exit("refused")

    return app


class Passing:
    """An ASGI middleware."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


async def pass_on(request: Request, call_next: Any) -> Any:
    return await call_next(request)


app = make()

layered = make()
layered.middleware("http")(pass_on)

wrapped = make()
wrapped.add_middleware(Passing)

mixed = make()
mixed.add_middleware(Passing)
mixed.middleware("http")(pass_on)

mounted = CovetPy()
mounted.mount("/", make())
mounted.middleware("http")(pass_on)
