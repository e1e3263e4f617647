"""Middleware that the engine runs by itself answers with the same bytes as in Python."""

import asyncio
import gzip
import re
import socket
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import brotli
import httpx
import pytest
import zstandard

from covet import CovetPy, HTTPException, Request, Response
from covet.fileresponses import FileResponse
from covet.interfaces.native import CovetApplication
from covet.middleware import Middleware
from covet.middleware.base import BaseHTTPMiddleware
from covet.middleware.compression import CompressionMiddleware
from covet.middleware.cors import CORSMiddleware
from covet.middleware.gzip import GZipMiddleware
from covet.middleware.httpsredirect import HTTPSRedirectMiddleware
from covet.middleware.requestid import RequestIdMiddleware, request_id
from covet.middleware.securityheaders import SecurityHeadersMiddleware
from covet.middleware.timing import TimingMiddleware
from covet.middleware.trustedhost import TrustedHostMiddleware
from covet.staticfiles import StaticFiles
from covet.streaming import StreamingResponse
from covet.testing.live import LiveServer
from middleware.support import PassOn, hand_on, in_python

CORS = Middleware(CORSMiddleware, allow_origins=["https://a.org", "https://b.org"], allow_headers=["X-A"], max_age=5)
CORS_ALL = Middleware(
    CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], allow_credentials=True
)
CORS_REGEX = Middleware(CORSMiddleware, allow_origin_regex=r"https://\w+\.org(:[0-9]+)?", expose_headers=["X-A", "X-B"])
HOSTS = Middleware(TrustedHostMiddleware, allowed_hosts=["www.a.org", "*.b.org", "127.0.0.1"])
HTTPS = Middleware(HTTPSRedirectMiddleware)
SECURITY = Middleware(SecurityHeadersMiddleware, content_security_policy="default-src 'self'", hsts_preload=True)
TIMING = Middleware(TimingMiddleware, description="all")


def app_with(*middleware: Middleware) -> CovetPy:
    app = CovetPy(middleware=middleware)
    app.add_constant("/constant", ["constant"])

    @app.get("/")
    async def root() -> Any:
        fields = {"Vary": "Accept", "X-Frame-Options": "SAMEORIGIN", "Access-Control-Allow-Origin": "own"}
        return Response("root", headers=fields)

    @app.get("/stream")
    async def stream() -> Any:
        async def body() -> Any:
            yield "one "
            yield "two"

        response = StreamingResponse(body())
        response.headers.append("vary", "A")
        response.headers.append("vary", "B")
        return response

    @app.get("/error")
    async def error() -> Any:
        raise HTTPException(418)

    @app.get("/empty", status_code=204)
    async def empty() -> Any:
        return None

    return app


FIELDS = [
    "", "Origin: https://a.org", "Origin: https://c.org", "Origin: null", "X-Forwarded-Proto: https",
    "Origin: https://a.org\r\nAccess-Control-Request-Method: GET",
    "Origin: https://a.org\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-a , X-B",
    "Origin: https://c.org\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Private-Network: true",
]  # fmt: skip
TARGETS = [
    "GET /", "GET /constant", "HEAD /constant", "GET /stream", "GET /error", "GET /empty", "GET /none", "POST /",
    "GET /constant/?a=b%20c", "OPTIONS /", "OPTIONS /none", "OPTIONS *",
]  # fmt: skip
HOST_NAMES = ["127.0.0.1", "a.org", "A.org:80", "x.b.org:8000", "b.org", "[::1]", "[::1]:443", "[1:2]"]


def raw(server: LiveServer, request: str) -> bytes:
    """The bytes of a whole response, without its date."""
    with socket.create_connection((server.host, server.port), 20) as connection:
        connection.sendall(request.encode())
        received = b""
        while piece := connection.recv(65536):
            received += piece
    return re.sub(rb"(date: |dur=)[^\r]+", rb"\1", received).replace(b":%d" % server.port, b":PORT")


