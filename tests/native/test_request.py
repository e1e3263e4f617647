"""Fields, bodies and the life of an exchange after its end."""

from __future__ import annotations

import asyncio
import ctypes
import functools
from typing import Any

import pytest

from covet.core import BodyBroken, BodyTooLarge, Exchange
from native import engine as e
from native.engine import request
from native.service import Service, run
from native.test_params import ask


def test_fields_of_a_request(lib: ctypes.CDLL) -> None:
    names = [
        "route",
        "verdict",
        "method",
        "scheme",
        "http_version",
        "target",
        "raw_path",
        "path",
        "query_string",
        "host",
        "client",
        "server",
        "content_length",
        "num_params",
        "cancelled",
        "lost",
        "started",
        "done",
        "state",
    ]
    seen = ask(lib, lambda x: [getattr(x, name) for name in names], path=b"/a%20b", query=b"q=1")
    assert dict(zip(names, seen, strict=True)) == {
        "route": 1, "verdict": 0, "method": "GET", "scheme": "http", "http_version": "1.1",
        "target": b"/a%20b?q=1", "raw_path": b"/a%20b", "path": "/a b", "query_string": b"q=1",
        "host": "test:80", "client": ("127.0.0.1", 5000), "server": ("10.0.0.1", 80), "content_length": -1,
        "num_params": 0, "cancelled": False, "lost": False, "started": False, "done": False, "state": None,
    }  # fmt: skip


@pytest.mark.parametrize("host", [b"", b"a", b"[::1]:8"])
@pytest.mark.parametrize(
    ("family", "local", "server"),
    [(4, b"\x0a\0\0\1", ("10.0.0.1", 80)), (6, bytes(15) + b"\1", ("::1", 80)), (0, b"", None)],
)
def test_the_server_is_where_the_client_has_connected(
    lib: ctypes.CDLL, host: bytes, family: int, local: bytes, server: Any
) -> None:
    assert ask(lib, lambda x: x.server, fields=[(b"host", host)], family=family, local=local) == server


def test_what_was_taken_off_the_path(lib: ctypes.CDLL) -> None:
    assert ask(lib, lambda x: (x.raw_root, x.raw_path, x.path), path=b"/%61pi/a%20b", root=6) == (
        b"/%61pi",
        b"/a%20b",
        "/a b",
    )
    assert ask(lib, lambda x: (x.raw_root, x.raw_path), path=b"/api", root=4) == (b"/api", b"")
    assert ask(lib, lambda x: (x.raw_root, x.raw_path), path=b"/api") == (b"", b"/api")


def test_tls_ipv6_unix_and_other_methods(lib: ctypes.CDLL) -> None:
    assert ask(lib, lambda x: x.scheme, flags=e.TLS) == "https"
    assert ask(lib, lambda x: x.client, flags=e.IPV6, peer=bytes(15) + b"\1") == ("::1", 5000)
    assert ask(lib, lambda x: x.client, flags=e.UNIX) is None
    for method in ("HEAD", "DELETE", "CONNECT", "PURGE"):
        assert ask(lib, lambda x: x.method, method=method) == method


def test_header_fields(lib: ctypes.CDLL) -> None:
    fields = [(b"Host", b"h"), (b"X-One", b"1"), (b"x-one", b"2"), (b"Empty", b""), (b"N" * 100, b"v")]
    headers = ask(lib, lambda x: x.headers(), fields=fields)
    assert headers == [(name.lower(), value) for name, value in fields]
    look = ask(lib, lambda x: [x.header(n) for n in (b"x-one", b"empty", b"none", b"", b"n" * 100)], fields=fields)
    assert look == [b"1", b"", None, None, b"v"]


def test_names_of_one_letter_do_not_change_the_interpreter(lib: ctypes.CDLL) -> None:
    """CPython shares bytes objects of one byte; lower-casing one in place changes it for everybody."""
    fields = [(bytes([letter]), b"1") for letter in range(ord("A"), ord("Z") + 1)]
    headers = ask(lib, lambda x: x.headers(), fields=fields)
    assert [name for name, _ in headers] == [bytes([letter]) for letter in range(ord("a"), ord("z") + 1)]
    assert [bytes([n])[0] for n in range(256)] == list(range(256))


