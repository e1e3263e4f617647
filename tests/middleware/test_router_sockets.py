"""Middleware and exception handlers of routers, around their WebSockets."""

from pathlib import Path
from typing import Any

import pytest
from serving import served
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from covet import APIRouter, CovetPy, Request, WebSocket, WebSocketDisconnect
from covet.testclient import TestClient


class Mine(Exception):
    """Answered by a handler of a router."""


class Seen:
    """Made for ASGI: it sees every kind of scope."""

    def __init__(self, app: Any, name: str) -> None:
        self.app = app
        self.name = name

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["query_string"] == b"refuse":
            await send({"type": "websocket.close", "code": 1000})
            return
        scope.setdefault("state", {})["seen"] = [*scope["state"].get("seen", []), self.name]
        await self.app(scope, receive, send)


async def for_requests(request: Request, call_next: Any) -> Any:
    raise AssertionError("it is for requests")


def build(*, inside_asgi: bool = False) -> CovetPy:
    inner = APIRouter()
    inner.add_middleware(Seen, name="inner")
    inner.middleware("http")(for_requests)

    @inner.exception_handler(Mine)
    async def of_mine(websocket: WebSocket, error: Mine) -> None:
        await websocket.close(4444, "mine")

    @inner.websocket("/fails/{code:int}")
    async def fails(websocket: WebSocket, code: int) -> None:
        await websocket.accept()
        raise Mine if code == 1 else LookupError

    @inner.websocket("/seen/{name}")
    async def seen(websocket: WebSocket, name: str, q: int = 0) -> None:
        await websocket.accept(subprotocol="chat" if "chat" in websocket.scope["subprotocols"] else None)
        await websocket.send_json([name, q, websocket.state.seen])
        await websocket.send_text(await websocket.receive_text())

    outer = APIRouter(prefix="/outer")
    outer.add_middleware(Seen, name="outer")
    outer.include_router(inner, prefix="/inner")
    app = CovetPy()
    if inside_asgi:
        app.add_middleware(Seen, name="application")
    app.include_router(outer)

    @app.websocket("/bare")
    async def bare(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json(getattr(websocket.state, "seen", None))

    return app


app = build()
within = build(inside_asgi=True)
SEEN = {"app": ["outer", "inner"], "within": ["application", "outer", "inner"]}


@pytest.mark.parametrize("name", ["app", "within"])
def test_over_the_engine(name: str) -> None:
    tests = Path(__file__).parents[1]
    with served(f"middleware.test_router_sockets:{name}", app_dir=tests, options=["--no-access-log"]) as server:
        url = f"ws://127.0.0.1:{server.port}"
        with connect(f"{url}/outer/inner/seen/x?q=3", subprotocols=["chat"]) as websocket:  # type: ignore[list-item]
            assert websocket.subprotocol == "chat"
            assert websocket.recv(20) == f'["x",3,{str(SEEN[name]).replace(" ", "").replace(chr(39), chr(34))}]'
            websocket.send("hello")
            assert websocket.recv(20) == "hello"
        for code, closed in ((1, 4444), (2, 1011)):
            with connect(f"{url}/outer/inner/fails/{code}") as websocket, pytest.raises(ConnectionClosed) as caught:
                websocket.recv(20)
            assert caught.value.rcvd is not None and caught.value.rcvd.code == closed
        with pytest.raises(Exception, match="403"):
            connect(f"{url}/outer/inner/seen/x?refuse")
        with connect(f"{url}/bare") as websocket:
            assert websocket.recv(20) == ("null" if name == "app" else '["application"]')


@pytest.mark.parametrize("name", ["app", "within"])
def test_over_asgi(name: str) -> None:
    client = TestClient({"app": app, "within": within}[name])
    with client.websocket_connect("/outer/inner/seen/x?q=3") as websocket:
        assert websocket.receive_json() == ["x", 3, SEEN[name]]
        websocket.send_text("hello")
        assert websocket.receive_text() == "hello"
    with client.websocket_connect("/outer/inner/fails/1") as websocket, pytest.raises(WebSocketDisconnect) as caught:
        websocket.receive_text()
    assert caught.value.code == 4444
