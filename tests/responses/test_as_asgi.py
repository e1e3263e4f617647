"""Every response is an ASGI application, and says what Starlette's says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest
import starlette.background
import starlette.datastructures
import starlette.responses

import covet.background
import covet.datastructures
import covet.responses
from covet import ClientDisconnect, Response, StreamingResponse

from .support import answered, call, called


async def chunks() -> AsyncIterator[str | bytes]:
    for chunk in ("é", b"b", ""):
        yield chunk


def sync_chunks() -> Iterator[str]:
    yield from "abc"


def cookies(response: Any) -> Any:
    response.set_cookie("a", "1", 60, datetime(2026, 1, 2, tzinfo=UTC), "/p", "example.org", True, True, "strict")
    response.set_cookie("b", "x y;,\\ü", expires="Fri, 02 Jan 2026 00:00:00 GMT", path=None, samesite=None)
    response.delete_cookie("c", "/p", "example.org", True, True, "none")
    return response


def changed(response: Any) -> Any:
    response.headers["X-Two"] = "2"
    response.headers.append("x-two", "3")
    response.headers.setdefault("x-three", "4")
    response.headers.add_vary_header("Accept")
    del response.headers["x-one"]
    response.status_code = 203
    return response


CASES: list[Callable[[Any], Any]] = [
    lambda r: r.Response(),
    lambda r: r.Response("é", 201, {"X-One": "1"}, "text/x"),
    lambda r: r.Response(b"\x00", media_type="application/octet-stream"),
    lambda r: r.Response(memoryview(b"raw")),
    lambda r: r.Response(b"abc", headers={"Content-Length": "9", "Content-Type": "a/b"}, media_type="text/x"),
    lambda r: r.Response("a", media_type="text/plain; CHARSET=latin-1"),
    lambda r: r.Response(status_code=204),
    lambda r: r.Response(status_code=304, headers={"etag": '"a"'}),
    lambda r: r.PlainTextResponse("é"),
    lambda r: r.HTMLResponse("<p>", headers={}),
    lambda r: r.JSONResponse({"a": ["é", 1.5, None, True, {"b": "\u2028\x00"}]}),
    lambda r: r.JSONResponse(None),
    lambda r: r.JSONResponse([], 202, {"x-y": "z"}, "application/vnd.a+json"),
    lambda r: r.RedirectResponse("/a b?é=%20&c=[1]#x"),
    lambda r: r.RedirectResponse("https://example.org/", 301, {"x": "y"}),
    lambda r: r.StreamingResponse(chunks(), media_type="text/plain"),
    lambda r: r.StreamingResponse(sync_chunks(), 203, {"x": "y"}),
    lambda r: r.StreamingResponse(["a", b"b", "é"]),
    lambda r: cookies(r.Response()),
    lambda r: changed(r.PlainTextResponse("a", headers={"X-One": "1", "Vary": "Origin"})),
]


def joined(messages: list[dict[str, Any]]) -> Any:
    """Messages with the order of cookies' attributes left out, as they are in no order."""
    start = messages[0]
    fields = [
        (name, sorted(value.lower().split(b"; ")) if name == b"set-cookie" else value)
        for name, value in start["headers"]
    ]
    bodies = [(bytes(m["body"]), m.get("more_body", False)) for m in messages[1:]]
    return start["type"], start["status"], fields, bodies


@pytest.mark.parametrize("case", CASES)
def test_the_messages_are_starlettes(case: Callable[[Any], Any]) -> None:
    ours, theirs = call(lambda: case(covet.responses)), call(lambda: case(starlette.responses))
    assert joined(ours) == joined(theirs)


@pytest.mark.parametrize("case", [CASES[1], CASES[15]])
@pytest.mark.parametrize("module", [covet.responses, starlette.responses])
def test_a_websocket_can_be_refused_with_a_response(module: ModuleType, case: Callable[[Any], Any]) -> None:
    kinds = {message["type"] for message in call(lambda: case(module), type="websocket")}
    assert kinds == {"websocket.http.response.start", "websocket.http.response.body"}


def test_a_url_object_is_a_place_to_redirect_to() -> None:
    ours = covet.responses.RedirectResponse(covet.datastructures.URL("http://a/b c"))
    theirs = starlette.responses.RedirectResponse(starlette.datastructures.URL("http://a/b c"))
    assert ours.headers["location"] == theirs.headers["location"] == "http://a/b%20c"


def test_init_headers_can_be_called_again() -> None:
    response = Response("abc", media_type="text/plain")
    response.body = b"abcdef"
    response.init_headers({"x": "y"})
    assert dict(response.headers) == {"x": "y", "content-length": "6", "content-type": "text/plain; charset=utf-8"}


def test_a_charset_of_a_class() -> None:
    class Latin(Response):
        charset = "latin-1"
        media_type = "text/plain"

    response = Latin("é")
    assert (response.body, response.headers["content-type"]) == (b"\xe9", "text/plain; charset=latin-1")


@pytest.mark.parametrize("version", ["2.0", "2.4"])
def test_background_work_follows_the_messages(version: str) -> None:
    seen: list[Any] = []

    class Seeing(list[Any]):
        pass

    async def main() -> None:
        for response in (
            covet.responses.PlainTextResponse("a", background=covet.background.BackgroundTask(seen.append, "plain")),
            StreamingResponse(["a"], background=covet.background.BackgroundTask(seen.append, "stream")),
        ):
            messages = await called(response, asgi={"version": "3.0", "spec_version": version})
            assert messages[-1].get("more_body", False) is False

    asyncio.run(main())
    assert seen == ["plain", "stream"]


@pytest.mark.parametrize("version", ["2.0", "2.4"])
def test_a_stream_to_an_asgi_server_ends_when_the_client_goes(version: str) -> None:
    closed: list[str] = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                await asyncio.sleep(0)
                yield b"x"
        finally:
            closed.append("closed")

    async def main() -> None:
        count = 0

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal count
            count += 1
            if version == "2.4" and count > 3:
                raise OSError("gone")

        scope = {"type": "http", "asgi": {"spec_version": version}}
        await StreamingResponse(endless())(scope, receive, send)

    if version == "2.4":
        with pytest.raises(ClientDisconnect):
            asyncio.run(main())
    else:
        asyncio.run(main())
    assert closed == ["closed"]


def test_an_error_in_a_stream_reaches_the_asgi_server() -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"a"
        raise RuntimeError("midway")

    for version in ("2.0", "2.4"):
        with pytest.raises(RuntimeError, match="midway"):
            call(lambda: StreamingResponse(failing()), asgi={"spec_version": version})


class Shouting(Response):
    """A class as users write them for Starlette."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def shout(message: Any) -> None:
            if "body" in message:
                message = {**message, "body": message["body"].upper()}
            await send(message)

        await super().__call__(scope, receive, shout)


class Numbered(StreamingResponse):
    async def stream_response(self, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        for number in range(3):
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": number < 2})


def test_classes_with_a_way_of_their_own_are_sent_by_it() -> None:
    done: list[int] = []
    background = covet.background.BackgroundTask(done.append, 1)
    x = answered(Shouting("abc", media_type="text/plain", background=background))
    assert (x.sent, x.status, x.done, done) == (b"ABC", 200, True, [1])
    x = answered(Numbered([]))
    assert (x.sent, x.done, x.length) == (b"012", True, -1)

    class Derived(Shouting):
        pass

    assert answered(Derived("abc")).sent == b"ABC"
