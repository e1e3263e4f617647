"""What goes on the wire for each response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from covet import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

from .fakes import FakeExchange, fields_of


def answered(response: Response, **exchange: Any) -> FakeExchange:
    x = FakeExchange(**exchange)
    answer = response.answer(x)  # type: ignore[arg-type]
    if answer is not None:

        async def drive() -> None:
            await answer

        asyncio.run(drive())
    return x


@pytest.mark.parametrize(
    ("response", "media", "body"),
    [
        (JSONResponse({"a": "é", "b": [1.5, None]}), 1, '{"a":"é","b":[1.5,null]}'.encode()),
        (PlainTextResponse("é"), 2, "é".encode()),
        (HTMLResponse("<p>"), 3, b"<p>"),
        (Response(b"\x00", media_type="application/octet-stream"), 4, b"\x00"),
        (Response("data", media_type="text/event-stream"), 5, b"data"),
        (Response(memoryview(b"raw")), 0, b"raw"),
    ],
)
def test_known_media_types_go_by_number(response: Response, media: int, body: bytes) -> None:
    x = answered(response)
    assert (x.status, x.media, x.fields, x.sent, x.done) == (200, media, b"", body, True)


def test_headers_can_be_changed_until_it_is_sent() -> None:
    response = JSONResponse([], 201, {"X-One": "1"}, "application/vnd.a+json")
    response.headers["x-two"] = "2"
    response.headers.append("x-two", "3")
    del response.headers["x-one"]
    x = answered(response)
    assert (x.status, x.media) == (201, 0)
    assert fields_of(x) == [(b"content-type", b"application/vnd.a+json"), (b"x-two", b"2"), (b"x-two", b"3")]


def test_a_content_type_among_the_headers_wins() -> None:
    x = answered(PlainTextResponse("a", headers={"Content-Type": "text/x"}))
    assert (x.media, fields_of(x)) == (0, [(b"content-type", b"text/x")])


def test_the_engine_writes_the_length() -> None:
    x = answered(Response(b"abc", headers={"Content-Length": "9"}))
    assert (fields_of(x), x.length) == ([], 3)


def test_a_head_answer_can_name_a_length_without_a_body() -> None:
    x = answered(Response(headers={"Content-Length": "900"}), method="HEAD")
    assert (x.length, x.done, x.sent) == (900, True, b"")


def test_redirects() -> None:
    x = answered(RedirectResponse("/a b?é=%20"))
    assert (x.status, x.sent, fields_of(x)) == (307, b"", [(b"location", b"/a%20b?%C3%A9=%20")])


@pytest.mark.parametrize("name", ["bad name", "", "a:b", "é"])
def test_bad_header_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be sent"):
        answered(Response(headers={name: "x"}))


def test_header_values_cannot_split_a_response() -> None:
    with pytest.raises(ValueError, match="cannot be sent"):
        answered(Response(headers={"x": "a\r\nset-cookie: b"}))


def test_cookies() -> None:
    response = Response()
    response.set_cookie("a", "1", 60, datetime(2026, 1, 2, tzinfo=UTC), "/p", "example.org", True, True, "strict")
    response.set_cookie("b", "x y", path=None, samesite=None, partitioned=True)
    response.delete_cookie("c")
    cookies = response.headers.getlist("set-cookie")
    assert sorted(cookies[0].split("; ")) == sorted(
        [
            *("a=1", "Max-Age=60", "expires=Fri, 02 Jan 2026 00:00:00 GMT", "Path=/p", "Domain=example.org"),
            *("Secure", "HttpOnly", "SameSite=strict"),
        ]
    )
    assert cookies[1] == 'b="x y"; Partitioned'
    assert "Max-Age=0" in cookies[2] and "Path=/" in cookies[2]
    with pytest.raises(ValueError, match="samesite"):
        response.set_cookie("d", samesite="no")  # type: ignore[arg-type]


def test_content_of_a_wrong_type() -> None:
    with pytest.raises(TypeError, match="must be text or bytes, not dict"):
        Response({})


closed: list[str] = []


async def chunks(*pieces: Any) -> AsyncIterator[Any]:
    try:
        for piece in pieces:
            if isinstance(piece, Exception):
                raise piece
            if piece is None:
                await asyncio.sleep(60)
            yield piece
    finally:
        closed.append("async")


def sync_chunks(*pieces: str) -> Iterator[str]:
    try:
        yield from pieces
    finally:
        closed.append("sync")


@pytest.fixture(autouse=True)
def nothing_closed() -> None:
    closed.clear()


def test_streams() -> None:
    x = answered(StreamingResponse(chunks("é", b"b", bytearray(b"c"), memoryview(b"d"), ""), media_type="text/plain"))
    assert (x.media, x.length, x.sent, x.done, closed) == (2, -1, "ébcd".encode(), True, ["async"])


def test_a_stream_from_a_plain_generator() -> None:
    x = answered(StreamingResponse(sync_chunks("a", "b"), 202, {"content-length": "2"}))
    assert (x.status, x.length, x.sent, x.done, closed) == (202, 2, b"ab", True, ["sync"])
    assert answered(StreamingResponse(["a", "b"])).sent == b"ab"


def test_a_stream_waits_for_room() -> None:
    x = answered(StreamingResponse(chunks(b"0123456789", b"abc")), room=4)
    assert (x.sent, x.done) == (b"0123456789abc", True)


def test_head_of_a_stream_asks_for_nothing() -> None:
    x = answered(StreamingResponse(chunks(b"never")), method="HEAD")
    assert (x.sent, x.done) == (b"", True)


def test_an_error_in_a_stream_is_logged_and_cuts_the_answer_short(caplog: pytest.LogCaptureFixture) -> None:
    x = answered(StreamingResponse(chunks(b"a", RuntimeError("midway"))))
    assert (x.sent, x.aborted, closed) == (b"a", True, ["async"])
    assert "midway" in caplog.text


def test_a_stream_ends_when_the_client_goes() -> None:
    x = FakeExchange()

    async def main() -> None:
        task = asyncio.ensure_future(StreamingResponse(chunks(b"a", None)).answer(x))  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        x.disconnect()
        await asyncio.wait([task])

    asyncio.run(main())
    assert (x.sent, x.aborted, closed) == (b"a", True, ["async"])


def test_a_stream_that_never_waits_ends_when_the_client_goes() -> None:
    x = FakeExchange()

    async def endless() -> AsyncIterator[bytes]:
        count = 0
        while True:
            count += 1
            if count == 3:
                x.cancelled = True
            yield b"x"

    async def main() -> None:
        await StreamingResponse(endless()).answer(x)  # type: ignore[arg-type]

    asyncio.run(main())
    assert (x.sent, x.aborted) == (b"xx", True)
