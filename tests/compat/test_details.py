"""Details that FastAPI's users rely on: each application is made with either framework, and has to do the same."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import anyio
import anyio.from_thread
import pytest
import starlette.exceptions
import starlette.responses
import starlette.routing

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


def test_names_of_arguments(package: str) -> None:
    f = framework(package)
    app, router = f.FastAPI(), f.APIRouter()

    async def plain(request: Any) -> Any:
        if "error" in request.query_params:
            raise ValueError
        return f.PlainTextResponse("plain")

    async def failed(request: Any, error: Exception) -> Any:
        return f.PlainTextResponse(type(error).__name__)

    app.add_exception_handler(exc_class_or_status_code=404, handler=failed)
    app.exception_handler(exc_class_or_status_code=ValueError)(failed)
    app.add_route("/by-position", plain, ["POST"], "named", False)
    app.add_route("/by-name", route=plain, name="by name", include_in_schema=False)
    router.add_route("/of-router", endpoint=plain)

    async def once(websocket):  # type: ignore[no-untyped-def]
        await websocket.accept()
        await websocket.send_text("once")
        await websocket.close()

    router.add_websocket_route("/socket", endpoint=once)
    app.include_router(router)
    client = client_of(app, package)
    assert client.post("/by-position").text == client.get("/by-name").text == client.get("/of-router").text == "plain"
    with client.websocket_connect("/socket") as socket:
        assert socket.receive_text() == "once"
    assert client.get("/nowhere").text == "HTTPException"
    assert client.get("/by-name?error=1").text == "ValueError"
    assert app.url_path_for("named") == "/by-position"
    assert app.openapi()["paths"] == {}


def test_limits_of_bodies(package: str) -> None:
    f = framework(package)
    app, router = f.FastAPI(), f.APIRouter(max_body_size=50)
    called: list[int] = []

    @router.post("/router")
    @router.post("/own", max_body_size=100)
    async def size(request: f.Request) -> int:
        called.append(1)
        return len(await request.body())

    @app.post("/model", max_body_size=10)
    async def model(numbers: list[int]) -> int:
        called.append(1)
        return sum(numbers)

    app.include_router(router)
    app.include_router(router, prefix="/included", max_body_size=20)
    client = client_of(app, package)

    def pieces(size: int) -> Iterator[bytes]:
        yield from [b"1"] * size

    for path, limit in (("/router", 50), ("/own", 100), ("/included/router", 50)):
        for content in (b"1" * limit, pieces(limit)):
            assert client.post(path, content=content).json() == limit
        for content in (b"1" * (limit + 1), pieces(limit + 1)):
            assert client.post(path, content=content).status_code == 413
    called.clear()
    assert client.post("/model", json=[1, 2]).json() == 3
    assert client.post("/model", json=[10000, 20000]).status_code == 413
    assert called == [1]


def test_routes_that_are_mounted(package: str) -> None:
    f = framework(package)
    Mount, APIRoute = of(package, "routing.Mount"), of(package, "routing.APIRoute")

    async def hello() -> str:
        return "hello"

    app = f.FastAPI(routes=[Mount("/below", routes=[APIRoute("/hello", hello)], name="below")])
    client = client_of(app, package)
    assert client.get("/below/hello").json() == "hello"
    assert client.get("/below/none").status_code == 404
    assert app.url_path_for("below:hello") == "/below/hello"


def test_tools_find_the_route_of_a_request(package: str) -> None:
    f, match = framework(package), import_module("starlette.routing").Match
    app = f.FastAPI(openapi_url=None)

    @app.get("/items/{item_id}")
    async def item(item_id: int) -> None: ...

    @app.websocket("/items/{item_id}")
    async def socket(websocket: Any) -> None: ...

    def found(kind: str, path: str, method: str = "GET") -> list[Any]:
        scope = {"type": kind, "path": path, "method": method, "root_path": "", "headers": []}
        return [route.matches(scope)[0] for route in app.routes]

    assert found("http", "/items/3") == [match.FULL, match.NONE]
    assert found("http", "/items/3", "POST") == [match.PARTIAL, match.NONE]
    assert found("http", "/items") == [match.NONE, match.NONE]
    assert found("websocket", "/items/3") == [match.NONE, match.FULL]
    methods = app.routes[0].methods
    assert methods == {"GET"}
    assert methods & {"GET", "PUT"} == {"GET"}
    assert app.routes[0].path_regex.fullmatch("/items/a b")["item_id"] == "a b"


def test_modules_that_are_imported(package: str) -> None:
    assert of(package, "applications.FastAPI") is framework(package).FastAPI
    assert of(package, "openapi.models.OAuthFlows")().password is None
    assert of(package, "logger.logger").name == package


def test_builds_of_frontends(package: str, tmp_path: Path) -> None:
    f = framework(package)
    (tmp_path / "index.html").write_text("page")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "index.html").write_text("sub")
    (tmp_path / "app.js").write_text("script")
    (tmp_path.parent / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path.parent / "secret")
    app, router = f.FastAPI(), f.APIRouter(prefix="/admin")

    @app.get("/api/items")
    async def items() -> list[int]:
        return []

    def refuse(token: str = "") -> None:
        if token != "t":
            raise f.HTTPException(401, "no")

    router.frontend("/", directory=tmp_path, fallback=None)
    app.frontend("/", directory=tmp_path)
    app.include_router(router, dependencies=[f.Depends(refuse)])
    client = client_of(app, package, follow_redirects=False)
    page, anything = {"accept": "text/html;q=0.9, */*"}, {"accept": "*/*"}

    def answer(path: str, headers: dict[str, str] = anything, method: str = "GET") -> tuple[int, str]:
        response = client.request(method, path, headers=headers)
        return response.status_code, response.headers.get("location") or response.text

    missing = (404, '{"detail":"Not Found"}')
    assert answer("/") == (200, "page")
    assert answer("/app.js") == (200, "script")
    assert answer("/api/items") == (200, "[]")
    assert answer("/settings/profile", page) == (200, "page")
    assert answer("/settings/profile", {"accept": "text/html;q=0"}) == missing
    assert answer("/settings/profile") == answer("/link") == answer("/%2e%2e/secret") == missing
    assert answer("/sub") == (307, "http://testserver/sub/")
    assert answer("/sub/") == (200, "sub")
    assert answer("/", method="POST")[0] == 405
    assert answer("/admin/app.js")[0] == 401
    assert answer("/admin/app.js?token=t") == (200, "script")
    assert answer("/admin/none?token=t", page) == missing
    assert list(app.openapi()["paths"]) == ["/api/items"]
    with pytest.raises(RuntimeError, match="does not exist"):
        app.frontend("/more", directory=tmp_path / "none")
    with pytest.raises(RuntimeError, match=r"'404\.html' does not exist"):
        app.frontend("/more", directory=tmp_path, fallback="404.html")
    (tmp_path / "404.html").write_text("nothing")
    assert answer("/none", page) == (404, "nothing")


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("kind", ["lines", "checked", "stream"])
@pytest.mark.parametrize("before", [0, 2])
def test_what_a_generator_raises_comes_out_of_the_client(package: str, sync: bool, kind: str, before: int) -> None:
    f = framework(package)
    app = f.FastAPI()

    class Mine(Exception): ...

    class Answered(Exception): ...

    @app.exception_handler(Answered)
    async def answer(request: f.Request, error: Answered) -> Any:
        return f.PlainTextResponse("too late")

    raised: list[Any] = []

    def items() -> Iterator[Any]:
        yield from ("1", "2")[:before]
        if raised[0] is not None:
            raise raised[0]
        yield "no number"

    async def async_items() -> AsyncIterator[Any]:
        for item in items():
            yield item

    if kind == "stream":

        @app.get("/")
        async def stream() -> Any:
            return f.StreamingResponse(items() if sync else async_items())

    else:
        handler = items if sync else async_items
        checked = Iterator[int] if sync else AsyncIterator[int]
        handler.__annotations__["return"] = checked if kind == "checked" else None
        app.get("/")(handler)
    client = client_of(app, package)

    def outcome(error: Exception | None) -> Any:
        raised[:] = [error]
        return client.get("/")

    with pytest.raises(Mine, match="mine"):
        outcome(Mine("mine"))
    for error in (Answered(), f.HTTPException(403)):
        with pytest.raises(RuntimeError, match="Caught handled exception, but response already started") as caught:
            outcome(error)
        assert caught.value.__cause__ is error
    if kind == "checked":
        with pytest.raises(f.ResponseValidationError) as invalid:
            outcome(None)
        assert invalid.value.body == "no number"
        assert invalid.value.endpoint_ctx["function"] == handler.__name__
        assert str(invalid.value).endswith("GET /")
    lenient = client_of(app, package, raise_server_exceptions=False)
    raised[:] = [Mine()]
    assert lenient.get("/").status_code == 200


def test_events_that_cannot_be_sent_say_why(package: str) -> None:
    event = of(package, "sse.ServerSentEvent")
    for name in ("event", "id"):
        for text in ("a\nb", "a\rb", "a\r\nb", "a\n"):
            with pytest.raises(ValueError, match=f"SSE '{name}' must be a single line"):
                event(**{name: text})
    with pytest.raises(ValueError, match="SSE 'id' must not contain null characters"):
        event(id="a\0b")
    with pytest.raises(ValueError, match="Cannot set both 'data' and 'raw_data' on the same ServerSentEvent"):
        event(data=1, raw_data="1")


def test_functions_that_applications_import(package: str) -> None:
    allowed = of(package, "utils.is_body_allowed_for_status_code")
    statuses = [None, "default", "2XX", "204", 100, 200, 204, 205, 304, 404, "500"]
    refused = ["204", 100, 204, 205, 304]
    assert [status for status in statuses if not allowed(status)] == refused
    placeholder = of(package, "datastructures.Default")(1)
    assert of(package, "utils.get_value_or_default")(placeholder, placeholder, 2) == 2
    assert of(package, "utils.get_value_or_default")(placeholder) is placeholder
    assert of(package, "utils.get_path_param_names")("/{a}/x/{b}") == {"a", "b"}
    into = {"a": {"b": 1, "d": [1]}}
    of(package, "utils.deep_dict_update")(into, {"a": {"c": 2, "d": [2]}})
    assert into == {"a": {"b": 1, "c": 2, "d": [1, 2]}}


def test_typed_signatures(package: str) -> None:
    def call(a: "int", b: "str | None" = None) -> "list[int]": ...  # type: ignore[empty-body]

    def silent(): ...  # type: ignore[no-untyped-def]

    utils = import_module(f"{package}.dependencies.utils")
    found = utils.get_typed_signature(call)
    assert [p.annotation for p in found.parameters.values()] == [int, str | None]
    assert utils.get_typed_return_annotation(call) == list[int]
    assert utils.get_typed_return_annotation(silent) is None
    assert utils.get_typed_annotation("None", {}) is None
    assert utils.get_typed_annotation("Any", {"Any": Any}) is Any


def test_routes_of_routers_one_after_the_other(package: str) -> None:
    f = framework(package)
    app, router = f.FastAPI(openapi_url=None), f.APIRouter()
    router.get("/inner", name="inner")(lambda: None)
    app.include_router(router, prefix="/outer")
    contexts = list(of(package, "routing.iter_route_contexts")(app.routes))
    assert [(context.path, context.name) for context in contexts] == [("/outer/inner", "inner")]
    assert contexts[0].original_route.endpoint is contexts[0].endpoint
    assert app.routes[0].url_path_for("inner") == "/outer/inner"


def test_no_body_with_a_status_that_has_none(package: str) -> None:
    f = framework(package)
    app = f.FastAPI()

    @app.get("/declared", status_code=205)
    def declared() -> None: ...

    @app.get("/chosen")
    def chosen(response: f.Response) -> dict[str, int]:
        response.status_code = 205
        return {"a": 1}

    client = client_of(app, package)
    for path in ("/declared", "/chosen"):
        answer = client.get(path)
        assert (answer.status_code, answer.content) == (205, b"")
    assert "content" not in client.get("/openapi.json").json()["paths"]["/declared"]["get"]["responses"]["205"]


def test_a_class_that_says_that_it_is_a_uuid(package: str) -> None:
    class FastUuid:
        @property
        def __class__(self) -> Any:
            return UUID

        @property
        def __dict__(self) -> Any:  # type: ignore[override]
            raise TypeError

        def __str__(self) -> str:
            return "a10ff360"

    app = framework(package).FastAPI()
    app.get("/")(lambda: {"id": FastUuid()})
    assert client_of(app, package).get("/").json() == {"id": "a10ff360"}


def test_a_value_that_tells_nothing_cannot_be_encoded(package: str) -> None:
    class Closed:
        def __iter__(self) -> Any:
            raise NotImplementedError

        @property
        def __dict__(self) -> Any:  # type: ignore[override]
            raise NotImplementedError

    with pytest.raises(ValueError, match="NotImplementedError"):
        of(package, "encoders.jsonable_encoder")(Closed())


def test_an_exception_that_a_dependency_swallows(package: str) -> None:
    f = framework(package)
    app = f.FastAPI()

    def careless() -> Iterator[None]:
        with suppress(ValueError):
            yield

    @app.get("/", dependencies=[f.Depends(careless)])
    def fail() -> None:
        raise ValueError

    with pytest.raises(
        of(package, "exceptions.FastAPIError"), match="raising an exception and a dependency with yield"
    ):
        client_of(app, package).get("/")


def test_redirection_of_slashes_can_be_turned_off(package: str) -> None:
    app = framework(package).FastAPI()
    app.router.redirect_slashes = False
    app.get("/items/")(lambda: None)
    assert client_of(app, package).get("/items", follow_redirects=False).status_code == 404


def test_title_and_version_can_be_assigned(package: str) -> None:
    app = framework(package).FastAPI()
    app.title, app.version, app.debug = "Shop", "2.0", True
    assert app.openapi()["info"] == {"title": "Shop", "version": "2.0"}
    assert app.debug


def test_the_lifespan_context_of_the_router(package: str) -> None:
    app = framework(package).FastAPI(on_startup=[lambda: seen.append("up")], on_shutdown=[lambda: seen.append("down")])
    seen: list[str] = []
    original = app.router.lifespan_context

    @asynccontextmanager
    async def around(app: Any) -> AsyncIterator[None]:
        async with original(app):
            seen.append("around")
            yield

    async def run() -> None:
        async with app.router.lifespan_context(app):
            seen.append("run")

    asyncio.run(run())
    assert seen == ["up", "run", "down"]
    seen.clear()
    app.router.lifespan_context = around
    with client_of(app, package):
        assert seen == ["up", "around"]
    assert seen == ["up", "around", "down"]


@pytest.mark.parametrize("around", ["nothing", "middleware", "mount"])
@pytest.mark.parametrize("own", [False, True])
def test_what_an_exception_handler_raises(package: str, around: str, own: bool) -> None:
    f = framework(package)
    app = f.FastAPI()

    class Mine(Exception): ...

    class Other(Exception): ...

    @app.exception_handler(Mine)
    async def of_mine(request: f.Request, error: Mine) -> Any:
        raise {"http": f.HTTPException(409, "conflict"), "other": Other(), "value": ValueError("x")}[str(error)]

    @app.exception_handler(Other)
    def of_other(request: f.Request, error: Other) -> Any:
        raise f.HTTPException(418)

    if own:

        @app.exception_handler(f.HTTPException)
        async def of_http(request: f.Request, error: Any) -> Any:
            return f.PlainTextResponse(f"own {error.detail}", error.status_code)

        @app.exception_handler(Exception)
        async def of_all(request: f.Request, error: Exception) -> Any:
            return f.PlainTextResponse(f"all {type(error).__name__}", 500)

    @app.get("/{kind}")
    async def fail(kind: str) -> None:
        raise Mine(kind)

    if around == "middleware":

        @app.middleware("http")
        async def pass_on(request: f.Request, call_next: Any) -> Any:
            return await call_next(request)

    elif around == "mount":
        app.mount("/sub", f.FastAPI())
    client = client_of(app, package, raise_server_exceptions=False)
    answers = {}
    for kind in ("http", "other", "value"):
        response = client.get(f"/{kind}")
        answers[kind] = (response.status_code, response.text)
    assert answers["http"] == (409, "own conflict" if own else '{"detail":"conflict"}')
    assert answers["other"] == (500, "all HTTPException" if own else "Internal Server Error")
    assert answers["value"] == (500, "all ValueError" if own else "Internal Server Error")


class Passing:
    """An ASGI middleware."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


