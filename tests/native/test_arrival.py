"""News of an exchange, awaited by tasks."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import threading
from typing import Any

import pytest

from covet.core import Exchange
from native import engine as e
from native.service import Service, run

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")


async def news_of(x: Exchange) -> None:
    await x.news()


async def body_of(x: Exchange) -> bytes:
    parts = []
    while (piece := x.read()) != b"":
        if piece is None:
            await x.news()
        else:
            parts.append(piece)
    return b"".join(parts)


def serve(lib: ctypes.CDLL, loop: str, handler: Any, *pieces: bytes, flags: int = e.BODY_END) -> bytes:
    """What a handler answers to a request whose body comes piece by piece."""

    async def main(service: Service) -> bytes:
        id_ = service.engine.post(body=None, flags=e.BODY)
        for piece in pieces:
            for _ in range(3):
                await asyncio.sleep(0)
            assert service.engine.give(id_, piece)
        service.engine.raise_flags(id_, flags)
        return bytes((await service.engine.answer(id_)).body)

    return bytes(run(Service(lib, [handler]), main, loop))


def test_a_task_goes_on_in_its_own_context(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> Any:
        VARIABLE.set("mine")
        task = asyncio.current_task()
        body = await body_of(x)
        assert asyncio.current_task() is task
        return f"{body.decode()} {VARIABLE.get()}"

    assert serve(lib, loop, handler, b"ab", b"cd", b"ef") == b"abcdef mine"


def test_several_tasks_wait(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> Any:
        seen: list[int] = []

        async def wait(number: int) -> None:
            await x.news()
            seen.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(wait(number))
        return str(sorted(seen))

    assert serve(lib, loop, handler, b"x") == b"[0, 1, 2, 3, 4]"


def test_waiting_can_be_cancelled_again_and_again(lib: ctypes.CDLL, loop: str) -> None:
    waited = threading.Event()

    async def handler(x: Exchange) -> Any:
        for _ in range(100):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(news_of(x), 0.0001)
        waited.set()
        task = asyncio.ensure_future(body_of(x))
        await asyncio.sleep(0)
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return f"{caught.value.args} {(await body_of(x)).decode()}"

    async def main(service: Service) -> bytes:
        id_ = service.engine.post(body=None, flags=e.BODY)
        while not waited.is_set():
            await asyncio.sleep(0.01)
        assert service.engine.give(id_, b"late")
        service.engine.raise_flags(id_, e.BODY_END)
        return bytes((await service.engine.answer(id_)).body)

    assert run(Service(lib, [handler]), main, loop) == b"('enough',) late"


def test_news_that_came_before_is_there_at_once(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> Any:
        for _ in range(20):
            await asyncio.sleep(0)
        await asyncio.wait_for(news_of(x), 10)
        return (await body_of(x)).decode()

    assert serve(lib, loop, handler, b"early") == b"early"


def test_one_task_for_each(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> Any:
        news = x.news()

        async def wait() -> None:
            await news

        first = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError):
            await wait()
        await first
        return "one"

    assert serve(lib, loop, handler, b"x") == b"one"


def test_an_exchange_that_ends_wakes_who_waits(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> Any:
        async def wait() -> str:
            await x.news()
            with pytest.raises(RuntimeError, match="over"):
                x.news()
            return "woken"

        waiting.append(asyncio.ensure_future(wait()))
        await asyncio.sleep(0)
        return "over"

    waiting: list[asyncio.Task[str]] = []

    async def main(service: Service) -> str:
        answer = await service.get(body=None, flags=e.BODY)
        assert answer.body == b"over"
        return await asyncio.wait_for(waiting[0], 10)

    assert run(Service(lib, [handler]), main, loop) == "woken"