def requests() -> list[str]:
    made = [(target, "127.0.0.1", fields) for target in TARGETS for fields in FIELDS]
    made += [("GET /constant?a=%20", host, fields) for host in HOST_NAMES for fields in FIELDS[:2]]
    heads = (f"{target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n" for target, host, fields in made)
    closed = [re.sub(r"(\r\n)+$", "", head) + "\r\nConnection: close\r\n\r\n" for head in heads]
    return [*closed, "GET /constant HTTP/1.0\r\n\r\n", "GET /stream HTTP/1.0\r\nOrigin: https://a.org\r\n\r\n"]


@pytest.mark.parametrize(
    "middleware",
    [
        [CORS], [CORS_ALL], [CORS_REGEX], [HOSTS], [HTTPS], [SECURITY], [TIMING], [CORS, HOSTS, HTTPS], [HOSTS, CORS],
        [SECURITY, HTTPS, CORS_ALL, TIMING], [SECURITY, CORS, CORS_REGEX],
    ],
    ids=lambda middleware: "+".join(each.cls.__name__.removesuffix("Middleware") for each in middleware),
)  # fmt: skip
def test_the_bytes_are_the_same(middleware: list[Middleware]) -> None:
    ours, pythons = app_with(*middleware), in_python(app_with(*middleware))
    assert len(CovetApplication(ours).engine()["guards"]) == len(middleware)
    options = {"forwarded_allow_ips": "127.0.0.1"}
    with LiveServer(ours, **options) as in_engine, LiveServer(pythons, **options) as elsewhere:
        for request in requests():
            assert raw(in_engine, request) == raw(elsewhere, request), request


@pytest.mark.parametrize("inside", [[], [Middleware(PassOn)], [Middleware(BaseHTTPMiddleware, dispatch=hand_on)]])
def test_identifiers_of_the_engine(inside: list[Middleware]) -> None:
    app = app_with(Middleware(RequestIdMiddleware), CORS, *inside)
    assert kinds(app) == ["request_id", "cors"]

    @app.get("/id")
    async def ids(request: Request) -> Any:
        return [request.state.request_id, request_id.get(), request.headers["x-request-id"]]

    @app.get("/variable")
    def variable() -> Any:
        return request_id.get()

    with LiveServer(app) as server, httpx.Client(base_url=server.url) as client:
        names = set()
        for _ in range(3):
            response = client.get("/id")
            names.add(name := response.headers["x-request-id"])
            assert re.fullmatch("[0-9a-f]{32}", name) and response.json() == [name] * 3
            response = client.get("/variable")
            assert response.json() == response.headers["x-request-id"]
        assert len(names) == 3
        given = client.get("/id", headers={"X-Request-ID": "abc-1"})
        assert given.json() == ["abc-1"] * 3 and given.headers["x-request-id"] == "abc-1"
        forged = client.get("/id", headers={"X-Request-ID": "no spaces"})
        assert forged.json() == [forged.headers["x-request-id"]] * 3
        for path in ("/constant", "/none", "/error"):
            assert "x-request-id" in client.get(path).headers
        large = client.get("/id", headers={"X-Large": "x" * 60_000})
        assert large.json()[0] == large.headers["x-request-id"]


def kinds(app: CovetPy) -> list[str]:
    return [guard["kind"] for guard in CovetApplication(app).engine()["guards"]]


class OnesOwn(CORSMiddleware):
    """It may do anything."""


@pytest.mark.parametrize(
    ("middleware", "expected"),
    [
        ([CORS, HOSTS], ["cors", "trusted_host"]),
        ([Middleware(PassOn), CORS], []),
        ([CORS, Middleware(PassOn), HOSTS], ["cors"]),
        ([HOSTS, Middleware(BaseHTTPMiddleware, dispatch=hand_on), CORS], ["trusted_host"]),
        ([Middleware(OnesOwn)], []),
        ([Middleware(CORSMiddleware, allow_origin_regex=r"https://(?!evil).*")], []),
        ([Middleware(CORSMiddleware, allow_origin_regex=r"https://.*?\.org")], []),
    ],
)
def test_the_outermost_that_need_no_python_run_in_the_engine(middleware: list[Middleware], expected: list[str]) -> None:
    assert kinds(CovetPy(middleware=middleware)) == expected


def test_constant_answers_stay_in_the_engine() -> None:
    routes = CovetApplication(app_with(CORS)).engine()["routes"]
    assert routes[0]["constant"] is not None
    assert CovetApplication(in_python(app_with(CORS))).engine()["routes"][0]["constant"] is None


