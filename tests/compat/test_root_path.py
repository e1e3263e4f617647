"""`root_path=` behind proxies that leave the prefix in the path, and behind those that take it away, as in FastAPI."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from covet.testing import LiveServer

from .frameworks import framework

pytestmark = pytest.mark.filterwarnings("ignore:The `root_path` parameter")

PATHS = [
    "/i/", "/i", "/i?q=1", "/noslash", "/noslash/", "/n/a/x4", "/n/a/xq", "/p/", "/p/a/b", "/own", "/", "/none",
    "/sub/j", "/sub/j/", "/sub/k", "/sub/", "/sub", "/sub/none", "/files/a.txt", "/files/none", "/openapi.json",
    "/sub/openapi.json",
]  # fmt: skip
PREFIXES = ["", "/api", "/apix", "/api/api"]
BEYOND = [
    ("POST", "/api/i/"), ("POST", "/i/"), ("HEAD", "/api/head"), ("OPTIONS", "/api/i/"), ("GET", "/api"),
    ("GET", "/api?q"), ("GET", "/apix"), ("POST", "/api/sub/j"), ("GET", "/%61pi/sub/j"),
]  # fmt: skip
REQUESTS = [("GET", prefix + path) for prefix in PREFIXES for path in PATHS] + BEYOND

BELOW_A_MOUNT = ("/sub/j", "/sub/j/", "/sub/k", "/files/a.txt", "/sub/openapi.json")
"""Paths without the prefix, below what is mounted: FastAPI finds nothing there, see differences.md."""


class Pure:
    """Middleware that is made for ASGI."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


def build(f: Any, folder: Path, middleware: str = "", root_path: str = "/api") -> Any:
    """The same application of either framework."""
    app = f.FastAPI(title="t", root_path=root_path)

    if middleware == "http":

        @app.middleware("http")
        async def pass_on(request: Any, call_next: Any) -> Any:
            return await call_next(request)

    if middleware == "asgi":
        app.add_middleware(Pure)

    def facts(request: Any, *more: Any) -> list[Any]:
        scope = request.scope
        places = [str(request.url), str(request.base_url), scope["root_path"], scope["path"], str(scope["raw_path"])]
        return [*places, *more]

    @app.get("/i/")
    def i(request: f.Request) -> Any:  # type: ignore[name-defined]
        return facts(request, str(request.url_for("i")), app.root_path)

    @app.head("/head")
    def head() -> None:
        return None

    @app.get("/n/{a}/x{b:int}")
    def n(request: f.Request, a: str, b: int) -> Any:  # type: ignore[name-defined]
        return facts(request, a, b, str(request.url_for("n", a="z", b=2)))

    @app.get("/p/{p:path}")
    def p(request: f.Request, p: str) -> Any:  # type: ignore[name-defined]
        return facts(request, p)

    @app.get("/noslash")
    def noslash() -> int:
        return 1

    @app.get("/api/own")
    def own() -> str:
        return "own"

    @app.get("/")
    def root(request: f.Request) -> Any:  # type: ignore[name-defined]
        return facts(request, "root")

    @app.websocket("/ws/{name}")
    async def ws(websocket: f.WebSocket, name: str) -> None:  # type: ignore[name-defined]
        await websocket.accept()
        scope = websocket.scope
        await websocket.send_json([scope["root_path"], scope["path"], websocket.url.path, name])
        await websocket.close()

    sub = f.FastAPI(title="sub")

    @sub.get("/j")
    def j(request: f.Request) -> Any:  # type: ignore[name-defined]
        return facts(request, str(request.url_for("i")))

    @sub.get("/k/")
    def k() -> int:
        return 1

    app.mount("/sub", sub)
    app.mount("/files", f.StaticFiles(directory=folder), name="files")
    return app


def outcome(response: httpx.Response) -> Any:
    allow = sorted(response.headers.get("allow", "").replace(" ", "").split(","))
    body = response.json() if "openapi" in response.text else response.text
    return response.status_code, response.headers.get("location"), allow, body


