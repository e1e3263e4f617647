"""Context managers, iterators and the size of the pool: what waits in threads and what must not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from covet import CovetPy, concurrency
from covet.concurrency import contextmanager_in_threadpool, iterate_in_threadpool, run_in_threadpool, set_threads
from covet.testclient import AsyncTestClient


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_pool", "_entering"):
        monkeypatch.setattr(concurrency, name, concurrency.ThreadPool(2))


def run(coroutine: Any) -> Any:
    async def limited() -> Any:
        return await asyncio.wait_for(coroutine, 60)

    return asyncio.run(limited())


def test_iterators() -> None:
    threads = set()

    def items() -> Iterator[int]:
        for number in range(3):
            threads.add(threading.current_thread().name)
            yield number

    async def main() -> list[int]:
        return [item async for item in iterate_in_threadpool(items())]

    assert run(main()) == [0, 1, 2]
    assert threading.current_thread().name not in threads


def test_values_errors_and_suppression() -> None:
    events: list[str] = []

    @contextmanager
    def manager(*, suppress: bool = False) -> Iterator[str]:
        events.append(threading.current_thread().name)
        try:
            yield "value"
        except KeyError as error:
            events.append(f"saw {error}")
            if not suppress:
                raise
        finally:
            events.append(threading.current_thread().name)

    async def main() -> None:
        async with contextmanager_in_threadpool(manager()) as value:
            assert value == "value"
        with pytest.raises(KeyError):
            async with contextmanager_in_threadpool(manager()):
                raise KeyError("one")
        async with contextmanager_in_threadpool(manager(suppress=True)):
            raise KeyError("two")
        assert concurrency._held.get() == 0

    run(main())
    assert [event for event in events if event.startswith("saw")] == ["saw 'one'", "saw 'two'"]
    assert all(event.startswith(("saw", "covet-thread")) for event in events)


def connections(number: int) -> Any:
    """A pool of connections in a driver that blocks."""
    free = threading.Semaphore(number)

    @contextmanager
    def connection() -> Iterator[None]:
        if not free.acquire(timeout=30):
            raise TimeoutError("no connection")
        try:
            yield
        finally:
            free.release()

    return connection


def test_a_hundred_requests_for_one_connection_on_two_threads() -> None:
    connection = connections(1)
    answered: list[int] = []

    async def request(number: int) -> None:
        async with contextmanager_in_threadpool(connection()):
            answered.append(await run_in_threadpool(lambda: number))

    async def main() -> None:
        await asyncio.gather(*(request(number) for number in range(100)))

    run(main())
    assert sorted(answered) == list(range(100))


def test_a_hundred_requests_for_connections_of_two_pools() -> None:
    first, second = connections(2), connections(1)

    async def request(number: int) -> int:
        async with contextmanager_in_threadpool(first()), contextmanager_in_threadpool(second()):
            return await run_in_threadpool(lambda: number)

    async def main() -> list[int]:
        return await asyncio.gather(*(request(number) for number in range(100)))

    assert run(main()) == list(range(100))


def test_who_holds_something_is_not_kept_by_threads_that_wait_for_it() -> None:
    connection = connections(1)
    entered = asyncio.Event()

    def uses_one() -> None:
        with connection():
            pass

    async def holder() -> str:
        async with contextmanager_in_threadpool(connection()):
            entered.set()
            for _ in range(3):
                await asyncio.sleep(0.01)  # the others take all threads
            return await run_in_threadpool(lambda: "done")

    async def main() -> None:
        holding = asyncio.create_task(holder())
        await entered.wait()
        others = [asyncio.create_task(run_in_threadpool(uses_one)) for _ in range(10)]
        assert await holding == "done"
        await asyncio.gather(*others)

    run(main())


def test_a_caller_that_is_cancelled_while_it_enters() -> None:
    begun, go_on, left = threading.Event(), threading.Event(), threading.Event()
    errors: list[BaseException] = []

    @contextmanager
    def slow() -> Iterator[None]:
        begun.set()
        go_on.wait(30)
        try:
            yield
        except BaseException as error:
            errors.append(error)
            raise
        finally:
            left.set()

    async def use() -> None:
        async with contextmanager_in_threadpool(slow()):
            raise AssertionError("it was cancelled before")

    async def main() -> None:
        task = asyncio.create_task(use())
        while not begun.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not left.is_set()
        go_on.set()
        assert await run_in_threadpool(left.wait, 30)

    run(main())
    assert isinstance(errors[0], asyncio.CancelledError)


def test_a_caller_that_is_cancelled_before_it_enters() -> None:
    occupied = threading.Event()
    entered: list[int] = []

    @contextmanager
    def manager() -> Iterator[None]:
        entered.append(1)
        yield

    async def use() -> None:
        async with contextmanager_in_threadpool(manager()):
            pass

    async def main() -> None:
        busy = [asyncio.create_task(concurrency._entering.run(lambda: occupied.wait(30))) for _ in range(2)]
        task = asyncio.create_task(use())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        occupied.set()
        await asyncio.gather(*busy)
        await concurrency._entering.run(lambda: None)

    run(main())
    assert entered == []


def test_a_caller_that_is_cancelled_while_it_uses_or_leaves() -> None:
    leaving, go_on = threading.Event(), threading.Event()
    left: list[bool] = []

    @contextmanager
    def manager() -> Iterator[None]:
        try:
            yield
        finally:
            leaving.set()
            go_on.wait(30)
            left.append(True)

    async def use(*, wait: bool) -> None:
        async with contextmanager_in_threadpool(manager()):
            if wait:
                await asyncio.sleep(3600)

    async def main(*, wait: bool) -> None:
        leaving.clear()
        go_on.clear()
        task = asyncio.create_task(use(wait=wait))
        if wait:
            while concurrency._entering._free == 0 and not task.done():
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)
            task.cancel()
        while not leaving.is_set():
            await asyncio.sleep(0.001)
        if not wait:
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main(wait=True))
    run(main(wait=False))
    assert left == [True, True]


def test_the_size_of_the_pool() -> None:
    def most_at_a_time(tasks: int) -> int:
        now, most, lock = 0, 0, threading.Lock()
        gate = threading.Event()

        def job() -> None:
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
            gate.wait(0.05)
            with lock:
                now -= 1

        async def main() -> None:
            await asyncio.gather(*(run_in_threadpool(job) for _ in range(tasks)))

        run(main())
        return most

    assert most_at_a_time(6) == 2
    set_threads(5)
    assert most_at_a_time(10) == 5
    set_threads(1)
    most_at_a_time(10)  # threads that are too many go after their next job
    assert most_at_a_time(5) == 1


def test_an_applications_setting_counts() -> None:
    app = CovetPy(threads=3)

    @app.get("/")
    async def root() -> int:
        return await app.run_in_threadpool(max, 1, 2)

    async def main() -> None:
        async with AsyncTestClient(app) as client:
            assert (await client.get("/")).json() == 2

    run(main())
    assert concurrency._pool.size == 3


def test_async_ones_are_as_they_are() -> None:
    """`asynccontextmanager` of the standard library does not mix with ours."""

    @asynccontextmanager
    async def outer() -> AsyncIterator[int]:
        async with contextmanager_in_threadpool(connections(1)()):
            yield await run_in_threadpool(lambda: 1)

    async def main() -> None:
        async with outer() as value:
            assert value == 1
        assert concurrency._held.get() == 0

    run(main())
