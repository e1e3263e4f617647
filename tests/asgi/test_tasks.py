"""Who waits for whom: handlers run in the server's task, and what that means for it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import served

from covet import CovetPy, Request, Response, StreamingResponse

from .calling import HANG, call, called, scope_of

GONE = {"type": "http.disconnect"}
WHOLE = {"type": "http.request", "body": b"whole", "more_body": False}
LIMITED = """
import asyncio
from covet import CovetPy, Request, StreamingResponse
app = CovetPy(request_timeout=0.05)
later = []
@app.get("/slow")
async def slow():
    await asyncio.sleep(0.3)
    later.append("slow")
    return "slow"
@app.get("/late-stream")
async def late_stream():
    await asyncio.sleep(0.3)
    async def parts():
        yield b"part"
    return StreamingResponse(parts())
@app.get("/hang", cancel_on_disconnect=True)
async def hang():
    try:
        await asyncio.sleep(3600)
    finally:
        later.append("cancelled")
@app.get("/fails")
async def fails():
    await asyncio.sleep(0.3)
    raise KeyError("as the test asked")
@app.get("/begun")
async def begun():
    async def parts():
        yield b"first "
        await asyncio.sleep(0.3)
        yield b"last"
    return StreamingResponse(parts())
@app.get("/later")
async def what_came_later():
    return later