def asked(client: httpx.Client, method: str, path: str) -> Any:
    return outcome(client.request(method, path, headers={"host": "h.org"}, follow_redirects=False))


async def of_fastapi(app: Any, requests: list[tuple[str, str]]) -> list[Any]:
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://h.org") as client:
        return [outcome(await client.request(method, path)) for method, path in requests]


def differences(ours: list[Any], theirs: list[Any]) -> list[str]:
    return [
        f"{method} {path}\n  fastapi: {their}\n  covet:   {our}"
        for (method, path), our, their in zip(REQUESTS, ours, theirs, strict=True)
        if our != their and path not in BELOW_A_MOUNT and not (path.startswith("/sub") and their[0] == 404 != our[0])
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("hello")
    return tmp_path


@pytest.mark.parametrize("middleware", ["", "http", "asgi"])
def test_the_same_answers(folder: Path, middleware: str) -> None:
    theirs = asyncio.run(of_fastapi(build(framework("fastapi"), folder, middleware), REQUESTS))
    app = build(framework("covet"), folder, middleware)
    over_asgi = asyncio.run(of_fastapi(app, REQUESTS))
    with LiveServer(app) as server:
        engine = [asked(server.client, *request) for request in REQUESTS]
    assert not differences(over_asgi, theirs)
    assert not differences(engine, theirs)
    assert engine == over_asgi


def test_what_is_mounted_is_found_without_the_prefix_too(folder: Path) -> None:
    app = build(framework("covet"), folder)
    with LiveServer(app) as server:
        assert server.client.get("/files/a.txt").text == "hello"
        url, _, root_path, path, raw_path, _ = server.client.get("/sub/j", headers={"host": "h.org"}).json()
    assert (url, root_path, path, raw_path) == ("http://h.org/api/sub/j", "/api/sub", "/api/sub/j", "b'/api/sub/j'")


def test_an_escaped_prefix(folder: Path) -> None:
    with LiveServer(build(framework("covet"), folder)) as server:
        found = server.client.get("/%61pi/p/%61").json()
        assert found[3:] == ["/api/p/a", "b'/%61pi/p/%61'", "a"]
        assert server.client.get("/api%2Fi/").status_code == 404


@pytest.mark.parametrize("middleware", ["", "http", "asgi"])
def test_a_slash_at_its_end_does_not_count(folder: Path, middleware: str) -> None:
    app = build(framework("covet"), folder, middleware, "/api/")
    with LiveServer(app) as server:
        for path in ("/i/", "/api/i/"):
            url, base, root_path, got, *_ = server.client.get(path, headers={"host": "h.org"}).json()
            assert (url, base, root_path, got) == (f"http://h.org{path}", "http://h.org/api/", "/api/", path)


@pytest.mark.parametrize("middleware", ["", "http", "asgi"])
def test_websockets(folder: Path, middleware: str) -> None:
    app = build(framework("covet"), folder, middleware)
    with LiveServer(app) as server:
        for path in ("/ws/a", "/api/ws/a"):
            with connect(f"ws://{server.host}:{server.port}{path}") as websocket:
                assert json.loads(websocket.recv(20)) == ["/api", path, path, "a"]


@pytest.mark.parametrize("middleware", ["", "http", "asgi"])
def test_with_the_option_of_the_server(folder: Path, middleware: str) -> None:
    with LiveServer(build(framework("covet"), folder, middleware), root_path="/api") as server:
        url, base, root_path, path, *_ = server.client.get("/i/", headers={"host": "h.org"}).json()
        assert (url, base, root_path, path) == ("http://h.org/api/i/", "http://h.org/api/", "/api", "/api/i/")
        assert server.client.get("/api/i/").status_code == 404
        assert server.client.get("/sub/j").json()[3] == "/api/sub/j"
        moved = server.client.get("/i", headers={"host": "h.org"}, follow_redirects=False)
        assert moved.headers["location"] == "http://h.org/api/i/"
