"""Whatever a handler, `render` or `fail` does, each exchange is ended exactly once."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from typing import Any

import pytest

from covet.core import Exchange
from native import engine as e
from native.service import Service, run


@pytest.fixture(params=["at once", "after waiting"])
def waits(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "after waiting")


@pytest.mark.parametrize("value", [{"a": 1, "é": [None, True]}, [], [1, 2], {}])
def test_dicts_and_lists_are_json(lib: ctypes.CDLL, loop: str, waits: bool, value: Any) -> None:
    async def handler(x: Exchange) -> Any:
        if waits:
            await asyncio.sleep(0)
        return value

    async def main(service: Service) -> None:
        answer = await service.get()
        assert (answer.status, answer.media, answer.told) == (200, 1, e.HEAD | e.END | e.DONE)
        assert answer.body.decode() == str(value).replace("'", '"').replace(" ", "").replace("None", "null").replace(
            "True", "true"
        )
        assert answer.length == len(answer.body)

    run(Service(lib, [handler]), main, loop)


def test_results_that_are_not_exactly_dicts_are_rendered(lib: ctypes.CDLL) -> None:
    class Sub(dict[str, int]):
        pass

    for value, plain in [(Sub(a=1), True), ({"a": 1}, False), ("text", True), (None, True), (3, True)]:

        async def handler(x: Exchange, value: Any = value) -> Any:
            return value

        async def main(service: Service, value: Any = value) -> None:
            assert (await service.get()).body == str(value).encode()

        run(Service(lib, [handler], plain=plain), main)


def test_calls_that_return_no_coroutine(lib: ctypes.CDLL) -> None:
    async def main(service: Service) -> None:
        assert (await service.get()).body == b'{"a":1}'
        assert (await service.get(route=2)).body == b"text"

    run(Service(lib, [lambda x: {"a": 1}, lambda x: "text"]), main)


def test_a_handler_that_answers_by_itself(lib: ctypes.CDLL, loop: str, waits: bool) -> None:
    async def handler(x: Exchange) -> Any:
        assert x.respond(201, 2, b"", b"own") is True
        assert (x.started, x.done) == (True, True)
        if waits:
            await asyncio.sleep(0.001)
        return {"ignored": True}

    async def main(service: Service) -> None:
        id_ = service.engine.post()
        await service.engine.until(lambda: service.engine.answers[id_].head)
        assert service.engine.answers[id_].released is not waits
        answer = await service.engine.answer(id_)
        assert (answer.status, answer.body, answer.aborted) == (201, b"own", False)
        assert not service.failures

    run(Service(lib, [handler]), main, loop)


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError, GeneratorExit, BaseException])
def test_exceptions_go_to_fail(lib: ctypes.CDLL, loop: str, waits: bool, error: type[BaseException]) -> None:
    async def handler(x: Exchange) -> Any:
        if waits:
            await asyncio.sleep(0)
        raise error("reason")

    async def main(service: Service) -> None:
        answer = await service.get()
        assert (answer.status, answer.body) == (500, error.__name__.encode())
        (seen,) = service.failures
        assert seen.args == ("reason",)
        assert seen.__traceback__ is not None
        assert (await service.get()).status == 500

    run(Service(lib, [handler]), main, loop)


def test_a_call_that_raises(lib: ctypes.CDLL) -> None:
    def call(x: Exchange) -> Any:
        raise KeyError("k")

    async def main(service: Service) -> None:
        assert (await service.get()).body == b"KeyError"

    run(Service(lib, [call]), main)


def test_a_value_that_cannot_be_encoded(lib: ctypes.CDLL, waits: bool) -> None:
    async def handler(x: Exchange) -> Any:
        if waits:
            await asyncio.sleep(0)
        return {"a": object()}

    async def main(service: Service) -> None:
        assert (await service.get()).body == b"TypeError"

    run(Service(lib, [handler]), main)


def test_an_encoder_that_gives_no_bytes(lib: ctypes.CDLL) -> None:
    async def handler(x: Exchange) -> Any:
        return {}

    async def main(service: Service) -> None:
        assert (await service.get()).body == b"TypeError"

    service = Service(lib, [handler])
    service.encode = lambda value: 5
    run(service, main)


def test_render_and_fail_may_be_coroutines(lib: ctypes.CDLL, loop: str, waits: bool) -> None:
    tasks: list[Any] = []

    async def handler(x: Exchange) -> Any:
        tasks.append(asyncio.current_task())
        if waits:
            await asyncio.sleep(0)
        if x.path == "/raise":
            raise ValueError
        return "text"

    async def slowly(x: Exchange, what: Any) -> None:
        assert asyncio.current_task() is tasks[-1]
        await asyncio.sleep(0)
        assert asyncio.current_task() is tasks[-1]
        x.respond(202, 2, b"", repr(what).encode())

    async def main(service: Service) -> None:
        service.render = service.fail = slowly
        assert (await service.get()).body == b"'text'"
        assert (await service.get(path=b"/raise")).body == b"ValueError()"

    run(Service(lib, [handler]), main, loop)


@pytest.mark.parametrize("late", [False, True])
def test_render_that_fails(lib: ctypes.CDLL, loop: str, waits: bool, late: bool) -> None:
    async def handler(x: Exchange) -> Any:
        if waits:
            await asyncio.sleep(0)
        return "text"

    def at_once(x: Exchange, result: Any) -> Any:
        raise KeyError

    async def coroutine(x: Exchange, result: Any) -> Any:
        await asyncio.sleep(0)
        raise KeyError

    async def main(service: Service) -> None:
        service.render = coroutine if late else at_once
        assert (await service.get()).body == b"KeyError"
        assert len(service.failures) == 1

    run(Service(lib, [handler]), main, loop)


@pytest.mark.parametrize("kind", ["raises", "coroutine raises", "coroutine raises late", "does nothing"])
def test_fail_that_fails(lib: ctypes.CDLL, loop: str, waits: bool, kind: str) -> None:
    """It is asked once; the client gets a plain 500."""
    asked: list[BaseException] = []

    async def handler(x: Exchange) -> Any:
        if waits:
            await asyncio.sleep(0)
        raise ValueError

    async def raises(late: bool) -> Any:
        if late:
            await asyncio.sleep(0)
        raise KeyError

    def fail(x: Exchange, error: BaseException) -> Any:
        asked.append(error)
        if kind == "raises":
            raise KeyError
        return None if kind == "does nothing" else raises(kind == "coroutine raises late")

    async def main(service: Service) -> None:
        service.fail = fail
        answer = await service.get()
        assert (answer.status, answer.media, answer.body) == (500, 2, b"Internal Server Error")
        assert len(asked) == 1
        assert [type(error) for error in service.unraisable] == ([] if kind == "does nothing" else [KeyError])

    run(Service(lib, [handler]), main, loop, quiet=False)


def test_render_that_does_nothing(lib: ctypes.CDLL) -> None:
    async def handler(x: Exchange) -> Any:
        return "text"

    async def main(service: Service) -> None:
        service.render = lambda x, result: None
        assert (await service.get()).body == b"Internal Server Error"

    run(Service(lib, [handler]), main)


def test_a_stream_that_is_left_unfinished_is_cut(lib: ctypes.CDLL, waits: bool) -> None:
    async def handler(x: Exchange) -> Any:
        x.start(200, 2, b"", -1)
        x.send(b"part")
        if waits:
            await asyncio.sleep(0)

    async def main(service: Service) -> None:
        answer = await service.get()
        assert (answer.body, answer.aborted) == (b"part", True)

    run(Service(lib, [handler]), main)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_processes_ends_only_its_request(
    lib: ctypes.CDLL, loop: str, waits: bool, error: type[BaseException]
) -> None:
    """asyncio.Task would raise it out of the event loop, and the server would end with it: uvicorn's does not."""

    async def handler(x: Exchange) -> Any:
        if waits:
            await asyncio.sleep(0)
        if x.path == "/exit":
            raise error
        return "ok"

    async def main(service: Service) -> None:
        ids = [service.engine.post(path=path) for path in (b"/1", b"/exit", b"/2")]
        bodies = [(await service.engine.answer(id_)).body for id_ in ids]
        assert bodies == [b"ok", error.__name__.encode(), b"ok"]
        assert [type(failure) for failure in service.failures] == [error]

    run(Service(lib, [handler]), main, loop)