@pytest.mark.parametrize("body", [b"", b"x", b"b" * 100_000])
def test_a_body_that_came_with_the_head(lib: ctypes.CDLL, body: bytes) -> None:
    look = ask(lib, lambda x: (x.body_whole(), x.body_whole(), x.content_length), body=body, method="POST")
    assert look == (body, body, len(body))
    pieces = ask(lib, lambda x: [x.read(), x.read()] if body else [x.read()], body=body, method="POST")
    assert b"".join(pieces) == body
    assert pieces[-1] == b""


def test_no_body(lib: ctypes.CDLL) -> None:
    assert ask(lib, lambda x: (x.body_whole(), x.read(), x.read())) == (b"", b"", b"")


async def news_of(x: Exchange) -> None:
    future = asyncio.get_running_loop().create_future()
    x.wait(lambda: None if future.done() else future.set_result(None))
    await future


async def read_all(x: Exchange) -> bytes:
    data = b""
    while (piece := x.read()) != b"":
        if piece is None:
            await news_of(x)
        else:
            data += piece
    return data


def test_the_request_part_of_the_slot_is_only_read(lib: ctypes.CDLL) -> None:
    async def main(service: Service) -> None:
        id_ = service.engine.post(request(b"/", body=b"whole", method="POST"))
        before = service.engine.request_flags(id_)
        await service.engine.until(lambda: seen)
        assert service.engine.request_flags(id_) == before

    seen: list[Any] = []

    async def handler(x: Exchange) -> str:
        seen.append(x.read())
        await news_of(x)
        return ""

    run(Service(lib, [handler]), main)
    assert seen == [b"whole"]


def test_a_streamed_body_arrives_in_order(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> str:
        assert x.body_whole() is None
        return (await read_all(x)).decode()

    async def main(service: Service) -> None:
        id_ = service.engine.post(request(b"/", method="POST", flags=e.BODY))
        sent: list[bytes] = []
        for n in range(12):
            piece = bytes([65 + n]) * 1000
            await service.engine.until(functools.partial(service.engine.give, id_, piece))
            sent.append(piece)
        service.engine.raise_flags(id_, e.BODY_END)
        answer = await service.engine.answer(id_)
        assert (answer.status, answer.body) == (200, b"".join(sent))
        assert service.engine.blocks_in_use == 0

    run(Service(lib, [handler], blocks=(64, 16, 8, 2)), main, loop)


def test_continue_is_asked_for_once_and_only_when_reading_must_wait(lib: ctypes.CDLL) -> None:
    async def handler(x: Exchange) -> str:
        return (await read_all(x)).decode()

    async def main(service: Service) -> None:
        id_ = service.engine.post(request(b"/", method="POST", flags=e.BODY | e.EXPECT))
        await service.engine.until(lambda: service.engine.answers[id_].continued)
        service.engine.give(id_, b"body")
        service.engine.raise_flags(id_, e.BODY_END)
        assert (await service.engine.answer(id_)).body == b"body"
        at_hand = await service.get(method="POST", flags=e.EXPECT, body=b"here")
        assert not at_hand.continued

    run(Service(lib, [handler]), main)


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (e.BODY_BROKEN | e.BODY_END, BodyBroken),
        (e.BODY_BROKEN | e.BODY_END | e.TOO_LARGE, BodyTooLarge),
        (e.CANCELLED | e.BODY_BROKEN | e.BODY_END, BodyBroken),
        (e.CANCELLED, BodyBroken),
    ],
)
def test_a_body_that_breaks_off(lib: ctypes.CDLL, flags: int, error: type[Exception]) -> None:
    async def handler(x: Exchange) -> str:
        first = x.read()
        while first is None:
            await news_of(x)
            first = x.read()
        with pytest.raises(error):
            await read_all(x)
        seen.append(first)
        return "seen"

    seen: list[bytes] = []

    async def main(service: Service) -> None:
        id_ = service.engine.post(request(b"/", method="POST", flags=e.BODY))
        service.engine.give(id_, b"part")
        await service.engine.until(lambda: service.engine.blocks_in_use == 0)
        service.engine.raise_flags(id_, flags)
        await service.engine.answer(id_)

    run(Service(lib, [handler]), main)
    assert seen == [b"part"]


