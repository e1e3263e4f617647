"""WSGI applications over real sockets."""

from __future__ import annotations

import asyncio
import io
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.validate import validator

import httpx
import pytest

from covet.config import Settings

from .support import Client, run, serving, soon

PLAIN = [("Content-Type", "text/plain")]


def test_environ() -> None:
    seen: list[dict[str, Any]] = []

    def app(environ: Any, start_response: Any) -> Any:
        seen.append(environ)
        start_response("200 OK", PLAIN)
        return [b"x"]

    async def main() -> None:
        async with serving(app, root_path="/ä") as client:
            await client.raw(
                b"POST /caf%C3%A9%2Fx?a=%20 HTTP/1.1\r\nHost: h:81\r\nContent-Type: text/x\r\nContent-Length: 2\r\n"
                b"X-A: 1\r\nx-a: 2\r\n"
                b"Cookie: a=1\r\nCookie: b=2\r\nX_A: 3\r\nProxy: evil\r\nConnection: close\r\n\r\nab"
            )
            port = client.server.address.rpartition(":")[2]  # type: ignore[union-attr]
        environ = seen[0]
        assert type(environ) is dict
        assert environ.pop("wsgi.input").read() == b"ab"
        assert environ.pop("REMOTE_PORT").isdecimal()
        assert callable(environ.pop("wsgi.file_wrapper"))
        assert hasattr(environ.pop("wsgi.errors"), "write")
        assert environ == {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "/ä".encode().decode("latin-1"),
            "PATH_INFO": "/café/x".encode().decode("latin-1"),
            "QUERY_STRING": "a=%20",
            "RAW_URI": "/caf%C3%A9%2Fx?a=%20",
            "REQUEST_URI": "/caf%C3%A9%2Fx?a=%20",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": port,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_SOFTWARE": "covet",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": "text/x",
            "CONTENT_LENGTH": "2",
            "HTTP_HOST": "h:81",
            "HTTP_X_A": "1,2",
            "HTTP_COOKIE": "a=1; b=2",
            "HTTP_CONNECTION": "close",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }

    run(main)


