"""Background tasks, without sockets."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

import pytest
import starlette.background
from asgi.calling import called, scope_of

import covet.background
from covet import BackgroundTask, BackgroundTasks, CovetPy, JSONResponse, PlainTextResponse, StreamingResponse
from covet.responses import RedirectResponse

from .support import answered

seen: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


def sync(*args: Any, **kwargs: Any) -> None:
    seen.append((args, kwargs, threading.current_thread() is threading.main_thread()))


async def coroutine(*args: Any, **kwargs: Any) -> None:
    sync(*args, **kwargs)


class Callable:
    async def __call__(self, *args: Any, **kwargs: Any) -> None:
        sync(*args, **kwargs)


@pytest.mark.parametrize("func", [sync, coroutine, Callable(), partial(coroutine, 0), partial(partial(sync, 0), k=1)])
@pytest.mark.parametrize("module", [covet.background, starlette.background])
def test_what_is_called_where(func: Any, module: Any) -> None:
    task = module.BackgroundTask(func, 1, two=2)
    asyncio.run(task())
    args, kwargs, on_loop = seen[0]
    assert (args[-1], kwargs["two"], on_loop) == (1, 2, task.is_async)
    assert task.is_async is (func is not sync and not (isinstance(func, partial) and func.keywords))


@pytest.mark.parametrize("module", [covet.background, starlette.background])
def test_tasks_after_one_that_fails_are_not_run(module: Any) -> None:
    async def fail() -> None:
        raise KeyError("x")

    tasks = module.BackgroundTasks([module.BackgroundTask(sync, 1)])
    tasks.add_task(coroutine, 2)
    tasks.add_task(fail)
    tasks.add_task(sync, 3)
    with pytest.raises(KeyError):
        asyncio.run(tasks())
    assert [args for args, _, _ in seen] == [(1,), (2,)]


@pytest.mark.parametrize(
    "make",
    [
        lambda background: PlainTextResponse("a", background=background),
        lambda background: JSONResponse({}, background=background),
        lambda background: RedirectResponse("/", background=background),
        lambda background: StreamingResponse([b"a"], background=background),
    ],
)
def test_every_class_takes_background_work(make: Any) -> None:
    x = answered(make(BackgroundTask(sync)))
    assert (x.done, len(seen)) == (True, 1)
    x = answered(make(BackgroundTask(sync)), method="HEAD")
    assert (x.done, len(seen)) == (True, 2)


def test_without_work_a_response_is_sent_at_once() -> None:
    from unit.fakes import FakeExchange

    x: Any = FakeExchange()
    assert PlainTextResponse("a").answer(x) is None


def test_errors_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError("of the task")

    x = answered(PlainTextResponse("a", background=BackgroundTask(fail)), path="/here")
    assert (x.sent, x.aborted) == (b"a", False)
    assert "Exception in a background task of GET /here" in caplog.text
    assert "ValueError: of the task" in caplog.text


def test_a_failed_stream_has_no_background_work(caplog: pytest.LogCaptureFixture) -> None:
    async def chunks() -> Any:
        yield b"a"
        raise RuntimeError("midway")

    x = answered(StreamingResponse(chunks(), background=BackgroundTask(sync)))
    assert (x.aborted, seen) == (True, [])


def test_over_an_asgi_server_the_response_goes_first() -> None:
    app = CovetPy()
    sent: list[Any] = []

    def look() -> None:
        seen.append([message["type"] for message in sent])

    @app.get("/plain")
    async def plain() -> Any:
        return PlainTextResponse("a", background=BackgroundTask(look))

    @app.get("/stream")
    async def stream() -> Any:
        tasks = BackgroundTasks()
        tasks.add_task(look)
        return StreamingResponse([b"a"], background=tasks)

    @app.get("/failing")
    async def failing() -> Any:
        def fail() -> None:
            raise ValueError("of the task")

        return PlainTextResponse("a", background=BackgroundTask(fail))

    asyncio.run(called(app, scope_of("/plain"), sent=sent))
    assert seen.pop() == ["http.response.start", "http.response.body"]
    sent.clear()
    asyncio.run(called(app, scope_of("/stream"), sent=sent))
    assert seen.pop()[-1] == "http.response.body" and sent[-1]["more_body"] is False
    assert asyncio.run(called(app, scope_of("/failing"))).body == b"a"


def test_the_tasks_of_a_stream_run_though_the_client_has_gone() -> None:
    app = CovetPy()

    @app.get("/")
    async def stream() -> Any:
        async def chunks() -> Any:
            yield b"a"
            await asyncio.Event().wait()

        return StreamingResponse(chunks(), background=BackgroundTask(sync))

    events = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]
    asyncio.run(called(app, scope_of("/"), events))
    assert len(seen) == 1