async def pass_on(request: Any, call_next: Any) -> Any:
    return await call_next(request)


@pytest.mark.parametrize("around", ["nothing", "dispatch", "asgi", "mixed", "mount", "host"])
@pytest.mark.parametrize("own", ["", "http", "exception", "http exception"])
def test_what_exception_handlers_raise(package: str, around: str, own: str) -> None:
    """It is handled once more, around all routes, and after that by the handler for everything only."""
    f = framework(package)
    app, calls = f.FastAPI(), []

    class Trouble(Exception):
        pass

    class Again(Exception):
        pass

    class Another(Exception):
        pass

    @app.exception_handler(Trouble)
    async def on_trouble(request: Any, error: Exception) -> None:
        calls.append("trouble")
        raise f.HTTPException(409, "trouble")

    @app.exception_handler(f.RequestValidationError)
    def on_misfit(request: Any, error: Exception) -> None:
        calls.append("misfit")
        raise f.HTTPException(410, "misfit")

    @app.exception_handler(Again)
    async def on_again(request: Any, error: Exception) -> None:
        calls.append("again")
        raise error

    @app.exception_handler(Another)
    def on_another(request: Any, error: Exception) -> None:
        calls.append("another")
        raise Trouble

    @app.exception_handler(404)
    async def on_unknown(request: Any, error: Exception) -> None:
        calls.append("unknown")
        raise Trouble

    if "http" in own:

        @app.exception_handler(f.HTTPException)
        async def on_http(request: Any, error: Any) -> Any:
            calls.append(f"http {error.status_code}")
            return f.JSONResponse({"own": error.detail}, status_code=error.status_code)

    if "exception" in own:

        @app.exception_handler(Exception)
        async def on_any(request: Any, error: Exception) -> Any:
            calls.append(type(error).__name__)
            return f.PlainTextResponse("any", status_code=500)

    @app.get("/raises/{kind}")
    async def raises(kind: str) -> None:
        raise {"trouble": Trouble, "again": Again, "another": Another, "key": KeyError}[kind]

    @app.get("/misfit")
    def misfit(count: int) -> None:
        pass

    if around in ("dispatch", "mixed"):
        app.middleware("http")(pass_on)
    if around in ("asgi", "mixed"):
        app.add_middleware(Passing)
    if around == "mixed":
        app.middleware("http")(pass_on)
    if around == "mount":
        app.mount("/mounted", f.FastAPI())
    if around == "host":
        app.host("example.org", f.FastAPI())

    client = client_of(app, package, raise_server_exceptions=False)

    def outcome(path: str) -> Any:
        calls.clear()
        response = client.get(path)
        with suppress(Exception):
            client_of(app, package).get(path)  # twice the calls: what it raises is checked below
        half = len(calls) // 2
        assert calls[:half] == calls[half:]
        return response.status_code, response.text, calls[:half]

    known = [f"http {status}" for status in (409, 410)] if "http" in own else ["", ""]

    def answered(status: int, detail: str, *names: str) -> Any:
        member = "own" if "http" in own else "detail"
        return status, f'{{"{member}":"{detail}"}}', [name for name in names if name]

    def unhandled(error: str, *names: str) -> Any:
        last = [error] if "exception" in own else []
        return 500, "any" if last else "Internal Server Error", [*names, *last]

    assert outcome("/raises/trouble") == answered(409, "trouble", "trouble", known[0])
    assert outcome("/misfit") == answered(410, "misfit", "misfit", known[1])
    assert outcome("/raises/again") == unhandled("Again", "again", "again")
    assert outcome("/raises/another") == unhandled("HTTPException", "another", "trouble")
    assert outcome("/raises/key") == unhandled("KeyError")
    assert outcome("/nowhere") == unhandled("Trouble", "unknown")
    with pytest.raises(Trouble):
        client_of(app, package).get("/nowhere")
    assert client_of(app, package).get("/raises/trouble").status_code == 409


