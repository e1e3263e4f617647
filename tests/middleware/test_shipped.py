"""The shipped middleware that Starlette has not, in every way of running it."""

import gzip
import re
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import brotli
import httpx
import pytest
import zstandard
from serving import served

from covet import CovetPy, Request, Response
from covet.middleware import Middleware
from covet.middleware.compression import CompressionMiddleware, preferred
from covet.middleware.prometheus import PrometheusMiddleware
from covet.middleware.requestid import RequestIdMiddleware, request_id
from covet.middleware.securityheaders import SecurityHeadersMiddleware
from covet.middleware.timing import TimingMiddleware
from covet.middleware.wsgi import WSGIMiddleware
from covet.streaming import StreamingResponse
from middleware.support import PassOn
from middleware.test_chain import in_memory, inside_asgi, layered, live, outside_asgi

DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


@pytest.fixture(params=[in_memory, live], ids=["memory", "engine"])
def run(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=[layered, inside_asgi, outside_asgi])
def placed(request: pytest.FixtureRequest) -> Any:
    return request.param


# ---- compression ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("gzip", "gzip"), ("gzip, br", "br"), ("gzip, deflate, br, zstd", "zstd"), ("gzip;q=0", None), ("", None),
        ("br;q=0.5, gzip", "gzip"), ("*", "zstd"), ("*;q=0", None), ("*, zstd;q=0", "br"), ("GZIP", "gzip"),
        ("x-gzip", "gzip"), ("identity", None), ("identity, gzip;q=0.5", None), ("gzip;q=nonsense", None),
        ("deflate", None), ("gzip ; Q=1", "gzip"),
    ],
)  # fmt: skip
def test_the_best_encoding_is_chosen(accepted: str, chosen: str | None) -> None:
    assert preferred(accepted, dict.fromkeys(("zstd", "br", "gzip"))) == chosen


def raw(ask: Any, path: str, accepted: str) -> tuple[httpx.Headers, bytes]:
    response = ask("GET", path, headers={"Accept-Encoding": accepted})
    return response.headers, response.content


def compressed_app(**options: Any) -> CovetPy:
    app = CovetPy()

    @app.get("/long")
    async def long() -> Any:
        return Response("text " * 200, headers={"ETag": '"1"'}, media_type="text/plain")

    @app.get("/short")
    async def short() -> Any:
        return Response("text", media_type="text/plain")

    @app.get("/large")
    async def large() -> Any:
        return Response("text " * 200_000, media_type="text/plain")

    @app.get("/stream")
    async def stream() -> Any:
        async def body() -> Any:
            for i in range(5):
                yield f"piece {i};" * 10

        return StreamingResponse(body())

    app.add_constant("/constant", ["constant"] * 100)
    app.add_middleware(CompressionMiddleware, **options)
    return app


@pytest.mark.parametrize("encoding", DECODERS)
@pytest.mark.parametrize("path", ["/long", "/large", "/stream", "/constant"])
def test_bodies_are_compressed(run: Any, placed: Any, encoding: str, path: str) -> None:
    with run(compressed_app()) as ask:
        plain, body = raw(ask, path, "identity")
        assert "content-encoding" not in plain
    with run(placed(compressed_app())) as ask:
        # httpx decodes what it knows.
        response = ask("GET", path, headers={"Accept-Encoding": encoding})
    assert response.headers["content-encoding"] == encoding
    assert response.headers["vary"] == "Accept-Encoding"
    assert response.content in (body, response.content) and decoded(response, encoding) == body
    if path == "/stream" or (path == "/large" and "content-length" not in response.headers):
        assert "content-length" not in response.headers
    else:
        assert int(response.headers["content-length"]) < len(body)


def decoded(response: httpx.Response, encoding: str) -> bytes:
    try:
        return DECODERS[encoding](response.content)
    except Exception:  # it was decoded already
        return response.content


def test_short_bodies_stay(run: Any, placed: Any) -> None:
    with run(placed(compressed_app())) as ask:
        headers, body = raw(ask, "/short", "br")
    assert "content-encoding" not in headers and "vary" not in headers and body == b"text"


