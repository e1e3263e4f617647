"""Responses: whole, in pieces, and when memory is short."""

from __future__ import annotations

import array
import asyncio
import ctypes
from collections.abc import Callable
from operator import methodcaller
from typing import Any

import pytest

from covet.core import Exchange, pack_fields
from native import engine as e
from native.engine import Answer
from native.service import Service, run
from native.test_request import news_of

KIB = 1024


def unpacked(packed: bytes) -> list[tuple[bytes, bytes]]:
    fields, at = [], 0
    while at < len(packed):
        name, value = int.from_bytes(packed[at : at + 2], "little"), int.from_bytes(packed[at + 2 : at + 4], "little")
        at += 4
        fields.append((packed[at : at + name], packed[at + name : at + name + value]))
        at += name + value
    return fields


def answer_of(lib: ctypes.CDLL, write: Callable[[Exchange], Any], **kwargs: Any) -> Answer:
    """What a handler that only calls `write` is answered with."""

    async def handler(x: Exchange) -> Any:
        result = write(x)
        if asyncio.iscoroutine(result):
            await result

    async def main(service: Service) -> Answer:
        return await service.get(**kwargs)

    service = Service(lib, [handler])
    answer: Answer = run(service, main)
    if service.failures:
        raise service.failures[0]
    return answer


# ---- fields ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [[], [(b"a", b"")], [(b"x-one", b"1"), (b"x-one", b"2")], [(b"!#$%&'*+-.^_`|~09azAZ", bytes(range(0x80, 0x100)))],
     [(b"a" * 255, b"\t b" * 1000)]],
)  # fmt: skip
def test_fields_survive_packing(lib: ctypes.CDLL, fields: list[tuple[bytes, bytes]]) -> None:
    assert unpacked(pack_fields(fields)) == fields
    assert unpacked(answer_of(lib, lambda x: x.respond(200, 0, pack_fields(fields), b"")).fields) == fields


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"\xe9", b"a\n", b"a\0", b"(", b"x" * 65536])
def test_names_that_are_no_tokens(name: bytes) -> None:
    with pytest.raises(ValueError):
        pack_fields([(b"good", b"1"), (name, b"v")])


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"\n", b"\r", b"\0", b"x" * 65536])
def test_values_that_would_split_the_response(value: bytes) -> None:
    with pytest.raises(ValueError):
        pack_fields([(b"name", value)])


def test_fields_of_other_types() -> None:
    for fields in ([("a", b"b")], [(b"a", "b")], [[b"a", b"b"]], [(b"a",)], 5, [None]):
        with pytest.raises(TypeError):
            pack_fields(fields)  # type: ignore[arg-type]


def test_fields_have_a_limit() -> None:
    with pytest.raises(ValueError, match="60 KiB"):
        pack_fields([(b"a", b"v" * 60000), (b"b", b"v" * 2000)])


@pytest.mark.parametrize("packed", [b"\1", b"\1\0\0\0", b"\1\0\5\0a123", pack_fields([(b"a", b"b")]) + b"\0"])
def test_fields_that_were_not_packed_by_pack_fields(lib: ctypes.CDLL, packed: bytes) -> None:
    for write in (lambda x: x.respond(200, 0, packed, b""), lambda x: x.start(200, 0, packed, -1)):
        with pytest.raises(ValueError, match="pack_fields"):
            answer_of(lib, write)


@pytest.mark.parametrize(
    ("name", "value", "flag"),
    [(b"Date", b"x", e.OWN_DATE), (b"server", b"", e.OWN_SERVER), (b"Content-Length", b"3", e.OWN_LENGTH),
     (b"connection", b"Close", e.CLOSE), (b"connection", b"upgrade", 0), (b"dates", b"x", 0), (b"dat", b"e", 0)],
)  # fmt: skip
def test_fields_that_the_engine_must_not_add(lib: ctypes.CDLL, name: bytes, value: bytes, flag: int) -> None:
    packed = pack_fields([(b"x", b"y"), (name, value)])
    assert answer_of(lib, lambda x: x.respond(200, 0, packed, b"abc")).flags == flag

    def stream(x: Exchange) -> None:
        x.start(200, 0, packed, 3)
        x.send(b"abc")
        x.finish()

    assert answer_of(lib, stream).flags == flag


