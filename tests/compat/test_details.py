"""Details that FastAPI's users rely on: each application is made with either framework, and has to do the same."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import pytest

from .frameworks import framework

pytestmark = pytest.mark.parametrize("package", ["fastapi", "covet"])


def of(package: str, name: str) -> Any:
    """Something of a framework, such as "websockets.WebSocket"."""
    module, _, attribute = f"{package}.{name}".rpartition(".")
    return getattr(import_module(module), attribute)


def client_of(app: Any, package: str, **options: Any) -> Any:
    return of(package, "testclient.TestClient")(app, **options)


def test_the_route_is_in_the_scope(package: str) -> None:
    f, WebSocket = framework(package), of(package, "WebSocket")
    app = f.FastAPI()

    @app.get("/users/{user_id}")
    async def user(user_id: str, request: f.Request) -> list[str]:
        return [request.scope["route"].path, request.scope["endpoint"].__name__]

    @app.websocket("/items/{item_id}")
    async def item(item_id: str, websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json([websocket.scope["route"].path, websocket.scope["endpoint"].__name__])

    client = client_of(app, package)
    assert client.get("/users/rick").json() == ["/users/{user_id}", "user"]
    with client.websocket_connect("/items/1") as socket:
        assert socket.receive_json() == ["/items/{item_id}", "item"]


def test_the_root_path_of_the_application(package: str) -> None:
    f = framework(package)
    app = f.FastAPI(root_path="/api/v1")

    @app.get("/app")
    async def read(request: f.Request) -> list[str]:
        return [request.scope["root_path"], str(request.url_for("read"))]

    assert client_of(app, package).get("/app").json() == ["/api/v1", "http://testserver/api/v1/app"]


def test_errors_name_places_by_tuples_and_the_handler(package: str) -> None:
    f = framework(package)
    app = f.FastAPI()
    caught: list[Any] = []

    @app.exception_handler(f.RequestValidationError)
    async def invalid(request: f.Request, error: Any) -> Any:
        caught.append(error)
        return f.PlainTextResponse("no", 400)

    @app.get("/users/{user_id}")
    async def read_user(user_id: int, limit: int) -> None: ...

    assert client_of(app, package).get("/users/x").status_code == 400
    (error,) = caught
    assert [each["loc"] for each in error.errors()] == [("path", "user_id"), ("query", "limit")]
    assert "in read_user" in str(error)
    assert "GET /users/{user_id}" in str(error)
    assert __file__ in str(error)


def test_exceptions_of_websockets_come_out_of_the_client(package: str) -> None:
    f, WebSocket = framework(package), of(package, "WebSocket")
    WebSocketDisconnect = of(package, "WebSocketDisconnect")
    WebSocketException = of(package, "WebSocketException")
    app = f.FastAPI()

    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            await websocket.send_text(await websocket.receive_text())

    @app.websocket("/broken")
    async def broken(websocket: WebSocket) -> None:
        await websocket.accept()
        raise LookupError("nothing here")

    @app.websocket("/refused/{number}")
    async def refused(websocket: WebSocket, number: int) -> None:
        raise WebSocketException(4001 if number else 1008)

    client = client_of(app, package)
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/echo") as socket:
        socket.send_text("a")
        assert socket.receive_text() == "a"
    with pytest.raises(LookupError, match="nothing here"), client.websocket_connect("/broken"):
        pass
    codes = []
    for path in ("/refused/1", "/refused/0", "/refused/x"):
        with pytest.raises(WebSocketDisconnect) as gone, client.websocket_connect(path):
            pass
        codes.append(gone.value.code)
    assert codes == [4001, 1008, 1008]


def test_lifespans_of_routers(package: str) -> None:
    f = framework(package)
    events: list[str] = []

    @asynccontextmanager
    async def outer(app: Any) -> AsyncIterator[dict[str, str]]:
        events.append("outer")
        yield {"of": "outer", "a": "outer"}

    @asynccontextmanager
    async def inner(app: Any) -> AsyncIterator[dict[str, str]]:
        events.append("inner")
        yield {"of": "inner", "b": "inner"}

    app = f.FastAPI(lifespan=outer)
    app.include_router(f.APIRouter(lifespan=inner))

    @app.get("/")
    async def state(request: f.Request) -> list[str]:
        return [request.state.of, request.state.a, request.state.b]

    with client_of(app, package) as client:
        assert client.get("/").json() == ["outer", "outer", "inner"]
    assert events == ["outer", "inner"]


@pytest.mark.filterwarnings("ignore:.*generator.*:DeprecationWarning")
def test_lifespans_that_are_generators(package: str) -> None:
    f = framework(package)
    events: list[str] = []

    async def asynchronous(app: Any) -> AsyncIterator[None]:
        events.append("start")
        yield
        events.append("end")

    def blocking(app: Any) -> Iterator[None]:
        events.append("start")
        yield
        events.append("end")

    for lifespan in (asynchronous, blocking):
        app = f.FastAPI()
        app.include_router(f.APIRouter(lifespan=lifespan))
        with client_of(app, package):
            events.append("between")
    assert events == ["start", "between", "end"] * 2


def test_middleware_that_refuses_what_it_receives(package: str) -> None:
    f = framework(package)

    class Limit:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def limited() -> Any:
                message = await receive()
                if len(message.get("body", b"")) > 100:
                    raise f.HTTPException(413, "Too much", headers={"x-limit": "100"})
                return message

            await self.app(scope, limited, send)

    app = f.FastAPI()
    app.add_middleware(Limit)

    @app.post("/")
    async def read(request: f.Request) -> int:
        return len(await request.body())

    client = client_of(app, package)
    assert client.post("/", content=b"a" * 100).json() == 100
    refused = client.post("/", content=b"a" * 101)
    assert (refused.status_code, refused.json(), refused.headers["x-limit"]) == (413, {"detail": "Too much"}, "100")
