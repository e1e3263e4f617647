"""What handlers do while the runner is in the middle of something."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import gc
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

from covet.core import Exchange
from covet.lane import make_lane
from native import engine as e
from native.service import Service, run
from native.test_request import news_of


@pytest.mark.parametrize("step", ["send", "throw", "close"])
@pytest.mark.parametrize("waits", [False, True])
def test_nobody_steps_a_coroutine_that_runs(lib: ctypes.CDLL, loop: str, step: str, waits: bool) -> None:
    async def handler(x: Exchange) -> str:
        if waits:
            await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        coroutine: Any = task.get_coro()
        arguments = {"send": (None,), "throw": (KeyError("k"),), "close": ()}[step]
        with pytest.raises(ValueError, match="already executing"):
            getattr(coroutine, step)(*arguments)
        await asyncio.sleep(0)
        return "ok"

    async def main(service: Service) -> None:
        assert (await service.get()).body == b"ok"
        assert (await service.get()).body == b"ok"

    service = Service(lib, [handler])
    run(service, main, loop)
    assert not service.failures


class Buffer:
    """Bytes that do something when they are asked for."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    def __buffer__(self, flags: int) -> memoryview:
        self.act()
        return memoryview(b"late")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="classes have __buffer__ since Python 3.12")
@pytest.mark.parametrize("how", ["respond", "send"])
@pytest.mark.parametrize("act", ["close", "abort", "respond"])
def test_a_body_that_ends_the_exchange(lib: ctypes.CDLL, how: str, act: str) -> None:
    services: list[Service] = []
    errors: list[str] = []

    async def handler(x: Exchange) -> None:
        def end() -> None:
            if act == "close":
                services[0].runner.close()
            elif act == "abort":
                x.abort()
            elif how == "send":
                x.finish()
            else:
                x.respond(200, 2, b"", b"first")

        try:
            if how == "send":
                x.start(200, 2, b"", -1)
                x.send(Buffer(end))
            else:
                x.respond(200, 2, b"", Buffer(end))
        except RuntimeError as error:
            errors.append(str(error))

    async def main(service: Service) -> None:
        services.append(service)
        id_ = service.engine.post()
        answer = await service.engine.answer(id_)
        assert answer.body == (b"first" if (act, how) == ("respond", "respond") else b"")

    run(Service(lib, [handler]), main)
    assert len(errors) == 1


@pytest.mark.skipif(sys.version_info < (3, 12), reason="classes have __buffer__ since Python 3.12")
@pytest.mark.parametrize("how", ["abort", "client goes", "close"])
def test_a_body_that_closes_the_runner_when_it_is_given_back(lib: ctypes.CDLL, how: str) -> None:
    services: list[Service] = []

    class Large:
        def __buffer__(self, flags: int) -> memoryview:
            return memoryview(bytes(4 << 20))

        def __release_buffer__(self, view: memoryview) -> None:
            services[0].runner.close()

    async def handler(x: Exchange) -> None:
        assert x.respond(200, 4, b"", Large()) is False
        if how == "abort":
            x.abort()
        elif how == "close":
            services[0].runner.close()

    async def main(service: Service) -> None:
        services.append(service)
        service.engine.taking = False
        id_ = service.engine.post()
        await service.engine.until(lambda: service.engine.answers[id_].head)
        if how == "client goes":
            service.engine.raise_flags(id_, e.CANCELLED)
        await service.engine.until(lambda: service.engine.answers[id_].released)
        assert service.engine.answers[id_].aborted is (how != "client goes")

    run(Service(lib, [handler], blocks=(8, 8, 8, 4)), main)


class Closing:
    """Garbage in a cycle that closes a runner when it is collected."""

    def __init__(self, service: Service) -> None:
        self.me = self
        self.service = service

    def __del__(self) -> None:
        self.service.runner.close()


@pytest.mark.parametrize("look", ["headers", "query_items"])
def test_the_garbage_collector_closes_the_runner_while_a_request_is_read(lib: ctypes.CDLL, look: str) -> None:
    services: list[Service] = []
    seen: list[Any] = []

    async def handler(x: Exchange) -> None:
        read, threshold = getattr(x, look), gc.get_threshold()
        gc.collect()  # which also empties the lists of free tuples
        gc.disable()
        Closing(services[0])
        gc.set_threshold(1)
        gc.enable()
        try:
            seen.append(read())
        finally:
            gc.set_threshold(*threshold)

    async def main(service: Service) -> None:
        services.append(service)
        id_ = service.engine.post(query=b"&".join(b"name%d=value" % n for n in range(60)), fields=fields)
        await service.engine.until(lambda: service.engine.answers[id_].released)

    fields = [(b"host", b"test")] + [(b"x-%d" % n, b"value") for n in range(60)]
    run(Service(lib, [handler]), main)
    if look == "headers":
        assert seen == [fields]
    else:
        assert seen == [[(f"name{n}", "value") for n in range(60)]]


def test_a_body_is_read_on_while_a_large_answer_waits_for_room(lib: ctypes.CDLL, loop: str) -> None:
    received: list[bytes] = []

    async def handler(x: Exchange) -> None:
        assert x.respond(200, 4, b"", bytes(3 << 20)) is False
        while (piece := x.read()) != b"":
            if piece is None:
                await news_of(x)
            else:
                received.append(piece)

    async def main(service: Service) -> None:
        service.engine.taking = False
        id_ = service.engine.post(method="POST", flags=e.BODY)
        await service.engine.until(lambda: service.engine.answers[id_].head)
        for n in range(3):
            service.engine.give(id_, b"piece%d" % n)
            while len(received) <= n:
                await asyncio.sleep(0)
        service.engine.raise_flags(id_, e.BODY_END)
        await asyncio.sleep(0.001)
        service.engine.taking = True
        answer = await service.engine.answer(id_)
        assert len(answer.body) == 3 << 20
        assert b"".join(received) == b"piece0piece1piece2"

    run(Service(lib, [handler], blocks=(16, 16, 16, 4)), main, loop)


