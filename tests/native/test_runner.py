"""Batches, turns of the event loop, closing, and what is kept alive."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import itertools
import os
import sys
import tracemalloc
import weakref
from typing import Any

import pytest

from covet.core import BAD, Exchange, Runner
from native import engine as e
from native.engine import Engine, attach
from native.service import Service, encode, run


async def ok(x: Exchange) -> str:
    return "ok"


def test_the_names_of_the_module() -> None:
    assert isinstance(Runner, type)
    assert isinstance(Exchange, type)
    assert Exchange.__module__ == "covet.core"
    assert type(BAD) is object
    with pytest.raises(TypeError):
        Exchange()


def test_attaching_badly(lib: ctypes.CDLL) -> None:
    engine = Engine(lib)
    memory, worker, bell, bells = engine.descriptors
    for arguments, error in [
        ((memory, worker, bell, []), ValueError),
        ((memory, worker, bell, bells * 33), ValueError),
        ((memory, worker, bell, bells * 2), OSError),
        ((memory, 1, bell, bells), OSError),
        ((memory, -1, bell, bells), OSError),
        ((-1, worker, bell, bells), OSError),
        ((bell, worker, bell, bells), OSError),
        ((memory, worker, bell, ["x"]), TypeError),
        ((memory, worker, bell, None), TypeError),
        ((), TypeError),
    ]:
        with pytest.raises(error):
            Runner(*arguments)  # type: ignore[arg-type]
    runner = attach(engine)
    with pytest.raises(RuntimeError):
        runner.__init__(*engine.descriptors)  # type: ignore[misc]
    runner.close()
    runner.close()
    engine.close()


def test_serving_badly(lib: ctypes.CDLL) -> None:
    async def main() -> None:
        def serve(runner: Runner, calls: Any) -> None:
            loop = asyncio.get_running_loop()
            runner.serve(calls, loop=loop, encode=encode, render=print, fail=print)

        for calls in (5, [5], [(print,)], [(print, "x", True)]):
            engine = Engine(lib)
            runner = attach(engine)
            with pytest.raises(TypeError):
                serve(runner, calls)
            with pytest.raises(RuntimeError):
                serve(runner, [])  # once only, even after a failure
            runner.close()
            with pytest.raises(RuntimeError):
                serve(runner, [])
            engine.close()

    asyncio.run(main())


@pytest.mark.parametrize("count", [1, 63, 64, 65, 200, 512, 513, 1500])
def test_batches_of_every_size(lib: ctypes.CDLL, loop: str, count: int) -> None:
    async def handler(x: Exchange) -> dict[str, str]:
        if x.path.endswith("7"):
            await asyncio.sleep(0)
        return {"path": x.path}

    async def main(service: Service) -> None:
        ids = [service.engine.post(path=b"/%d" % n) for n in range(count)]
        for n, id_ in enumerate(ids):
            assert (await service.engine.answer(id_)).body == b'{"path":"/%d"}' % n
        assert service.runner.in_flight == 0

    run(Service(lib, [handler], slots=2048), main, loop)


def test_other_callbacks_get_their_turn(lib: ctypes.CDLL, loop: str) -> None:
    turns: list[int] = []
    count = 0

    async def handler(x: Exchange) -> str:
        nonlocal count
        count += 1
        return ""

    async def main(service: Service) -> None:
        def turn() -> None:
            turns.append(count)
            if count < 1500:
                asyncio.get_running_loop().call_soon(turn)

        for _ in range(1500):
            service.engine.post()
        turn()
        await service.engine.until(lambda: count == 1500)
        steps = [after - before for before, after in itertools.pairwise(turns)]
        assert 0 < max(steps) <= 512 + 64

    run(Service(lib, [handler], slots=2048), main, loop)


def test_answers_do_not_wait_for_slow_handlers_of_their_batch(lib: ctypes.CDLL) -> None:
    seen: list[int] = []

    async def handler(x: Exchange) -> str:
        if x.path == "/slow":
            started = asyncio.get_running_loop().time()
            while asyncio.get_running_loop().time() < started + 0.03:
                pass
        else:
            services[0].engine.reap()
            seen.append(sum(answer.released for answer in services[0].engine.answers.values()))
        return ""

    async def main(service: Service) -> None:
        services.append(service)
        ids = [service.engine.post(path=path) for path in (b"/slow", b"/look")]
        for id_ in ids:
            await service.engine.answer(id_)

    services: list[Service] = []
    run(Service(lib, [handler]), main)
    assert seen == [1]


def test_several_handlers_that_wake_together_share_a_doorbell(lib: ctypes.CDLL, loop: str) -> None:
    gate = asyncio.Event()

    async def handler(x: Exchange) -> str:
        await gate.wait()
        return ""

    async def main(service: Service) -> None:
        bell = service.engine.descriptors[3][0]
        ids = [service.engine.post() for _ in range(20)]
        await service.engine.until(lambda: service.runner.in_flight == 20)
        await asyncio.sleep(0.001)
        with pytest.raises(BlockingIOError):
            os.read(bell, 8)
        gate.set()
        for _ in range(5):
            await asyncio.sleep(0)
        assert int.from_bytes(os.read(bell, 8), sys.byteorder) == 1
        for id_ in ids:
            await service.engine.answer(id_)

    run(Service(lib, [handler]), main, loop)


# ---- closing ------------------------------------------------------------------------


def test_close_with_exchanges_in_every_state(lib: ctypes.CDLL, loop: str) -> None:
    kept: list[Exchange] = []

    async def handler(x: Exchange) -> Any:
        kept.append(x)
        match x.path:
            case "/streaming":
                x.start(200, 5, b"", -1)
                x.send(b"part")
            case "/large":
                x.respond(200, 5, b"", bytes(4 << 20))
                return None
            case "/answered":
                x.respond(200, 5, b"", b"whole")
        try:
            await asyncio.Event().wait()
        finally:
            if not x.done:
                x.respond(200, 1, b"", b"late")  # RuntimeError, which goes nowhere

    async def main(service: Service) -> None:
        service.engine.taking = False
        ids = [service.engine.post(path=p) for p in (b"/waiting", b"/streaming", b"/large", b"/answered")]
        await service.engine.until(lambda: service.runner.in_flight == 4)
        service.runner.close()
        service.engine.reap()
        answers = [service.engine.answers[id_] for id_ in ids]
        assert [answer.released for answer in answers] == [True] * 4
        assert [answer.aborted for answer in answers] == [True, True, True, False]
        assert answers[3].body == b"whole"
        assert service.engine.blocks_in_use == 0
        assert service.runner.in_flight == 0
        assert all(x.done for x in kept)

    run(Service(lib, [handler], blocks=(8, 8, 8, 8)), main, loop)


@pytest.mark.parametrize("query", [b"", b"wait"])
def test_close_in_a_handler(lib: ctypes.CDLL, loop: str, query: bytes) -> None:
    """What was not begun stays where others find it, and nothing is written by what runs on."""
    ran: list[str] = []
    services: list[Service] = []

    async def handler(x: Exchange) -> Any:
        ran.append(x.path)
        if x.path == "/close":
            services[0].runner.close()
            assert x.done
            if x.query_string:
                await asyncio.sleep(0)
                ran.append("after")
        return {"a": 1}

    async def main(service: Service) -> None:
        services.append(service)
        ids = [service.engine.post(path=p, query=query) for p in (b"/1", b"/close", b"/2", b"/3")]
        await service.engine.until(lambda: all(service.engine.answers[id_].released for id_ in ids[:2]))
        for _ in range(5):
            await asyncio.sleep(0)
        assert [service.engine.answers[id_].aborted for id_ in ids[:2]] == [False, True]
        assert service.engine.unfinished == 0
        assert ran == ["/1", "/close", *(["after"] if query else [])]

    service = Service(lib, [handler])
    run(service, main, loop)
    assert not service.failures


def test_close_in_a_callback(lib: ctypes.CDLL) -> None:
    services: list[Service] = []

    async def handler(x: Exchange) -> Any:
        x.on_cancel(services[0].runner.close)
        await asyncio.Event().wait()

    async def main(service: Service) -> None:
        services.append(service)
        ids = [service.engine.post() for _ in range(3)]
        await service.engine.until(lambda: service.runner.in_flight == 3)
        for id_ in ids:
            service.engine.raise_flags(id_, e.CANCELLED)
        await service.engine.until(lambda: all(service.engine.answers[id_].released for id_ in ids))

    run(Service(lib, [handler]), main)


def test_close_while_an_exchange_lets_go_of_its_state(lib: ctypes.CDLL) -> None:
    services: list[Service] = []

    class State:
        def __del__(self) -> None:
            services[0].runner.close()

    async def handler(x: Exchange) -> Any:
        x.state = State()
        return "ok"

    async def main(service: Service) -> None:
        services.append(service)
        first, *_ = [service.engine.post() for _ in range(3)]
        await service.engine.until(lambda: service.engine.answers[first].released)
        assert service.engine.answers[first].body == b"ok"

    run(Service(lib, [handler]), main)


def test_close_after_the_event_loop(lib: ctypes.CDLL, loop: str) -> None:
    """Service.close does so in every test; here with a handler that waits and a lane that is parked."""

    async def handler(x: Exchange) -> Any:
        if x.path == "/wait":
            await asyncio.Event().wait()
        return "ok"

    async def main(service: Service) -> None:
        service.engine.post(path=b"/wait")
        await service.get()
        await asyncio.sleep(0.001)

    service = Service(lib, [handler])
    run(service, main, loop)
    assert [answer.released for answer in service.engine.answers.values()] == [True, True]


def test_a_runner_that_is_dropped_detaches(lib: ctypes.CDLL) -> None:
    engine = Engine(lib)
    descriptors = len(os.listdir("/proc/self/fd"))
    runner = attach(engine)
    assert engine.lib.engine_worker_state(engine._e) == 1
    del runner
    gc.collect()
    assert engine.lib.engine_worker_state(engine._e) == 0
    assert len(os.listdir("/proc/self/fd")) == descriptors
    engine.close()


def test_a_runner_is_collected_with_its_event_loop(lib: ctypes.CDLL) -> None:
    def serve() -> weakref.ref[Any]:
        async def main(service: Service) -> None:
            await service.get()

        async def handler(x: Exchange) -> str:
            return "ok"

        run(Service(lib, [handler]), main)
        return weakref.ref(handler)

    gone = serve()
    gc.collect()
    assert gone() is None


def test_only_the_runner_steps(lib: ctypes.CDLL) -> None:
    async def main(service: Service) -> None:
        await service.get()
        with pytest.raises(RuntimeError):
            service.runner._step()  # type: ignore[attr-defined]

    run(Service(lib, [ok]), main)


# ---- memory -------------------------------------------------------------------------


def test_memory_comes_back(lib: ctypes.CDLL) -> None:
    async def handler(x: Exchange) -> Any:
        x.query_str("q", None)
        x.headers()
        match x.path:
            case "/large":
                x.respond(200, 4, b"", bytes(700_000))
            case "/stream":
                x.start(200, 4, b"", -1)
                x.send(b"x" * 5000)
                await asyncio.sleep(0)
                x.finish()
            case "/abort":
                x.abort()
            case "/raise":
                raise ValueError(x)
            case _:
                x.state = [x]
        return {"a": 1}

    async def main(service: Service) -> None:
        paths = (b"/", b"/large", b"/stream", b"/abort", b"/raise")

        async def rounds(count: int) -> int:
            for _ in range(count):
                ids = [service.engine.post(path=path, query=b"q=1") for path in paths for _ in range(5)]
                for id_ in ids:
                    await service.engine.answer(id_)
                service.engine.answers.clear()
                service.failures.clear()
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        before = await rounds(10)
        after = await rounds(60)
        assert after - before < 20_000

    tracemalloc.start()
    try:
        run(Service(lib, [handler]), main)
    finally:
        tracemalloc.stop()


def test_reference_counts_of_what_everybody_shares(lib: ctypes.CDLL) -> None:
    """More than a thousand requests of every kind leave the shared objects' counts as they were."""
    default = object()
    shared = [default, BAD, Exchange, "GET", b"", asyncio.CancelledError]

    async def handler(x: Exchange) -> Any:
        x.query_str("none", default)
        x.query_int("none", default)
        x.query_int("q", 0)
        assert x.method
        if x.path == "/wait":
            await asyncio.sleep(0)
        if x.path == "/raise":
            raise ValueError
        return {"a": 1}

    async def main(service: Service) -> None:
        async def round_of(count: int) -> list[int]:
            for _ in range(count):
                ids = [service.engine.post(path=p, query=b"q=x") for p in (b"/", b"/wait", b"/raise") for _ in range(4)]
                for id_ in ids:
                    await service.engine.answer(id_)
                service.engine.answers.clear()
                service.failures.clear()
            gc.collect()
            return [sys.getrefcount(thing) for thing in shared]

        before = await round_of(5)
        after = await round_of(100)
        assert all(abs(b - a) < 50 for a, b in zip(before, after, strict=True)), (before, after)

    run(Service(lib, [handler]), main)
