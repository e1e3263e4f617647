"""A handler's first step is in a task, as far as anybody can tell."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import gc
import inspect
import sys
import weakref
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from covet.core import Exchange
from covet.lane import LaneTask
from native.service import Service, run

VAR: contextvars.ContextVar[str] = contextvars.ContextVar("VAR", default="none")


def me() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


def answers(lib: ctypes.CDLL, handler: Callable[[Exchange], Any], loop: str, count: int = 1) -> list[Any]:
    """The bodies that `count` requests, posted together, are answered with."""

    async def main(service: Service) -> list[Any]:
        ids = [service.engine.post() for _ in range(count)]
        return [(await service.engine.answer(id_)).body.decode() for id_ in ids]

    service = Service(lib, [handler])
    bodies: list[Any] = run(service, main, loop)
    assert not service.failures, service.failures
    return bodies


def test_the_task_is_the_same_before_and_after_waiting(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> str:
        before = me()
        assert before in asyncio.all_tasks()
        await asyncio.sleep(0)
        assert me() is before
        await asyncio.sleep(0.001)
        assert me() is before
        return str(id(before))

    assert len(set(answers(lib, handler, loop, 5))) == 5


def test_tasks_that_never_wait_are_current_too(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> str:
        task = me()
        assert isinstance(task, asyncio.Task)
        assert not task.done()
        assert task.get_loop() is asyncio.get_running_loop()
        return "ok"

    assert answers(lib, handler, loop, 70) == ["ok"] * 70


def test_no_task_is_current_in_between(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> str:
        asyncio.get_running_loop().call_soon(lambda: seen.append(asyncio.current_task()))
        return ""

    seen: list[Any] = []
    answers(lib, handler, loop, 3)
    assert seen == [None] * 3


def test_a_lane_is_used_again_when_nothing_tells_it_from_a_new_one(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> str:
        return str(id(me()))

    assert len(set(answers(lib, handler, loop, 50))) == 1


class Holder:
    pass


def keep_task(kept: list[Any]) -> None:
    assert me() not in kept
    kept.append(me())


def keep_weakly(kept: list[Any]) -> None:
    assert me() not in [reference() for reference in kept]
    kept.append(weakref.ref(me()))


def keep_in_weak_table(kept: list[Any], table: weakref.WeakKeyDictionary[Any, str] | None = None) -> None:
    if table is None:
        table = weakref.WeakKeyDictionary()
    assert me() not in table
    table[me()] = "mine"


def keep_context(kept: list[Any]) -> None:
    task: Any = me()
    if sys.version_info < (3, 12):
        return  # nothing gives a context out
    assert not any(task.get_context() is context for context in kept)
    kept.append(task.get_context())


def set_name(kept: list[Any]) -> None:
    assert me().get_name() != "changed"
    me().set_name("changed")


def set_attribute(kept: list[Any]) -> None:
    assert not hasattr(me(), "extra")
    me().extra = 1  # type: ignore[attr-defined]


def set_variable(kept: list[Any]) -> None:
    assert VAR.get() == "none"
    VAR.set("changed")


def add_callback(kept: list[Any]) -> None:
    me().add_done_callback(kept.append)


def request_cancel(kept: list[Any]) -> None:
    assert me().cancelling() == 0
    me().cancel()


@pytest.mark.parametrize(
    "change",
    [keep_task, keep_weakly, keep_in_weak_table, keep_context, set_name, set_attribute, set_variable, add_callback,
     request_cancel],
)  # fmt: skip
def test_nothing_leaks_into_the_next_request(lib: ctypes.CDLL, loop: str, change: Callable[[list[Any]], None]) -> None:
    """Each request checks that it finds a new task, then changes it; the checks fail in any request but the first."""
    kept: list[Any] = []

    async def handler(x: Exchange) -> str:
        change(kept)
        return "ok"

    assert answers(lib, handler, loop, 10) == ["ok"] * 10


def test_a_task_that_was_kept_ends(lib: ctypes.CDLL, loop: str) -> None:
    kept: list[asyncio.Task[Any]] = []
    ended: list[Any] = []

    async def handler(x: Exchange) -> str:
        kept.append(me())
        me().add_done_callback(ended.append)
        return ""

    async def main(service: Service) -> None:
        for _ in range(3):
            await service.get()
        assert len(set(kept)) == 3
        await asyncio.wait_for(asyncio.gather(*kept), 20)
        await service.engine.until(lambda: len(ended) == 3)
        assert [task.result() for task in kept] == [None] * 3

    run(Service(lib, [handler]), main, loop)


def test_cancelling_oneself_and_not_waiting(lib: ctypes.CDLL, loop: str) -> None:
    kept: list[asyncio.Task[Any]] = []

    async def handler(x: Exchange) -> str:
        kept.append(me())
        assert me().cancel()
        assert me().cancelling() == 1
        return "answered"

    async def main(service: Service) -> None:
        assert (await service.get()).body == b"answered"
        await service.engine.until(kept[0].done)
        assert kept[0].cancelled()
        assert (await service.get()).body == b"answered"
        assert kept[0] is not kept[1]

    run(Service(lib, [handler]), main, loop)


@pytest.mark.parametrize("wait", ["future", "sleep", "zero"])
def test_cancelling_oneself_before_the_first_wait(lib: ctypes.CDLL, loop: str, wait: str) -> None:
    async def handler(x: Exchange) -> str:
        me().cancel("why")
        future = asyncio.get_running_loop().create_future()
        try:
            match wait:
                case "future":
                    await future
                case "sleep":
                    await asyncio.sleep(30)
                case "zero":
                    await asyncio.sleep(0)
        except asyncio.CancelledError as error:
            assert error.args == ("why",)
            assert future.cancelled() == (wait == "future")
            me().uncancel()
            await asyncio.sleep(0)
            return "cancelled"
        return "missed"

    assert answers(lib, handler, loop, 3) == ["cancelled"] * 3


def test_a_future_that_refuses_to_be_cancelled_is_waited_for(lib: ctypes.CDLL, loop: str) -> None:
    class Stubborn(asyncio.Future[None]):
        def cancel(self, msg: Any = None) -> bool:
            return False

    async def plain() -> str:
        me().cancel()
        future = Stubborn(loop=asyncio.get_running_loop())
        asyncio.get_running_loop().call_later(0.01, future.set_result, None)
        try:
            await future
        except asyncio.CancelledError:
            return f"cancelled {future.done()}"
        return "missed"

    async def handler(x: Exchange) -> str:
        return await plain()

    async def reference() -> str:
        return await asyncio.create_task(plain())

    assert answers(lib, handler, loop) == [asyncio.run(reference())]


def test_cancelling_from_outside(lib: ctypes.CDLL, loop: str) -> None:
    tasks: list[asyncio.Task[Any]] = []

    async def handler(x: Exchange) -> str:
        tasks.append(me())
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "cancelled"
        return "missed"

    async def main(service: Service) -> None:
        id_ = service.engine.post()
        await service.engine.until(lambda: tasks)
        tasks[0].cancel()
        assert (await service.engine.answer(id_)).body == b"cancelled"

    run(Service(lib, [handler]), main, loop)


def test_one_handler_cancels_another_of_the_same_batch(lib: ctypes.CDLL, loop: str) -> None:
    """The first has yielded, but its task has not been woken yet."""
    tasks: list[asyncio.Task[Any]] = []

    async def handler(x: Exchange) -> str:
        if tasks:
            tasks[0].cancel()
            return "canceller"
        tasks.append(me())
        future = asyncio.get_running_loop().create_future()
        with pytest.raises(asyncio.CancelledError):
            await future
        assert future.cancelled()
        return "cancelled"

    assert answers(lib, handler, loop, 2) == ["cancelled", "canceller"]


def test_a_timeout_around_the_first_wait(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            assert me().cancelling() == 0
            async with asyncio.timeout(20):
                await asyncio.sleep(0.001)
            return "timed out"
        return "missed"

    assert answers(lib, handler, loop, 3) == ["timed out"] * 3


def test_a_timeout_that_is_over_before_it_begins(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> str:
        try:
            async with asyncio.timeout(-1):
                await asyncio.sleep(0)
                await asyncio.sleep(20)
        except TimeoutError:
            return "timed out"
        return "missed"

    assert answers(lib, handler, loop) == ["timed out"]


def test_a_timeout_that_does_not_fire_and_a_handler_that_does_not_wait(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> str:
        async with asyncio.timeout(60):
            pass
        return "ok"

    assert answers(lib, handler, loop, 5) == ["ok"] * 5


def test_task_groups_and_gather(lib: ctypes.CDLL, loop: str) -> None:
    async def double(n: int) -> int:
        await asyncio.sleep(0)
        return 2 * n

    async def handler(x: Exchange) -> str:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(double(n)) for n in range(3)]
        gathered = await asyncio.gather(double(5), double(6))
        return str([task.result() for task in tasks] + list(gathered))

    assert answers(lib, handler, loop, 3) == ["[0, 2, 4, 10, 12]"] * 3


def test_a_task_group_whose_child_fails(lib: ctypes.CDLL, loop: str) -> None:
    async def bad() -> None:
        raise ValueError("bad")

    async def handler(x: Exchange) -> str:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(bad())
                await asyncio.sleep(30)
        except* ValueError:
            pass
        assert me().cancelling() == 0
        return "caught"

    assert answers(lib, handler, loop) == ["caught"]


def test_waiting_for_a_future_that_is_done(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> str:
        future = asyncio.get_running_loop().create_future()
        future.set_result("done")
        return str(await future)

    assert answers(lib, handler, loop, 3) == ["done"] * 3


def test_a_future_that_fails(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> str:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_exception, KeyError("k"))
        try:
            await future
        except KeyError:
            return "raised"
        return "missed"

    assert answers(lib, handler, loop, 3) == ["raised"] * 3


def test_something_that_cannot_be_waited_for(lib: ctypes.CDLL, loop: str) -> None:
    class Odd:
        def __await__(self) -> Any:
            yield 42

    async def handler(x: Exchange) -> str:
        try:
            await Odd()
        except RuntimeError as error:
            return str(error)
        return "missed"

    assert "bad yield" in answers(lib, handler, loop)[0]


def test_context_variables_before_and_after_waiting(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> str:
        assert VAR.get() == "none"
        token = VAR.set("before")
        await asyncio.sleep(0)
        assert VAR.get() == "before"
        VAR.set("after")
        await asyncio.sleep(0)
        assert VAR.get() == "after"
        VAR.reset(token)
        assert VAR.get() == "none"
        child = asyncio.create_task(asyncio.sleep(0))
        VAR.set("late")
        await child
        return VAR.get()

    assert answers(lib, handler, loop, 5) == ["late"] * 5
    assert VAR.get() == "none"


def test_a_variable_that_is_reset_in_the_first_step(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> str:
        token = VAR.set("mine")
        VAR.reset(token)
        return str(id(me()))

    assert len(set(answers(lib, handler, loop, 5))) == 1


def test_variables_of_the_server_are_seen(lib: ctypes.CDLL) -> None:
    async def handler(x: Exchange) -> str:
        return VAR.get()

    async def main(service: Service) -> None:
        assert (await service.get()).body == b"server"

    service = Service(lib, [handler])
    token = VAR.set("server")
    try:
        run(service, main)
    finally:
        VAR.reset(token)


def test_callbacks_scheduled_in_the_first_step_see_its_variables(lib: ctypes.CDLL, loop: str) -> None:
    seen: list[str] = []

    async def handler(x: Exchange) -> str:
        VAR.set(f"request {len(seen)}")
        asyncio.get_running_loop().call_soon(lambda: seen.append(VAR.get()))
        await asyncio.sleep(0)
        return ""

    answers(lib, handler, loop)
    assert seen == ["request 0"]


def test_anyio_cancel_scopes(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> str:
        with anyio.move_on_after(0.01) as scope:
            await anyio.sleep(30)
        assert scope.cancelled_caught
        with anyio.move_on_after(0) as scope:
            await anyio.sleep(30)
        assert scope.cancelled_caught
        with pytest.raises(TimeoutError), anyio.fail_after(0.001):
            await anyio.sleep_forever()
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 30)
            group.cancel_scope.cancel()
        assert await anyio.to_thread.run_sync(lambda: 5) == 5
        return "ok"

    assert answers(lib, handler, loop, 3) == ["ok"] * 3


def test_anyio_scopes_in_handlers_that_do_not_wait(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> str:
        with anyio.CancelScope() as scope:
            assert anyio.get_current_task().id == id(me())
            scope.cancel()
        return "ok"

    assert answers(lib, handler, loop, 5) == ["ok"] * 5


def test_what_a_task_says_about_its_coroutine(lib: ctypes.CDLL, loop: str) -> None:
    states: list[str] = []

    async def handler(x: Exchange) -> str:
        coroutine = me().get_coro()
        assert coroutine is not None
        states.append(inspect.getcoroutinestate(coroutine))  # type: ignore[arg-type]
        asyncio.get_running_loop().call_soon(
            lambda: states.append(inspect.getcoroutinestate(coroutine))  # type: ignore[arg-type]
        )
        assert asyncio.iscoroutine(coroutine)
        assert inspect.isawaitable(coroutine)
        assert coroutine.__name__ == "handler"  # type: ignore[attr-defined]
        assert "handler" in repr(me())
        with pytest.raises(ValueError, match="already executing"):
            coroutine.send(None)
        with pytest.raises(ValueError, match="already executing"):
            coroutine.throw(KeyError())
        with pytest.raises(ValueError, match="already executing"):
            coroutine.close()
        await asyncio.sleep(0.01)
        assert me().get_stack()
        return "ok"

    assert answers(lib, handler, loop) == ["ok"]
    assert states == [inspect.CORO_RUNNING, inspect.CORO_SUSPENDED]


def test_an_idle_lane_can_be_cancelled_with_all_tasks(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> str:
        return "ok"

    async def main(service: Service) -> None:
        for _ in range(3):
            assert (await service.get()).body == b"ok"
            await asyncio.sleep(0.001)  # the lane parks
            lanes = [task for task in asyncio.all_tasks() if isinstance(task, LaneTask)]
            assert len(lanes) == 1
            repr(lanes[0])
            lanes[0].get_stack()
            lanes[0].cancel()
            await asyncio.wait(lanes, timeout=20)
            assert lanes[0].cancelled()

    run(Service(lib, [handler]), main, loop)


def test_handlers_that_wait_after_a_lane_has_parked(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> str:
        if x.path == "/wait":
            task = me()
            VAR.set("waits")
            await asyncio.sleep(0)
            assert me() is task
            assert VAR.get() == "waits"
        return x.path

    async def main(service: Service) -> None:
        for path in (b"/a", b"/wait", b"/b", b"/wait", b"/wait"):
            await asyncio.sleep(0.001)
            assert (await service.get(path=path)).body == path

    run(Service(lib, [handler]), main, loop)


def test_the_waiter_of_a_parked_lane_is_right_at_once(lib: ctypes.CDLL, loop: str) -> None:
    tasks: list[Any] = []

    async def handler(x: Exchange) -> str:
        if x.path == "/wait":
            tasks.append((me(), future := asyncio.get_running_loop().create_future()))
            asyncio.get_running_loop().call_soon(future.set_result, None)
            await future
        elif tasks:
            task, future = tasks[0]
            return str(task._fut_waiter is future)
        return "ok"

    async def main(service: Service) -> None:
        await service.get()
        await asyncio.sleep(0.001)
        ids = [service.engine.post(path=b"/wait"), service.engine.post(path=b"/look")]
        assert [(await service.engine.answer(id_)).body for id_ in ids] == [b"ok", b"True"]

    run(Service(lib, [handler]), main, loop)


def test_nothing_is_left_of_many_requests(lib: ctypes.CDLL, loop: str) -> None:
    async def handler(x: Exchange) -> dict[str, str]:
        x.state = Holder()
        x.state.x = x
        holders.add(x.state)
        if x.path == "/wait":
            VAR.set("v")
            await asyncio.sleep(0)
        elif x.path == "/raise":
            raise ValueError
        elif x.path == "/name":
            me().set_name("n")
        return {"path": x.path}

    holders: weakref.WeakSet[Holder] = weakref.WeakSet()

    async def main(service: Service) -> None:
        async def round_of() -> None:
            ids = [service.engine.post(path=p) for p in (b"/", b"/wait", b"/raise", b"/name") for _ in range(20)]
            for id_ in ids:
                await service.engine.answer(id_)
            service.engine.answers.clear()
            service.failures.clear()

        async def settled() -> int:
            for _ in range(5):
                await asyncio.sleep(0)
            gc.collect()
            return len(gc.get_objects())

        for _ in range(3):
            await round_of()
        before = await settled()
        for _ in range(30):
            await round_of()
        after = await settled()
        assert not holders
        assert after - before < 100
        assert len(asyncio.all_tasks()) <= 3
        assert service.runner.in_flight == 0

    run(Service(lib, [handler], slots=512), main, loop)