# ---- whole responses ---------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"", b"x", bytearray(b"ab"), memoryview(b"abc")[1:], array.array("i", [1, 2]), b"y" * 2048, b"y" * 2049],
)
def test_bodies_of_all_kinds(lib: ctypes.CDLL, body: Any) -> None:
    seen: list[bool] = []
    answer = answer_of(lib, lambda x: seen.append(x.respond(203, 4, b"", body)))
    assert (answer.status, answer.media, answer.body, seen) == (203, 4, bytes(body), [True])
    assert answer.length == len(bytes(body))
    assert answer.told == e.HEAD | e.END | e.DONE


@pytest.mark.parametrize(("status", "method"), [(204, "GET"), (304, "GET"), (200, "HEAD"), (404, "HEAD")])
def test_answers_without_a_body(lib: ctypes.CDLL, status: int, method: str) -> None:
    for size in (5, 300 * KIB, 3 * KIB * KIB):
        answer = answer_of(lib, methodcaller("respond", status, 2, b"", bytes(size)), method=method)
        assert (answer.status, answer.flags, answer.length, answer.body) == (status, e.NO_BODY, size, b"")

    def stream(x: Exchange) -> None:
        x.start(status, 2, b"", 5)
        assert x.send(b"12345") == 5
        x.finish()

    assert answer_of(lib, stream, method=method).body == b""


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.respond(200, 1, b"", "text"),
        lambda x: x.respond(200, 1, b"", None),
        lambda x: x.respond(200, 1, None, b""),
        lambda x: x.respond("200", 1, b"", b""),
        lambda x: x.respond(200, 1, b""),
        lambda x: x.respond(199, 1, b"", b""),
        lambda x: x.respond(1000, 1, b"", b""),
        lambda x: x.respond(1 << 40, 1, b"", b""),
        lambda x: x.respond(200, 256, b"", b""),
        lambda x: x.respond(200, -1, b"", b""),
        lambda x: x.respond(200, 1, b"", memoryview(b"abcd")[::2]),
        lambda x: x.start(100, 1, b"", -1),
        lambda x: x.send(b"x"),
        lambda x: x.finish(),
    ],
)
def test_calls_that_are_refused_leave_the_exchange_as_it_was(
    lib: ctypes.CDLL, write: Callable[[Exchange], Any]
) -> None:
    def try_it(x: Exchange) -> None:
        with pytest.raises((TypeError, ValueError, OverflowError, RuntimeError, BufferError)):
            write(x)
        assert not x.started
        assert not x.done
        x.respond(200, 2, b"", b"after")

    assert answer_of(lib, try_it).body == b"after"


def test_nothing_can_be_written_twice(lib: ctypes.CDLL) -> None:
    def twice(x: Exchange) -> None:
        x.respond(200, 2, b"", b"once")
        for write in (
            lambda: x.respond(200, 2, b"", b""),
            lambda: x.start(200, 2, b"", 1),
            lambda: x.send(b""),
            x.finish,
        ):
            with pytest.raises(RuntimeError):
                write()
        x.abort()

    answer = answer_of(lib, twice)
    assert (answer.body, answer.aborted) == (b"once", False)


# ---- bodies in pieces ----------------------------------------------------------------


