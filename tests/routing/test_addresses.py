"""Addresses of routes by name, where applications are mounted; tests/compat compares them with FastAPI's."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount as StarletteMount
from starlette.routing import NoMatchFound as StarletteNoMatchFound
from starlette.routing import Route as StarletteRoute

from covet import APIRouter, CovetPy, Request
from covet.connection import HTTPConnection
from covet.routing import Mount, NoMatchFound
from covet.testclient import TestClient


def test_names_of_the_application_itself() -> None:
    """What the outermost application does not know is looked for in the mounted one."""
    app, sub, router = CovetPy(), CovetPy(), APIRouter()

    async def tell(request: Request) -> Any:
        connection = HTTPConnection(dict(request.scope))
        return [[str(one.url_for(name)) for name in ("own", "both")] for one in (request, connection)]

    app.get("/both", name="both")(tell)
    sub.get("/both", name="both")(tell)
    sub.get("/own", name="own")(tell)
    app.mount("/sub/{n}", sub, name="sub")

    @router.get("/own", name="own")
    async def of_router(request: Request) -> list[Any]:
        return [str(request.url_for("own")), request.app is app]

    app.mount("/router", router, name="router")
    client = TestClient(app)
    told = ["http://testserver/sub/a%20b/own", "http://testserver/both"]
    assert client.get("/sub/a%20b/own").json() == [told, told]
    assert client.get("/router/own").json() == ["http://testserver/router/own", True]


def test_mounts_with_parameters() -> None:
    app, sub = CovetPy(), CovetPy()

    @sub.get("/x", name="x")
    async def x(request: Request) -> Any:
        return request.path_params

    @app.get("/later", name="later")
    async def later() -> None: ...

    app.mount("/u/{n}", sub)
    app.mount("/i/{n:int}", sub, name="i")
    app.mount("/v", sub)
    assert app.url_path_for("x", n="a b") == "/u/a%20b/x"
    assert app.url_path_for("i:x", n=3) == "/i/3/x"
    assert app.url_path_for("x") == "/v/x"
    assert app.url_path_for("later") == "/later"
    for params in ({}, {"m": "1"}):
        with pytest.raises(NoMatchFound):
            app.url_path_for("nowhere", **params)
    client = TestClient(app)
    assert client.get("/u/a%2Fb/x").json() == {"n": "a/b"}
    assert client.get("/i/3/x").json() == {"n": 3}


def test_hosts() -> None:
    app, api = CovetPy(), CovetPy()

    @api.get("/x/{n}", name="x")
    async def x(n: int) -> None: ...

    app.host("{tenant}.example.com", api, name="api")
    app.host("www.example.com", api)
    path = app.url_path_for("api:x", tenant="t1", n=2)
    assert (path, path.host, path.protocol) == ("/x/2", "t1.example.com", "http")
    assert app.url_path_for("x", n=1).host == "www.example.com"
    assert app.url_path_for("api", tenant="t1", path="/any").host == "t1.example.com"
    for params in ({"n": 2}, {"tenant": "t1"}, {"tenant": "t1", "n": 2, "m": 3}):
        with pytest.raises(NoMatchFound):
            app.url_path_for("api:x", **params)


def test_routes_of_starlette() -> None:
    """Each finds the other's routes by name, and goes on behind mounts that do not know one."""

    async def page(request: Any) -> PlainTextResponse:
        return PlainTextResponse(str(request.url_for("ours:item", n=3)))

    ours = CovetPy()

    @ours.get("/items/{n}", name="item")
    async def item(n: int, request: Request) -> list[str]:
        return [str(request.url_for("ours:item", n=n)), str(request.url_for("page")), str(request.url_for("item", n=n))]

    theirs = Starlette(
        routes=[StarletteMount("/ours", ours, name="ours"), StarletteRoute("/page", page, name="page")],
    )
    base = "http://testserver"
    client = TestClient(theirs)
    assert client.get("/ours/items/3").json() == [base + "/ours/items/3", base + "/page", base + "/ours/items/3"]
    assert client.get("/page").text == base + "/ours/items/3"
    with pytest.raises(StarletteNoMatchFound):
        theirs.url_path_for("ours:nothing")

    outer = CovetPy(routes=[Mount("/theirs", theirs, name="theirs")])
    assert outer.url_path_for("theirs:page") == "/theirs/page"
    assert outer.url_path_for("theirs:ours:item", n=1) == "/theirs/ours/items/1"
    with pytest.raises(NoMatchFound):
        outer.url_path_for("theirs:nothing")
    found = TestClient(outer, raise_server_exceptions=False).get("/theirs/ours/items/3")
    assert found.status_code == 500  # "page" is "theirs:page" from there


def test_mounts_tell_tools_what_is_below() -> None:
    app, sub = CovetPy(), CovetPy()

    @sub.get("/x")
    async def x() -> None: ...

    app.mount("/u/{n:int}", sub)
    route = app.routes[-1]
    assert isinstance(route, Mount)
    scope = {"type": "http", "path": "/api/u/3/x", "root_path": "/api", "method": "GET", "headers": []}
    kind, child = route.matches(scope)
    assert kind.name == "FULL"
    assert child == {"endpoint": sub, "path_params": {"n": 3}, "app_root_path": "/api", "root_path": "/api/u/3"}
    assert [one.matches({**scope, **child})[0].name for one in route.routes if one.path == "/x"] == ["FULL"]