@pytest.mark.parametrize("around", ["nothing", "dispatch", "asgi"])
def test_from_a_thread_to_the_loop(package: str, around: str) -> None:
    """What runs in a thread may call asynchronous functions by AnyIO."""
    f, threadpool = framework(package), of(package, "concurrency.run_in_threadpool")
    app, seen = f.FastAPI(), []

    async def doubled(number: int) -> int:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0)
        with anyio.fail_after(20):
            await anyio.sleep(0)
        return number * 2

    def call(number: int) -> list[Any]:
        anyio.from_thread.check_cancelled()
        loops = anyio.from_thread.run_sync(asyncio.get_running_loop)
        return [anyio.from_thread.run(doubled, number), loops.is_running()]

    def depends() -> Iterator[list[Any]]:
        yield call(2)
        seen.append(call(3))

    async def fails() -> None:
        raise KeyError("async")

    @app.get("/handler")
    def handler(tasks: f.BackgroundTasks, dependency: Annotated[list[Any], f.Depends(depends)]) -> list[Any]:
        tasks.add_task(lambda: seen.append(call(4)))
        return [call(1), dependency]

    @app.get("/pool")
    async def pool() -> Any:
        async def again() -> Any:
            return await threadpool(call, 6)

        return [await threadpool(call, 5), await threadpool(lambda: anyio.from_thread.run(again))]

    @app.get("/fails")
    def failing() -> str:
        try:
            anyio.from_thread.run(fails)
        except KeyError as error:
            return str(error)
        return "nothing"

    if around == "dispatch":
        app.middleware("http")(pass_on)
    if around == "asgi":
        app.add_middleware(Passing)
    with client_of(app, package) as client:
        assert client.get("/handler").json() == [[2, True], [4, True]]
        assert client.get("/pool").json() == [[10, True], [12, True]]
        assert client.get("/fails").json() == "'async'"
    assert sorted(seen) == [[6, True], [8, True]]
    # On another loop, from threads that have served the first one.
    assert client_of(app, package).get("/pool").json() == [[10, True], [12, True]]


