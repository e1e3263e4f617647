"""An application whose handlers use asyncio in the ways that libraries do."""

import asyncio
import contextvars
import os
import threading
from collections.abc import AsyncIterator
from contextlib import suppress

import anyio
import anyio.to_thread

from covet import CovetPy, HTTPException, Request, StreamingResponse, run_in_threadpool

app = CovetPy(enable_io_uring=os.environ.get("WIRE_BACKEND") != "epoll")
number: contextvars.ContextVar[int] = contextvars.ContextVar("number", default=-1)
background: list[str] = []


@app.get("/loop")
async def loop() -> str:
    return type(asyncio.get_running_loop()).__module__


# ---- timeouts and tasks ---------------------------------------------------------


@app.get("/timeout")
async def timeout() -> str:
    try:
        async with asyncio.timeout(0.02):
            await asyncio.sleep(3600)
    except TimeoutError:
        return "timed out"
    return "slept"


@app.get("/timeout-uncaught")
async def timeout_uncaught() -> None:
    async with asyncio.timeout(0.02):
        await asyncio.sleep(3600)


@app.get("/timeout-unused")
async def timeout_unused() -> str:
    async with asyncio.timeout(0.02):
        pass
    await asyncio.sleep(0.05)
    return "in time"


@app.get("/timeout-now")
async def timeout_now() -> str:
    try:
        async with asyncio.timeout(0):
            await asyncio.sleep(3600)
    except TimeoutError:
        return "timed out"
    return "slept"


@app.get("/wait-for")
async def wait_for() -> str:
    try:
        await asyncio.wait_for(asyncio.sleep(3600), 0.02)
    except TimeoutError:
        return "timed out"
    return "slept"


@app.get("/task")
async def task_identity() -> dict[str, bool]:
    first = asyncio.current_task()
    await asyncio.sleep(0)
    second = asyncio.current_task()
    await asyncio.sleep(0.001)
    third = asyncio.current_task()
    assert first is not None
    return {
        "same": first is second is third,
        "known": first in asyncio.all_tasks(),
        "running": not first.done(),
        "uncancelled": first.cancelling() == 0,
    }


@app.get("/task-without-await")
async def task_without_await() -> bool:
    task = asyncio.current_task()
    return task is not None and not task.done() and asyncio.get_running_loop().is_running()


@app.get("/named/{name}")
async def named(name: str, wait: bool = False) -> str:
    task = asyncio.current_task()
    assert task is not None
    task.set_name(name)
    if wait:
        await asyncio.sleep(0.001)
    return task.get_name()


@app.get("/name")
async def name_of_task() -> str:
    task = asyncio.current_task()
    assert task is not None
    return task.get_name()


@app.get("/cancel-self")
async def cancel_self() -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        task.uncancel()
        return "cancelled"
    return "slept"


@app.get("/cancel-without-await")
async def cancel_without_await() -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return "returned"


@app.get("/group")
async def group() -> list[int]:
    async with asyncio.TaskGroup() as tasks:
        made = [tasks.create_task(square(n)) for n in range(5)]
    return [task.result() for task in made]


@app.get("/group-fails")
async def group_fails() -> list[str]:
    ended: list[str] = []

    async def sibling() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("sibling")

    async def failing() -> None:
        await asyncio.sleep(0)
        raise KeyError("x")

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sibling())
            tasks.create_task(failing())
    except* KeyError as errors:
        ended.append(type(errors.exceptions[0]).__name__)
    return ended


async def square(n: int) -> int:
    await asyncio.sleep(0.001)
    return n * n


@app.get("/gather")
async def gather() -> list[int]:
    return list(await asyncio.gather(*(square(n) for n in range(10))))


@app.get("/primitives")
async def primitives() -> list[str]:
    queue: asyncio.Queue[str] = asyncio.Queue(1)
    lock = asyncio.Lock()

    async def produce() -> None:
        for word in ("a", "b", "c"):
            async with lock:
                await queue.put(word)

    producer = asyncio.create_task(produce())
    words = [await queue.get() for _ in range(3)]
    await producer
    return words


@app.get("/background")
async def start_background() -> None:
    async def later() -> None:
        await asyncio.sleep(0.05)
        background.append("ran")

    app.state.task = asyncio.create_task(later())


