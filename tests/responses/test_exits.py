"""sys.exit() in the code of an application: one request fails, the server goes on."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import served
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from covet import BackgroundTasks, CovetPy, Depends, Request, StreamingResponse, WebSocket

app = CovetPy()


async def leave(*_: Any) -> None:
    sys.exit(3)


def leave_at_once() -> None:
    sys.exit(3)


async def leave_later() -> AsyncIterator[int]:
    yield 1
    sys.exit(3)


@app.get("/sync")
def sync() -> None:
    sys.exit(3)


@app.get("/async")
async def at_once() -> None:
    sys.exit(3)


@app.get("/waits")
async def waits() -> None:
    await asyncio.sleep(0.01)
    sys.exit(3)


@app.get("/dependency")
async def dependency(value: None = Depends(leave_at_once)) -> int:
    return 1


@app.get("/after")
async def after(value: int = Depends(leave_later)) -> int:
    return 1


@app.get("/background")
async def background(tasks: BackgroundTasks, blocking: bool = False) -> int:
    tasks.add_task(leave_at_once) if blocking else tasks.add_task(leave)
    return 1


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        yield "a"
        sys.exit(3)

    return StreamingResponse(parts())


@app.get("/stream-sync")
def stream_sync() -> StreamingResponse:
    def parts() -> Iterator[str]:
        yield "a"
        sys.exit(3)

    return StreamingResponse(parts())


@app.get("/handled")
async def handled() -> None:
    raise LookupError


@app.exception_handler(LookupError)
async def handle(request: Request, error: LookupError) -> None:
    sys.exit(3)


@app.websocket("/socket")
async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    sys.exit(3)


@app.get("/ok")
async def ok() -> str:
    return "ok"


layered = CovetPy(routes=app.routes, exception_handlers={LookupError: handle})


@layered.middleware("http")
async def around(request: Request, call_next: Any) -> Any:
    return await call_next(request)


@pytest.mark.parametrize("name", ["app", "layered"])
def test_the_server_goes_on(name: str) -> None:
    failing = ["/sync", "/async", "/waits", "/dependency", "/handled"]
    answered = ["/after", "/background", "/background?blocking=true"]
    tests = Path(__file__).parents[1]
    application = f"responses.test_exits:{name}"
    with (
        served(application, app_dir=tests, options=["--no-access-log"]) as server,
        httpx.Client(base_url=server.url, timeout=20) as client,
    ):
        for path in (*failing, *answered):
            assert client.get(path).status_code == (500 if path in failing else 200), path
            assert client.get("/ok").json() == "ok", path
        for path in ("/stream", "/stream-sync"):
            with pytest.raises(httpx.RemoteProtocolError):
                client.get(path)
            assert client.get("/ok").json() == "ok", path
        with connect(f"ws://127.0.0.1:{server.port}/socket") as websocket, pytest.raises(ConnectionClosed) as closed:
            websocket.recv(20)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1011
        assert client.get("/ok").json() == "ok"
        assert server.process.poll() is None
