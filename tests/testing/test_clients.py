"""What only our test clients do, and what they do with CovetPy applications."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from covet import CovetPy, HTTPException, Request, StreamingResponse
from covet.exceptions import WebSocketDisconnect
from covet.testclient import AsyncTestClient, TestClient, WebSocketDenialResponse
from covet.testing.calls import LifespanFailed

from .apps import application


def covet_app() -> CovetPy:
    app = CovetPy()

    @app.on_startup
    async def up() -> None:
        app.state.thread = threading.current_thread().name

    @app.get("/")
    async def root() -> dict[str, str]:
        return {"thread": app.state.thread, "now": threading.current_thread().name}

    @app.get("/fails")
    async def fails() -> None:
        raise KeyError("as the test asked")

    @app.get("/refuses")
    async def refuses() -> None:
        raise HTTPException(418, "tea")

    @app.post("/pieces")
    async def pieces(request: Request) -> list[str]:
        return [piece.decode() async for piece in request.stream()]

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for number in range(3):
                yield b"%d" % number

        return StreamingResponse(parts())

    return app


def test_a_covetpy_application() -> None:
    with TestClient(covet_app()) as client:
        answer = client.get("/").json()
        assert answer["thread"] == answer["now"] == "covet-test-loop"
        with pytest.raises(KeyError, match="as the test asked"):
            client.get("/fails")
        refused = client.get("/refuses")
        assert (refused.status_code, refused.json()) == (418, {"detail": "tea"})
        assert client.get("/unknown").status_code == 404
        assert client.get("/stream").text == "012"
    silent = TestClient(covet_app(), raise_server_exceptions=False)
    assert (silent.get("/fails").status_code, silent.get("/fails").text) == (500, "Internal Server Error")


def test_a_body_of_unknown_length_is_streamed() -> None:
    taken: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            taken.append(message["body"].decode())
            if not message["more_body"]:
                break
        status = 200 if scope["path"] == "/" else 307
        await send({"type": "http.response.start", "status": status, "headers": [(b"location", b"/")]})
        await send({"type": "http.response.body", "body": b""})

    def parts() -> Iterator[bytes]:
        yield b"one"
        yield b"two"

    TestClient(app).post("/", content=parts())
    assert taken == ["one", "two", ""]
    taken.clear()
    TestClient(app).post("/elsewhere", content=parts())
    assert taken == ["one", "two", "", "onetwo", ""]


def test_streams_that_are_not_read_to_the_end() -> None:
    closed = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
        finally:
            closed.set()

    with TestClient(app) as client:
        with client.stream("GET", "/") as response:
            assert next(response.iter_bytes()) == b"x"
        assert closed.is_set()
        closed.clear()
        response = client.send(client.build_request("GET", "/"), stream=True)
    assert closed.is_set()


def test_trailers_and_debug_information() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.debug", "info": {"template": "a.html", "context": {"b": 1}}})
        await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
        await send({"type": "http.response.body", "body": b"body"})
        await send({"type": "http.response.trailers", "headers": [(b"x-a", b"b")]})
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"

    response: Any = TestClient(app).get("/")
    assert response.text == "body"
    assert response.extensions["http.response.trailers"] == [(b"x-a", b"b")]
    assert (response.template, response.context) == ("a.html", {"b": 1})


def test_an_application_without_an_answer() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        pass

    with pytest.raises(AssertionError, match="did not receive any response"):
        TestClient(app).get("/")
    assert TestClient(app, raise_server_exceptions=False).get("/").status_code == 500


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        (["body"], "before http.response.start"),
        (["start", "start"], "twice"),
        (["start", "body", "body"], "after the end of the body"),
        (["start", "trailers"], "had not announced"),
    ],
)
def test_what_breaks_the_rules(messages: list[str], complaint: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for name in messages:
            await send({"type": f"http.response.{name}", "status": 200})

    with pytest.raises(AssertionError, match=complaint):
        TestClient(app).get("/")


def test_a_time_limit_counts() -> None:
    cancelled = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            cancelled.set()

    with pytest.raises(httpx.ReadTimeout):
        TestClient(app).get("/", timeout=0.01)
    assert cancelled.is_set()

    async def main() -> None:
        cancelled.clear()
        with pytest.raises(httpx.ReadTimeout):
            await AsyncTestClient(app).get("/", timeout=0.01)
        assert cancelled.is_set()

    asyncio.run(main())


class Quit(BaseException):
    """As SystemExit, but harmless."""


@pytest.mark.parametrize("error", [OSError("no database"), Quit("enough")])
@pytest.mark.parametrize("event", ["startup", "shutdown"])
def test_a_lifespan_that_fails(event: str, error: BaseException) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if event == "shutdown":
            await send({"type": "lifespan.startup.complete"})
            await receive()
        raise error

    with pytest.raises(type(error)), TestClient(app):
        assert event == "shutdown"


@pytest.mark.parametrize("event", ["startup", "shutdown"])
def test_a_lifespan_of_covetpy_that_fails(event: str) -> None:
    app = CovetPy()

    @app.on_event(event)
    async def fail() -> None:
        raise OSError("no database")

    with pytest.raises(OSError, match="no database"), TestClient(app):
        assert event == "shutdown"


def test_a_lifespan_that_only_says_that_it_failed() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no luck"})

    with pytest.raises(LifespanFailed, match="startup failed: no luck"), TestClient(app):
        raise AssertionError


def test_the_portal_of_a_client() -> None:
    client = TestClient(covet_app(), backend_options={"debug": True, "use_uvloop": True})
    with client:
        assert client.portal is not None
        loop = client.portal.call(asyncio.get_running_loop)
        assert "uvloop" in type(loop).__module__
        assert loop.get_debug()
        assert client.portal.start_task_soon(asyncio.sleep, 0, "slept").result(10) == "slept"
    assert client.portal is None
    with (
        pytest.raises(TypeError, match="backend_options has no nonsense"),
        TestClient(covet_app(), backend_options={"nonsense": 1}),
    ):
        raise AssertionError
    with pytest.raises(ValueError, match="trio"):
        TestClient(covet_app(), backend="trio")
    with pytest.raises(TypeError, match="str objects"):
        TestClient("main:app")


def test_what_is_left_is_cancelled() -> None:
    ended = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    app = CovetPy()

    @app.get("/")
    async def root() -> None:
        app.state.task = asyncio.create_task(forever())

    with TestClient(app) as client:
        client.get("/")
        assert not ended.is_set()
    assert ended.is_set()


def test_a_socket_that_nobody_closes() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})

    with TestClient(app).websocket_connect("/") as socket:
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
        assert closed.value.code == 1006
        with pytest.raises(WebSocketDisconnect):
            socket.receive()


def test_a_socket_may_take_its_time_to_finish() -> None:
    finished = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        assert (await receive())["type"] == "websocket.disconnect"
        await asyncio.sleep(0.3)
        finished.set()

    with TestClient(app).websocket_connect("/"):
        pass
    assert finished.is_set()


def test_the_tests_own_failure_comes_first() -> None:
    with pytest.raises(ZeroDivisionError), TestClient(application()).websocket_connect("/chat") as socket:
        socket.receive_json()
        socket.send_text("fail")
        raise ZeroDivisionError


def test_many_threads_share_a_client() -> None:
    app = CovetPy()

    @app.get("/{n}")
    def echo(n: int) -> int:
        time.sleep(0.001)
        return n

    found: list[int] = []
    with TestClient(app) as client:
        threads = [threading.Thread(target=lambda n=n: found.append(client.get(f"/{n}").json())) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == list(range(20))


def test_the_asynchronous_client() -> None:
    async def main() -> None:
        app = application()
        async with AsyncTestClient(app, headers={"x-own": "mine"}) as client:
            assert app.state.events == ["up"]
            assert (await client.get("/state")).json() == {"resource": "open"}
            seen = (await client.post("/seen?a=1", json={"b": 2})).json()
            assert (seen["method"], seen["query_string"], seen["body"]) == ("POST", "b'a=1'", '{"b":2}')
            assert ["user-agent", "testclient"] in seen["headers"]
            assert ["x-own", "mine"] in seen["headers"]
            assert (await client.get("/redirect")).json()["path"] == "/seen"
            assert (await client.get("/background")).text == "answered"
            assert app.state.events[-1] == "worked"
            with pytest.raises(KeyError, match="as the test asked"):
                await client.get("/fails")
            with pytest.raises(KeyError, match="in the stream"):
                await client.get("/broken_stream")
            async with client.stream("GET", "/stream") as response:
                assert [line async for line in response.aiter_lines()] == ["part 0", "part 1", "part 2"]
            answers = await asyncio.gather(*(client.get(f"/seen/{n}") for n in range(20)))
            assert [each.json()["path"] for each in answers] == [f"/seen/{n}" for n in range(20)]
            assert (await client.head("/seen")).content == b""
        assert app.state.events[-1] == "down"
        silent = AsyncTestClient(app, raise_server_exceptions=False)
        assert (await silent.get("/fails")).status_code == 500

    asyncio.run(main())


def test_asynchronous_bodies() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.sleep(0)
        yield b"two"

    async def main() -> None:
        async with AsyncTestClient(covet_app()) as client:
            assert (await client.post("/pieces", content=parts())).json() == ["one", "two"]
            assert (await client.post("/pieces", content=b"whole")).json() == ["whole"]
            with pytest.raises(KeyError):
                await client.get("/fails")

    asyncio.run(main())


def test_asynchronous_sockets() -> None:
    async def main() -> None:
        app = application()
        async with AsyncTestClient(app) as client:
            async with client.websocket_connect("/chat", ["second"], headers={"x-own": "mine"}) as socket:
                assert socket.accepted_subprotocol == "second"
                assert (await socket.receive_json())["headers"] == "mine"
                await socket.send_text("hello")
                await socket.send_bytes(b"octets")
                assert await socket.receive_text() == "got hello"
                assert await socket.receive_bytes() == b"got octets"
            assert app.state.events[-1] == (1000, None)
            with pytest.raises(WebSocketDisconnect):
                await client.websocket_connect("/refusing").__aenter__()
            with pytest.raises(WebSocketDenialResponse) as denied:
                await client.websocket_connect("/denying").__aenter__()
            assert denied.value.status_code == 403
            async with client.websocket_connect("/chatty") as socket:
                assert await socket.receive_text() == "tick"

    asyncio.run(main())


def test_without_httpx_there_is_advice() -> None:
    code = "import sys; sys.modules['httpx'] = sys.modules['httpx2'] = None\nimport covet.testclient"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "covetpy[test]"' in result.stderr
    assert result.returncode == 1
