"""Middleware of one's own: registration, order, and what is seen on both sides, in every way of running it."""

import asyncio
import contextlib
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

import covet.middleware
from covet import APIRouter, CovetPy, Depends, HTTPException, JSONResponse, Request, Response
from covet.background import BackgroundTask
from covet.middleware import Middleware
from covet.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from covet.streaming import StreamingResponse
from covet.testing.live import LiveServer
from middleware.support import PassOn

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
Ask = Callable[..., httpx.Response]
Make = Callable[[], CovetPy]


def layered(app: CovetPy) -> CovetPy:
    return app


def inside_asgi(app: CovetPy) -> CovetPy:
    app.user_middleware.insert(0, Middleware(PassOn))
    return app


def outside_asgi(app: CovetPy) -> CovetPy:
    app.user_middleware.append(Middleware(PassOn))
    return app


@contextlib.contextmanager
def in_memory(app: CovetPy) -> Any:
    def ask(method: str, path: str, **options: Any) -> httpx.Response:
        async def one() -> httpx.Response:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
                return await client.request(method, path, **options)

        return asyncio.run(asyncio.wait_for(one(), 30))

    yield ask


@contextlib.contextmanager
def live(app: CovetPy) -> Any:
    with LiveServer(app) as server, httpx.Client(base_url=server.url) as client:
        yield client.request


@pytest.fixture(params=[in_memory, live], ids=["memory", "engine"])
def run(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=[layered, inside_asgi, outside_asgi])
def placed(request: pytest.FixtureRequest) -> Any:
    return request.param


class Marks(BaseHTTPMiddleware):
    """Adds its mark to a field, in the order of responses."""

    def __init__(self, app: Any, mark: str) -> None:
        super().__init__(app)
        self.mark = mark

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        request.state.order = [*getattr(request.state, "order", []), self.mark]
        response = await call_next(request)
        response.headers["x-order"] = response.headers.get("x-order", "") + self.mark
        return response


def test_the_last_added_is_the_outermost(run: Any, placed: Any) -> None:
    app = CovetPy(middleware=[Middleware(Marks, mark="b"), Middleware(Marks, "c")])
    app.add_middleware(Marks, mark="a")

    @app.get("/")
    async def root(request: Request) -> Any:
        return request.state.order

    with run(placed(app)) as ask:
        response = ask("GET", "/")
    assert response.json() == ["a", "b", "c"]
    assert response.headers["x-order"] == "cba"


def test_handlers_may_send_by_themselves(run: Any, placed: Any) -> None:
    failed = []

    class Notes(PassOn):
        async def __call__(self, *connection: Any) -> None:
            try:
                await super().__call__(*connection)
            except Exception as error:
                failed.append(error)
                raise

    app = CovetPy(middleware=[Middleware(Marks, mark="a")])

    @app.get("/")
    async def root(request: Request) -> None:
        await JSONResponse("by hand", 201)(request.scope, request.receive, request._send)

    app.add_middleware(Notes)
    with run(placed(app)) as ask:
        response = ask("GET", "/")
    assert (response.status_code, response.json(), failed) == (201, "by hand", [])


def test_a_middleware_describes_itself() -> None:
    assert repr(Middleware(Marks, "a", option=5)) == "Middleware(Marks, 'a', option=5)"
    made, args, options = Middleware(Marks, "a", option=5)
    assert (made, args, options) == (Marks, ("a",), {"option": 5})


def test_none_is_added_after_the_start(run: Any) -> None:
    app = CovetPy()
    with run(app) as ask:
        ask("GET", "/")
        with pytest.raises(RuntimeError, match="Cannot add middleware after an application has started"):
            app.add_middleware(PassOn)


