"""The same application over another server, and in memory; other frameworks' applications over the engine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from serving import Server, served

from covet import WebSocketDisconnect
from covet.testclient import TestClient, WebSocketDenialResponse
from sockets import app as module
from sockets.conftest import HERE
from sockets.test_engine import WAIT, closed, get, open_at, refused

FOREIGN = """
import asyncio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket


async def echo(websocket):
    await websocket.accept(subprotocol=(websocket.scope["subprotocols"] or [None])[0], headers=[(b"x-own", b"1")])
    while (message := await websocket.receive())["type"] == "websocket.receive":
        if message.get("text") is not None:
            await websocket.send_text(message["text"])
        else:
            await websocket.send_bytes(message["bytes"])
    ended.append((message["code"], message["reason"]))

ended = []


async def how(request):
    for _ in range(200):
        if ended:
            return JSONResponse(ended.pop())
        await asyncio.sleep(0.05)


async def about(websocket):
    await websocket.accept()
    scope = websocket.scope
    await websocket.send_json({
        "type": scope["type"], "path": scope["path"], "root_path": scope["root_path"], "scheme": scope["scheme"],
        "query": scope["query_string"].decode(), "extensions": list(scope["extensions"]), "method": "method" in scope,
    })
    await websocket.close(3001, "bye")


async def deny(websocket):
    await websocket.send_denial_response(JSONResponse({"no": 1}, 402))


async def close(websocket):
    await websocket.close()


async def fail(websocket):
    raise LookupError("nowhere")


async def fail_later(websocket):
    await websocket.accept()
    raise LookupError("nowhere")


async def nothing(websocket):
    pass


async def fail_code(websocket):
    await websocket.accept()
    await websocket.close(5000)


sockets = (echo, about, deny, close, fail, fail_later, fail_code, nothing)
routes = [WebSocketRoute("/" + f.__name__, f) for f in sockets]
app = Starlette(routes=[*routes, Route("/how", how), Mount("/below", routes=routes)])


from covet import CovetPy
outer = CovetPy()
outer.mount("/mounted", app)
"""


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "foreign.py").write_text(FOREIGN)
    with served("foreign:app", app_dir=folder) as server:
        yield server


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("mounted")
    (folder / "foreign.py").write_text(FOREIGN)
    with served("foreign:outer", app_dir=folder) as server:
        yield server


@pytest.mark.parametrize("prefix", ["", "/below"])
def test_an_asgi_application(foreign: Server, prefix: str) -> None:
    with open_at(foreign, prefix + "/echo", subprotocols=["one"]) as websocket:
        assert websocket.subprotocol == "one"
        assert websocket.response and websocket.response.headers["x-own"] == "1"
        for message in ("text", b"bytes", "x" * 1_000_000, "", b""):
            websocket.send(message)
            assert websocket.recv(WAIT) == message
        websocket.close(4000, "why")
    assert get(foreign, "/how") == [4000, "why"]


def test_its_scope(foreign: Server) -> None:
    with open_at(foreign, "/about?a=b") as websocket:
        assert json.loads(websocket.recv(WAIT)) == {
            "type": "websocket",
            "path": "/about",
            "root_path": "",
            "scheme": "ws",
            "query": "a=b",
            "extensions": ["websocket.http.response"],
            "method": False,
        }
        assert closed(websocket) == (3001, "bye")


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/deny", 402, b'{"no":1}'),
        ("/close", 403, b""),
        ("/fail", 500, b"Internal Server Error"),
        ("/nothing", 500, b"Internal Server Error"),
        ("/no-such", 403, b""),
    ],
)
def test_its_refusals(foreign: Server, path: str, status: int, body: bytes) -> None:
    response = refused(foreign, path)
    assert (response.status_code, response.body) == (status, body)


def test_its_failure(foreign: Server) -> None:
    for path in ("/fail_later", "/fail_code"):
        with open_at(foreign, path) as websocket:
            assert closed(websocket) == (1011, "")
    assert "Exception in ASGI application, serving the WebSocket /fail_later" in foreign.log


def test_a_mounted_application(mounted: Server) -> None:
    with open_at(mounted, "/mounted/echo") as websocket:
        websocket.send("hello")
        assert websocket.recv(WAIT) == "hello"
    with open_at(mounted, "/mounted/about") as websocket:
        found = json.loads(websocket.recv(WAIT))
        assert (found["path"], found["root_path"]) == ("/mounted/about", "/mounted")
    assert refused(mounted, "/mounted/deny").status_code == 402


# ---- the application over uvicorn ----------------------------------------------------------


@pytest.fixture(scope="module")
def uvicorn() -> Iterator[Server]:
    command = [sys.executable, "-m", "uvicorn", "app:app", "--app-dir", str(HERE), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    server = Server(process)
    try:
        server.wait_until_listening()
        yield server
    finally:
        process.kill()
        process.wait()


def test_over_uvicorn(uvicorn: Server) -> None:
    with open_at(uvicorn, "/echo?name=uvicorn") as websocket:
        for message in ("hello", b"bytes", "x" * 100_000):
            websocket.send(message)
            assert websocket.recv(WAIT) == message
        websocket.close(4001, "why")
    assert get(uvicorn, "/ended/uvicorn") == {"code": 4001, "reason": "why"}
    with open_at(uvicorn, "/about/7?q=x") as websocket:
        found = json.loads(websocket.recv(WAIT))
        assert (found["item"], found["q"], found["path_params"]) == (7, "x", {"item": "7"})
    assert refused(uvicorn, "/refuse/denial").status_code == 418
    assert refused(uvicorn, "/refuse/http").status_code == 401
    assert refused(uvicorn, "/refuse/error").status_code == 500
    assert refused(uvicorn, "/guarded?token=wrong").status_code == 403
    assert refused(uvicorn, "/no-such").status_code == 404
    with open_at(uvicorn, "/fail/error") as websocket:
        assert closed(websocket)[0] == 1011
    with open_at(uvicorn, "/room/a") as first, open_at(uvicorn, "/room/a") as second:
        first.recv(WAIT), second.recv(WAIT)
        first.send("to all")
        assert first.recv(WAIT) == second.recv(WAIT) == "to all"
        first.send("leave")
        assert first.recv(WAIT) == "left"
        second.send("to the rest")
        assert second.recv(WAIT) == "to the rest"


# ---- in memory --------------------------------------------------------------------------------


def test_in_memory() -> None:
    with TestClient(module.app) as client:
        with client.websocket_connect("/about/3") as websocket:
            assert websocket.receive_json()["item"] == 3
        with client.websocket_connect("/guarded?token=right") as websocket:
            assert websocket.receive_text() == "right"
        with client.websocket_connect("/subprotocol", subprotocols=["a", "b"]) as websocket:
            assert websocket.accepted_subprotocol == "b"
        with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect("/refuse/denial"):
            pass
        assert denied.value.status_code == 418
        with client.websocket_connect("/fail/socket") as websocket, pytest.raises(WebSocketDisconnect) as gone:
            websocket.receive_text()
        assert (gone.value.code, gone.value.reason) == (4001, "mine")
        for path in ("/fail/code", "/fail/reason"):
            with pytest.raises(ValueError), client.websocket_connect(path) as websocket:
                websocket.receive_text()