def test_middleware_of_both_kinds_keeps_its_order() -> None:
    @(app := app_with(SECURITY, CORS)).middleware("http")
    async def outermost(request: Any, call_next: Callable[..., Any]) -> Any:
        response = await call_next(request)
        response.headers["x-seen"] = response.headers["access-control-allow-origin"]
        return response

    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1"])
    assert kinds(app) == ["trusted_host"]
    with LiveServer(app) as server, httpx.Client(base_url=server.url) as client:
        response = client.get("/constant", headers={"Origin": "https://a.org"})
        assert response.headers["x-seen"] == "https://a.org"
        refused = client.get("/constant", headers={"Host": "other.org"})
        assert refused.status_code == 400 and "x-seen" not in refused.headers


def test_what_fails_is_marked_by_the_engine() -> None:
    app = app_with(CORS)

    @app.get("/fails")
    async def fails() -> Any:
        raise KeyError

    with LiveServer(app) as server:
        response = httpx.get(server.url + "/fails", headers={"Origin": "https://a.org"})
    assert response.status_code == 500
    assert response.headers["access-control-allow-origin"] == "https://a.org"


def test_many_requests_on_one_connection() -> None:
    with LiveServer(app_with(CORS, SECURITY)) as server:
        heads = [
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: https://{name}.org\r\n\r\n"
            for path in ("/", "/constant", "/none", "/stream")
            for name in ("a", "b", "c")
        ]
        answers = raw(server, "".join(heads * 4)[:-2] + "Connection: close\r\n\r\n")
    allowed = re.findall(rb"access-control-allow-origin: (\S+)", answers)
    assert allowed == [b"https://a.org", b"https://b.org", b"own", *[b"https://a.org", b"https://b.org"] * 3] * 4


DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    "": bytes,
}


def compressed_app() -> CovetPy:
    app = app_with(CORS, Middleware(CompressionMiddleware))
    app.add_constant("/long", ["constant"] * 200)

    @app.get("/text/{size:int}")
    async def text(size: int) -> Any:
        return Response("0123456789" * (size // 10), media_type="text/plain")

    @app.get("/random/{size:int}")
    async def random(size: int) -> Any:
        return Response(Random(size).randbytes(size), media_type="application/x-random")

    @app.get("/pieces/{count:int}")
    async def pieces(count: int) -> Any:
        async def body() -> Any:
            for i in range(count):
                yield f"{i};" * 100

        return StreamingResponse(body(), media_type="text/plain")

    @app.get("/announced")
    async def announced() -> Any:
        async def body() -> Any:
            for _ in range(10):
                yield b"x" * 1000

        return StreamingResponse(body(), headers={"Content-Length": "10000"})

    @app.get("/image")
    async def image() -> Any:
        return Response(b"x" * 4000, media_type="image/png")

    return app


def answers_of(server: LiveServer, encoding: str) -> list[tuple[str, int, dict[str, str], bytes]]:
    """What is answered to each request, decoded; lengths are left out."""
    paths = ["/", "/constant", "/long", "/text/100", "/text/5000", "/text/300000", "/text/3000000", "/random/3000000",
             "/pieces/0", "/pieces/1", "/pieces/300", "/announced", "/image", "/stream", "/none", "/empty"]  # fmt: skip
    answers = []
    for target in [f"{method} {path}" for path in paths for method in ("GET", "HEAD")] + ["GET /long"]:
        request = f"{target} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {encoding}\r\nConnection: close\r\n\r\n"
        head, _, body = raw(server, request).partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines)
        if fields.pop("transfer-encoding", "") == "chunked":
            body = joined(body)
        elif target.startswith("GET") and "content-length" in fields:
            assert len(body) == int(fields["content-length"])
        fields.pop("content-length", None)
        used = fields.get("content-encoding", "") if body else ""
        answers.append((target, int(status.split()[1]), fields, DECODERS[used](body)))
    return answers


def joined(chunks: bytes) -> bytes:
    """A body that came in chunks."""
    body = b""
    while chunks:
        size, _, rest = chunks.partition(b"\r\n")
        length = int(size, 16)
        body += rest[:length]
        chunks = rest[length + 2 :]
    return body


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "gzip;q=0.5, br", "identity", "", "*;q=0"])
def test_bodies_are_the_same_when_decoded(encoding: str) -> None:
    ours, pythons = compressed_app(), in_python(compressed_app())
    assert kinds(ours) == ["cors", "compression"]
    with LiveServer(ours) as in_engine, LiveServer(pythons) as elsewhere:
        found, expected = answers_of(in_engine, encoding), answers_of(elsewhere, encoding)
    for one, other in zip(found, expected, strict=True):
        assert one == other