def test_only_http_has_middleware_functions() -> None:
    with pytest.raises(ValueError, match="middleware takes \"http\", not 'websocket'"):
        CovetPy().middleware("websocket")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/constant", 200), ("GET", "/none", 404), ("POST", "/", 405), ("GET", "/constant/", 307),
        ("GET", "/raised", 418), ("GET", "/mounted/x", 200), ("GET", "/mounted/none", 404), ("GET", "/blocking", 200),
    ],
)  # fmt: skip
def test_every_response_is_seen(run: Any, placed: Any, method: str, path: str, status: int) -> None:
    app, inner = CovetPy(), CovetPy()
    app.add_constant("/constant", {"constant": True})
    app.mount("/mounted", inner)

    @inner.get("/x")
    async def x() -> Any:
        return "x"

    @app.get("/")
    async def root() -> Any:
        return "root"

    @app.get("/raised")
    async def raised() -> Any:
        raise HTTPException(418)

    @app.get("/blocking")
    def blocking() -> Any:
        return "blocking"

    @app.middleware("http")
    async def seen(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers["x-seen"] = f"{request.method} {request.url.path} {response.status_code}"
        return response

    with run(placed(app)) as ask:
        response = ask(method, path)
    assert response.status_code == status
    assert response.headers["x-seen"] == f"{method} {path} {status}"


def test_a_constant_answer_is_not_changed_for_the_next_request(run: Any) -> None:
    app = CovetPy()
    app.add_constant("/", {"constant": True})

    @app.middleware("http")
    async def counts(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers.append("x-count", "1")
        return response

    with run(app) as ask:
        ask("GET", "/")
        assert ask("GET", "/").headers.get_list("x-count") == ["1"]


def test_a_middleware_answers_by_itself(run: Any, placed: Any) -> None:
    app = CovetPy()
    app.add_constant("/", "secret")

    @app.middleware("http")
    async def guard(request: Request, call_next: RequestResponseEndpoint) -> Response:
        if request.headers.get("authorization") != "yes":
            return JSONResponse({"detail": "no"}, 401)
        return await call_next(request)

    with run(placed(app)) as ask:
        assert ask("GET", "/").status_code == 401
        assert ask("GET", "/none").status_code == 401
        assert ask("GET", "/", headers={"Authorization": "yes"}).json() == "secret"


def test_context_variables_are_seen_on_both_sides(run: Any, placed: Any) -> None:
    app = CovetPy()

    @app.get("/")
    async def root() -> Any:
        seen = variable.get()
        variable.set("handler")
        return seen

    @app.middleware("http")
    async def sets(request: Request, call_next: RequestResponseEndpoint) -> Response:
        variable.set("middleware")
        response = await call_next(request)
        response.headers["x-variable"] = variable.get()
        return response

    with run(placed(app)) as ask:
        response = ask("GET", "/")
    assert (response.json(), response.headers["x-variable"]) == ("middleware", "handler")


def test_the_body_is_read_in_both(run: Any, placed: Any) -> None:
    app = CovetPy()

    @app.post("/")
    async def root(request: Request) -> Any:
        return (await request.body()).decode()

    @app.middleware("http")
    async def reads(request: Request, call_next: RequestResponseEndpoint) -> Response:
        size = len(await request.body())
        response = await call_next(request)
        response.headers["x-size"] = str(size)
        return response

    body = "0123456789" * 30_000
    with run(placed(app)) as ask:
        response = ask("POST", "/", content=body)
    assert (response.headers["x-size"], response.json()) == ("300000", body)


def test_a_body_that_was_streamed_is_empty_afterwards(run: Any, placed: Any) -> None:
    app = CovetPy()

    @app.post("/")
    async def root(request: Request) -> Any:
        return len(await request.body())

    @app.middleware("http")
    async def reads(request: Request, call_next: RequestResponseEndpoint) -> Response:
        size = 0
        async for piece in request.stream():
            size += len(piece)
        response = await call_next(request)
        response.headers["x-size"] = str(size)
        return response

    with run(placed(app)) as ask:
        response = ask("POST", "/", content=b"0123456789")
    assert (response.headers["x-size"], response.json()) == ("10", 0)


def test_exceptions_come_through(run: Any, placed: Any) -> None:
    app = CovetPy()

    @app.get("/")
    async def root() -> Any:
        raise KeyError("of the handler")

    @app.middleware("http")
    async def catches(request: Request, call_next: RequestResponseEndpoint) -> Response:
        try:
            return await call_next(request)
        except KeyError as error:
            return JSONResponse({"caught": str(error)}, 503)

    with run(placed(app)) as ask:
        response = ask("GET", "/")
    assert (response.status_code, response.json()) == (503, {"caught": "'of the handler'"})


@pytest.mark.parametrize("key", [500, Exception])
def test_what_nobody_handles_is_answered_outside(run: Any, placed: Any, key: Any) -> None:
    app, seen = CovetPy(), []

    @app.get("/")
    async def root() -> Any:
        raise KeyError("unexpected")

    @app.get("/handled")
    async def handled() -> Any:
        raise LookupError("expected")

    @app.exception_handler(key)
    async def answers(request: Request, error: Exception) -> Response:
        return JSONResponse({"outside": repr(error)}, 500)

    @app.middleware("http")
    async def sees(request: Request, call_next: RequestResponseEndpoint) -> Response:
        try:
            response = await call_next(request)
        except Exception as error:
            seen.append(error)
            raise
        response.headers["x-seen"] = "yes"
        return response

    with run(placed(app)) as ask:
        response = ask("GET", "/")
        assert (response.status_code, response.json()) == (500, {"outside": "KeyError('unexpected')"})
        assert "x-seen" not in response.headers
        assert [type(error) for error in seen] == [KeyError]


def test_what_is_handled_is_answered_inside(run: Any, placed: Any) -> None:
    app = CovetPy()

    @app.get("/")
    async def root() -> Any:
        raise LookupError("expected")

    @app.exception_handler(LookupError)
    async def answers(request: Request, error: Exception) -> Response:
        return JSONResponse({"inside": str(error)}, 404)

    app.add_middleware(Marks, mark="a")
    with run(placed(app)) as ask:
        response = ask("GET", "/")
    assert (response.status_code, response.json()) == (404, {"inside": "expected"})
    assert response.headers["x-order"] == "a"


def test_an_exception_of_a_middleware_is_answered_outside(run: Any, placed: Any) -> None:
    app = CovetPy()

    @app.middleware("http")
    async def fails(request: Request, call_next: RequestResponseEndpoint) -> Response:
        raise HTTPException(401)  # as with Starlette: the answers to these are inside

    with run(placed(app)) as ask:
        response = ask("GET", "/")
    assert (response.status_code, response.text) == (500, "Internal Server Error")


async def pieces(count: int, between: Callable[[], Awaitable[None]] | None = None) -> Any:
    for i in range(count):
        if between is not None:
            await between()
        yield f"{i};"


@pytest.mark.parametrize("kind", ["plain", "stream", "mounted"])
def test_the_body_is_replaced(run: Any, placed: Any, kind: str) -> None:
    app, inner = CovetPy(), CovetPy()

    @app.get("/plain")
    async def plain() -> Any:
        return Response("0;1;2;", media_type="text/plain")

    @app.get("/stream")
    async def stream() -> Any:
        return StreamingResponse(pieces(3), media_type="text/plain")

    @inner.get("/")
    async def mounted() -> Any:
        return StreamingResponse(pieces(3), media_type="text/plain")

    app.mount("/mounted", inner)

    @app.middleware("http")
    async def upper(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        body = b""
        async for piece in response.body_iterator:
            body += piece.encode() if isinstance(piece, str) else piece
        headers = {name: value for name, value in response.headers.items() if name != "content-length"}
        return Response(b"<" + body + b">", response.status_code, headers)

    with run(placed(app)) as ask:
        response = ask("GET", f"/{kind}/" if kind == "mounted" else f"/{kind}")
    assert response.text == "<0;1;2;>"
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


def test_the_body_iterator_is_replaced(run: Any, placed: Any) -> None:
    app = CovetPy()

    @app.get("/plain")
    async def plain() -> Any:
        return Response("plain")

    @app.get("/stream")
    async def stream() -> Any:
        return StreamingResponse(pieces(3))

    async def doubled(iterator: Any) -> Any:
        async for piece in iterator:
            yield piece
            yield piece

    @app.middleware("http")
    async def doubles(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.body_iterator = doubled(response.body_iterator)
        response.headers.pop("content-length", None)
        return response

    with run(placed(app)) as ask:
        assert ask("GET", "/plain").text == "plainplain"
        assert ask("GET", "/stream").text == "0;0;1;1;2;2;"


def test_streams_are_not_buffered(placed: Any) -> None:
    app, going_on = CovetPy(), asyncio.Event()

    @app.get("/")
    async def root() -> Any:
        async def body() -> Any:
            yield "first"
            await going_on.wait()
            yield "second"

        return StreamingResponse(body())

    @app.get("/go")
    async def go() -> Any:
        going_on.set()

    app.add_middleware(Marks, mark="a")
    with LiveServer(placed(app)) as server, httpx.Client(base_url=server.url) as client, client.stream("GET", "/") as r:
        received = r.iter_text()
        assert next(received) == "first"
        httpx.get(server.url + "/go")
        assert "".join(received) == "second"


def test_background_tasks_run_after_the_response(placed: Any) -> None:
    app, done = CovetPy(), asyncio.Event()

    @app.get("/")
    async def root() -> Any:
        async def work() -> None:
            await asyncio.sleep(0)
            done.set()

        return JSONResponse("answered", background=BackgroundTask(work))

    @app.get("/done")
    async def is_done() -> Any:
        await asyncio.wait_for(done.wait(), 20)
        return "done"

    app.add_middleware(Marks, mark="a")
    with live(placed(app)) as ask:
        assert ask("GET", "/").json() == "answered"
        assert ask("GET", "/done").json() == "done"


def test_dependencies_that_yield_end_after_the_response(run: Any, placed: Any) -> None:
    app, events = CovetPy(), []

    async def dependency() -> Any:
        events.append("enter")
        yield 5
        events.append("exit")

    @app.get("/")
    async def root(value: int = Depends(dependency)) -> Any:
        async def body() -> Any:
            events.append("body")
            yield str(value)

        return StreamingResponse(body())

    @app.middleware("http")
    async def sees(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        events.append("middleware")
        return response

    with run(placed(app)) as ask:
        assert ask("GET", "/").text == "5"
    assert sorted(events) == ["body", "enter", "exit", "middleware"]
    assert events.index("enter") < events.index("body") < events.index("exit")
    if placed is not outside_asgi:  # there the application inside may be ahead of the middleware
        assert events.index("middleware") < events.index("body")


def test_call_next_within_a_time_limit(run: Any, placed: Any) -> None:
    app, cancelled = CovetPy(), []

    @app.get("/")
    async def root() -> Any:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    @app.middleware("http")
    async def limits(request: Request, call_next: RequestResponseEndpoint) -> Response:
        try:
            return await asyncio.wait_for(call_next(request), 0.01)
        except TimeoutError:
            return JSONResponse("too late", 504)

    with run(placed(app)) as ask:
        assert ask("GET", "/").status_code == 504
    assert cancelled == [True]


def test_a_middleware_may_call_next_again(run: Any, placed: Any) -> None:
    app, calls = CovetPy(), []

    @app.get("/")
    async def root() -> Any:
        calls.append(1)
        return Response(str(len(calls)), 503 if len(calls) < 3 else 200)

    @app.middleware("http")
    async def again(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        while response.status_code == 503:
            response = await call_next(request)
        return response

    with run(placed(app)) as ask:
        response = ask("GET", "/")
    assert (response.status_code, response.text) == (200, "3")


def test_starlettes_responses_are_taken(run: Any, placed: Any) -> None:
    from starlette.responses import PlainTextResponse

    app = CovetPy()

    @app.middleware("http")
    async def answers(request: Request, call_next: RequestResponseEndpoint) -> Any:
        return PlainTextResponse("foreign", 202)

    with run(placed(app)) as ask:
        response = ask("GET", "/")
    assert (response.status_code, response.text) == (202, "foreign")


def test_a_middleware_must_return_a_response(run: Any, placed: Any) -> None:
    app = CovetPy()

    @app.middleware("http")
    async def forgets(request: Request, call_next: RequestResponseEndpoint) -> Any:
        await call_next(request)

    with run(placed(app)) as ask:
        assert ask("GET", "/").status_code == 500


@pytest.mark.parametrize("raw_path", [b"/new", b"/old"])
def test_asgi_middleware_may_change_the_scope(run: Any, raw_path: bytes) -> None:
    class Moves:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and scope["path"] == "/old":
                scope = {**scope, "path": "/new", "raw_path": raw_path}
            await self.app(scope, receive, send)

    app = CovetPy()
    app.add_middleware(Moves)

    @app.get("/new")
    async def new() -> Any:
        return "new"

    with run(app) as ask:
        assert ask("GET", "/old").json() == "new"


def test_a_dispatch_middleware_may_change_the_scope(run: Any, placed: Any) -> None:
    app = CovetPy()

    @app.post("/items/{item_id}")
    async def item(request: Request, item_id: int) -> Any:
        body = (await request.body()).decode()
        return [item_id, request.headers["x-added"], request.state.seen, body]

    @app.middleware("http")
    async def moves(request: Request, call_next: RequestResponseEndpoint) -> Response:
        request.state.seen = True
        request.scope["path"] = request.scope["path"].removeprefix("/v1")
        request.scope["headers"].append((b"x-added", b"yes"))
        request.scope["method"] = "POST"
        response = await call_next(request)
        response.headers["x-status"] = str(response.status_code)
        return response

    with run(placed(app)) as ask:
        assert ask("PUT", "/v1/items/5", content=b"body").json() == [5, "yes", True, "body"]
        assert ask("PUT", "/v1/none", content=b"body").headers["x-status"] == "404"


def test_a_request_is_made_of_a_scope(run: Any) -> None:
    class Reads:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await self.app(scope, receive, send)
                return
            request = Request(scope, receive)
            request.state.by_middleware = True
            body = (await request.body()).decode()
            answer = [request.url.path, request.headers["x-a"], request.query_params["q"], body, request.method]
            await JSONResponse(answer)(scope, receive, send)

    app = CovetPy()
    app.add_middleware(Reads)
    with run(app) as ask:
        response = ask("POST", "/a?q=5", content=b"body", headers={"X-A": "b"})
    assert response.json() == ["/a", "b", "5", "body", "POST"]


def test_asgi_middleware_sees_what_was_matched(run: Any) -> None:
    seen: list[Any] = []

    class Looks:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(scope, receive, send)
            if scope["type"] == "http":
                seen.append(
                    (scope["route"].path, scope["endpoint"].__name__, scope["path_params"]["item_id"], scope["app"])
                )

    app = CovetPy()
    app.add_middleware(Looks)

    @app.get("/items/{item_id}")
    async def item(item_id: int) -> Any:
        return item_id

    with run(app) as ask:
        assert ask("GET", "/items/5").json() == 5
    assert seen == [("/items/{item_id}", "item", "5", app)]


def test_the_lifespan_goes_through_asgi_middleware(run: Any) -> None:
    kinds: list[str] = []

    class Looks:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            kinds.append(scope["type"])
            await self.app(scope, receive, send)

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> Any:
        yield {"made": "at the start"}

    app = CovetPy(lifespan=lifespan)
    app.add_middleware(Looks)

    @app.get("/")
    async def root(request: Request) -> Any:
        return request.state.made

    with LiveServer(app) as server:
        assert httpx.get(server.url).json() == "at the start"
    assert kinds == ["lifespan", "http"]


def test_package() -> None:
    assert covet.middleware.Middleware is Middleware


def test_what_concerns_websockets_stands_where_they_pass() -> None:
    from covet.middleware.requestid import RequestIdMiddleware

    def outer_of(app: CovetPy) -> list[Any]:
        app.add_middleware(Marks, mark="a")
        app.add_middleware(RequestIdMiddleware)
        app.add_middleware(Marks, mark="b")
        return [each.cls for each in app.place_middleware().outer]

    app = CovetPy()
    assert outer_of(app) == []

    with_mount = CovetPy()
    with_mount.mount("/mounted", CovetPy())
    assert outer_of(with_mount) == [Marks, RequestIdMiddleware]

    with_socket = CovetPy()

    @with_socket.websocket("/ws")
    async def socket(websocket: Any) -> None:
        """Nothing is sent."""

    assert outer_of(with_socket) == [Marks, RequestIdMiddleware]


def test_routers_have_middleware_of_their_own(run: Any, placed: Any) -> None:
    app, router, inner = CovetPy(), APIRouter(prefix="/a"), APIRouter(prefix="/b", middleware=[Middleware(Marks, "i")])

    @router.get("/x")
    async def x(request: Request) -> Any:
        return getattr(request.state, "order", [])

    @inner.get("/y")
    async def y(request: Request) -> Any:
        return request.state.order

    @app.get("/plain")
    async def plain() -> Any:
        return "plain"

    app.add_constant("/constant", "constant")
    router.include_router(inner)
    app.include_router(router)
    app.add_middleware(Marks, mark="app")
    router.add_middleware(Marks, mark="r")  # also for what was registered before

    with run(placed(app)) as ask:
        found = {path: ask("GET", path) for path in ("/a/x", "/a/b/y", "/plain", "/constant", "/a/none")}
    orders = {path: response.headers["x-order"] for path, response in found.items()}
    assert orders == {"/a/x": "rapp", "/a/b/y": "irapp", "/plain": "app", "/constant": "app", "/a/none": "app"}
    assert found["/a/b/y"].json() == ["app", "r", "i"]


def test_routers_have_asgi_middleware_too(run: Any) -> None:
    class Adds:
        def __init__(self, app: Any, value: str) -> None:
            self.app, self.value = app, value

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def adding(message: Any) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], (b"x-added", self.value.encode())]
                await send(message)

            await self.app(scope, receive, adding)

    app, router = CovetPy(), APIRouter(middleware=[Middleware(Marks, "a"), Middleware(Adds, value="yes")])

    @router.post("/x")
    async def x(request: Request) -> Any:
        return (await request.body()).decode()

    @router.get("/raises")
    async def raises() -> Any:
        raise HTTPException(418)

    @app.get("/plain")
    async def plain() -> Any:
        return "plain"

    app.include_router(router)
    with run(app) as ask:
        response = ask("POST", "/x", content=b"body")
        assert (response.json(), response.headers["x-added"], response.headers["x-order"]) == ("body", "yes", "a")
        assert ask("GET", "/raises").headers["x-added"] == "yes"
        assert "x-added" not in ask("GET", "/plain").headers


def test_a_routers_middleware_may_change_the_scope(run: Any) -> None:
    app, router = CovetPy(), APIRouter()

    @router.middleware("http")
    async def adds(request: Request, call_next: RequestResponseEndpoint) -> Response:
        request.scope["headers"].append((b"x-added", b"yes"))
        return await call_next(request)

    @router.get("/x")
    async def x(request: Request) -> Any:
        return request.headers["x-added"]

    app.include_router(router)
    with run(app) as ask:
        assert ask("GET", "/x").json() == "yes"
