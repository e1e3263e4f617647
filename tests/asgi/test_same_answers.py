"""The engine and the ASGI callable give the same answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from serving import Server, served

from covet import CovetPy, Request

from .app import app
from .calling import Alive, call

HERE = Path(__file__).parent
COMPARED = ("content-type", "content-length", "allow", "location", "set-cookie", "x-kind", "x-why")
U = "0e4c1a52-5a6b-4b1e-9e56-8f1f0f0c9d3a"


class Case(NamedTuple):
    method: str
    path: str
    body: bytes | list[bytes] = b""
    headers: tuple[tuple[str, str], ...] = ()


def gets(*paths: str) -> list[Case]:
    return [Case("GET", path) for path in paths]


CASES = [
    *gets("/", "/constant", "/constant-empty", "/items/5", "/items/new", "/items/five", "/items/%35", "/%69tems/5"),
    *gets("/items/-7?q=a+b%20c&few=yes&ratio=2.25", "/items/+5", "/items/5?few=maybe&ratio=x", "/items/5?q=1&q=2"),
    *gets("/items/5?q=%ff%C3%A9", "/items/5?q", "/items/5?q=&&few=ON", "/items/123456789012345678901234567890"),
    *gets("/kinds/12", "/kinds/1.5", f"/kinds/{U}", f"/kinds/{U.replace('-', '')}", "/kinds/x", "/kinds/x/y/z"),
    *gets(
        "/kinds/a%2Fb", "/kinds/%C3%A9", "/kinds/%FF", "/kinds/", "/kinds", "/kinds/1.", "/kinds/%31%32", "/kinds/a%25b"
    ),
    *gets(
        "/from-a-to-b.json",
        "/from-a-to-b-to-c.json",
        "/from--to-b.json",
        "/from-a%2Fb-to-c.json",
        "/from-a/x-to-b.json",
    ),
    *gets(
        "/lists?tag=a&tag=b&day=2026-01-02",
        "/lists",
        "/lists?tag=a&day=never&limit=1_0",
        "/lists?tag=a&day=2026-01-02&limit=x",
    ),
    *gets("/slash/", "/slash", "/slash?a=1&b=%20", "/items/5/", "/slash//", "/nowhere", "/nowhere/", "//"),
    *gets("/bytes", "/tuple", "/cookies", "/nothing", "/none", "/error/404", "/error/503", "/error/204", "/tea"),
    *gets(
        "/fail", "/unsayable", "/any", "/seen?x=%20y", "/state", "/stream", "/threads", "/measured", "/large", "/ignore"
    ),
    Case("HEAD", "/"),
    Case("HEAD", "/head"),
    Case("HEAD", "/constant"),
    Case("HEAD", "/nowhere"),
    Case("HEAD", "/slash"),
    Case("POST", "/any"),
    Case("PURGE", "/any"),
    Case("PURGE", "/"),
    Case("OPTIONS", "/any"),
    Case("DELETE", "/items/5"),
    Case("DELETE", "/items/new"),
    Case("POST", "/kinds/12"),
    Case("PUT", "/items/8"),
    Case("PUT", "/items/new"),
    Case("POST", "/slash"),
    Case("POST", "/echo", b"hello"),
    Case("POST", "/echo"),
    Case("POST", "/echo", [b"in ", b"pieces"]),
    Case("POST", "/echo", b"x" * 100_000),
    Case("POST", "/echo", b"x" * 100_001),
    Case("POST", "/echo", [b"x" * 60_000, b"y" * 60_000]),
    Case("POST", "/digest", [b"x" * 30_000, b"", b"y" * 60_000]),
    Case("POST", "/digest", [b"x" * 60_000, b"y" * 60_000]),
    Case("POST", "/ignore", b"ignored"),
    Case("POST", "/nowhere", b"ignored"),
    Case("POST", "/json", b'{"a": [1, 2.5, null]}'),
    Case("POST", "/json", b"{"),
    Case("GET", "/seen", b"", (("X-A", "1"), ("x-b", "2"), ("X-B", "3"))),
    Case("GET", "/cookies", b"", (("cookie", 'a=1; b="q"'),)),
    Case("GET", "/fail", b"", (("accept", "text/html"),)),
]


@pytest.fixture(scope="module")
def engine() -> Iterator[Server]:
    with served("app:app", app_dir=HERE) as server:
        yield server


async def pieces(body: bytes | list[bytes]) -> AsyncIterator[bytes]:
    for piece in [body] if isinstance(body, bytes) else body:
        yield piece


async def answer_of(client: httpx.AsyncClient, case: Case) -> dict[str, Any]:
    content = case.body if isinstance(case.body, bytes) else pieces(case.body)
    answer = await client.request(case.method, case.path, content=content or None, headers=list(case.headers))
    fields = {name: answer.headers.get_list(name) for name in COMPARED}
    return {"status": answer.status_code, "body": answer.content, **fields}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.method} {case.path[:60]} {len(case.body) or ''}")
def test_same_answer(engine: Server, case: Case) -> None:
    async def both() -> None:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with (
            httpx.AsyncClient(base_url=engine.url, timeout=20) as real,
            httpx.AsyncClient(base_url=engine.url, transport=transport) as direct,
        ):
            expected = await answer_of(real, case)
            assert await answer_of(direct, case) == expected

    live(both())


def live(steps: Any) -> None:
    """Runs something while the application's lifespan is on."""

    async def run() -> None:
        async with Alive(app):
            await steps

    asyncio.run(run())


