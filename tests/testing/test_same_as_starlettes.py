"""Our test client and Starlette's do the same with the same application."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import io
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import fastapi
import httpx
import pytest
from starlette.websockets import WebSocketDisconnect as StarletteDisconnect

import covet
from covet.exceptions import WebSocketDisconnect
from covet.testclient import AsyncTestClient, TestClient, WebSocketDenialResponse

from .apps import VARIABLE, application

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import starlette.testclient

CLIENTS = (TestClient, starlette.testclient.TestClient)
DISCONNECTS = (WebSocketDisconnect, StarletteDisconnect)
DENIALS = (WebSocketDenialResponse, starlette.testclient.WebSocketDenialResponse)


def of(response: httpx.Response) -> Any:
    headers = [(name, value) for name, value in response.headers.raw if name != b"user-agent"]
    history = [(each.status_code, str(each.url)) for each in response.history]
    return response.status_code, headers, response.content, str(response.url), history


def upload() -> dict[str, Any]:
    return {"file": ("a.txt", io.BytesIO(b"contents"), "text/plain")}


REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/seen", {}),
    ("GET", "/seen?a=1&b=%20x&a=2", {}),
    ("GET", "/seen", {"params": {"q": "a b", "r": ["1", "2"]}}),
    ("GET", "/seen/a%2Fb/%C3%A9", {}),
    ("GET", "/mounted/seen", {}),
    ("GET", "https://example.org:8443/seen", {}),
    ("GET", "//other/seen", {}),
    ("GET", "/seen", {"headers": {"X-Own": "value", "User-Agent": "mine"}}),
    ("GET", "/seen", {"headers": [("x-twice", "1"), ("x-twice", "2")]}),
    ("GET", "/seen", {"cookies": {"own": "1"}}),
    ("GET", "/seen", {"auth": ("me", "secret")}),
    ("POST", "/seen", {"content": b"octets"}),
    ("POST", "/seen", {"json": {"a": "é"}}),
    ("POST", "/seen", {"data": {"a": "1", "b": ["2", "3"]}}),
    ("PUT", "/seen", {"content": "text"}),
    ("DELETE", "/seen", {}),
    ("PATCH", "/seen", {"json": []}),
    ("OPTIONS", "/seen", {}),
    ("HEAD", "/seen", {}),
    ("HEAD", "/stream", {}),
    ("GET", "/stream", {}),
    ("GET", "/redirect", {}),
    ("POST", "/redirect", {"json": {"sent": "again"}}),
    ("POST", "/redirect?status=303", {"json": {"not": "sent"}}),
    ("GET", "/redirect", {"follow_redirects": False}),
    ("GET", "/unknown", {}),
    ("GET", "/pieces", {}),
    ("GET", "/cookies?flavour=oat", {}),
    ("GET", "/state", {}),
    ("GET", "/latin", {}),
]


def ask(client_class: Any, method: str, path: str, options: dict[str, Any], client_options: dict[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # httpx's, of cookies for one request
        with client_class(application(), **copy.deepcopy(client_options)) as client:
            return of(client.request(method, path, **options))


@pytest.mark.parametrize(("method", "path", "options"), REQUESTS)
def test_requests(method: str, path: str, options: dict[str, Any]) -> None:
    if path == "/latin":  # Starlette's cannot read it
        assert ask(TestClient, method, path, options, {})[1][0] == (b"x-latin", b"caf\xe9")
        return
    ours, theirs = (ask(each, method, path, options, {}) for each in CLIENTS)
    assert ours == theirs


@pytest.mark.parametrize(
    "client_options",
    [
        {"root_path": "/api"},
        {"base_url": "https://example.org/seen"},
        {"headers": {"X-Own": "1"}},
        {"headers": {"user-agent": "mine"}},
        {"cookies": {"own": "1"}},
        {"client": ("10.0.0.1", 1234)},
    ],
)
def test_options_of_the_client(client_options: dict[str, Any]) -> None:
    ours, theirs = (ask(each, "GET", "/seen", {}, client_options) for each in CLIENTS)
    assert ours == theirs


def test_files() -> None:
    bodies = []
    for client_class in CLIENTS:
        response = client_class(application()).post("/seen", files=upload())
        boundary = response.request.headers["content-type"].partition("boundary=")[2]
        bodies.append(response.json()["body"].replace(boundary, "-"))
        assert response.request.content  # it is there to be looked at
    assert bodies[0] == bodies[1]
    assert "contents" in bodies[0]


def each_client(**options: Any) -> Iterator[tuple[Any, int]]:
    for index, client_class in enumerate(CLIENTS):
        yield client_class(application(), **options), index


def test_exceptions_of_the_application() -> None:
    for client, _ in each_client():
        with pytest.raises(KeyError, match="as the test asked"):
            client.get("/fails")
        with pytest.raises(KeyError, match="in the stream"):
            client.get("/broken_stream")
    answers = [
        [of(client.get(path)) for path in ("/fails", "/broken_stream")]
        for client, _ in each_client(raise_server_exceptions=False)
    ]
    assert answers[0] == answers[1]


def test_cookies_stay_with_the_client() -> None:
    for client, _ in each_client():
        assert client.get("/cookies?flavour=oat").json() == {}
        assert client.get("/cookies").json() == {"flavour": "oat"}
        assert client.cookies["flavour"] == "plain"


def test_the_lifespan_runs_in_with_and_more_than_once() -> None:
    for client, _ in each_client():
        events = client.app.state.events
        assert client.get("/state").json() == {}
        assert events == []
        for _ in range(2):
            with client:
                assert events.pop() == "up"
                assert client.get("/state").json() == {"resource": "open"}
                assert client.app_state == {"resource": "open"}
            assert events.pop() == "down"


def test_background_tasks_are_over_before_the_answer() -> None:
    for client, _ in each_client():
        assert client.get("/background").text == "answered"
        assert client.app.state.events == ["worked"]


def test_context_variables_are_seen() -> None:
    token = VARIABLE.set("set by the test")
    try:
        for client, _ in each_client():
            assert client.get("/variable").text == "set by the test"
            with client:
                assert client.get("/variable").text == "set by the test"
    finally:
        VARIABLE.reset(token)


def test_streamed_responses() -> None:
    for client, _ in each_client():
        with client, client.stream("GET", "/stream") as response:
            assert list(response.iter_lines()) == ["part 0", "part 1", "part 2"]


@pytest.mark.parametrize("within", [True, False])
def test_sockets(within: bool) -> None:
    def talk(client: Any, disconnect: type[Exception]) -> list[Any]:
        found: list[Any] = []
        with client.websocket_connect("/chat?a=1", ["first", "second"], headers={"x-own": "mine"}) as socket:
            found += [socket.accepted_subprotocol, socket.extra_headers, socket.receive_json()]
            socket.send_text("hello")
            socket.send_bytes(b"octets")
            socket.send_json({"a": "é"})
            socket.send_json([1], mode="binary")
            socket.send({"type": "websocket.receive", "text": "raw"})
            found += [socket.receive_text(), socket.receive_bytes(), socket.receive_text(), socket.receive_bytes()]
            found.append(socket.receive())
        found.append(client.app.state.events[-1])
        with client.websocket_connect("/chat") as socket:
            found += [socket.accepted_subprotocol, socket.receive_json()]
            socket.send_text("close")
            with pytest.raises(disconnect) as closed:
                socket.receive_text()
            found.append(vars(closed.value))
        with client.websocket_connect("/chat") as socket:
            socket.close(3002, "bye")
            socket.receive_json()
        return found

    results = []
    for client, index in each_client():
        with client if within else contextlib.nullcontext():
            results.append(talk(client, DISCONNECTS[index]))
    assert results[0] == results[1]


@pytest.mark.parametrize("mode", ["text", "binary"])
def test_json_over_sockets(mode: str) -> None:
    for client, _ in each_client():
        with client.websocket_connect(f"/echo_json?mode={mode}") as socket:
            socket.send_json({"é": [1, None]}, mode=mode)
            assert socket.receive_json(mode=mode) == {"é": [1, None]}


def test_sockets_that_are_refused() -> None:
    refused: list[Any] = []
    for client, index in each_client():
        with pytest.raises(DISCONNECTS[index]) as closed, client.websocket_connect("/refusing"):
            pass
        refused.append((closed.value.code, closed.value.reason))
        with pytest.raises(DENIALS[index]) as denied, client.websocket_connect("/denying"):
            pass
        assert isinstance(denied.value, DISCONNECTS[index])
        refused.append((denied.value.status_code, denied.value.json(), denied.value.headers["x-why"]))
    assert refused[:2] == refused[2:]
    assert refused[0] == (3003, "not you")


def test_a_socket_whose_application_fails() -> None:
    for client, _ in each_client():
        with pytest.raises(KeyError, match="in the socket"), client.websocket_connect("/chat") as socket:
            socket.receive_json()
            socket.send_text("fail")
            socket.receive_text()


def socket_that_fails(kind: Any, application: Any) -> Any:
    async def fails(websocket: Any) -> None:
        await websocket.accept()
        await websocket.receive_text()
        raise KeyError("in the socket")

    fails.__annotations__["websocket"] = kind
    application.websocket("/fails")(fails)
    return application


@pytest.mark.parametrize("within", [False, True])
def test_what_a_handler_raises_while_the_test_waits(within: bool) -> None:
    for client in (
        starlette.testclient.TestClient(socket_that_fails(fastapi.WebSocket, fastapi.FastAPI())),
        TestClient(socket_that_fails(covet.WebSocket, covet.CovetPy())),
    ):
        with (
            client if within else contextlib.nullcontext(),
            pytest.raises(KeyError, match="in the socket"),
            client.websocket_connect("/fails") as socket,
        ):
            socket.send_text("fail")
            socket.receive_text()


def test_what_a_handler_raises_while_an_asynchronous_test_waits() -> None:
    async def main() -> None:
        client = AsyncTestClient(socket_that_fails(covet.WebSocket, covet.CovetPy()))
        async with client, client.websocket_connect("/fails") as socket:
            await socket.send_text("fail")
            await socket.receive_text()

    with pytest.raises(KeyError, match="in the socket"):
        asyncio.run(main())


def test_a_handler_that_closes_with_1011_has_not_failed() -> None:
    app = covet.CovetPy()

    @app.websocket("/closes")
    async def closes(websocket: covet.WebSocket) -> None:
        await websocket.accept()
        await websocket.close(1011, "by hand")

    with (
        TestClient(app).websocket_connect("/closes") as socket,
        pytest.raises(covet.WebSocketDisconnect, match="by hand"),
    ):
        socket.receive_text()


def test_an_application_that_looks_at_nothing_is_cancelled() -> None:
    for client, _ in each_client():
        with client.websocket_connect("/chatty") as socket:
            assert [socket.receive_text(), socket.receive_text()] == ["tick", "tick"]


Make = Callable[[], Any]


def test_asgi_2_and_callables_of_all_kinds() -> None:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"answered"})

    class Two:
        def __init__(self, scope: Any) -> None:
            self.scope = scope

        async def __call__(self, receive: Any, send: Any) -> None:
            await answer(self.scope, receive, send)

    class Three:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await answer(scope, receive, send)

    for app in (answer, Two, Three()):
        for client_class in CLIENTS:
            assert client_class(app).get("/").text == "answered"
