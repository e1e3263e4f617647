"""What the native module does for ASGI and WSGI applications."""

from __future__ import annotations

import asyncio
import ctypes
from typing import Any

import pytest

from covet.core import Exchange, pack_fields, pack_head
from native import engine as e
from native.service import Service, run
from native.test_params import ask


def test_scope(lib: ctypes.CDLL) -> None:
    template = {"type": "http", "path": "replaced"}
    fields = [(b"Host", b"test:80"), (b"X-One", b"1"), (b"x-one", b"2")]
    scope = ask(lib, lambda x: x.scope(template), path=b"/a%20b", query=b"q=1", method="PUT", fields=fields)
    assert scope == {
        "type": "http",
        "method": "PUT",
        "scheme": "http",
        "http_version": "1.1",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"q=1",
        "client": ("127.0.0.1", 5000),
        "server": ("10.0.0.1", 80),
        "headers": [(b"host", b"test:80"), (b"x-one", b"1"), (b"x-one", b"2")],
    }
    assert template == {"type": "http", "path": "replaced"}


def test_a_template_is_a_dict(lib: ctypes.CDLL) -> None:
    def call(x: Exchange) -> None:
        with pytest.raises(TypeError, match="must be a dict"):
            x.scope([("type", "http")])  # type: ignore[arg-type]

    ask(lib, call)


def test_the_scope_of_an_exchange_that_is_over(lib: ctypes.CDLL) -> None:
    kept: list[Exchange] = []

    def call(x: Exchange) -> Any:
        kept.append(x)
        return {}

    async def main(service: Service) -> Any:
        await service.get(path=b"/kept")
        assert kept[0].done
        return kept[0].scope({})["path"]

    assert run(Service(lib, [call]), main) == "/kept"


def test_names_that_are_kept_are_never_mixed_up(lib: ctypes.CDLL) -> None:
    """More names than are kept, of all lengths, twice."""
    names = [b"n%d" % n + b"x" * (n % 40) for n in range(60)] + [bytes([n]) for n in range(ord("a"), ord("z"))]
    for start in (0, 30, 0, 60):
        fields = [(name, b"v") for name in names[start : start + 60]]
        assert ask(lib, lambda x: x.headers(), fields=fields) == fields


HEADS: list[tuple[list[Any], list[tuple[bytes, bytes]], int]] = [
    ([], [], -1),
    ([(b"X", b"1"), [b"y", b""]], [(b"X", b"1"), (b"y", b"")], -1),
    ([(b"content-LENGTH", b"12"), (b"a", b"b")], [(b"a", b"b")], 12),
    ([(b"content-length", b"3"), (b"content-length", b"3")], [], 3),
    ([(b"content-length", b"9" * 18)], [], 10**18 - 1),
    ([(b"Transfer-Encoding", b"chunked"), (b"keep-alive", b"5"), (b"Connection", b"x, close")], [], -1),
    ([(b"Connection", b"Close")], [(b"Connection", b"Close")], -1),
    ([(b"many-%d" % n, b"v" * 50) for n in range(200)], [(b"many-%d" % n, b"v" * 50) for n in range(200)], -1),
]


@pytest.mark.parametrize(("given", "packed", "length"), HEADS)
def test_heads(given: list[Any], packed: list[tuple[bytes, bytes]], length: int) -> None:
    assert pack_head(given) == (pack_fields(packed), length)
    assert pack_head(iter(given)) == (pack_fields(packed), length)


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ([(b"content-length", b"")], ValueError, "not one number"),
        ([(b"content-length", b"-1")], ValueError, "not one number"),
        ([(b"content-length", b"9" * 19)], ValueError, "not one number"),
        ([(b"content-length", b"1"), (b"content-length", b"2")], ValueError, "not one number"),
        ([(b"a b", b"")], ValueError, "cannot be sent"),
        ([(b"a", b"\0")], ValueError, "cannot be sent"),
        ([(b"a", b"v" * 60_000), (b"b", b"v" * 2_000)], ValueError, "60 KiB"),
        ([(b"a",)], TypeError, "pair"),
        ([(b"a", b"b", b"c")], TypeError, "pair"),
        ([("a", b"b")], TypeError, "bytes"),
        ([(b"a", "b")], TypeError, "bytes"),
        ([1], TypeError, "iterable"),
        (1, TypeError, "iterable"),
    ],
)
def test_heads_that_cannot_be_sent(fields: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        pack_head(fields)


@pytest.mark.parametrize(("flag", "lost"), [(e.CANCELLED, True), (e.HALF_CLOSED, False)])
def test_a_client_that_has_half_closed_is_not_lost(lib: ctypes.CDLL, flag: int, lost: bool) -> None:
    seen: list[tuple[bool, bool]] = []

    async def call(x: Exchange) -> None:
        news = asyncio.get_running_loop().create_future()
        seen.append((x.cancelled, x.lost))
        x.on_cancel(lambda: news.set_result(None))
        await news
        seen.append((x.cancelled, x.lost))
        x.abort()

    async def main(service: Service) -> None:
        id_ = service.engine.post()
        await service.engine.until(lambda: seen)
        service.engine.raise_flags(id_, flag)
        await service.engine.answer(id_)

    run(Service(lib, [call]), main)
    assert seen == [(False, False), (True, lost)]


def test_a_handler_that_begins_a_response_and_leaves_it_is_rendered(lib: ctypes.CDLL) -> None:
    """So that an application can be told; a dict is not encoded then, as there is nothing to be answered."""
    rendered: list[Any] = []

    async def call(x: Exchange) -> Any:
        x.start(200, 0, b"", -1)
        return {}

    async def main(service: Service) -> None:
        service.render = lambda x, result: rendered.append((x.started, x.done, result))
        await service.get()

    run(Service(lib, [call]), main)
    assert rendered == [(True, False, {})]