def test_streams_are_flushed() -> None:
    import asyncio

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

    app.add_middleware(CompressionMiddleware, algorithms=["gzip"])
    from covet.testing.live import LiveServer

    with LiveServer(app) as server, httpx.Client(base_url=server.url) as client:
        decoder = zlib.decompressobj(31)
        with client.stream("GET", "/", headers={"Accept-Encoding": "gzip"}) as response:
            received = response.iter_raw()
            text = b""
            while text != b"first":
                text += decoder.decompress(next(received))
            httpx.get(server.url + "/go")
            assert decoder.decompress(b"".join(received)) == b"second"


def test_other_algorithms_are_refused() -> None:
    with pytest.raises(ValueError, match='algorithms may be "zstd", "br" and "gzip", not \'lzw\''):
        CompressionMiddleware(PassOn(None), algorithms=["lzw"])


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "brotli", None)
    assert "br" not in CompressionMiddleware(PassOn(None))._encoders
    with pytest.raises(ModuleNotFoundError, match="pip install brotli"):
        CompressionMiddleware(PassOn(None), algorithms=["br"])


# ---- request ids, timing, security ----------------------------------------------------


def test_requests_have_identifiers(run: Any, placed: Any) -> None:
    app = CovetPy()

    @app.get("/")
    async def root(request: Request) -> Any:
        return [request.state.request_id, request_id.get()]

    app.add_middleware(RequestIdMiddleware)
    with run(placed(app)) as ask:
        first, second = ask("GET", "/"), ask("GET", "/")
        given = ask("GET", "/", headers={"X-Request-ID": "abc-1"})
        forged = ask("GET", "/", headers={"X-Request-ID": "no spaces"})
        missing = ask("GET", "/none")
    for response in (first, second, forged):
        name = response.headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{32}", name) and response.json() == [name, name]
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert given.json() == ["abc-1", "abc-1"] and given.headers["x-request-id"] == "abc-1"
    assert missing.status_code == 404 and "x-request-id" in missing.headers


def test_identifiers_of_ones_own(run: Any, placed: Any) -> None:
    app = CovetPy()
    app.add_middleware(RequestIdMiddleware, header_name="X-Correlation", trust_incoming=False, generate=lambda: "made")
    with run(placed(app)) as ask:
        assert ask("GET", "/", headers={"X-Correlation": "given"}).headers["x-correlation"] == "made"


def test_timing(run: Any, placed: Any) -> None:
    app = CovetPy()
    app.add_constant("/", "answer")
    app.add_middleware(TimingMiddleware, name="total", description="all of it")
    with run(placed(app)) as ask:
        value = ask("GET", "/").headers["server-timing"]
    assert re.fullmatch(r'total;desc="all of it";dur=\d+\.\d{3}', value)


def test_security_headers(run: Any, placed: Any) -> None:
    app = CovetPy()

    @app.get("/")
    async def root() -> Any:
        return Response("own", headers={"X-Frame-Options": "SAMEORIGIN"})

    policy = {"default-src": "'self'", "upgrade-insecure-requests": ""}
    app.add_middleware(SecurityHeadersMiddleware, content_security_policy=policy, referrer_policy=None)
    with run(placed(app)) as ask:
        headers, other = ask("GET", "/").headers, ask("GET", "/none").headers
    assert headers["x-frame-options"] == "SAMEORIGIN" and other["x-frame-options"] == "DENY"
    assert headers["content-security-policy"] == "default-src 'self'; upgrade-insecure-requests"
    assert headers["x-content-type-options"] == "nosniff"
    assert "referrer-policy" not in headers and "strict-transport-security" not in headers


def test_strict_transport_security() -> None:
    app = CovetPy()
    app.add_middleware(SecurityHeadersMiddleware, hsts_max_age=60, hsts_preload=True)
    from middleware.support import Asked, ask, ask_live

    asked = [Asked(base="https://example.com")]
    for answers in (ask(app, asked), ask_live(app, asked)):
        assert ("strict-transport-security", "max-age=60; includeSubDomains; preload") in answers[0].headers


# ---- Prometheus -------------------------------------------------------------------