@pytest.mark.parametrize("target", ["/items/%zz", "/items/5%", "/items/%4", "/kinds/%00", "/kinds/a%2f%00", "/a%2Fb%2"])
def test_malformed_paths(engine: Server, target: str) -> None:
    """What no HTTP client sends."""
    with socket.create_connection(("127.0.0.1", engine.port), timeout=20) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    answer = call(app, path=target, raw_path=target.encode())
    assert (answer.status, answer.body) == (int(head.split()[1]), body)


def test_options_of_the_server(engine: Server) -> None:
    with socket.create_connection(("127.0.0.1", engine.port), timeout=20) as connection:
        connection.sendall(b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    answer = call(app, method="OPTIONS", path="*", raw_path=b"*")
    assert answer.status == int(received.split()[1]) == 204
    assert b"\r\nallow: " + answer.headers[b"allow"] + b"\r\n" in received


UNMATCHED = """
from covet import CovetPy
app = CovetPy(redirect_slashes=False, debug=True)
@app.exception_handler(404)
async def missing(request, error):
    return {"missing": request.url.path}, 404
@app.exception_handler(405)
def wrong(request, error):
    return {"method": request.method, "allow": error.headers["allow"]}, 405
@app.exception_handler(413)
async def large(request, error):
    return {"never": "shown"}, 413
@app.get("/a/")
async def a(): return "a"
@app.get("/fail")
async def fail(): raise RuntimeError("as the test asked")
@app.post("/b")
async def b(request): return "never"
"""


def test_handlers_for_what_matches_no_route(tmp_path: Path) -> None:
    (tmp_path / "unmatched.py").write_text(UNMATCHED, "utf-8")
    names: dict[str, Any] = {}
    exec(compile(UNMATCHED, "unmatched", "exec"), names)
    with served("unmatched:app", app_dir=tmp_path) as server:

        async def compare() -> None:
            transport = httpx.ASGITransport(app=names["app"], raise_app_exceptions=False)
            async with (
                httpx.AsyncClient(base_url=server.url) as real,
                httpx.AsyncClient(base_url=server.url, transport=transport) as direct,
            ):
                for case in [*gets("/a/", "/a", "/x%2Fy", "/b"), Case("DELETE", "/a/"), Case("OPTIONS", "/a/")]:
                    assert await answer_of(direct, case) == await answer_of(real, case)
                answer = await direct.get("/fail")
                assert answer.status_code == (await real.get("/fail")).status_code == 500
                assert "RuntimeError: as the test asked" in answer.text

        asyncio.run(compare())


def test_routes_of_later_are_found() -> None:
    late = CovetPy()
    assert call(late, path="/late").status == 404

    @late.get("/late")
    async def handler(request: Request) -> str:
        raise KeyError("x")

    assert call(late, path="/late").status == 500

    @late.exception_handler(KeyError)
    async def handled(request: Request, error: KeyError) -> str:
        return "handled"

    assert call(late, path="/late").body == b'"handled"'
