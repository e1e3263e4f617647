"""Requests that are made from a scope, by applications, libraries and routes of one's own."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest
from starlette.requests import ClientDisconnect as TheirClientDisconnect
from starlette.requests import Request as TheirRequest

from covet import APIRouter, ClientDisconnect, CovetPy, Form, HTTPException, JSONResponse, Request, Response
from covet.connection import HTTPConnection
from covet.middleware.base import BaseHTTPMiddleware
from covet.routing import APIRoute

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "POST",
    "scheme": "https",
    "http_version": "1.1",
    "path": "/root/a/\u00e9",
    "raw_path": b"/root/a/%C3%A9",
    "root_path": "/root",
    "query_string": b"q=1&q=2&r=",
    "headers": [(b"host", b"example.org"), (b"cookie", b"a=1; b=2"), (b"x-a", b"b")],
    "client": ("10.0.0.1", 5),
    "server": ("127.0.0.1", 80),
    "path_params": {"x": 5},
    "session": {"user": 1},
    "user": "me",
    "auth": ["all"],
    "state": {"db": 1},
}


def receiving(*messages: dict[str, Any]) -> Callable[[], Any]:
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    return receive


def body_of(*pieces: bytes) -> list[dict[str, Any]]:
    last = len(pieces) - 1
    return [{"type": "http.request", "body": piece, "more_body": i < last} for i, piece in enumerate(pieces)]


@pytest.mark.parametrize("kind", [Request, TheirRequest])
def test_what_a_scope_says(kind: Any) -> None:
    request = kind(dict(SCOPE))
    assert (request.method, str(request.url), str(request.base_url)) == (
        "POST",
        "https://example.org/root/a/\u00e9?q=1&q=2&r=",
        "https://example.org/root/",
    )
    assert request["path"] == "/root/a/\u00e9" and request.get("nothing") is None and "path" in request
    assert (len(request), set(request)) == (len(SCOPE), set(SCOPE))
    assert request == request and request != kind(dict(SCOPE)) and request in {request}
    assert (request.headers["X-A"], request.cookies) == ("b", {"a": "1", "b": "2"})
    assert (request.query_params.getlist("q"), request.path_params) == (["1", "2"], {"x": 5})
    assert (request.client.host, request.client.port) == ("10.0.0.1", 5)
    assert (request.session, request.user, request.auth) == ({"user": 1}, "me", ["all"])
    request.state.more = 2
    assert request.scope["state"] == {"db": 1, "more": 2}
    request.anything = 5
    assert request.anything == 5


@pytest.mark.parametrize("kind", [Request, TheirRequest])
def test_what_a_scope_lacks(kind: Any) -> None:
    request = kind({"type": "http", "method": "GET", "path": "/a", "headers": [], "query_string": b""})
    assert (str(request.url), request.client, request.path_params) == ("/a", None, {})
    for name in ("session", "auth", "user"):
        with pytest.raises(AssertionError, match="must be installed"):
            getattr(request, name)
    with pytest.raises(KeyError):
        _ = request.app
    with pytest.raises(RuntimeError):
        request.url_for("a")

    async def main() -> None:
        with pytest.raises(RuntimeError):
            await request.body()
        with pytest.raises(RuntimeError):
            await request._send({})

    asyncio.run(main())
    with pytest.raises((ValueError, AssertionError)):
        kind({"type": "websocket"})


@pytest.mark.parametrize("kind", [Request, TheirRequest])
def test_bodies(kind: Any) -> None:
    async def main() -> None:
        request = kind(SCOPE, receiving(*body_of(b"[1,", b"", b"2]")))
        assert not hasattr(request, "_body")
        assert await request.body() == b"[1,2]" == await request.body()
        assert await request.json() == [1, 2]
        assert b"".join([piece async for piece in request.stream()]) == b"[1,2]"

        request = kind(SCOPE, receiving(*body_of(b"a", b"b")))
        assert [piece async for piece in request.stream() if piece] == [b"a", b"b"]
        with pytest.raises(RuntimeError):
            await request.body()

        request = kind(SCOPE, receiving(*body_of(b"a", b"b")[:1], {"type": "http.disconnect"}))
        with pytest.raises((ClientDisconnect, TheirClientDisconnect)):
            await request.body()
        assert await request.is_disconnected()

        request = kind(SCOPE, receiving())
        assert not await request.is_disconnected()

    asyncio.run(main())


def test_asking_for_disconnection_loses_nothing_of_the_body() -> None:
    async def main() -> None:
        request = Request(SCOPE, receiving(*body_of(b"a", b"b"), {"type": "http.disconnect"}))
        assert not await request.is_disconnected()
        assert await request.body() == b"ab"
        assert await request.is_disconnected()

    asyncio.run(main())


def test_forms() -> None:
    headers = [(b"content-type", b"application/x-www-form-urlencoded")]

    async def main() -> None:
        request = Request({**SCOPE, "headers": headers}, receiving(*body_of(b"a=1", b"&b=")))
        async with request.form() as form:
            assert form.multi_items() == [("a", "1"), ("b", "")]
        assert await request.form() is form
        await request.close()
        with pytest.raises(HTTPException) as caught:
            await Request({**SCOPE, "headers": headers, "app": None}, receiving(*body_of(b"a=1&b="))).form(max_fields=1)
        assert (caught.value.status_code, caught.value.detail) == (
            400,
            "Too many fields. Maximum number of fields is 1.",
        )

    asyncio.run(main())


def test_hints_are_sent_where_the_server_can() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def main(*extensions: str) -> None:
        request = Request({**SCOPE, "extensions": {name: {} for name in extensions}}, receiving(), send)
        await request.send_early_hints("</a>", "</b>")
        await request.send_push_promise("/style.css")

    asyncio.run(main())
    assert sent == []
    asyncio.run(main("http.response.push", "http.response.early_hint"))
    assert sent == [
        {"type": "http.response.early_hint", "links": [b"</a>", b"</b>"]},
        {"type": "http.response.push", "path": "/style.css", "headers": []},
    ]


def ask(app: Any, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
    async def main() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return [await client.request(method, path, **options) for method, path, options in requests]

    return asyncio.run(main())


class GzipRequest(Request):
    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            body = await super().body()
            self._body = gzip.decompress(body) if "gzip" in self.headers.getlist("content-encoding") else body
        return self._body


class GzipRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Any]:
        original = super().get_route_handler()

        async def handler(request: Request) -> Response:
            return await original(GzipRequest(request.scope, request.receive))

        return handler


def gzip_app() -> CovetPy:
    app = CovetPy()
    router = APIRouter(route_class=GzipRoute)

    @router.post("/sum")
    async def total(numbers: list[int]) -> dict[str, int]:
        return {"sum": sum(numbers)}

    @router.post("/form")
    async def form(a: int = Form()) -> int:
        return a

    app.include_router(router)
    return app


def test_a_route_class_with_requests_of_its_own() -> None:
    packed = {"content": gzip.compress(b"[1,2,3]"), "headers": {"content-encoding": "gzip"}}
    json_type = {"content-type": "application/json"}
    packed["headers"] = {**packed["headers"], **json_type}  # type: ignore[dict-item]
    first, second, third, fourth = ask(
        gzip_app(),
        ("POST", "/sum", packed),
        ("POST", "/sum", {"json": [1, 2]}),
        ("POST", "/sum", {"json": ["x"]}),
        ("POST", "/form", {"data": {"a": "5"}}),
    )
    assert (first.json(), second.json(), third.status_code, fourth.json()) == ({"sum": 6}, {"sum": 3}, 422, 5)


def layered(dispatch: Any) -> CovetPy:
    app = CovetPy()
    app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)

    @app.post("/{n:int}")
    async def echo(request: Request) -> list[Any]:
        return [(await request.body()).decode(), dict(request.headers).get("x-more"), request.path_params]

    return app


def test_a_middleware_may_replace_what_receives() -> None:
    async def dispatch(request: Request, call_next: Any) -> Any:
        body = await request.body()
        assert body == b"body"

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body + b" and more", "more_body": False}

        del request._body
        request._receive = receive
        return await call_next(request)

    (response,) = ask(layered(dispatch), ("POST", "/5", {"content": b"body"}))
    assert response.json() == ["body and more", None, {"n": 5}]


def test_a_middleware_may_make_another_request() -> None:
    async def dispatch(request: Request, call_next: Any) -> Any:
        other = Request(request.scope, request.receive)
        assert other.method == "POST" and isinstance(other, HTTPConnection)
        return await call_next(other)

    (response,) = ask(layered(dispatch), ("POST", "/5", {"content": b"body"}))
    assert response.json() == ["body", None, {"n": 5}]


def test_receiving_the_messages_of_a_request() -> None:
    app = CovetPy()

    @app.post("/")
    async def messages(request: Request) -> list[Any]:
        found: list[Any] = []
        while not found or found[-1]["more_body"]:
            found.append({**await request.receive()})
        return [b"".join(each["body"] for each in found).decode(), sorted(found[-1])]

    @app.post("/after")
    async def after(request: Request) -> Any:
        await request.body()
        return (await request.receive())["body"].decode()

    @app.post("/sent")
    async def sent(request: Request) -> None:
        await JSONResponse("by hand", 201)(request.scope, request.receive, request._send)

    answers = ask(app, *[("POST", path, {"content": b"body"}) for path in ("/", "/after", "/sent")])
    assert [answer.json() for answer in answers] == [["body", ["body", "more_body", "type"]], "body", "by hand"]
    assert answers[2].status_code == 201


def values(request: Request, names: Sequence[str]) -> list[Any]:
    return [getattr(request, name) for name in names]


def test_path_parameters_have_their_converters_types() -> None:
    app, seen = CovetPy(), []

    @app.get("/{a:int}/{b:float}/{c:uuid}/{d}/{e:path}")
    async def show(request: Request) -> None:
        seen.append(request.path_params)
        assert request.path_params is request.scope["path_params"]

    ask(app, ("GET", "/5/2.5/00000000-0000-0000-0000-000000000001/7/x/y", {}))
    import uuid

    assert seen == [{"a": 5, "b": 2.5, "c": uuid.UUID(int=1), "d": "7", "e": "x/y"}]


def test_a_mounted_application_has_the_parameters_of_its_path() -> None:
    inner, outer = CovetPy(), CovetPy()

    @inner.get("/items/{item}")
    async def item(request: Request) -> Any:
        return [request.path_params, str(request.base_url)]

    outer.mount("/{tenant}/api", inner)
    (response,) = ask(outer, ("GET", "/t1/api/items/5", {}))
    assert response.json()[0] == {"tenant": "t1", "path": "items/5", "item": "5"} or response.json()[0] == {
        "tenant": "t1",
        "item": "5",
    }