class Closing:
    """An iterable that says when it is closed."""

    def __init__(self, parts: Iterator[bytes], closed: threading.Event) -> None:
        self._parts = parts
        self.close = closed.set

    def __iter__(self) -> Iterator[bytes]:
        return self._parts


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_bodies(method: str) -> None:
    closed = threading.Event()

    def app(environ: Any, start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        length = [("Content-Length", "5")] if path.endswith("5") else []
        write = start_response("200 OK", PLAIN + length)
        if path.startswith("/list"):
            return [b"123", b"45"]
        if path.startswith("/write"):
            write(b"12")
            return [b"345"]
        if path.startswith("/one"):
            return Closing(iter([b"12345"]), closed)
        return Closing(iter([b"1", b"", b"2345"]), closed)

    async def main() -> None:
        async with serving(app) as client:
            for path in ("/list", "/list5", "/write", "/write5", "/one5", "/parts", "/parts5"):
                closed.clear()
                answer = await client.http.request(method, path)
                assert answer.content == (b"" if method == "HEAD" else b"12345"), path
                known = path.startswith("/list") or path.endswith("5")
                assert answer.headers.get("content-length") == ("5" if known else None), path
                if path.startswith(("/one", "/parts")):
                    assert await asyncio.to_thread(closed.wait, 20), path

    run(main)


def test_pieces_are_sent_when_they_are_made() -> None:
    go_on = threading.Event()

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        yield b"first"
        assert go_on.wait(20)
        yield b"second"

    async def main() -> None:
        async with serving(app) as client, client.http.stream("GET", "/") as answer:
            parts = answer.aiter_raw()
            assert await anext(parts) == b"first"
            go_on.set()
            assert await anext(parts) == b"second"

    run(main)


def test_input() -> None:
    ways: dict[str, Callable[[Any], bytes]] = {
        "/read": lambda file: file.read(),
        "/sizes": lambda file: b"".join(iter(lambda: file.read(1000), b"")),
        "/lines": lambda file: b"".join(file),
        "/readline": lambda file: b"".join(iter(file.readline, b"")),
        "/readlines": lambda file: b"".join(file.readlines()),
    }

    def app(environ: Any, start_response: Any) -> Any:
        data = ways[environ["PATH_INFO"]](environ["wsgi.input"])
        assert environ["wsgi.input"].read() == b""
        start_response("200 OK", PLAIN)
        return [data]

    async def pieces(data: bytes) -> Any:
        for at in range(0, len(data), 70_000):
            yield data[at : at + 70_000]

    async def main() -> None:
        async with serving(app) as client:
            for path in ways:
                for data in (b"", b"one\ntwo", b"a line\n" * 100_000):
                    assert (await client.http.post(path, content=data)).content == data
                    assert (await client.http.post(path, content=pieces(data))).content == data

    run(main)


def test_large_bodies_both_ways() -> None:
    size = 30_000_000

    def app(environ: Any, start_response: Any) -> Any:
        count = 0
        while data := environ["wsgi.input"].read(100_000):
            count += len(data)
        start_response("200 OK", [*PLAIN, ("X-Count", str(count))])
        return (bytes(100_000) for _ in range(size // 100_000))

    async def main() -> None:
        async with serving(app) as client:
            answer = await client.http.post("/", content=bytes(size))
            assert answer.headers["x-count"] == str(size)
            assert len(answer.content) == size

    run(main)


def test_a_large_download_waits_for_its_client() -> None:
    made, total = 0, 600

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        nonlocal made
        start_response("200 OK", PLAIN)
        for _ in range(total):
            made += 1
            yield bytes(100_000)

    async def main() -> None:
        async with serving(app) as client, client.http.stream("GET", "/") as answer:
            parts = answer.aiter_raw()
            await anext(parts)
            before = -1
            while before < made:
                before = made
                await asyncio.sleep(0.3)
            assert made < total
            async for _ in parts:
                pass
            assert made == total

    run(main)


def test_a_body_over_the_limit_is_refused() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        environ["wsgi.input"].read()
        start_response("200 OK", PLAIN)
        return [b"read"]

    async def pieces() -> Any:
        for _ in range(40):
            yield bytes(1000)

    async def main() -> None:
        async with serving(app, Settings(max_body_size=10_000)) as client:
            assert (await client.http.post("/", content=pieces())).status_code == 413
            assert (await client.http.get("/")).text == "read"

    run(main)


def test_file_wrapper() -> None:
    files: list[io.BytesIO] = []
    data = bytes(range(256)) * 2000

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [*PLAIN, ("Content-Length", str(len(data)))])
        files.append(io.BytesIO(data))
        return environ["wsgi.file_wrapper"](files[-1], 4096)

    async def main() -> None:
        async with serving(app) as client:
            assert (await client.http.get("/")).content == data
        assert files[0].closed

    run(main)


def test_the_standard_librarys_validator_finds_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    @validator
    def app(environ: Any, start_response: Any) -> Any:
        data = environ["wsgi.input"].read(100)
        environ["wsgi.errors"].write("")
        start_response("200 OK", PLAIN)
        return iter([data or b"empty"])

    async def main() -> None:
        async with serving(app, interface="wsgi") as client:
            assert (await client.http.get("/")).text == "empty"
            assert (await client.http.post("/", content=b"full")).text == "full"

    run(main)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_requests_run_side_by_side_up_to_the_limit() -> None:
    both = threading.Barrier(2, timeout=20)
    running, most, lock = 0, 0, threading.Lock()

    def app(environ: Any, start_response: Any) -> Any:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait()
        with lock:
            running -= 1
        start_response("200 OK", PLAIN)
        return [b"met"]

    async def main() -> None:
        async with serving(app, threads=2) as client:
            answers = await asyncio.gather(*(client.http.get("/") for _ in range(6)))
            assert [answer.text for answer in answers] == ["met"] * 6
        assert most == 2

    run(main)


# ---- errors -------------------------------------------------------------------


def text_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(record.exc_info[1]) for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/raise", "nowhere"),
        ("/no-start", "the WSGI application gave a body before it called start_response"),
        ("/nothing", "the WSGI application gave a body before it called start_response"),
        ("/twice", "start_response was called twice without exc_info"),
        ("/text", "the body of a WSGI response must be bytes, not str"),
        ("/status", "a status must be such as '200 OK', not 'OK'"),
        ("/field", "the header field b'X': b'a\\r\\nb: c' cannot be sent"),
        ("/short", "the response's body has 2 bytes, its Content-Length says 3"),
        ("/empty", "the response's body is empty, its Content-Length says 3"),
        ("/exit", "the application raised SystemExit"),
    ],
)
def test_errors_before_anything_was_sent(path: str, error: str, caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        if path == "/raise":
            raise LookupError("nowhere")
        if path == "/exit":
            raise SystemExit(1)
        if path == "/status":
            start_response("OK", PLAIN)
        if path == "/field":
            start_response("200 OK", [("X", "a\r\nb: c")])
        if path == "/nothing":
            return []
        if path in ("/short", "/empty"):
            start_response("200 OK", [("Content-Length", "3")])
            return [b"12"] if path == "/short" else iter([])
        if path != "/no-start":
            start_response("200 OK", PLAIN)
        if path == "/twice":
            start_response("200 OK", PLAIN)
        return ["text"] if path == "/text" else iter([b"x"])

    async def main() -> None:
        async with serving(app) as client:
            answer = await client.http.get("/")
            assert (answer.status_code, answer.text) == (500, "Internal Server Error")

    run(main)
    assert text_of(caplog) == [error]


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/raise", "nowhere"),
        ("/long", "the response's body has more bytes than its Content-Length says"),
        ("/short", "the response's body has fewer bytes than its Content-Length says"),
    ],
)
def test_errors_in_the_middle_close_the_connection(path: str, error: str, caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [] if path == "/raise" else [("Content-Length", "4")])
        yield b"12"
        if path == "/raise":
            raise LookupError("nowhere")
        yield b"345" if path == "/long" else b"3"

    async def main() -> None:
        async with serving(app) as client:
            with pytest.raises(httpx.TransportError):
                await client.http.get("/")

    run(main)
    assert text_of(caplog) == [error]