@pytest.mark.parametrize("large", [False, True])
def test_who_waits_for_news_learns_that_there_will_be_none(lib: ctypes.CDLL, loop: str, large: bool) -> None:
    """A task that the handler left behind reads the body, which nobody will give it any more."""
    ended: list[str] = []

    async def reader(x: Exchange) -> None:
        while (piece := x.read()) != b"":
            if piece is None:
                await news_of(x)

    async def handler(x: Exchange) -> None:
        task = asyncio.create_task(reader(x))
        task.add_done_callback(lambda task: ended.append(str(task.exception())))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        x.respond(200, 4, b"", bytes(3 << 20) if large else b"ok")

    async def main(service: Service) -> None:
        id_ = service.engine.post(method="POST", flags=e.BODY)
        await service.engine.answer(id_)
        await service.engine.until(lambda: ended)
        assert "over" in ended[0]

    run(Service(lib, [handler], blocks=(16, 16, 16, 4)), main, loop)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("kind", ["wait", "on_cancel"])
def test_what_must_end_the_event_loop_does_so_from_a_callback(
    lib: ctypes.CDLL, loop: str, error: type[BaseException], kind: str
) -> None:
    async def handler(x: Exchange) -> None:
        def callback() -> None:
            raise error

        getattr(x, kind)(callback)
        await asyncio.Event().wait()

    async def main(service: Service) -> None:
        ids = [service.engine.post(method="POST", flags=e.BODY) for _ in range(2)]
        await service.engine.until(lambda: service.runner.in_flight == 2)
        for id_ in ids:
            service.engine.raise_flags(id_, e.CANCELLED)
        await asyncio.sleep(20)

    service = Service(lib, [handler])
    with pytest.raises(error):
        run(service, main, loop, quiet=False)
    assert len(service.unraisable) == 1  # the second of them: one at a time ends the loop


VAR: contextvars.ContextVar[list[int]] = contextvars.ContextVar("VAR")


def test_an_equal_value_is_not_the_same_value(lib: ctypes.CDLL, loop: str) -> None:
    """A handler that puts a list of its own in the place of the server's leaves nothing to the next."""
    servers: list[int] = []

    async def handler(x: Exchange) -> str:
        assert VAR.get() is servers
        VAR.set([])
        return "ok"

    async def main(service: Service) -> None:
        for id_ in [service.engine.post() for _ in range(5)]:
            assert (await service.engine.answer(id_)).body == b"ok"

    token = VAR.set(servers)
    try:
        service = Service(lib, [handler])
        run(service, main, loop)
        assert not service.failures
    finally:
        VAR.reset(token)


def test_lanes_are_used_again_beside_variables_of_the_server(lib: ctypes.CDLL) -> None:
    async def handler(x: Exchange) -> str:
        return str(id(asyncio.current_task()))

    async def main(service: Service) -> None:
        ids = [service.engine.post() for _ in range(20)]
        assert len({(await service.engine.answer(id_)).body for id_ in ids}) == 1

    token = VAR.set([])
    try:
        run(Service(lib, [handler]), main)
    finally:
        VAR.reset(token)


def test_a_signal_in_a_handler_that_computes(lib: ctypes.CDLL) -> None:
    """A handler of SIGINT that raises KeyboardInterrupt is the application's own: the server's asks it to stop."""

    async def handler(x: Exchange) -> None:
        signal.raise_signal(signal.SIGINT)

    async def main(service: Service) -> None:
        assert (await service.get()).body == b"KeyboardInterrupt"
        assert (await service.get()).body == b"KeyboardInterrupt"

    previous = signal.signal(signal.SIGINT, lambda number, frame: (_ for _ in ()).throw(KeyboardInterrupt))
    try:
        run(Service(lib, [handler]), main)
    finally:
        signal.signal(signal.SIGINT, previous)


def test_a_lane_that_cannot_be_made_is_made_later(lib: ctypes.CDLL, loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bool] = []
    reported: list[Any] = []

    def failing(*arguments: Any) -> Any:
        made.append(True)
        if len(made) < 3:
            raise MemoryError
        return make_lane(*arguments)

    async def handler(x: Exchange) -> str:
        return "ok"

    async def main(service: Service) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context["exception"]))
        for id_ in [service.engine.post() for _ in range(3)]:
            assert (await service.engine.answer(id_)).body == b"ok"

    monkeypatch.setattr("covet.lane.make_lane", failing)
    run(Service(lib, [handler]), main, loop)
    assert [type(error) for error in reported] == [MemoryError] * 2


def test_what_a_closing_runner_calls_may_not_break_it(lib: ctypes.CDLL, loop: str) -> None:
    """Every exchange's state closes the runner again and looks at the others."""
    exchanges: list[Exchange] = []
    services: list[Service] = []

    class State:
        def __del__(self) -> None:
            services[0].runner.close()
            for x in exchanges:
                x.abort()
                assert x.path == "/"

    async def handler(x: Exchange) -> None:
        x.state = State()
        exchanges.append(x)
        x.wait(services[0].runner.close)
        await asyncio.Event().wait()

    async def main(service: Service) -> None:
        services.append(service)
        ids = [service.engine.post() for _ in range(5)]
        await service.engine.until(lambda: len(exchanges) == 5)
        service.runner.close()
        await service.engine.until(lambda: all(service.engine.answers[id_].released for id_ in ids))
        assert service.runner.in_flight == 0

    run(Service(lib, [handler]), main, loop)