def body_of(size: int) -> bytes:
    return bytes(range(251)) * (size // 251 + 1)


@pytest.mark.parametrize("size", [10, 4 * KIB, 64 * KIB, 256 * KIB, 256 * KIB + 1, 3 * KIB * KIB, 20 * KIB * KIB])
def test_large_bodies_go_out_without_the_handler(lib: ctypes.CDLL, loop: str, size: int) -> None:
    body = body_of(size)[:size]

    async def handler(x: Exchange) -> Any:
        x.respond(200, 4, pack_fields([(b"x", b"y")]), body)

    async def main(service: Service) -> None:
        for _ in range(2):
            answer = await service.get()
            assert answer.body == body
            assert (answer.length, answer.aborted, unpacked(answer.fields)) == (size, False, [(b"x", b"y")])
            assert service.engine.blocks_in_use == 0
            assert service.runner.in_flight == 0

    run(Service(lib, [handler], blocks=(8, 8, 8, 16)), main, loop)


@pytest.mark.parametrize("blocks", [(1, 0, 0, 0), (4, 1, 0, 0), (0, 0, 1, 0), (1, 1, 1, 1)])
def test_a_large_body_through_few_blocks(lib: ctypes.CDLL, loop: str, blocks: tuple[int, int, int, int]) -> None:
    body = body_of(500 * KIB)

    async def handler(x: Exchange) -> Any:
        x.respond(200, 4, b"", body)

    async def main(service: Service) -> None:
        assert (await service.get()).body == body
        assert service.engine.blocks_in_use == 0

    run(Service(lib, [handler], blocks=blocks), main, loop)


def test_several_large_bodies_share_few_blocks(lib: ctypes.CDLL, loop: str) -> None:
    body = body_of(300 * KIB)

    async def handler(x: Exchange) -> Any:
        if x.path == "/wait":
            await asyncio.sleep(0)
        x.respond(200, 4, b"", body)

    async def main(service: Service) -> None:
        ids = [service.engine.post(path=path) for path in (b"/wait", b"/") for _ in range(10)]
        for id_ in ids:
            assert (await service.engine.answer(id_)).body == body
        assert service.engine.blocks_in_use == 0

    run(Service(lib, [handler], blocks=(2, 0, 1, 0)), main, loop)


def test_without_any_block_bodies_wait_and_small_answers_do_not(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> Any:
        x.respond(200, 4, b"", bytes(3000) if x.path == "/large" else b"small")

    async def main(service: Service) -> None:
        large = service.engine.post(path=b"/large")
        await service.engine.until(lambda: service.engine.answers[large].head)
        for _ in range(3):
            assert (await service.get(path=b"/small")).body == b"small"
            await asyncio.sleep(0.01)
        assert not service.engine.answers[large].released
        service.engine.raise_flags(large, e.CANCELLED)
        assert (await service.engine.answer(large)).body == b""

    run(Service(lib, [handler], blocks=(0, 0, 0, 0)), main, loop)


def test_a_slow_client_holds_the_body_back(lib: ctypes.CDLL, loop: str) -> None:
    body = bytearray(body_of(4 * KIB * KIB))
    seen: list[bool] = []

    async def handler(x: Exchange) -> Any:
        seen.append(x.respond(200, 4, b"", body))

    async def main(service: Service) -> None:
        service.engine.taking = False
        id_ = service.engine.post()
        await service.engine.until(lambda: seen)
        for _ in range(20):
            await asyncio.sleep(0)
        assert seen == [False]
        assert not service.engine.answers[id_].released
        assert service.engine.blocks_in_use == 8
        with pytest.raises(BufferError):
            body.clear()  # it is still being sent
        while not service.engine.answers[id_].released:
            service.engine.take(id_)
            await asyncio.sleep(0)
            service.engine.reap()
        assert service.engine.answers[id_].body == body
        body.clear()

    run(Service(lib, [handler], blocks=(0, 0, 0, 16)), main, loop)


def test_a_client_that_goes_frees_the_body(lib: ctypes.CDLL) -> None:
    body = bytearray(4 * KIB * KIB)

    async def handler(x: Exchange) -> Any:
        x.respond(200, 4, b"", body)

    async def main(service: Service) -> None:
        service.engine.taking = False
        id_ = service.engine.post()
        await service.engine.until(lambda: service.engine.blocks_in_use == 8)
        service.engine.raise_flags(id_, e.CANCELLED)
        await service.engine.answer(id_)
        body.clear()
        assert service.engine.blocks_in_use == 0

    run(Service(lib, [handler], blocks=(0, 0, 0, 16)), main)


def test_abort_drops_a_body_on_its_way(lib: ctypes.CDLL) -> None:
    body = bytearray(4 * KIB * KIB)

    def write(x: Exchange) -> None:
        assert not x.respond(200, 4, b"", body)
        x.abort()
        body.clear()

    async def handler(x: Exchange) -> Any:
        write(x)

    async def main(service: Service) -> None:
        service.engine.taking = False
        assert (await service.get()).aborted

    run(Service(lib, [handler], blocks=(0, 0, 0, 8)), main)


def test_fields_that_find_no_room(lib: ctypes.CDLL) -> None:
    packed = pack_fields([(b"a", b"v" * 30000)])

    def write(x: Exchange) -> None:
        for call in (lambda: x.respond(200, 0, packed, b"b"), lambda: x.start(200, 0, packed, -1)):
            with pytest.raises(MemoryError):
                call()
        x.respond(503, 2, b"", b"full")

    async def handler(x: Exchange) -> Any:
        write(x)

    async def main(service: Service) -> None:
        assert (await service.get()).body == b"full"

    service = Service(lib, [handler], blocks=(4, 0, 0, 0))
    run(service, main)
    assert not service.failures


# ---- streams ---------------------------------------------------------------------------


def test_a_stream(lib: ctypes.CDLL, loop: str) -> None:
    pieces = [body_of(n)[:n] for n in (1, 5000, 70000, 1, 300 * KIB, 2 * KIB * KIB)]

    async def handler(x: Exchange) -> Any:
        x.start(200, 5, pack_fields([(b"x", b"y")]), -1)
        assert (x.started, x.done) == (True, False)
        assert x.send(b"") == 0
        for piece in pieces:
            data = memoryview(piece)
            while data:
                taken = x.send(data)
                data = data[taken:]
                if not taken:
                    await news_of(x)
        x.finish()
        assert x.done

    async def main(service: Service) -> None:
        answer = await service.get()
        assert (answer.status, answer.media, answer.length, answer.aborted) == (200, 5, -1, False)
        assert answer.body == b"".join(pieces)
        assert service.engine.blocks_in_use == 0

    for blocks in ((16, 16, 16, 16), (1, 0, 1, 0), (1, 0, 0, 0)):
        service = Service(lib, [handler], blocks=blocks)
        run(service, main, loop)
        assert not service.failures


def test_each_piece_goes_out_at_once(lib: ctypes.CDLL, loop: str) -> None:
    gate = asyncio.Event()

    async def handler(x: Exchange) -> Any:
        x.start(200, 5, b"", -1)
        x.send(b"first")
        await gate.wait()
        x.send(b"second")
        x.finish()

    async def main(service: Service) -> None:
        id_ = service.engine.post()
        await service.engine.until(lambda: service.engine.answers[id_].body == b"first")
        gate.set()
        assert (await service.engine.answer(id_)).body == b"firstsecond"

    run(Service(lib, [handler]), main, loop)


def test_a_stream_is_flow_controlled(lib: ctypes.CDLL, loop: str) -> None:
    sent: list[int] = []

    async def handler(x: Exchange) -> Any:
        x.start(200, 5, b"", -1)
        while x.send(b"x" * 64 * KIB):
            sent.append(64 * KIB)
        await news_of(x)
        assert x.send(b"y" * 100) == 100
        x.finish()

    async def main(service: Service) -> None:
        service.engine.taking = False
        id_ = service.engine.post()
        await service.engine.until(lambda: sent)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(sent) == 8
        assert service.engine.take(id_) == 8
        answer = await service.engine.answer(id_)
        assert answer.body == b"x" * 8 * 64 * KIB + b"y" * 100

    run(Service(lib, [handler]), main, loop)


def test_writes_of_one_turn_share_pieces(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> Any:
        x.start(200, 5, b"", -1)
        for number in range(300):
            assert x.send(b"%03d" % number) == 3
        await asyncio.sleep(0)
        assert x.send(b"later") == 5
        x.finish()

    async def main(service: Service) -> None:
        service.engine.taking = False
        id_ = service.engine.post()
        await service.engine.until(lambda: service.engine.answers[id_].head)
        for _ in range(10):
            await asyncio.sleep(0)
        assert service.engine.take(id_) == 2
        answer = await service.engine.answer(id_)
        assert answer.body == b"".join(b"%03d" % number for number in range(300)) + b"later"

    run(Service(lib, [handler]), main, loop)


def test_a_client_that_goes_takes_everything(lib: ctypes.CDLL, loop: str) -> None:
    """So that a stream whose author never looks at `cancelled` comes to its end."""

    async def handler(x: Exchange) -> Any:
        x.start(200, 5, b"", -1)
        for _ in range(50):
            while not x.send(b"x" * KIB):
                await news_of(x)
        x.finish()

    async def main(service: Service) -> None:
        service.engine.taking = False
        id_ = service.engine.post()
        await service.engine.until(lambda: service.engine.answers[id_].head)
        service.engine.raise_flags(id_, e.CANCELLED)
        await service.engine.answer(id_)

    service = Service(lib, [handler])
    run(service, main, loop)
    assert not service.failures


@pytest.mark.parametrize("first", [True, False])
def test_an_exchange_can_be_left_when_its_response_is_complete(lib: ctypes.CDLL, first: bool) -> None:
    gate = asyncio.Event()
    seen: list[Any] = []

    async def handler(x: Exchange) -> None:
        if not first:
            await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="cannot be left"):
            x.leave()
        x.respond(200, 2, b"", b"body")
        x.leave()
        x.leave()
        with pytest.raises(RuntimeError):
            x.respond(200, 2, b"", b"again")
        await gate.wait()
        seen.append((x.method, x.path, x.done, x.header(b"host")))
        x.abort()
        raise ValueError("nobody is left to be told")

    async def main(service: Service) -> None:
        answers = [await service.get() for _ in range(3)]  # the second and third may have the first one's slot
        assert [(answer.body, answer.aborted) for answer in answers] == [(b"body", False)] * 3
        assert service.runner.in_flight == 3
        gate.set()
        while service.runner.in_flight:
            await asyncio.sleep(0)

    service = Service(lib, [handler])
    run(service, main)
    assert (len(seen), service.failures) == (3, [])


def test_an_exchange_may_be_left_while_its_body_is_on_its_way(lib: ctypes.CDLL) -> None:
    async def handler(x: Exchange) -> None:
        assert not x.respond(200, 2, b"", b"x" * 4 * KIB * KIB)
        x.leave()
        await asyncio.sleep(0.01)

    async def main(service: Service) -> None:
        answer = await service.get()
        assert (len(answer.body), answer.aborted) == (4 * KIB * KIB, False)
        while service.runner.in_flight:
            await asyncio.sleep(0)

    run(Service(lib, [handler], blocks=(0, 0, 0, 8)), main)


def test_a_runner_may_be_closed_while_left_exchanges_go_on(lib: ctypes.CDLL) -> None:
    async def handler(x: Exchange) -> None:
        x.respond(200, 2, b"", b"body")
        x.leave()
        await asyncio.sleep(3600)

    async def main(service: Service) -> None:
        assert (await service.get()).body == b"body"
        service.runner.close()
        assert service.runner.in_flight == 1

    run(Service(lib, [handler]), main)


def test_abort(lib: ctypes.CDLL) -> None:
    def aborted(x: Exchange) -> None:
        x.start(200, 5, b"", -1)
        x.send(b"part")
        x.abort()
        assert x.done
        x.abort()
        with pytest.raises(RuntimeError):
            x.send(b"more")

    answer = answer_of(lib, aborted)
    assert (answer.body, answer.aborted) == (b"part", True)
    assert answer_of(lib, lambda x: x.abort()).aborted


def test_what_is_sent_is_the_callers_again(lib: ctypes.CDLL) -> None:
    data = bytearray(b"abc")

    def write(x: Exchange) -> None:
        x.start(200, 5, b"", 3)
        assert x.send(data) == 3
        data.clear()
        x.finish()

    assert answer_of(lib, write).body == b"abc"