def test_exc_info_replaces_a_head_that_was_not_sent() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        import sys

        start_response("200 OK", [("X-A", "1")])
        if environ["PATH_INFO"] == "/late":
            yield b"part"
        try:
            raise LookupError("nowhere")
        except LookupError:
            start_response("500 Failed", [("X-B", "2")], sys.exc_info())
        yield b"sorry"

    async def main() -> None:
        async with serving(app) as client:
            answer = await client.http.get("/")
            assert (answer.status_code, answer.text) == (500, "sorry")
            assert "x-a" not in answer.headers and answer.headers["x-b"] == "2"
            with pytest.raises(httpx.TransportError):
                await client.http.get("/late")

    run(main)


def test_an_error_when_closing_does_not_spoil_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(list[bytes]):
        def close(self) -> None:
            raise LookupError("nowhere")

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", PLAIN)
        return Failing([b"fine"])

    async def main() -> None:
        async with serving(app) as client:
            assert (await client.http.get("/")).text == "fine"

    run(main)
    assert text_of(caplog) == ["nowhere"]


# ---- clients that go ---------------------------------------------------------------


async def leave_after_the_head(client: Client) -> None:
    reader, writer = await client.connect()
    writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


def test_a_client_that_goes_ends_the_generator(caplog: pytest.LogCaptureFixture) -> None:
    closed = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        try:
            while True:
                yield bytes(100_000)
        finally:
            loops[0].call_soon_threadsafe(closed.set)

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        async with serving(app) as client:
            await leave_after_the_head(client)
            await soon(closed)

    run(main)
    assert text_of(caplog) == []


def test_a_body_that_breaks_off_is_an_oserror() -> None:
    raised: list[BaseException] = []
    done = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    def app(environ: Any, start_response: Any) -> Any:
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            raised.append(error)
            raise
        finally:
            loops[0].call_soon_threadsafe(done.set)

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        async with serving(app) as client:
            _, writer = await client.connect()
            writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc")
            while not client.server.status().get("in_flight"):
                await asyncio.sleep(0.01)
            writer.close()
            await soon(done)
        assert len(raised) == 1

    run(main)


def test_a_server_that_stops_does_not_wait_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()

    def app(environ: Any, start_response: Any) -> Any:
        release.wait(20)
        start_response("200 OK", PLAIN)
        return iter([b"1", b"2"])

    async def main() -> None:
        async with serving(app, timeout_graceful_shutdown=0.2) as client:
            asking = asyncio.ensure_future(client.http.get("/"))
            while not client.server.status().get("in_flight"):
                await asyncio.sleep(0.01)
            client.server.should_exit = True
            assert (await asking).status_code == 503
        release.set()

    run(main)