"""


def test_request_timeout(tmp_path: Path) -> None:
    (tmp_path / "limited.py").write_text(LIMITED, "utf-8")
    names: dict[str, Any] = {}
    exec(compile(LIMITED, "limited", "exec"), names)
    with served("limited:app", app_dir=tmp_path) as server:

        async def compare() -> None:
            transport = httpx.ASGITransport(app=names["app"])
            async with (
                httpx.AsyncClient(base_url=server.url, timeout=20) as real,
                httpx.AsyncClient(base_url=server.url, transport=transport) as direct,
            ):
                for path in ("/slow", "/late-stream", "/fails", "/hang", "/begun", "/later"):
                    expected, answer = await real.get(path), await direct.get(path)
                    if path == "/later":
                        assert answer.json() == expected.json() == ["slow", "cancelled"]
                    assert (answer.status_code, answer.content) == (expected.status_code, expected.content), path
                    assert answer.headers.get("connection") == expected.headers.get("connection")
                    assert answer.status_code == (200 if path in ("/begun", "/later") else 504)

        asyncio.run(compare())


def test_the_callers_task_is_not_left_cancelled() -> None:
    app = CovetPy()

    @app.get("/hang", cancel_on_disconnect=True)
    async def hang() -> None:
        await asyncio.sleep(3600)

    @app.get("/stubborn", cancel_on_disconnect=True)
    async def stubborn() -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        return "in spite of all"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"a part"
            await asyncio.sleep(3600)

        return StreamingResponse(parts())

    async def run(path: str) -> None:
        events = [WHOLE, GONE]

        async def receive() -> Any:
            return events.pop(0)

        async def send(message: Any) -> None:
            pass

        task = asyncio.current_task()
        assert task is not None
        await app(scope_of(path), receive, send)
        assert task.cancelling() == 0
        await asyncio.sleep(0)  # nor is it cancelled now

    for path in ("/hang", "/stubborn", "/stream"):
        asyncio.run(asyncio.wait_for(run(path), 20))


@pytest.mark.parametrize("path", ["/", "/stream"])
def test_a_cancellation_by_the_server_is_answered_and_goes_on(path: str) -> None:
    app, begun = CovetPy(), asyncio.Event()

    @app.get("/")
    async def root() -> None:
        begun.set()
        await asyncio.sleep(3600)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"a part"
            begun.set()
            await asyncio.sleep(3600)

        return StreamingResponse(parts())

    async def run() -> list[Any]:
        sent: list[Any] = []
        task = asyncio.create_task(called(app, scope_of(path), sent=sent))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return sent

    sent = asyncio.run(run())
    assert sent[0]["status"] == (503 if path == "/" else 200)
    assert sent[-1].get("more_body", False) is (path == "/stream")


def test_a_disconnect_is_known_when_it_is_asked_for() -> None:
    app, seen = CovetPy(), []

    @app.post("/")
    async def root(request: Request) -> None:
        seen.append((await request.body(), await request.is_disconnected()))

    async def run(*events: Any) -> None:
        coming = list(events)

        async def receive() -> Any:
            return coming.pop(0) if coming else await asyncio.sleep(3600)

        async def send(message: Any) -> None:
            pass

        await app(scope_of(method="POST"), receive, send)

    asyncio.run(run(WHOLE, GONE))
    asyncio.run(run(WHOLE))
    assert seen == [(b"whole", True), (b"whole", False)]


def test_a_body_is_read_by_one_task_at_a_time() -> None:
    """Asking for a disconnect while another task waits for the body does not take the body away."""
    app, at_once = CovetPy(), 0

    @app.post("/")
    async def root(request: Request) -> list[Any]:
        async def ask() -> bool:
            for _ in range(5):
                await request.is_disconnected()
            return await request.is_disconnected()

        body, gone = await asyncio.gather(request.body(), ask())
        return [body.decode(), gone]

    async def run() -> bytes:
        pieces = [b"in ", b"three ", b"pieces"]
        sent = bytearray()

        async def receive() -> Any:
            nonlocal at_once
            at_once += 1
            assert at_once == 1
            await asyncio.sleep(0.01 if pieces else 3600)
            at_once -= 1
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        async def send(message: Any) -> None:
            sent.extend(message.get("body", b""))

        await asyncio.wait_for(app(scope_of(method="POST"), receive, send), 20)
        return bytes(sent)

    assert asyncio.run(run()) == b'["in three pieces",false]'


def test_an_expected_continue_is_only_asked_for_with_the_body() -> None:
    app, asked = CovetPy(), []

    @app.post("/", cancel_on_disconnect=True)
    async def root(request: Request) -> str:
        assert not await request.is_disconnected()
        asked.append(received)
        return (await request.body()).decode()

    received = 0

    async def run() -> list[Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            nonlocal received
            received += 1
            return WHOLE

        async def send(message: Any) -> None:
            sent.append(message)

        scope = scope_of(method="POST", headers=[(b"host", b"test"), (b"expect", b"100-continue")])
        await app(scope, receive, send)
        return sent

    assert asyncio.run(run())[1]["body"] == b'"whole"'
    assert (asked, received) == ([0], 1)


def test_an_error_of_the_server_is_its_own() -> None:
    app = CovetPy()

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            while True:
                yield bytes(100_000)

        return StreamingResponse(parts())

    @app.get("/")
    async def root() -> str:
        return "never sent"

    async def run(path: str) -> None:
        async def send(message: Any) -> None:
            raise ZeroDivisionError("the server's")

        async def receive() -> Any:
            await asyncio.sleep(3600)

        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(app(scope_of(path), receive, send), 20)

    for path in ("/", "/stream"):
        asyncio.run(run(path))


def test_an_exception_handler_that_fails_as_well(caplog: pytest.LogCaptureFixture) -> None:
    app = CovetPy()

    @app.exception_handler(KeyError)
    async def handled(request: Request, error: KeyError) -> None:
        raise asyncio.CancelledError

    @app.get("/")
    async def root() -> None:
        raise KeyError("as the test asked")

    answer = call(app)
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    assert "Exception while answering" in caplog.text


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def test_context_variables() -> None:
    """What is set around the call is seen by handlers, in threads and streams too."""
    app = CovetPy()

    @app.get("/async")
    async def in_task() -> str:
        return VARIABLE.get()

    @app.get("/sync")
    def in_thread() -> str:
        return VARIABLE.get()

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        VARIABLE.set(VARIABLE.get() + " by the handler")

        async def parts() -> AsyncIterator[str]:
            yield VARIABLE.get()

        return StreamingResponse(parts())

    @app.get("/task")
    async def background() -> Response:
        async def work() -> str:
            await asyncio.sleep(0)
            return VARIABLE.get()

        return Response(await asyncio.create_task(work()))

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        VARIABLE.set("set")
        await app(scope, receive, send)

    assert [call(outer, path).body for path in ("/async", "/sync", "/stream", "/task")] == [
        b'"set"', b'"set"', b"set by the handler", b"set",
    ]  # fmt: skip
    assert VARIABLE.get() == "unset"


def test_no_task_is_left() -> None:
    app = CovetPy()

    @app.post("/")
    async def root(request: Request) -> StreamingResponse:
        await request.is_disconnected()

        async def parts() -> AsyncIterator[bytes]:
            yield await request.body()

        return StreamingResponse(parts())

    async def run() -> None:
        assert (await called(app, scope_of(method="POST"), [WHOLE, HANG])).body == b"whole"
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())
