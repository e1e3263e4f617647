"""`add_route` takes what Starlette's takes; constants are where their router is."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

import pytest

from covet import APIRouter, CovetPy, PlainTextResponse, Request
from covet.testclient import TestClient
from covet.testing import LiveServer


class Application:
    """An ASGI application that tells what it was called with."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = f"{scope['method']} {scope['path']} {scope['root_path']!r} {scope['path_params']}".encode()
        await send({"type": "http.response.start", "status": 202, "headers": [(b"x-a", b"b")]})
        await send({"type": "http.response.body", "body": body})


def application(package: str) -> Any:
    app = import_module(package).FastAPI()
    text = import_module(f"{package}.responses").PlainTextResponse

    async def asynchronous(request):  # type: ignore[no-untyped-def]
        return text(f"{request.method} {request.path_params}")

    def blocking(req):  # type: ignore[no-untyped-def]
        return text(f"{req.method} {req.url.path}")

    app.add_route("/async/{name}", asynchronous)
    app.add_route("/blocking", blocking, methods=["GET", "POST"])
    app.add_route("/posted", blocking, ["POST"])
    app.add_route("/asgi/{name}", Application())
    return app


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["/async/x", "/blocking", "/posted", "/asgi/y", "/asgi", "/asgi/y/z"])
def test_the_same_as_starlettes(method: str, path: str) -> None:
    answers = [TestClient(application(package)).request(method, path) for package in ("fastapi", "covet")]
    expected, found = [(each.status_code, each.text, each.headers.get("x-a")) for each in answers]
    assert found == expected


def test_handlers_with_annotations_or_path_parameters_stay_handlers() -> None:
    app = CovetPy()

    def named(name):  # type: ignore[no-untyped-def]
        return {"name": name}

    def queried(q: int) -> dict[str, int]:
        return {"q": q}

    app.add_route("/named/{name}", named)
    app.add_route("/queried", queried)
    app.add_route("/partial", partial(queried, 5))
    client = TestClient(app)
    assert client.get("/named/ada").json() == {"name": "ada"}
    assert client.get("/queried", params={"q": "1"}).json() == {"q": 1}
    assert client.get("/partial").json() == {"q": 5}


def test_what_a_router_with_a_prefix_adds() -> None:
    router = APIRouter(prefix="/inner")
    router.get("/constant", constant=PlainTextResponse("c"))
    router.add_route("/asgi", Application())
    app = CovetPy()
    app.include_router(router, prefix="/outer")
    assert [route.path for route in app.routes] == ["/outer/inner/constant", "/outer/inner/asgi"]
    client = TestClient(app)
    assert client.get("/outer/inner/constant").text == "c"
    assert client.get("/outer/inner/asgi").text == "GET /outer/inner/asgi '' {}"


def test_the_root_path_of_an_application_that_the_engine_serves() -> None:
    app = CovetPy(root_path="/api")

    @app.get("/app")
    async def read(request: Request) -> list[str]:
        return [request.scope["root_path"], request.url_for("read").path]

    with LiveServer(app) as server:
        assert server.client.get("/app").json() == ["/api", "/api/app"]
