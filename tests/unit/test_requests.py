"""The request as a handler sees it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from covet import ClientDisconnect, HTTPException, Request
from covet.core import BodyTooLarge
from covet.requests import Context, parse_cookies

from .fakes import BROKEN, FakeExchange


def request_of(x: FakeExchange, state: dict[str, Any] | None = None) -> Request:
    context = Context("the app", {1: ("a", "b")}, state or {})  # type: ignore[arg-type]
    return context.request_of(x)  # type: ignore[arg-type]


def test_fields() -> None:
    headers = ((b"host", b"example.org:81"), (b"cookie", b'a=1; b="x y"'), (b"cookie", b"c=3"), (b"x-a", b"1"))
    x = FakeExchange("/caf%C3%A9/x", "q=1&q=2", method="PUT", params=("café", "x"), headers=headers)
    request = request_of(x)
    assert request.method == "PUT"
    assert str(request.url) == "http://example.org:81/caf%C3%A9/x?q=1&q=2"
    assert (request.url.path, request.url.query, request.url.port) == ("/caf%C3%A9/x", "q=1&q=2", 81)
    assert str(request.base_url) == "http://example.org:81/"
    assert request.headers["X-A"] == "1"
    assert request.query_params.getlist("q") == ["1", "2"]
    assert request.path_params == {"a": "café", "b": "x"}
    assert request.cookies == {"a": "1", "b": "x y", "c": "3"}
    assert request.client is not None and request.client.host == "127.0.0.1"
    assert request.http_version == "1.1"
    assert request.app == "the app"  # type: ignore[comparison-overlap]
    assert repr(request) == "<Request PUT http://example.org:81/caf%C3%A9/x?q=1&q=2>"
    assert request_of(x) is request


def test_the_path_of_a_proxy_is_part_of_addresses() -> None:
    context = Context("the app", {}, {}, "/api")  # type: ignore[arg-type]
    request = context.request_of(FakeExchange("/items"))  # type: ignore[arg-type]
    assert (str(request.url), str(request.base_url)) == ("http://test:80/items", "http://test:80/api/")
    context.front = "/api"
    request = context.request_of(FakeExchange("/items"))  # type: ignore[arg-type]
    assert (str(request.url), str(request.base_url)) == ("http://test:80/api/items", "http://test:80/api/")
    context.front, x = "", FakeExchange("/items")
    x.raw_root = b"/%61pi"
    request = context.request_of(x)  # type: ignore[arg-type]
    assert str(request.url) == "http://test:80/api/items"


def test_without_host_the_servers_own_address_counts() -> None:
    x = FakeExchange("/a", headers=())
    x.server, x.client = ("::1", 8000), None
    request = request_of(x)
    assert str(request.url) == "http://[::1]:8000/a"
    assert request.client is None


def test_state_begins_with_the_lifespans_and_is_not_shared() -> None:
    shared = {"db": 1}
    first, second = request_of(FakeExchange(), shared), request_of(FakeExchange(), shared)
    first.state.user = "me"
    assert first.state.db == 1 and first.state is first.state
    assert not hasattr(second.state, "user")


@pytest.mark.parametrize("pieces", [(b"hello",), (b"he", None, b"l", None, None, b"lo"), (None, b"hello")])
def test_body_is_read_once_and_kept(pieces: tuple[Any, ...]) -> None:
    async def main() -> None:
        request = request_of(FakeExchange(body=pieces))
        assert await request.body() == b"hello"
        assert await request.body() == b"hello"
        assert await request.text() == "hello"
        assert [chunk async for chunk in request.stream()] == [b"hello"]

    asyncio.run(main())


def test_an_empty_body() -> None:
    async def main() -> None:
        request = request_of(FakeExchange())
        assert await request.body() == b""
        assert [chunk async for chunk in request.stream()] == []

    asyncio.run(main())


def test_a_stream_can_be_read_once() -> None:
    async def main() -> None:
        request = request_of(FakeExchange(body=(b"a", None, b"b")))
        assert [chunk async for chunk in request.stream()] == [b"a", b"b"]
        with pytest.raises(RuntimeError, match="read by an earlier stream"):
            await request.body()

    asyncio.run(main())


def test_a_broken_body() -> None:
    async def main() -> None:
        with pytest.raises(ClientDisconnect, match="ended before"):
            await request_of(FakeExchange(body=(b"a", BROKEN))).body()
        with pytest.raises(HTTPException) as caught:
            await request_of(FakeExchange(body=(b"a", BodyTooLarge()))).body()
        assert caught.value.status_code == 413

    asyncio.run(main())


@pytest.mark.parametrize(
    "body",
    [b'{"a":[1,2.5,null,"\xc3\xa9"]}', b"NaN", b'"\\ud800"', b"12345678901234567890123", b'"a"'.replace(b"a", b"")],
)
def test_json(body: bytes) -> None:
    async def main() -> None:
        request = request_of(FakeExchange(body=(body,)))
        value = await request.json()
        assert repr(value) == repr(json.loads(body))
        assert await request.json() is value

    asyncio.run(main())


@pytest.mark.parametrize("body", [b"", b"{", b"[1,]", b"{'a':1}"])
def test_bad_json_raises_what_everybody_catches(body: bytes) -> None:
    async def main() -> None:
        with pytest.raises(json.JSONDecodeError):
            await request_of(FakeExchange(body=(body,) if body else ())).json()

    asyncio.run(main())


def test_is_disconnected() -> None:
    async def main() -> None:
        x = FakeExchange()
        assert not await request_of(x).is_disconnected()
        x.disconnect()
        assert await request_of(x).is_disconnected()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("line", "cookies"),
    [
        ("a=1;b=2", {"a": "1", "b": "2"}),
        ("a = 1 ; ;b", {"a": "1", "": "b"}),
        ("a=b=c", {"a": "b=c"}),
        ('a="\\"x\\" \\303"', {"a": '"x" \xc3'}),
        ("", {}),
    ],
)
def test_cookies(line: str, cookies: dict[str, str]) -> None:
    assert parse_cookies(line) == cookies
