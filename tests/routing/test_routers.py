"""What routers can do that FastAPI's cannot, and hosts."""

from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from covet import APIRouter, CovetPy, HTTPException, JSONResponse, PlainTextResponse, Request
from covet.exceptions import DeclarationError
from covet.routing import NoMatchFound
from covet.testclient import TestClient
from covet.testing.live import LiveServer


class Odd(Exception):
    pass


def test_exception_handlers_of_a_router() -> None:
    app = CovetPy()
    inner = APIRouter()
    outer = APIRouter(prefix="/outer")

    async def by_inner(request: Request, error: Odd) -> JSONResponse:
        return JSONResponse({"by": "inner", "path": request.url.path}, 418)

    def by_outer(request: Request, error: Exception) -> tuple[Any, int]:
        return {"by": "outer"}, 419

    inner.exception_handlers[Odd] = by_inner
    outer.exception_handlers = {Odd: by_outer, 404: by_outer}

    @inner.get("/inner/{n}")
    async def of_inner(n: int) -> dict[str, int]:
        raise Odd if n else HTTPException(404)

    @outer.get("/own")
    def own() -> None:
        raise Odd

    @app.get("/app")
    async def of_app() -> None:
        raise HTTPException(404)

    outer.include_router(inner)
    app.include_router(outer)
    client = TestClient(app)
    assert client.get("/outer/inner/1").json() == {"by": "inner", "path": "/outer/inner/1"}
    assert (client.get("/outer/inner/0").status_code, client.get("/outer/own").json()) == (419, {"by": "outer"})
    assert client.get("/app").json() == {"detail": "Not Found"}
    assert client.get("/outer/inner/x").status_code == 422


def test_routes_that_come_after_the_inclusion() -> None:
    app, router, nested = CovetPy(), APIRouter(prefix="/r"), APIRouter(prefix="/n")
    router.include_router(nested)
    app.include_router(router, prefix="/a")
    client = TestClient(app)
    assert client.get("/a/r/n/late").status_code == 404

    @nested.get("/late")
    async def late() -> str:
        return "late"

    assert client.get("/a/r/n/late").json() == "late"


def test_a_router_cannot_include_itself() -> None:
    one, two = APIRouter(), APIRouter()
    one.include_router(two)
    with pytest.raises(DeclarationError, match="itself"):
        one.include_router(one)
    with pytest.raises(DeclarationError, match="already includes"):
        two.include_router(one)


@pytest.mark.parametrize("prefix", ["x", "/x/"])
def test_prefixes(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix must"):
        APIRouter(prefix=prefix)


def test_hosts() -> None:
    app, api, tenants = CovetPy(), CovetPy(), APIRouter()

    @app.get("/")
    async def root() -> str:
        return "main"

    app.get("/constant", constant=PlainTextResponse("constant"))

    @api.get("/")
    async def api_root() -> str:
        return "api"

    @tenants.get("/")
    async def tenant(request: Request) -> str:
        return f"tenant {request.scope['path_params']}"

    app.host("api.example.com", api)
    app.host("{name}.tenants.example.com", tenants)
    client = TestClient(app, base_url="http://example.com")
    assert client.get("/").json() == "main"
    assert client.get("/constant").text == "constant"
    assert client.get("http://api.example.com/").json() == "api"
    assert client.get("http://API.example.com:8080/").json() == "api"
    assert client.get("http://api.example.com/constant").status_code == 404
    assert client.get("http://ann.tenants.example.com/").status_code == 200
    assert client.get("http://a.b.tenants.example.com/").json() == "main"


def test_addresses_of_routes() -> None:
    app, router, sub = CovetPy(), APIRouter(prefix="/r"), CovetPy()

    @router.get("/{n:int}/{name}")
    async def one(n: int, name: str) -> None: ...

    @router.get("/files/{rest:path}", name="files")
    async def files(rest: str) -> None: ...

    @sub.get("/x/{y}", name="deep")
    async def deep(y: float) -> None: ...

    app.include_router(router)
    app.mount("/sub", sub, name="sub")
    assert app.url_path_for("one", n=3, name="a b") == "/r/3/a%20b"
    assert app.url_path_for("files", rest="a/b") == "/r/files/a/b"
    assert app.url_path_for("sub:deep", y=1.5) == "/sub/x/1.5"
    assert app.url_path_for("sub", path="/any") == "/sub/any"
    with pytest.raises(NoMatchFound, match='name "one" and params "n"'):
        app.url_path_for("one", n=3)
    with pytest.raises(ValueError, match="negative"):
        app.url_path_for("one", n=-3, name="x")
    with pytest.raises(ValueError, match="'/'"):
        app.url_path_for("one", n=3, name="a/b")


def test_problem_details() -> None:
    app = CovetPy(problem_details=True)

    @app.get("/items/{n}")
    async def item(n: int) -> None:
        if n == 1:
            raise HTTPException(409, "taken", {"x-more": "1"})
        if n == 2:
            raise HTTPException(402, {"type": "https://example.com/credit", "balance": 30})
        raise RuntimeError

    client = TestClient(app, raise_server_exceptions=False)
    taken = client.get("/items/1")
    assert (taken.status_code, taken.headers["content-type"], taken.headers["x-more"]) == (
        409,
        "application/problem+json",
        "1",
    )
    assert taken.json() == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "taken",
        "instance": "/items/1",
    }
    assert client.get("/items/2").json()["type"] == "https://example.com/credit"
    assert client.get("/items/2").json()["balance"] == 30
    wrong = client.get("/items/x").json()
    assert (wrong["status"], wrong["errors"][0]["loc"]) == (422, ["path", "n"])
    assert client.get("/items/3").json()["title"] == "Internal Server Error"
    assert client.get("/nowhere").json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "instance": "/nowhere",
    }
    assert client.post("/items/1").headers["allow"] == "GET"