def test_news_that_came_while_nobody_waited_is_not_lost(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> str:
        assert x.read() is None
        reading.set()
        await given.wait()
        for _ in range(5):
            await asyncio.sleep(0)  # the notice is taken meanwhile
        await asyncio.wait_for(news_of(x), 20)
        return (await read_all(x)).decode()

    async def main(service: Service) -> None:
        id_ = service.engine.post(request(b"/", method="POST", flags=e.BODY))
        await service.engine.until(reading.is_set)
        service.engine.give(id_, b"body")
        service.engine.raise_flags(id_, e.BODY_END)
        await asyncio.sleep(0)
        given.set()
        assert (await service.engine.answer(id_)).body == b"body"

    reading, given = asyncio.Event(), asyncio.Event()
    run(Service(lib, [handler]), main, loop)


def test_who_waits_after_the_client_has_gone_is_told_each_time(lib: ctypes.CDLL) -> None:
    calls: list[int] = []

    async def handler(x: Exchange) -> None:
        x.wait(lambda: calls.append(0))
        while not calls:
            await asyncio.sleep(0)
        for n in (1, 2):
            x.wait(functools.partial(calls.append, n))

    async def main(service: Service) -> None:
        id_ = service.engine.post()
        await service.engine.until(lambda: service.runner.in_flight == 1)
        service.engine.raise_flags(id_, e.CANCELLED)
        await service.engine.answer(id_)
        assert calls == [0, 1, 2]

    run(Service(lib, [handler]), main)


def test_an_exchange_that_is_over_can_still_be_read(lib: ctypes.CDLL) -> None:
    kept: list[Exchange] = []

    async def handler(x: Exchange) -> dict[str, int]:
        x.state = kept
        kept.append(x)
        return {"ok": 1}

    async def main(service: Service) -> None:
        await service.get(
            path=b"/a/7", query=b"q=5&b=no", params=[b"a", b"7"], fields=[(b"host", b"h"), (b"X", b"y")], body=b"body"
        )
        x = kept[0]
        # The engine has overwritten the slot by now.
        assert (x.path, x.method, x.header(b"x"), x.headers()[0]) == ("/a/7", "GET", b"y", (b"host", b"h"))
        assert (x.path_str(0), x.path_int(1), x.query_int("q", 0), x.query_bool("b", None)) == ("a", 7, 5, False)
        assert (x.body_whole(), x.done, x.started, x.cancelled) == (b"body", True, True, False)
        assert x.state is None
        x.state = x  # no cycle is made
        assert x.state is None
        for write in (
            lambda: x.respond(200, 1, b"", b""),
            lambda: x.start(200, 1, b"", -1),
            lambda: x.send(b"x"),
            x.finish,
            x.read,
            lambda: x.wait(print),
        ):
            with pytest.raises(RuntimeError):
                write()
        x.abort()
        x.on_cancel(print)

    run(Service(lib, [handler]), main)


def test_an_exchange_that_outlives_its_runner_can_still_be_read(lib: ctypes.CDLL) -> None:
    kept: list[Exchange] = []

    async def handler(x: Exchange) -> None:
        kept.append(x)
        await asyncio.Event().wait()

    async def main(service: Service) -> None:
        service.engine.post(path=b"/late")
        await service.engine.until(lambda: kept)
        service.runner.close()
        assert kept[0].path == "/late"
        with pytest.raises(RuntimeError):
            kept[0].respond(200, 1, b"", b"")

    service = Service(lib, [handler])
    run(service, main)
    del service
    assert kept[0].path == "/late"
