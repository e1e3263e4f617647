"""The thread pool."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextvars import ContextVar

import pytest

from covet import run_in_threadpool
from covet.concurrency import ThreadPool

variable: ContextVar[int] = ContextVar("variable", default=0)


def test_arguments_results_and_errors() -> None:
    def divide(a: int, *, by: int) -> float:
        return a / by

    async def main() -> None:
        assert await run_in_threadpool(divide, 6, by=3) == 2
        with pytest.raises(ZeroDivisionError):
            await run_in_threadpool(divide, 6, by=0)
        with pytest.raises(RuntimeError, match="StopIteration"):
            await run_in_threadpool(next, iter(()))

    asyncio.run(main())


def test_context_variables_go_in_but_not_out() -> None:
    def change() -> int:
        before = variable.get()
        variable.set(9)
        return before

    async def main() -> None:
        variable.set(5)
        assert await run_in_threadpool(change) == 5
        assert variable.get() == 5

    asyncio.run(main())


def test_size_limits_the_threads_and_nothing_is_lost() -> None:
    pool = ThreadPool(3)
    most, now, lock = 0, 0, threading.Lock()
    gate = threading.Barrier(3)

    def job() -> None:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        gate.wait(10)  # passes only if three run at the same time
        with lock:
            now -= 1

    async def main() -> None:
        await asyncio.gather(*(pool.run(job) for _ in range(30)))

    asyncio.run(main())
    assert most == 3


def test_threads_are_reused() -> None:
    pool = ThreadPool()

    async def main() -> set[int]:
        return {await pool.run(threading.get_ident) for _ in range(20)}

    # A thread counts as free a moment after it has given its result, so on a busy machine there are some.
    assert len(asyncio.run(main())) <= 10


def test_threads_do_not_keep_the_process() -> None:
    async def main() -> bool:
        return await run_in_threadpool(lambda: threading.current_thread().daemon)

    assert asyncio.run(main())


def test_a_call_can_be_cancelled_while_it_waits() -> None:
    release, ran = threading.Event(), []
    pool = ThreadPool(1)

    async def main() -> None:
        first = asyncio.ensure_future(pool.run(release.wait))
        second = asyncio.ensure_future(pool.run(lambda: ran.append("second")))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])
        release.set()
        assert await first
        await pool.run(lambda: None)

    asyncio.run(main())
    assert ran == []


def test_a_result_after_the_loop_is_closed_is_dropped() -> None:
    release = threading.Event()
    pool = ThreadPool(1)

    async def main() -> None:
        task = asyncio.ensure_future(pool.run(release.wait))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(main())
    release.set()

    async def again() -> int:
        return await pool.run(lambda: 7)

    assert asyncio.run(again()) == 7


def test_without_what_anyio_keeps_for_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """An AnyIO that is made otherwise is left alone."""
    import anyio._core._eventloop

    import covet.anyiothread  # it is put back afterwards

    assert covet.anyiothread.works
    monkeypatch.delattr(anyio._core._eventloop, "claim_worker_thread")
    monkeypatch.delitem(sys.modules, "covet.anyiothread")

    async def main() -> None:
        assert await run_in_threadpool(abs, -5) == 5

    asyncio.run(main())
    assert sys.modules["covet.anyiothread"].works is False