@pytest.mark.parametrize("place", ["render", "fail", "fail after waiting"])
def test_what_ends_processes_from_what_answers(lib: ctypes.CDLL, loop: str, waits: bool, place: str) -> None:
    async def handler(x: Exchange) -> Any:
        if waits:
            await asyncio.sleep(0)
        if place.startswith("fail"):
            raise KeyError
        return "ok"

    def ends(*arguments: Any) -> Any:
        raise SystemExit(3)

    async def ends_later(*arguments: Any) -> Any:
        await asyncio.sleep(0)
        raise SystemExit(3)

    async def main(service: Service) -> None:
        body = (await service.get()).body
        assert body == (b"SystemExit" if place == "render" else b"Internal Server Error")

    service = Service(lib, [handler])
    if place == "render":
        service.render = ends
    else:
        service.fail = ends if place == "fail" else ends_later
    run(service, main, loop, quiet=False)
    assert [type(error) for error in service.unraisable] == ([] if place == "render" else [SystemExit])


def test_a_request_cancelled_before_it_began_is_not_run(lib: ctypes.CDLL) -> None:
    ran: list[str] = []

    async def handler(x: Exchange) -> Any:
        ran.append(x.path)
        return "ok"

    async def main(service: Service) -> None:
        id_ = service.engine.post(path=b"/gone")
        service.engine.raise_silently(id_, e.CANCELLED)
        answer = await service.engine.answer(id_)
        assert not answer.head
        assert (await service.get(path=b"/here")).body == b"ok"
        assert ran == ["/here"]

    run(Service(lib, [handler]), main)