def answering(name: str) -> Any:
    async def default(scope: Any, receive: Any, send: Any) -> None:
        told = f"{name} {scope['type']} {scope['path']} {scope.get('root_path', '')}"
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": told})
            await send({"type": "websocket.close", "code": 1000})
            return
        await send({"type": "http.response.start", "status": 404, "headers": [(b"x-names", b"none")]})
        await send({"type": "http.response.body", "body": told.encode()})

    return default


def with_default(kinds: Any) -> Any:
    application, router_class = kinds
    router = router_class(default=answering("default"))
    router.add_route("/own/", own)
    app = application()
    app.mount("/x", router)
    app.host("api.example.org", router)
    return app


async def own(request: Any) -> Any:
    return PlainTextResponse("own")


def test_the_default_of_a_mounted_router_is_starlettes() -> None:
    import starlette.routing
    from fastapi import FastAPI

    found = []
    for app in (
        with_default((CovetPy, APIRouter)),
        with_default((FastAPI, starlette.routing.Router)),
    ):
        client = TestClient(app, follow_redirects=False)
        asked: list[Any] = []
        for request in ("GET /x/no", "POST /x/own/", "GET /x/own", "GET /x/own/", "PUT /x/"):
            response = client.request(*request.split())
            asked.append((response.status_code, response.status_code == 405 or response.text))
        response = client.get("http://api.example.org/y")
        asked.append((response.status_code, response.text))
        with client.websocket_connect("/x/ws") as session:
            asked.append(session.receive_text())
        found.append(asked)
    assert found[0] == found[1]


def test_the_default_of_a_mounted_router_over_the_engine() -> None:
    app = with_default((CovetPy, APIRouter))
    with LiveServer(app) as server:
        response = httpx.get(server.url + "/x/no")
        assert (response.status_code, response.text) == (404, "default http /x/no /x")
        assert httpx.get(server.url + "/x/own/").text == "own"
        with connect(f"ws://127.0.0.1:{server.port}/x/ws") as websocket:
            assert websocket.recv() == "default websocket /x/ws /x"


def test_the_default_of_an_included_router_is_not_asked_and_that_of_a_mounted_one_has_its_middleware() -> None:
    app, router = CovetPy(), APIRouter(default=answering("default"))
    app.include_router(router)
    assert TestClient(app).get("/no").json() == {"detail": "Not Found"}
    app = CovetPy()
    app.mount("/x", router)

    @router.middleware("http")
    async def noted(request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["x-noted"] = "yes"
        return response

    response = TestClient(app).get("/x/no")
    assert (response.headers["x-noted"], response.text) == ("yes", "default http /x/no /x")
