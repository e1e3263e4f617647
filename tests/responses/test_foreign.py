"""Starlette's responses, from handlers of an application under an ASGI server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest
import starlette.background
import starlette.responses
from asgi.calling import called, scope_of
from pydantic import BaseModel

from covet import BackgroundTasks, CovetPy, Depends, HTTPException, Request
from covet.dispatch import to_response
from covet.foreign import ForeignResponse
from covet.testclient import TestClient
from covet.testing.live import LiveServer

from .support import answered

app = CovetPy()
seen: list[Any] = []


@app.get("/{kind}")
async def answer(kind: str, request: Request) -> Any:
    background = starlette.background.BackgroundTask(seen.append, kind)
    if kind == "stream":
        return starlette.responses.StreamingResponse(iter("abc"), background=background)
    if kind == "endless":
        return starlette.responses.StreamingResponse(forever())
    if kind == "error":
        raise HTTPException(418)
    return starlette.responses.JSONResponse({"a": 1}, 201, background=background)


def noted() -> None:
    """A dependency, so that the handler has a plan."""


@app.get("/planned/{kind}", dependencies=[Depends(noted)])
async def planned(kind: str, tasks: BackgroundTasks) -> Any:
    background = starlette.background.BackgroundTask(seen.append, kind)
    tasks.add_task(seen.append, "the handler's")
    if kind == "tuple":
        return starlette.responses.JSONResponse({"a": 1}, background=background), 202, {"x": "y"}
    return starlette.responses.JSONResponse({"a": 1}, background=None if kind == "without" else background)


@app.exception_handler(418)
async def teapot(request: Request, error: Exception) -> Any:
    return starlette.responses.PlainTextResponse(f"teapot {request.method}", 418)


async def forever() -> AsyncIterator[bytes]:
    try:
        yield b"first"
        await asyncio.Event().wait()
    finally:
        seen.append("closed")


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


def get(path: str, events: Any = ()) -> Any:
    return asyncio.run(called(app, scope_of(path), events))


def test_they_are_sent_with_their_background_work() -> None:
    answer = get("/json")
    assert (answer.status, answer.body, answer.headers[b"content-type"]) == (201, b'{"a":1}', b"application/json")
    assert get("/stream").body == b"abc"
    assert seen == ["json", "stream"]


@pytest.mark.parametrize(
    ("kind", "status", "done"), [("own", 200, "own"), ("tuple", 202, "tuple"), ("without", 200, "the handler's")]
)
def test_their_background_work_goes_before_the_handlers(kind: str, status: int, done: str) -> None:
    answer = get(f"/planned/{kind}")
    assert (answer.status, answer.body, seen) == (status, b'{"a":1}', [done])
    assert answer.headers.get(b"x") == (b"y" if kind == "tuple" else None)


class Body(BaseModel):
    a: int


@pytest.mark.parametrize("generate", [True, False])
def test_a_response_model_leaves_them_alone(generate: bool) -> None:
    app = CovetPy(enable_jit=generate)

    @app.get("/{a}", response_model=Body)
    async def modelled(a: int) -> Any:
        return starlette.responses.JSONResponse({"a": a, "b": 1}, 201)

    with LiveServer(app) as server:
        answer = httpx.get(f"{server.url}/5")
    assert (answer.status_code, answer.json()) == (201, {"a": 5, "b": 1})


def test_exception_handlers_may_return_them() -> None:
    assert (get("/error").status, get("/error").body) == (418, b"teapot GET")


def test_a_stream_is_closed_when_the_client_goes() -> None:
    get("/endless", [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}])
    assert seen == ["closed"]


def test_they_look_like_responses_of_ours() -> None:
    original = starlette.responses.PlainTextResponse("a")
    response = to_response((original, 202, {"x": "y"}), 200)
    assert isinstance(response, ForeignResponse)
    response.set_cookie("a", "b")
    response.background = starlette.background.BackgroundTask(seen.append, 1)  # type: ignore[assignment]
    assert (original.status_code, original.headers["x"], response.body) == (202, "y", b"a")
    x = answered(response)
    assert (x.status, x.sent, seen) == (202, b"a", [1])


class Silent:
    """Says nothing, or only the head."""

    status_code = 200

    def __init__(self, *messages: Any) -> None:
        self.raw_headers: list[Any] = []
        self.messages = messages

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.request"
        for message in self.messages:
            await send(message)


def test_incomplete_ones_are_answered_for(caplog: pytest.LogCaptureFixture) -> None:
    x = answered(to_response(Silent(), 200))
    assert (x.status, x.sent, x.aborted) == (500, b"Internal Server Error", False)
    assert "Silent did not complete the response to GET /" in caplog.text
    start = {"type": "http.response.start", "status": 200, "headers": []}
    x = answered(to_response(Silent(start, {"type": "http.response.body", "body": b"a", "more_body": True}), 200))
    assert (x.sent, x.aborted) == (b"a", True)


class Listening:
    """Sends in a task group that ends as soon as the client goes, or is answered; sse-starlette's does so."""

    status_code = 200

    def __init__(self, chunks: int) -> None:
        self.raw_headers: list[Any] = []
        self.chunks = chunks

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with anyio.create_task_group() as group:

            async def listen() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            async def stream() -> None:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                for n in range(self.chunks):
                    await send({"type": "http.response.body", "body": b"%d " % n, "more_body": True})
                await send({"type": "http.response.body", "body": b"end", "more_body": False})
                group.cancel_scope.cancel()

            group.start_soon(listen)
            group.start_soon(stream)


@pytest.mark.parametrize("around", ["nothing", "dispatch"])
@pytest.mark.parametrize("chunks", [0, 1, 50])
def test_who_listens_for_the_end_cancels_nothing_that_is_to_be_sent(chunks: int, around: str) -> None:
    app = CovetPy()

    @app.get("/")
    async def listening() -> Any:
        return Listening(chunks)

    if around == "dispatch":

        @app.middleware("http")
        async def pass_on(request: Request, call_next: Any) -> Any:
            return await call_next(request)

    whole = b"".join(b"%d " % n for n in range(chunks)) + b"end"
    answer = asyncio.run(called(app, scope_of("/")))
    assert (answer.status, answer.body, answer.raised) == (200, whole, None)
    assert answer.messages[-1]["more_body"] is False
    assert TestClient(app).get("/").content == whole
    with LiveServer(app) as server:
        assert httpx.get(server.url).content == whole
