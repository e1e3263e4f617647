"""The same requests to FastAPI and to CovetPy: OpenTelemetry is told the same."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from . import shop
from .recorded import Recorder

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PACKAGES = ("fastapi", "covet")

Visit = Callable[[Any], None]


def client_of(package: str, app: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = shop.framework(package, "testclient")
    return module.TestClient(app, raise_server_exceptions=False, **options)


def told_by(package: str, visit: Visit, *, settings: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """What an application tells while it is visited."""
    recorder = Recorder()
    app = shop.make(package, {**recorder.config, **(settings or {})}, **options)
    with client_of(package, app) as client:
        visit(client)
    return recorder.told()


def same(visit: Visit, **options: Any) -> dict[str, Any]:
    """What both tell."""
    theirs, ours = (told_by(package, visit, **options) for package in PACKAGES)
    for signal in theirs:
        assert ours[signal] == theirs[signal], signal
    return ours


def names_of(told: dict[str, Any]) -> list[str]:
    return [span[0] for span in told["spans"]]


# ---- requests ---------------------------------------------------------------------------

GETS = [
    "/",
    "/?a=1&sig=secret&X-Amz-Signature=abc&b=%20x",
    "/items/5?q=x",
    "/items/five",
    "/items/5?token=bad",
    "/items/5?token=broken",
    "/files/a/b",
    "/wrong",
    "/sold",
    "/refused",
    "/odd",
    "/odd-thread",
    "/unavailable",
    "/stream",
    "/lines",
    "/later",
    "/nowhere",
    "/items/5/",
    "/v1/users/me",
    "/v1/users/me/",
    "/below/things/x",
    "/below/things/odd",
    "/below/numbers/x",
    "/below/nowhere",
    "/below",
    "/plain/x/y",
    "/docs",
    "/openapi.json",
]


@pytest.mark.parametrize("path", GETS)
def test_gets(path: str) -> None:
    told = same(lambda client: client.get(path, follow_redirects=False))
    assert "SERVER" in [span[1] for span in told["spans"]]
    assert [metric[0] for metric in told["metrics"]] == ["http.server.active_requests", "http.server.request.duration"]


def test_a_request_of_which_much_is_told() -> None:
    told = same(lambda client: client.get("/items/5?token=me"))
    assert names_of(told) == [
        "fastapi.dependencies",
        "fastapi.endpoint",
        "fastapi.serialization",
        "GET /items/{item_id}",
    ]
    span = told["spans"][-1]
    assert span[1:3] == ("SERVER", "UNSET")
    assert span[3]["http.route"] == "/items/{item_id}"
    assert span[3]["http.response.status_code"] == 200
    assert span[3]["server.address"] == "testserver"
    assert told["spans"][0][4] == "GET /items/{item_id}"


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("POST", "/items", {"json": {"name": "pen"}}),
        ("POST", "/items", {"json": {"name": 1}}),
        ("POST", "/items", {"content": b"{", "headers": {"content-type": "application/json"}}),
        ("DELETE", "/items/5", {}),
        ("PUT", "/below/things/x", {}),
        ("HEAD", "/", {}),
        ("BREW", "/", {}),
        ("OPTIONS", "/items", {}),
        ("GET", "/", {"headers": {"host": "shop.example:8443"}}),
        ("GET", "/", {"headers": {"host": "[::1]"}}),
        ("GET", "/", {"headers": {"host": "a b:c"}}),
        ("GET", "/", {"headers": {"host": "me@shop.example"}}),
        ("GET", "/", {"headers": {"traceparent": f"00-{TRACE}-{PARENT}-01"}}),
        ("GET", "/", {"headers": {"traceparent": "nonsense"}}),
    ],
)
def test_requests(method: str, path: str, options: dict[str, Any]) -> None:
    same(lambda client: client.request(method, path, **options))


def test_the_trace_of_the_caller_goes_on() -> None:
    told = same(lambda client: client.get("/", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}))
    assert told["spans"][-1][4] == PARENT


def test_several_requests_are_counted() -> None:
    def visit(client: Any) -> None:
        for path in ("/", "/", "/items/1", "/items/x", "/odd"):
            client.get(path)

    told = same(visit)
    counts = [metric[4] for metric in told["metrics"] if metric[0] == "http.server.request.duration"]
    assert sorted(counts) == [1, 1, 1, 2]


def test_background_tasks_that_fail() -> None:
    def visit(client: Any) -> None:
        with suppress(Exception):
            client.get("/later-broken")

    theirs, ours = (told_by(package, visit) for package in PACKAGES)
    # FastAPI takes the exception for one of the request; here it is logged, and the request is over.
    assert ours["spans"] == theirs["spans"]
    assert ours["spans"][-1][0] == "fastapi.background_task"
    assert ours["spans"][-1][2] == "ERROR"


# ---- logs ---------------------------------------------------------------------------------


def test_records() -> None:
    def visit(client: Any) -> None:
        for path in ("/items/five", "/odd", "/wrong", "/below/things/odd", "/sold", "/refused"):
            client.get(path)
        client.post("/items", json={"name": 1, "price": "x"})

    told = same(visit)
    assert [record[0] for record in told["logs"]] == [
        "fastapi.validation.failed",
        *["http.server.request.exception"] * 3,
        "fastapi.validation.failed",
    ]
    assert all(record[4] for record in told["logs"])


# ---- settings -------------------------------------------------------------------------------


@pytest.mark.parametrize("off", ["tracing", "metrics", "logs", "operation_spans"])
def test_a_signal_that_is_off(off: str) -> None:
    def visit(client: Any) -> None:
        client.get("/items/5")
        client.get("/items/x")
        client.get("/odd")

    told = same(visit, settings={off: False})
    assert not told.get("spans" if off == "tracing" else off)


def test_excluded_requests() -> None:
    def exclude(scope: Any) -> bool:
        return bool(scope["path"].startswith(("/items", "/below")))

    def visit(client: Any) -> None:
        for path in ("/items/x", "/below/things/odd", "/items/1", "/"):
            client.get(path)

    told = same(visit, settings={"exclude": exclude})
    assert names_of(told)[-1] == "GET /"
    assert len(names_of(told)) == 4
    assert told["logs"] == []


def test_other_known_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET, BREW")

    def visit(client: Any) -> None:
        client.request("BREW", "/")
        client.post("/items", json={"name": "x"})

    told = same(visit)
    assert "HTTP /items" in names_of(told)


@pytest.mark.filterwarnings("ignore:The `root_path` parameter")
def test_a_root_path() -> None:
    told = same(lambda client: client.get("/api/items/5"), root_path="/api")
    assert names_of(told)[-1] == "GET /api/items/{item_id}"


# ---- WebSockets ------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [["a", "end"], ["broken"], ["refused"], ["a"]])
def test_websockets(said: list[str]) -> None:
    def visit(client: Any) -> None:
        with suppress(Exception), client.websocket_connect("/ws/hall?limit=1") as socket:
            for text in said:
                socket.send_text(text)
                if text == "a":
                    socket.receive_text()
            if said != ["a"]:
                socket.receive_text()

    told = same(visit)
    assert names_of(told) == ["fastapi.dependencies", "fastapi.endpoint", "WS /ws/{room}"]
    assert told["metrics"] == []


@pytest.mark.parametrize("path", ["/ws/hall?limit=x", "/nowhere"])
def test_websockets_that_are_refused(path: str) -> None:
    def visit(client: Any) -> None:
        with suppress(Exception), client.websocket_connect(path) as socket:
            socket.receive_text()

    same(visit)


# ---- data for processors -------------------------------------------------------------------------


class Reader(SpanProcessor):
    """Notes what is known of the request when a span ends."""

    def __init__(self, package: str) -> None:
        self._get: Callable[[Any], Any] = shop.framework(package, "telemetry").get_telemetry_data
        self.seen: list[Any] = []
        self.contexts: list[Any] = []

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        self.contexts.append(parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        data = self._get(None)
        if data is None:
            self.seen.append((span.name, None))
            return
        request = data.request or data.websocket
        errors = [error["type"] for error in data.errors] if data.errors is not None else None
        # FastAPI has None for bodies that do not fit.
        values = {k: v for k, v in (data.values or {}).items() if v is not None}
        self.seen.append((span.name, request and request.url.path, data.body, values, errors))


@pytest.mark.parametrize(
    "visit",
    [
        lambda client: client.get("/items/5?q=x"),
        lambda client: client.get("/items/x"),
        lambda client: client.post("/items", json={"name": 5}),
        lambda client: client.post("/items", content=b"{", headers={"content-type": "application/json"}),
        lambda client: client.get("/below/numbers/5"),
    ],
)
def test_data_for_processors(visit: Visit) -> None:
    seen = []
    for package in PACKAGES:
        recorder, reader = Recorder(), Reader(package)
        recorder.add(reader)
        with client_of(package, shop.make(package, recorder.config)) as client:
            visit(client)
        seen.append(reader.seen)
        get = shop.framework(package, "telemetry").get_telemetry_data
        assert get() is None
        assert all(get(context) is None for context in reader.contexts if context is not None)
    assert seen[1] == seen[0]
    assert seen[1][0][1] is not None


def test_the_span_is_current_in_the_handler() -> None:
    from covet import CovetPy

    recorder = Recorder()
    app = CovetPy(telemetry={"tracer_provider": recorder.tracer_provider})

    @app.get("/")
    def trace_id() -> str:
        return f"{trace.get_current_span().get_span_context().trace_id:032x}"

    with client_of("covet", app) as client:
        assert client.get("/", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}).json() == TRACE


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(
            ("GET", path)
            for path in ("/site", "/site/", "/site/a.js", "/site/none", "/site/sub", "/site/api/", "/other")
        ),
        *(("POST", path) for path in ("/site/a.js", "/site/none", "/site/api")),
        ("GET", "/site/a.js?token=5"),
    ],
)
def test_frontends(guarded: bool, method: str, path: str, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("page")
    (tmp_path / "a.js").write_text("script")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "index.html").write_text("sub")
    told: list[Any] = []
    for package in PACKAGES:
        f, recorder = shop.framework(package), Recorder()

        async def guard(token: int = 0) -> None: ...

        app = (f.FastAPI if package == "fastapi" else f.CovetPy)(telemetry=recorder.config)
        router = f.APIRouter(dependencies=[f.Depends(guard)] if guarded else None)
        router.frontend("/", directory=tmp_path, fallback=None)
        app.include_router(router, prefix="/site")
        app.get("/site/api")(guard)
        with client_of(package, app) as client:
            client.request(method, path, follow_redirects=False)
        told.append(recorder.told())
    assert told[1] == told[0]