@pytest.mark.parametrize("around", ["nothing", "dispatch", "asgi"])
@pytest.mark.parametrize("own", [False, True])
def test_what_a_hosts_router_of_starlettes_raises(package: str, around: str, own: bool) -> None:
    """It is handled as what the routes raise."""
    f, app = framework(package), of(package, "FastAPI")()

    class Trouble(Exception):
        pass

    async def fine(request: Any) -> Any:
        return starlette.responses.PlainTextResponse("fine")

    async def raises(request: Any) -> Any:
        raise {"tea": starlette.exceptions.HTTPException(418, "tea"), "trouble": Trouble(), "key": KeyError()}[
            request.path_params["kind"]
        ]

    routes = [starlette.routing.Route("/fine", fine), starlette.routing.Route("/raises/{kind}", raises)]
    router = starlette.routing.Router(routes)
    app.host("example.org", router)
    statuses = []

    async def noting(request: Any, call_next: Any) -> Any:
        response = await call_next(request)
        statuses.append(response.status_code)
        return response

    if around == "dispatch":
        app.middleware("http")(noting)
    if around == "asgi":
        app.add_middleware(Passing)
    if own:

        @app.exception_handler(404)
        async def unknown(request: Any, error: Any) -> Any:
            return f.JSONResponse({"own": error.detail}, status_code=404)

        @app.exception_handler(Trouble)
        async def trouble(request: Any, error: Any) -> Any:
            return f.JSONResponse({"own": "trouble"}, status_code=409)

    base = "http://example.org"
    client = client_of(app, package)
    answers = [client.get(base + path) for path in ("/fine", "/nowhere", "/raises/tea")]
    answers.append(client.post(base + "/fine"))
    found = [(answer.status_code, answer.text) for answer in answers]
    assert found == [
        (200, "fine"),
        (404, '{"own":"Not Found"}' if own else '{"detail":"Not Found"}'),
        (418, '{"detail":"tea"}'),
        (405, '{"detail":"Method Not Allowed"}'),
    ]
    if around == "dispatch":
        assert statuses == [200, 404, 418, 405]
    if own:
        assert client.get(base + "/raises/trouble").json() == {"own": "trouble"}
    else:
        with pytest.raises(Trouble):
            client.get(base + "/raises/trouble")
    with pytest.raises(KeyError):
        client.get(base + "/raises/key")
    client = client_of(app, package, raise_server_exceptions=False)
    assert client.get(base + "/raises/key").text == "Internal Server Error"


@pytest.mark.parametrize("chunks", [0, 1, 3, 40])
@pytest.mark.parametrize("around", ["", "d", "a", "ad", "da", "dad", "add"])
def test_a_stream_that_fails_without_waiting(package: str, around: str, chunks: int) -> None:
    """What it has given before is sent, whatever middleware there is: dispatch functions and ASGI, innermost first."""
    f = framework(package)
    app = f.FastAPI()

    async def numbers() -> AsyncIterator[str]:
        for number in range(chunks):
            yield f"{number} "
        raise KeyError("midway")

    @app.get("/")
    async def read() -> Any:
        return f.StreamingResponse(numbers())

    for kind in around:
        if kind == "d":
            app.middleware("http")(pass_on)
        else:
            app.add_middleware(Passing)
    response = client_of(app, package, raise_server_exceptions=False).get("/")
    assert (response.status_code, response.text) == (200, "".join(f"{number} " for number in range(chunks)))
    with pytest.raises(KeyError, match="midway"):
        client_of(app, package).get("/")