@pytest.mark.parametrize("flag", [e.CANCELLED, e.HALF_CLOSED])
def test_on_cancel_is_called_once(lib: ctypes.CDLL, loop: str, flag: int) -> None:
    calls: list[str] = []

    async def handler(x: Exchange) -> Any:
        task = asyncio.current_task()
        assert task is not None
        assert not x.cancelled
        x.on_cancel(lambda: calls.append("called") or task.cancel())  # type: ignore[func-returns-value]
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            assert x.cancelled
            x.on_cancel(lambda: calls.append("late"))
            x.on_cancel(None)
            raise

    async def main(service: Service) -> None:
        id_ = service.engine.post()
        await service.engine.until(lambda: service.runner.in_flight == 1)
        service.engine.raise_flags(id_, flag)
        service.engine.notify(id_)
        answer = await service.engine.answer(id_)
        assert calls == ["called", "late"]
        assert answer.done_count == 1
        assert [type(error) for error in service.failures] == [asyncio.CancelledError]

    run(Service(lib, [handler]), main, loop)


def test_on_cancel_that_was_taken_back(lib: ctypes.CDLL) -> None:
    calls: list[str] = []
    going: list[bool] = []

    async def handler(x: Exchange) -> Any:
        x.on_cancel(lambda: calls.append("called"))
        x.on_cancel(None)
        going.append(True)
        while not x.cancelled:
            await asyncio.sleep(0)
        return "late"

    async def main(service: Service) -> None:
        id_ = service.engine.post()
        await service.engine.until(lambda: going)
        service.engine.raise_flags(id_, e.CANCELLED)
        await service.engine.answer(id_)
        assert calls == []

    run(Service(lib, [handler]), main)


def test_callbacks_that_raise_are_reported(lib: ctypes.CDLL) -> None:
    def bad() -> None:
        raise KeyError

    async def handler(x: Exchange) -> Any:
        x.on_cancel(bad)
        await asyncio.sleep(0.02)
        return "ok"

    async def main(service: Service) -> None:
        id_ = service.engine.post()
        await service.engine.until(lambda: service.runner.in_flight == 1)
        service.engine.raise_flags(id_, e.HALF_CLOSED)
        assert (await service.engine.answer(id_)).body == b"ok"
        assert [type(error) for error in service.unraisable] == [KeyError]

    run(Service(lib, [handler]), main, quiet=False)


def test_callbacks_must_be_callable(lib: ctypes.CDLL) -> None:
    async def handler(x: Exchange) -> Any:
        for set_callback in (x.wait, x.on_cancel):
            with pytest.raises(TypeError):
                set_callback(5)  # type: ignore[arg-type]
        return "ok"

    async def main(service: Service) -> None:
        assert (await service.get()).body == b"ok"

    run(Service(lib, [handler]), main)


def test_a_coroutine_that_is_never_finished(lib: ctypes.CDLL) -> None:
    """The garbage collector finds its task, which nothing will ever wake."""
    ids: list[int] = []

    async def handler(x: Exchange) -> Any:
        # Nobody but this future knows of the task.
        await asyncio.get_running_loop().create_future()

    async def main(service: Service) -> None:
        ids.append(service.engine.post())
        await service.engine.until(lambda: service.runner.in_flight == 1)
        await asyncio.sleep(0.001)  # until the event loop knows nothing of it any more
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
        del task
        gc.collect()
        answer = await service.engine.answer(ids[0])
        assert (answer.status, answer.body) == (500, b"Internal Server Error")

    run(Service(lib, [handler]), main)


@pytest.mark.parametrize("route", [0, 2, 9, 1 << 31])
def test_routes_without_a_call(lib: ctypes.CDLL, route: int) -> None:
    async def handler(x: Exchange) -> Any:
        return "ok"

    async def main(service: Service) -> None:
        answer = await service.get(route=route)
        assert (answer.status, answer.body) == (500, b"Internal Server Error")

    run(Service(lib, [handler, None]), main)