def test_figures_of_requests(run: Any, placed: Any) -> None:
    app = CovetPy()

    @app.get("/items/{item_id}")
    async def item(item_id: int) -> Any:
        return item_id

    @app.get("/fails")
    async def fails() -> Any:
        raise KeyError

    @app.get("/stream")
    async def stream() -> Any:
        async def body() -> Any:
            yield "stream"

        return StreamingResponse(body())

    app.add_middleware(PrometheusMiddleware, exclude=["/skipped"])
    with run(placed(app)) as ask:
        for path in ("/items/1", "/items/2", "/items/x", "/fails", "/stream", "/none", "/skipped"):
            ask("GET", path)
        ask("NONSENSE", "/items/1")
        response = ask("GET", "/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = response.text.splitlines()
    for line in (
        'http_requests_total{method="GET",path="/items/{item_id}",status="200"} 2',
        'http_requests_total{method="GET",path="/items/{item_id}",status="422"} 1',
        'http_requests_total{method="GET",path="/fails",status="500"} 1',
        'http_requests_total{method="GET",path="/stream",status="200"} 1',
        'http_requests_total{method="GET",path="other",status="404"} 1',
        'http_requests_total{method="other",path="other",status="405"} 1',
        'http_request_duration_seconds_bucket{method="GET",path="/items/{item_id}",status="200",le="+Inf"} 2',
        'http_request_duration_seconds_count{method="GET",path="/items/{item_id}",status="200"} 2',
        'http_requests_in_progress{method="GET"} 0',
    ):
        assert line in lines, response.text
    from prometheus_client.parser import text_string_to_metric_families

    own = "\n".join(line for line in lines if "http_request" in line) + "\n"
    names = {family.name for family in text_string_to_metric_families(own)}
    assert names == {"http_requests", "http_request_duration_seconds", "http_requests_in_progress"}


def test_metrics_of_ones_own_follow() -> None:
    import prometheus_client

    prometheus_client.Counter("test_own_metric", "Of a test.").inc(5)
    app = CovetPy(middleware=[Middleware(PrometheusMiddleware, endpoint="/figures", prefix="web")])
    with in_memory(app) as ask:
        ask("GET", "/")
        text = ask("GET", "/figures").text
    assert "web_requests_total{" in text and "test_own_metric_total 5.0" in text


APP = """
import os
import time
from covet import CovetPy
from covet.middleware.prometheus import PrometheusMiddleware

app = CovetPy()
app.add_middleware(PrometheusMiddleware)

@app.get("/pid")
async def pid():
    time.sleep(0.005)  # so that the other worker gets some
    return os.getpid()
"""


def test_figures_are_those_of_all_workers(tmp_path: Path) -> None:
    (tmp_path / "counted.py").write_text(APP)
    with served("counted:app", app_dir=tmp_path, options=["--workers", "2"]) as server:
        pids, asked = set(), 0
        with ThreadPoolExecutor(8) as threads:
            while len(pids) < 2 and asked < 2000:
                pids.update(threads.map(lambda _: httpx.get(server.url + "/pid").text, range(20)))
                asked += 20
        assert len(pids) == 2
        text = httpx.get(server.url + "/metrics").text
        assert f'http_requests_total{{method="GET",path="/pid",status="200"}} {asked}\n' in text


# ---- WSGI ---------------------------------------------------------------------------


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    body = environ["wsgi.input"].read()
    start_response("202 Accepted", [("Content-Type", "text/plain"), ("X-Script", environ["SCRIPT_NAME"])])
    yield environ["PATH_INFO"].encode() + b"?" + environ["QUERY_STRING"].encode()
    yield b" " + body


def test_wsgi_applications_are_mounted(run: Any, placed: Any) -> None:
    app = CovetPy()
    app.mount("/wsgi", WSGIMiddleware(wsgi))
    app.add_middleware(RequestIdMiddleware)
    with run(placed(app)) as ask:
        response = ask("POST", "/wsgi/a%20b?c=d", content=b"body")
    assert (response.status_code, response.text) == (202, "/a b?c=d body")
    assert response.headers["x-script"] == "/wsgi" and "x-request-id" in response.headers
