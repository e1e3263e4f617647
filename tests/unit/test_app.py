"""Registration, and what the engine and the runner are given."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from covet import ConfigError, CovetPy, HTTPException, JSONResponse, PlainTextResponse, StreamingResponse
from covet.interfaces.native import entries
from covet.lifespan import Lifespan, with_hooks
from covet.requests import Context
from covet.routing import allowed_methods
from covet.testclient import TestClient

from .fakes import FakeExchange


async def handler(item: int = 0) -> None: ...


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "head", "options"])
def test_method_decorators(method: str) -> None:
    app = CovetPy()
    assert getattr(app, method)("/x", status_code=201, name="x")(handler) is handler
    (route,) = app.routes
    assert (route.path, list(route.methods), route.status_code, route.name) == ("/x", [method.upper()], 201, "x")
    told = {"id": 3, "methods": [method.upper()], "path": "/x", "constant": None, "repeat": True}
    assert route.engine(3) == told


def test_route_takes_several_methods() -> None:
    app = CovetPy()
    app.route("/x", methods=["get", "POST", "GET"])(handler)
    app.route("/y")(handler)
    assert [list(route.methods) for route in app.routes] == [["GET", "POST"], ["GET"]]
    assert app.routes[0].name == "handler"


def test_constants() -> None:
    app = CovetPy()
    route = app.get("/ping", constant=PlainTextResponse("pong", 202, {"x-a": "b"}))
    app.route("/json", ["GET", "HEAD"], constant=JSONResponse({"a": 1}))
    assert app.routes[0] is route
    constant = route.engine(1)["constant"]
    assert b64decode(constant.pop("body_b64")) == b"pong"
    assert constant == {"status": 202, "media_type": "text/plain; charset=utf-8", "headers": [("x-a", "b")]}
    assert app.add_constant("/plain", ({"a": 1}, 203)).engine(1)["constant"]["status"] == 203
    with pytest.raises(TypeError, match="cannot be constant"):
        app.get("/stream", constant=StreamingResponse([]))


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("x", {}, "must start with '/'"),
        ("/{a}/{a}", {}, "'a' more than once"),
        ("/", {"methods": []}, "methods must be"),
        ("/", {"methods": ["G T"]}, "methods must be"),
        ("/", {"methods": "GET"}, "methods must be a list"),
        ("/", {"status_code": 99}, "status_code must be from 200 to 599, not 99"),
        ("/", {"status_code": "200"}, "status_code must be"),
    ],
)
def test_routes_that_cannot_be(path: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CovetPy().route(path, **options)(handler)


def test_what_the_runner_is_given() -> None:
    app = CovetPy()
    app.get("/a/{item}")(handler)
    app.get("/ping", constant=PlainTextResponse("pong"))
    app.delete("/a", status_code=204)(handler)
    calls = entries(app.routes, Context(app, {}, {}), generate=True)
    assert [entry and entry[1:] for entry in calls] == [(404, False), (200, True), None, (204, False)]


def test_unmatched_requests_reach_exception_handlers_only_if_there_are_some() -> None:
    app = CovetPy()
    assert not app.answers_unmatched
    app.exception_handler(418)(handler)
    app.exception_handler(Exception)(handler)
    assert not app.answers_unmatched
    for key in (404, 405, HTTPException):
        app = CovetPy()
        app.exception_handler(key)(handler)
        assert app.answers_unmatched


@pytest.mark.parametrize(
    ("verdict", "path", "allow"), [(404, "/none", None), (405, "/a/x%2Fy", "DELETE, GET"), (405, "/u/5", "PUT")]
)
def test_unmatched_requests(verdict: int, path: str, allow: str | None) -> None:
    app = CovetPy()
    app.get("/a/{item:path}")(handler)
    app.delete("/a/{item:path}")(handler)
    app.put("/u/{item:int}")(handler)
    unmatched = entries(app.routes, Context(app, {}, {}), generate=True)[0]
    assert unmatched is not None
    with pytest.raises(HTTPException) as caught:
        unmatched[0](FakeExchange(path, verdict=verdict))  # type: ignore[arg-type]
    assert caught.value.status_code == verdict
    assert (caught.value.headers or {}).get("allow") == allow


def test_patterns_for_allow() -> None:
    app = CovetPy()
    for path in ("/{x:float}", "/{x:uuid}", "/{x}", "/a.b/{x:path}", "/v{x:int}.json"):
        app.post(path)(handler)
    matching = {
        "/1.5": ["/{x:float}", "/{x}"],
        "/12345678-1234-5678-1234-567812345678": ["/{x:uuid}", "/{x}"],
        "/a.b/c/d": ["/a.b/{x:path}"],
        "/aXb/c": [],
        "/v7.json": ["/{x}", "/v{x:int}.json"],
    }
    for path, patterns in matching.items():
        assert [route.path for route in app.routes if route.fits(path)] == patterns
    assert allowed_methods(app.routes, "/") == []


def test_hooks_are_registered_with_and_without_parentheses() -> None:
    app = CovetPy(on_startup=[lambda: seen.append("first")])
    seen: list[str] = []

    @app.on_startup
    async def one() -> None:
        seen.append("one")

    @app.on_startup()
    def two() -> None:
        seen.append("two")

    @app.on_event("startup")
    def three() -> None:
        seen.append("three")

    @app.on_shutdown
    def last() -> None:
        seen.append("last")

    @app.on_event("shutdown")
    async def very_last() -> None:
        seen.append("very last")

    async def main() -> None:
        lifespan = Lifespan(app, app.router.lifespan_context)
        assert await lifespan.start() == {}
        assert seen == ["first", "one", "two", "three"]
        await lifespan.stop()

    asyncio.run(main())
    assert seen[4:] == ["last", "very last"]
    with pytest.raises(ValueError, match="startup"):
        app.on_event("boot")


def test_lifespan_encloses_the_hooks_and_gives_its_state() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(app: CovetPy) -> AsyncIterator[dict[str, int]]:
        seen.append(app.title)
        # A cancel scope must be left in the task that has entered it.
        async with asyncio.timeout(60):
            yield {"db": 1}
        seen.append("closed")

    async def main() -> None:
        app = CovetPy(title="Shop", lifespan=lifespan)
        app.on_startup(lambda: seen.append("up"))
        app.on_shutdown(lambda: seen.append("down"))
        running = Lifespan(app, app.router.lifespan_context)
        assert await running.start() == {"db": 1}
        await running.stop()

    asyncio.run(main())
    assert seen == ["Shop", "up", "down", "closed"]


def test_lifespan_context_is_all_that_runs_around_serving() -> None:
    seen: list[str] = []
    app = CovetPy(on_startup=[lambda: seen.append("up")], on_shutdown=[lambda: seen.append("down")])

    async def main() -> None:
        async with app.router.lifespan_context(app) as state:
            assert state is None
            seen.append("serving")

    asyncio.run(main())
    assert seen == ["up", "serving", "down"]


def test_a_lifespan_context_that_was_assigned_takes_the_place_of_all() -> None:
    seen: list[str] = []
    app = CovetPy(on_startup=[lambda: seen.append("up")])
    original = app.router.lifespan_context

    async def around(app: CovetPy) -> AsyncIterator[dict[str, int]]:
        async with original(app):
            yield {"db": 1}

    app.router.lifespan_context = around  # type: ignore[assignment]  # a generator will do, as in Starlette

    async def main() -> None:
        running = Lifespan(app, app.router.lifespan_context)
        assert await running.start() == {"db": 1}
        await running.stop()

    asyncio.run(main())
    assert seen == ["up"]


def test_title_version_and_debug_can_be_assigned() -> None:
    app = CovetPy()
    app.title, app.version, app.debug = "Shop", "2.0", True
    assert app.openapi()["info"] == {"title": "Shop", "version": "2.0"}
    assert app.settings.debug

    @app.get("/")
    def fail() -> None:
        raise RuntimeError("shown")

    assert "shown" in TestClient(app, raise_server_exceptions=False).get("/").text
    with pytest.raises(ConfigError, match="debug"):
        app.debug = "yes"  # type: ignore[assignment]


def test_failures_of_the_lifespan_are_raised() -> None:
    def fail() -> None:
        raise RuntimeError("no database")

    async def main() -> None:
        with pytest.raises(RuntimeError, match="no database"):
            await Lifespan(None, with_hooks(None, [fail], [])).start()
        running = Lifespan(None, with_hooks(None, [], [fail]))
        await running.start()
        with pytest.raises(RuntimeError, match="no database"):
            await running.stop()

    asyncio.run(main())
