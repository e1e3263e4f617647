"""Streams, without sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from unit.fakes import FakeExchange, fields_of

from covet import BackgroundTask, HTMLResponse, JSONResponse, PlainTextResponse, StreamingResponse
from covet.responses import EventSourceResponse
from covet.streaming import each, stream_of

from .support import answered

closed: list[str] = []


@pytest.fixture(autouse=True)
def nothing_closed() -> None:
    closed.clear()


async def numbers(count: int = 3) -> AsyncIterator[int]:
    try:
        for number in range(count):
            yield number
    finally:
        closed.append("async")


def sync_numbers(count: int = 3) -> Iterator[int]:
    try:
        yield from range(count)
    finally:
        closed.append("sync")


@pytest.mark.parametrize(
    ("content", "sent"),
    [(["a", b"b"], b"ab"), (("é",), "é".encode()), ("text", b"text"), (b"bytes", b"bytes"), (iter(["c"]), b"c")],
)
def test_contents(content: Any, sent: bytes) -> None:
    assert answered(StreamingResponse(content)).sent == sent


def test_the_iterator_may_be_replaced() -> None:
    async def doubled(chunks: Any) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            yield chunk * 2

    response = StreamingResponse([b"a", b"b"])
    response.body_iterator = doubled(response.body_iterator)
    assert answered(response).sent == b"aabb"


def test_text_is_in_the_charset_of_the_class() -> None:
    class Latin(StreamingResponse):
        charset = "latin-1"

    assert answered(Latin(["é"])).sent == b"\xe9"


@pytest.mark.parametrize("generator", [numbers, sync_numbers])
@pytest.mark.parametrize("response_class", [None, EventSourceResponse])
def test_head_takes_nothing_and_closes(generator: Any, response_class: Any) -> None:
    items = generator()
    x = answered(stream_of(items, response_class), method="HEAD")
    assert (x.sent, x.done, closed) == (b"", True, [])
    if generator is sync_numbers:
        assert list(items) == [0, 1, 2]  # nobody began it, so there is nothing to close


def test_a_file_is_closed_even_if_nothing_is_read() -> None:
    class File:
        closed = False

        def __iter__(self) -> Any:
            return self

        def __next__(self) -> bytes:
            raise AssertionError("nothing is wanted")

        def close(self) -> None:
            self.closed = True

    file = File()
    answered(StreamingResponse(file), method="HEAD")
    assert file.closed


def test_other_tasks_get_their_turn_beside_a_stream_that_never_waits() -> None:
    x: Any = FakeExchange()

    async def endless() -> AsyncIterator[bytes]:
        while not x.cancelled:
            yield b"x"

    async def main() -> None:
        task = asyncio.ensure_future(StreamingResponse(endless()).answer(x))
        await asyncio.sleep(0)
        x.disconnect()
        await asyncio.wait([task])

    asyncio.run(main())
    assert x.done


def test_a_thread_in_the_midst_of_a_step_ends_it_before_the_iterator_is_closed() -> None:
    x: Any = FakeExchange()
    inside, go_on = threading.Event(), threading.Event()

    def slow() -> Iterator[bytes]:
        try:
            yield b"a"
            inside.set()
            go_on.wait(20)
            closed.append("stepped")
            yield b"b"
        finally:
            closed.append("closed")

    async def main() -> None:
        task = asyncio.ensure_future(StreamingResponse(slow()).answer(x))
        while not inside.is_set():
            await asyncio.sleep(0.001)
        x.disconnect()
        while not x.aborted:
            await asyncio.sleep(0.001)
        go_on.set()
        await task

    asyncio.run(main())
    assert (closed, x.sent) == (["stepped", "closed"], b"a")


def test_the_server_may_cancel_a_stream() -> None:
    x: Any = FakeExchange()
    done: list[int] = []

    async def waits() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.Event().wait()

    async def main() -> None:
        response = StreamingResponse(waits(), background=BackgroundTask(done.append, 1))
        task = asyncio.ensure_future(response.answer(x))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert (x.aborted, done) == (True, [])


# ---- handlers that yield ----------------------------------------------------------


@pytest.mark.parametrize("generator", [numbers, sync_numbers])
def test_lines(generator: Any) -> None:
    x = answered(stream_of(generator(), None, status_code=202, headers={"x-a": "b"}))
    assert (x.status, x.sent, len(closed)) == (202, b"0\n1\n2\n", 1)
    assert fields_of(x) == [(b"x-a", b"b"), (b"content-type", b"application/jsonl")]


def test_items_are_encoded_as_the_route_says() -> None:
    def encode(item: Any) -> bytes:
        return b"[%d]" % item

    assert answered(stream_of(numbers(), JSONResponse, encode)).sent == b"[0]\n[1]\n[2]\n"
    assert answered(stream_of(numbers(1), EventSourceResponse, encode)).sent == b"data: [0]\n\n"


def test_other_classes_get_the_items_as_they_are() -> None:
    class Csv(StreamingResponse):
        media_type = "text/csv"

    x = answered(stream_of(iter(["a", "b"]), Csv, background=BackgroundTask(closed.append, "after")))
    assert (x.sent, fields_of(x), closed) == (b"ab", [(b"content-type", b"text/csv; charset=utf-8")], ["after"])
    with pytest.raises(TypeError, match="must be text or bytes"):
        stream_of(numbers(), HTMLResponse)
    assert isinstance(stream_of("text", PlainTextResponse), PlainTextResponse)


def test_an_item_that_cannot_be_said_cuts_the_answer_short(caplog: pytest.LogCaptureFixture) -> None:
    def items() -> Iterator[Any]:
        try:
            yield 1
            yield object()
        finally:
            closed.append("closed")

    x = answered(stream_of(items()))
    assert (x.sent, x.aborted, closed) == (b"1\n", True, ["closed"])
    assert "Exception while streaming" in caplog.text


def test_closing_what_is_made_of_items_closes_them() -> None:
    async def main() -> None:
        made: Any = each(numbers(), str)
        assert await anext(made) == "0"
        await made.aclose()

    asyncio.run(main())
    plain: Any = each(sync_numbers(), str)
    assert next(plain) == "0"
    plain.close()
    assert closed == ["async", "sync"]