AROUND: list[list[Middleware]] = [[], [Middleware(BaseHTTPMiddleware, dispatch=hand_on)], [Middleware(PassOn)]]


@pytest.mark.parametrize("around", AROUND, ids=["engine", "dispatch", "asgi"])
def test_a_strong_etag_is_weak_when_compressed(around: list[Middleware], tmp_path: Path) -> None:
    (tmp_path / "small.txt").write_text("some text " * 100)
    (tmp_path / "large.txt").write_text("some text " * 100_000)
    (tmp_path / "tiny.txt").write_text("text")
    app = CovetPy(middleware=[*around, Middleware(GZipMiddleware)])
    assert kinds(app) == ([] if around else ["compression"])
    app.mount("/static", StaticFiles(directory=tmp_path))

    @app.get("/file/{name}")
    async def file(name: str) -> Any:
        return FileResponse(tmp_path / name)

    @app.get("/tagged")
    async def tagged(tag: str, stream: bool = False) -> Any:
        async def body() -> Any:
            yield "text " * 200

        fields = {"ETag": tag}
        return StreamingResponse(body(), headers=fields) if stream else Response("text " * 200, headers=fields)

    with LiveServer(app) as server, httpx.Client(base_url=server.url) as client:
        for path in ("/file/small.txt", "/file/large.txt", "/static/small.txt", "/static/large.txt"):
            plain = client.get(path, headers={"Accept-Encoding": "identity"})
            packed = client.get(path, headers={"Accept-Encoding": "gzip"})
            assert "content-encoding" not in plain.headers and packed.headers["content-encoding"] == "gzip"
            strong, weak = plain.headers["etag"], packed.headers["etag"]
            assert strong.startswith('"') and weak == "W/" + strong
            for encoding in ("gzip", "identity"):
                for tag in (strong, weak, f'"x", {weak}'):
                    asked = {"Accept-Encoding": encoding, "If-None-Match": tag}
                    assert client.get(path, headers=asked).status_code == 304
                asked = {"Accept-Encoding": encoding, "Range": "bytes=0-3"}
                part = client.get(path, headers={**asked, "If-Range": strong})
                assert (part.status_code, part.text, part.headers["etag"]) == (206, "some", strong)
                assert client.get(path, headers={**asked, "If-Range": weak}).status_code == 200
        assert client.get("/file/tiny.txt").headers["etag"].startswith('"')
        for stream in (False, True):
            for tag, becomes in (('"a"', 'W/"a"'), ('W/"a"', 'W/"a"'), ("none", "none")):
                response = client.get("/tagged", params={"tag": tag, "stream": stream})
                assert (response.headers["etag"], response.headers["content-encoding"]) == (becomes, "gzip")


def test_pieces_are_compressed_when_they_come() -> None:
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

    app.add_middleware(GZipMiddleware)
    assert kinds(app) == ["compression"]
    decoder = zlib.decompressobj(31)
    fields = {"Accept-Encoding": "gzip"}
    with LiveServer(app) as server, httpx.stream("GET", server.url, headers=fields) as response:
        received, text = response.iter_raw(), b""
        while text != b"first":
            text += decoder.decompress(next(received))
        httpx.get(server.url + "/go")
        assert decoder.decompress(b"".join(received)) == b"second"


def test_a_compressed_stream_that_breaks_off_is_cut_short() -> None:
    app = CovetPy()

    @app.get("/")
    async def root() -> Any:
        async def body() -> Any:
            yield "first" * 1000
            raise KeyError

        return StreamingResponse(body())

    app.add_middleware(GZipMiddleware)
    with LiveServer(app) as server, pytest.raises(httpx.TransportError):
        httpx.get(server.url, headers={"Accept-Encoding": "gzip"})