@app.get("/background-ran")
async def background_ran() -> list[str]:
    return background


@app.get("/subprocess")
async def subprocess() -> str:
    process = await asyncio.create_subprocess_exec("echo", "hello", stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return out.decode().strip()


# ---- anyio --------------------------------------------------------------------------


@app.get("/anyio-move-on")
async def anyio_move_on() -> bool:
    with anyio.move_on_after(0.02) as scope:
        await anyio.sleep(3600)
    return scope.cancelled_caught


@app.get("/anyio-fail")
async def anyio_fail() -> str:
    try:
        with anyio.fail_after(0.02):
            await anyio.sleep(3600)
    except TimeoutError:
        return "timed out"
    return "slept"


@app.get("/anyio-group")
async def anyio_group() -> list[int]:
    results: list[int] = []

    async def one(n: int) -> None:
        await anyio.sleep(0.001)
        results.append(n)

    async with anyio.create_task_group() as tasks:
        for n in range(5):
            tasks.start_soon(one, n)
    return sorted(results)


@app.get("/anyio-cancel")
async def anyio_cancel() -> str:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep, 3600)
        tasks.cancel_scope.cancel()
    await anyio.sleep(0)
    return "went on"


@app.get("/anyio-thread")
async def anyio_thread() -> list[int]:
    number.set(7)
    return [await anyio.to_thread.run_sync(number.get), await anyio.to_thread.run_sync(lambda: 6 * 7)]


@app.get("/anyio-scope-without-await")
async def anyio_scope() -> bool:
    with anyio.move_on_after(0.01) as scope:
        pass
    return scope.cancel_called


# ---- context variables -----------------------------------------------------------------


@app.get("/context/{n}")
async def context(n: int, wait: bool = True) -> dict[str, int]:
    before = number.get()
    token = number.set(n)
    if wait:
        await asyncio.sleep(0.001 * (n % 5))
    inside = number.get()
    in_task = await asyncio.create_task(current_number()) if wait else n
    number.reset(token)
    return {"before": before, "inside": inside, "in_task": in_task, "after": number.get()}


async def current_number() -> int:
    return number.get()


@app.get("/context-left/{n}")
async def context_left(n: int) -> int:
    number.set(n)
    return number.get()


@app.get("/context-now")
async def context_now() -> int:
    return number.get()


@app.get("/context-thread/{n}")
async def context_thread(n: int) -> list[int]:
    number.set(n)

    def change() -> int:
        seen = number.get()
        number.set(-2)
        return seen

    return [await run_in_threadpool(change), number.get()]


@app.get("/context-stream/{n}")
async def context_stream(n: int) -> StreamingResponse:
    number.set(n)

    async def parts() -> AsyncIterator[str]:
        for _ in range(3):
            yield f"{number.get()} "
            await asyncio.sleep(0.001)

    return StreamingResponse(parts())


@app.get("/in-thread/{n}")
def in_thread(n: int) -> dict[str, object]:
    before = number.get()
    number.set(n)
    return {"before": before, "main": threading.current_thread() is threading.main_thread()}


# ---- exceptions ----------------------------------------------------------------------------


@app.get("/http-exception")
async def http_exception(wait: bool = False) -> None:
    if wait:
        await asyncio.sleep(0)
    raise HTTPException(418, {"k": 1}, headers={"x-tea": "green"})


@app.get("/fails")
async def fails(wait: bool = False) -> None:
    if wait:
        await asyncio.sleep(0)
    raise ValueError("the secret reason")


@app.get("/fails-in-thread")
def fails_in_thread() -> None:
    raise ValueError("the secret reason")


@app.get("/not-json")
async def not_json() -> object:
    return object()


@app.get("/exits")
async def exits() -> None:
    raise asyncio.CancelledError


@app.get("/stops")
async def stops() -> str:
    with suppress(StopAsyncIteration):
        await anext(empty())
    return "stopped"


async def empty() -> AsyncIterator[int]:
    for n in ():
        yield n


class Custom(Exception):
    pass


@app.exception_handler(Custom)
async def custom_handler(request: Request, error: Custom) -> tuple[dict[str, str], int]:
    await asyncio.sleep(0)
    return {"custom": str(error)}, 409


@app.get("/custom")
async def custom() -> None:
    raise Custom("yes")
