"""Requests and responses of ASGI applications, over real sockets."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from covet.config import Settings

from .support import run, serving, soon

START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
END: dict[str, Any] = {"type": "http.response.body"}


def body(data: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def start(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def test_scope() -> None:
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await send(START)
        await send(END)

    async def main() -> None:
        async with serving(app, root_path="/api") as client:
            request = (
                b"GET /caf%C3%A9%2Fx?a=1&b=%20 HTTP/1.1\r\nHost: h:81\r\nX-A: 1\r\nx-a: 2\r\nConnection: close\r\n\r\n"
            )
            await client.raw(request)
            await client.http.post("/")
            port = int(client.server.address.rpartition(":")[2])  # type: ignore[union-attr]
        first, second = seen
        assert type(first) is dict
        host, client_port = first.pop("client")
        assert (host, type(client_port)) == ("127.0.0.1", int)
        assert first == {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/api/café/x",
            "raw_path": b"/api/caf%C3%A9%2Fx",
            "query_string": b"a=1&b=%20",
            "root_path": "/api",
            "headers": [(b"host", b"h:81"), (b"x-a", b"1"), (b"x-a", b"2"), (b"connection", b"close")],
            "server": ("127.0.0.1", port),
            "state": {},
            "extensions": {"http.response.pathsend": {}},
        }
        assert (second["method"], second["path"], second["query_string"]) == ("POST", "/api/", b"")
        assert all(first[name] is not second[name] for name in ("asgi", "state", "extensions", "headers"))

    run(main)


def test_request_bodies() -> None:
    messages: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        messages.clear()
        while True:
            message = await receive()
            messages.append(message)
            if message["type"] == "http.disconnect" or not message["more_body"]:
                break
        data = b"".join(message.get("body", b"") for message in messages)
        await send(start((b"x-length", b"%d" % len(data))))
        await send(body(data[-1 << 16 :]))

    async def pieces() -> Any:
        for i in range(5):
            yield b"%d" % i
            await asyncio.sleep(0.01)

    async def main() -> None:
        async with serving(app) as client:
            assert (await client.http.get("/")).content == b""
            assert messages == [{"type": "http.request", "body": b"", "more_body": False}]
            assert (await client.http.post("/", content=b"small")).content == b"small"
            assert messages == [{"type": "http.request", "body": b"small", "more_body": False}]
            assert (await client.http.post("/", content=pieces())).content == b"01234"
            large = bytes(range(256)) * (1 << 16)
            answer = await client.http.post("/", content=large)
            assert answer.headers["x-length"] == str(len(large))
            assert answer.content == large[-1 << 16 :]
            assert len(messages) > 2

    run(main)


def test_a_body_is_asked_for_with_100_continue() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        await send(START)
        await send(body(message["body"]))

    async def main() -> None:
        async with serving(app) as client:
            reader, writer = await client.connect()
            writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
            assert await reader.readline() == b"\r\n"
            writer.write(b"ok")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            assert await reader.readexactly(2) == b"ok"
            writer.close()

    run(main)


def test_a_body_over_the_limit_is_refused() -> None:
    outcome: list[Any] = []
    begun = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request" and message["more_body"]:
            begun.set()
        outcome.append(message["type"])
        try:
            await send(START)
            await send(END)
        except OSError:
            outcome.append("told")

    async def pieces() -> Any:
        yield b"the first of many"
        await soon(begun)
        for _ in range(40):
            yield bytes(1000)

    async def main() -> None:
        async with serving(app, Settings(max_body_size=10_000)) as client:
            answer = await client.http.post("/", content=pieces())
            assert (answer.status_code, answer.json()) == (413, {"detail": "Request body too large"})
        assert outcome == ["http.disconnect", "told"]

    run(main)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_lengths(method: str) -> None:
    """Content-Length is that of the body, or the announced one where no body is sent."""
    responses: dict[str, list[dict[str, Any]]] = {
        "/whole": [START, body(b"12345")],
        "/announced": [start((b"Content-Length", b"5")), body(b"12345")],
        "/pieces": [start((b"content-length", b"5")), body(b"123", True), body(b"45")],
        "/unknown": [START, body(b"123", True), body(b"45")],
        "/chunked": [start((b"transfer-encoding", b"chunked")), body(b"123", True), body(b"45", True), END],
    }

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in responses[scope["path"]]:
            await send(message)

    async def main() -> None:
        async with serving(app) as client:
            for path in responses:
                answer = await client.http.request(method, path)
                assert answer.content == (b"" if method == "HEAD" else b"12345"), path
                known = path in ("/whole", "/announced", "/pieces")
                assert answer.headers.get("content-length") == ("5" if known else None), path

    run(main)


def test_head_without_a_body_claims_no_length() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(*([(b"content-length", b"7")] if scope["path"] == "/known" else [])))
        await send(END)

    async def main() -> None:
        async with serving(app) as client:
            assert (await client.http.head("/known")).headers["content-length"] == "7"
            assert "content-length" not in (await client.http.head("/")).headers
            assert (await client.http.get("/")).headers["content-length"] == "0"

    run(main)


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body(status: int) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start((b"etag", b'"x"'), status=status))
        await send(END)

    async def main() -> None:
        async with serving(app) as client:
            for _ in range(2):  # the second one shows that nothing was left over from the first
                answer = await client.http.get("/")
                assert (answer.status_code, answer.content, answer.headers["etag"]) == (status, b"", '"x"')

    run(main)


def test_the_connection_is_the_servers() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start((b"Connection", b"close" if scope["path"] == "/last" else b"keep-alive"), [b"X-List", b"1"]))  # type: ignore[arg-type]
        await send(body(b"."))

    async def main() -> None:
        async with serving(app) as client:
            answer = await client.raw(b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /last HTTP/1.1\r\nHost: h\r\n\r\n")
            assert answer.count(b"HTTP/1.1 200 ") == 2
            assert answer.lower().count(b"connection:") == 1
            assert answer.count(b"X-List: 1\r\n") == 2

    run(main)


def test_a_large_download_waits_for_its_client() -> None:
    """Memory is not filled with what the client has not taken yet."""
    sent = 0
    piece = bytes(100_000)
    total = 600

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send(START)
        for _ in range(total):
            await send(body(piece, True))
            sent += 1
        await send(END)

    async def main() -> None:
        async with serving(app) as client, client.http.stream("GET", "/") as answer:
            iterator = answer.aiter_raw()
            await anext(iterator)
            before = -1
            while before < sent:
                before = sent
                await asyncio.sleep(0.3)
            assert sent < total
            rest = 0
            async for data in iterator:
                rest += len(data)
            assert sent == total
            assert rest > total * len(piece) // 2

    run(main)


def test_a_large_whole_body() -> None:
    data = bytes(range(256)) * 100_000

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": memoryview(data)})

    async def main() -> None:
        async with serving(app) as client:
            assert (await client.http.get("/")).content == data

    run(main)


def test_files(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"small")
    large.write_bytes(bytes(range(256)) * 10_000)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        path = tmp_path / scope["path"][1:]
        headers = [(b"content-length", b"%d" % path.stat().st_size)] if path.exists() else []
        await send(start(*headers))
        await send({"type": "http.response.pathsend", "path": str(path)})

    async def main() -> None:
        async with serving(app) as client:
            for path in (small, large):
                answer = await client.http.get(f"/{path.name}")
                assert answer.content == path.read_bytes()
                assert answer.headers["content-length"] == str(path.stat().st_size)
                assert (await client.http.head(f"/{path.name}")).headers["content-length"] == str(path.stat().st_size)
            assert (await client.http.get("/missing")).status_code == 500

    run(main)


def test_work_after_the_response_holds_up_nobody() -> None:
    released = asyncio.Event()
    finished = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(b"done"))
        if scope["path"] == "/slow":
            assert (await receive())["type"] == "http.disconnect"
            await released.wait()
            finished.set()

    async def main() -> None:
        async with serving(app) as client:
            limits = httpx.Limits(max_connections=1)
            async with httpx.AsyncClient(base_url=client.http.base_url, limits=limits) as one:
                assert (await one.get("/slow")).text == "done"
                assert (await one.get("/")).text == "done"
            assert not finished.is_set()
            released.set()
            await soon(finished)

    run(main)


# ---- errors --------------------------------------------------------------------


def test_errors_before_anything_was_sent(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/raise":
            raise LookupError("nowhere")
        if scope["path"] == "/late":
            await asyncio.sleep(0.001)
            await send(START)
            raise LookupError("too late to be found")

    async def main() -> None:
        async with serving(app) as client:
            for path in ("/raise", "/late", "/silent"):
                answer = await client.http.get(path)
                assert (answer.status_code, answer.text) == (500, "Internal Server Error")

    caplog.set_level(logging.ERROR, "covet.error")
    run(main)
    first, second, third = caplog.records
    assert first.getMessage() == "Exception in ASGI application, answering GET /raise"
    assert first.exc_info is not None and isinstance(first.exc_info[1], LookupError)
    assert second.exc_info is not None and str(second.exc_info[1]) == "too late to be found"
    assert third.getMessage() == "ASGI application returned without starting a response to GET /silent"


def test_errors_in_the_middle_close_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(b"part", True))
        if scope["path"] == "/raise":
            raise LookupError("nowhere")

    async def main() -> None:
        async with serving(app) as client:
            for path in ("/raise", "/return"):
                with pytest.raises(httpx.TransportError):
                    await client.http.get(path)

    caplog.set_level(logging.ERROR, "covet.error")
    run(main)
    assert [record.getMessage() for record in caplog.records] == [
        "Exception in ASGI application, answering GET /raise",
        "ASGI application returned without completing its response to GET /return",
    ]


def test_an_error_after_the_response_does_not_cut_it() -> None:
    data = bytes(20_000_000)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(data))
        raise LookupError("nowhere")

    async def main() -> None:
        async with serving(app) as client:
            assert (await client.http.get("/")).content == data

    run(main)


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([END], "expected the ASGI message 'http.response.start', not 'http.response.body'"),
        ([START, START], "expected the ASGI message 'http.response.body', not 'http.response.start'"),
        ([START, body(b"x", True), START], "expected the ASGI message 'http.response.body', not 'http.response.start'"),
        ([START, END, END], "unexpected ASGI message 'http.response.body' after the response is complete"),
        ([START, END, START], "unexpected ASGI message 'http.response.start' after the response is complete"),
        ([{"type": "websocket.accept"}], "expected the ASGI message 'http.response.start', not 'websocket.accept'"),
        ([START | {"trailers": True}], "trailers are not supported"),
        ([start((b"content-length", b"3")), body(b"12")], "the response's body has 2 bytes, its Content-Length says 3"),
        ([start((b"content-length", b"3")), body(b"12", True), END], "fewer bytes than its Content-Length says"),
        ([start((b"content-length", b"3")), body(b"12", True), body(b"34")], "more bytes than its Content-Length says"),
        ([start((b"content-length", b"x"))], "Content-Length is not one number"),
        ([start((b"content-length", b"1"), (b"content-length", b"2"))], "Content-Length is not one number"),
        ([start((b"x", b"a\r\nset-cookie: b"))], "cannot be sent"),
        ([start((b"x\r\ny", b"a"))], "cannot be sent"),
        ([start((b"", b"a"))], "cannot be sent"),
        ([start(("x", "a"))], "expected bytes"),  # type: ignore[arg-type]
        ([start((b"x",))], "a pair of two bytes objects"),  # type: ignore[arg-type]
        ([start(status=99), END], "status"),
        ([start(status=101), END], "status"),
    ],
)
def test_messages_that_cannot_be_sent(messages: list[dict[str, Any]], error: str) -> None:
    raised: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            for message in messages:
                await send(message)
        except Exception as failure:
            raised.append(str(failure))
            raise

    async def main() -> None:
        async with serving(app) as client:
            if any(message.get("more_body") for message in messages):
                with pytest.raises(httpx.TransportError):
                    await client.http.get("/")
            else:
                answer = await client.http.get("/")
                assert answer.status_code == (200 if messages[1:2] == [END] and len(messages) == 3 else 500)
                assert "set-cookie" not in answer.headers
        assert len(raised) == 1 and error in raised[0]

    run(main)


def test_applications_that_give_something_else_to_await() -> None:
    async def answer(send: Any) -> None:
        await send(START)
        await send(body(b"from a task"))

    def app(scope: Any, receive: Any, send: Any) -> Any:
        return asyncio.ensure_future(answer(send)) if scope["path"] == "/task" else None

    async def main() -> None:
        async with serving(app, interface="asgi") as client:
            assert (await client.http.get("/task")).text == "from a task"
            assert (await client.http.get("/none")).status_code == 500

    run(main)


# ---- disconnection ---------------------------------------------------------------


def test_a_client_that_goes_is_told_of() -> None:
    got: list[str] = []
    waiting, done = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        waiting.set()
        got.append((await receive())["type"])
        got.append((await receive())["type"])
        done.set()

    async def main() -> None:
        async with serving(app) as client:
            _, writer = await client.connect()
            writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            await soon(waiting)
            writer.transport.abort()
            await soon(done)
        assert got == ["http.disconnect", "http.disconnect"]

    run(main)


def test_a_body_that_breaks_off_is_a_disconnection() -> None:
    got: list[Any] = []
    waiting, done = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got.append((await receive())["body"])
        waiting.set()
        got.append((await receive())["type"])
        done.set()

    async def main() -> None:
        async with serving(app) as client:
            _, writer = await client.connect()
            writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc")
            await soon(waiting)
            writer.close()
            await soon(done)
        assert got == [b"abc", "http.disconnect"]

    run(main)


@pytest.mark.parametrize(("asks", "level"), [(True, logging.INFO), (False, logging.ERROR)])
def test_exceptions_once_the_client_has_gone(asks: bool, level: int, caplog: pytest.LogCaptureFixture) -> None:
    """What an application makes of a disconnection is no error; what it raises without knowing of it is."""
    waiting, gone, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        waiting.set()
        try:
            if asks:
                assert (await receive())["type"] == "http.disconnect"
            else:
                await gone.wait()
            raise LookupError("nowhere")
        finally:
            done.set()

    async def main() -> None:
        async with serving(app) as client:
            _, writer = await client.connect()
            writer.write(b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
            await soon(waiting)
            writer.transport.abort()
            gone.set()
            await soon(done)

    caplog.set_level(logging.INFO, "covet.error")
    run(main)
    records = [record for record in caplog.records if "/x" in record.getMessage()]
    assert [record.levelno for record in records] == [level]
    assert bool(records[0].exc_info) is not asks


@pytest.mark.parametrize("catches", [True, False])
def test_sending_to_a_client_that_has_gone(catches: bool, caplog: pytest.LogCaptureFixture) -> None:
    raised: list[BaseException] = []
    done = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        try:
            while True:
                await send(body(bytes(100_000), True))
                await asyncio.sleep(0)
        except OSError as error:
            raised.append(error)
            if not catches:
                raise RuntimeError("could not go on") from error
        finally:
            done.set()

    async def main() -> None:
        async with serving(app) as client:
            reader, writer = await client.connect()
            writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.abort()
            await soon(done)

    caplog.set_level(logging.ERROR, "covet.error")
    run(main)
    assert len(raised) == 1
    assert caplog.records == []  # that clients go is no error of the application


def test_a_client_that_only_ends_its_side_is_answered() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.sleep(0.05)
        await send(START)
        await send(body(b"still here"))

    async def main() -> None:
        async with serving(app) as client:
            reader, writer = await client.connect()
            writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            writer.write_eof()
            assert (await asyncio.wait_for(reader.read(), 20)).endswith(b"still here")
            writer.close()

    run(main)


def test_a_server_that_stops_cancels_what_does_not_end() -> None:
    cancelled: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def main() -> None:
        async with serving(app, timeout_graceful_shutdown=0.2) as client:
            asking = asyncio.ensure_future(client.http.get("/"))
            while not client.server.status().get("in_flight"):
                await asyncio.sleep(0.01)
            client.server.should_exit = True
            assert (await asking).status_code == 503
        assert cancelled == [True]

    run(main)
