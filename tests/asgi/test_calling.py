"""The callable by itself: lifespan, streams, clients that go away, mounts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from covet import CovetPy, HTTPException, PlainTextResponse, Request, StreamingResponse
from covet.asgi.exchange import SEND_AHEAD

from .app import app, events
from .calling import HANG, Alive, call, called, scope_of

GONE = {"type": "http.disconnect"}


def test_the_lifespan_gives_the_state_and_ends() -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def lifespan(app: CovetPy) -> AsyncIterator[dict[str, str]]:
        steps.append("begun")
        yield {"key": "value"}
        steps.append("ended")

    app = CovetPy(
        lifespan=lifespan, on_startup=[lambda: steps.append("up")], on_shutdown=[lambda: steps.append("down")]
    )

    @app.get("/")
    async def root(request: Request) -> Any:
        request.state.mine = 1
        return request.state.key

    async def run() -> None:
        state: dict[str, Any] = {}
        async with Alive(app, state=state) as started:
            assert started == {"type": "lifespan.startup.complete"}
            assert state == {"key": "value"}
            # A server with the state extension has the last word; without it the state is the same.
            assert (await called(app, scope_of(state={"key": "other"}))).body == b'"other"'
            assert (await called(app, scope_of())).body == b'"value"'
        assert state == {"key": "value"}

    asyncio.run(run())
    assert steps == ["begun", "up", "down", "ended"]


@pytest.mark.parametrize("event", ["startup", "shutdown"])
def test_a_lifespan_that_fails(event: str) -> None:
    def hook() -> None:
        raise OSError("no database")

    app = CovetPy()
    app.on_event(event)(hook)

    async def run() -> dict[str, Any]:
        alive = Alive(app)
        async with alive as started:
            pass
        with pytest.raises(OSError, match="no database"):
            await alive.task
        return started if event == "startup" else alive.ended

    answer = asyncio.run(run())
    assert answer["type"] == f"lifespan.{event}.failed"
    assert "OSError: no database" in answer["message"]


def test_a_stream_waits_for_the_server() -> None:
    app, made = CovetPy(), 0

    @app.get("/")
    async def root() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            nonlocal made
            while made < 100:
                made += 1
                yield bytes(SEND_AHEAD // 4)

        return StreamingResponse(parts())

    async def run() -> None:
        may_go_on, sent = asyncio.Event(), 0

        async def receive() -> Any:
            await asyncio.Event().wait()

        async def send(message: Any) -> None:
            nonlocal sent
            await may_go_on.wait()
            sent += len(message.get("body", b""))

        task = asyncio.create_task(app(scope_of(), receive, send))
        for _ in range(100):
            await asyncio.sleep(0)
        assert 4 <= made <= 6  # what may wait, and the one that found no room
        may_go_on.set()
        await task
        assert (made, sent) == (100, 25 * SEND_AHEAD)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "event"), [("/hang", "cancelled"), ("/until-gone", "gone"), ("/forever", "stream closed")]
)
def test_a_client_that_goes_away(path: str, event: str) -> None:
    events.clear()
    whole = {"type": "http.request", "body": b"", "more_body": False}
    asyncio.run(called(app, scope_of(path), [whole, GONE]))
    assert events[-1] == event


def test_a_server_that_takes_no_more() -> None:
    events.clear()

    async def run() -> None:
        async def receive() -> Any:
            await asyncio.Event().wait()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                raise OSError("the client has gone")

        await asyncio.wait_for(app(scope_of("/forever"), receive, send), 20)

    asyncio.run(run())
    assert events == ["stream closed"]


def test_a_call_that_is_cancelled_ends_its_handler() -> None:
    events.clear()

    async def run() -> None:
        task = asyncio.create_task(called(app, scope_of("/hang")))
        while "hanging" not in events:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert events == ["hanging", "cancelled"]


def test_a_body_that_ends_early() -> None:
    half = {"type": "http.request", "body": b"half", "more_body": True}
    assert asyncio.run(called(app, scope_of("/echo", "POST"), [half, GONE])).status == 400


def test_errors_are_raised_once_they_are_answered() -> None:
    app = CovetPy()

    @app.get("/")
    async def root() -> None:
        raise KeyError("as the test asked")

    @app.get("/refused")
    async def refused() -> None:
        raise HTTPException(409)

    answer = call(app)
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    assert isinstance(answer.raised, KeyError)
    assert call(app, "/refused").raised is None

    @app.exception_handler(Exception)
    async def handle(request: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("sorry", 500)

    answer = call(app)
    assert (answer.status, answer.body) == (500, b"sorry")
    assert isinstance(answer.raised, KeyError)


def test_a_broken_stream_is_an_error_of_the_call() -> None:
    with pytest.raises(RuntimeError) as caught:
        call(app, "/broken")
    assert type(caught.value) is RuntimeError


def test_mounted_under_a_path() -> None:
    for raw in (b"/api/kinds/a%2Fb", b"/kinds/a%2Fb"):
        answer = call(app, "/api/kinds/a/b", raw_path=raw, root_path="/api")
        assert answer.body == b'["str","a/b"]'
    assert call(app, "/api", root_path="/api", raw_path=b"/api").headers[b"location"] == b"http://test/api/"
    assert call(app, "/apis", root_path="/api").status == 404
    moved = call(app, "/api/slash", root_path="/api", raw_path=None, query_string=b"a=1")
    assert moved.headers[b"location"] == b"http://test/api/slash/?a=1"
    assert b'"/api/seen"' in call(app, "/api/seen", root_path="/api", raw_path=b"/api/seen").body


def test_inside_starlette() -> None:
    applications = pytest.importorskip("starlette.applications")
    routing = pytest.importorskip("starlette.routing")
    outer = applications.Starlette(routes=[routing.Mount("/api", app=app)])

    async def run() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=outer), base_url="http://test") as client:
            assert (await client.get("/api/items/5")).json()["item_id"] == 5
            assert (await client.get("/api/slash", follow_redirects=True)).json() == "slash"

    asyncio.run(run())


def test_websockets_without_a_route_are_refused() -> None:
    sent: list[Any] = []

    async def run() -> None:
        scope = {**scope_of("/"), "type": "websocket", "scheme": "ws"}

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        await app(scope, receive, send)

    asyncio.run(run())
    assert sent == [{"type": "websocket.close", "code": 1000, "reason": ""}]


def test_other_scopes_are_errors() -> None:
    with pytest.raises(ValueError, match="'other'"):
        asyncio.run(called(app, {"type": "other"}, [HANG]))
