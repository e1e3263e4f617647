"""What the tests of responses serve."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import starlette.background
import starlette.responses

from covet import BackgroundTask, BackgroundTasks, CovetPy, PlainTextResponse, Request, StreamingResponse
from covet.responses import EventSourceResponse
from covet.sse import ServerSentEvent, last_event_id
from covet.streaming import stream_of

app = CovetPy()
log = logging.getLogger("covet.error")
events: list[str] = []
gate = asyncio.Event()
HERE = Path(__file__)


@app.get("/events")
async def what_happened() -> list[str]:
    return events


@app.get("/in-flight")
async def in_flight() -> Any:
    return {"engine": app.figures.totals()["in_flight"]}


@app.get("/clear")
async def clear() -> None:
    events.clear()


# ---- background work ---------------------------------------------------------------


def blocking(name: str) -> None:
    time.sleep(0.01)
    events.append(name)


async def waiting(name: str) -> None:
    await asyncio.sleep(0.01)
    events.append(name)


@app.get("/tasks")
async def tasks(kind: str = "") -> Any:
    tasks = BackgroundTasks()
    tasks.add_task(blocking, f"{kind} blocking")
    tasks.add_task(waiting, name=f"{kind} waiting")
    if kind == "stream":
        return StreamingResponse(["a", "b"], background=tasks)
    return PlainTextResponse("ok", background=tasks)


@app.get("/failing-task")
async def failing_task() -> Any:
    async def fail() -> None:
        raise RuntimeError("in the background")

    return PlainTextResponse("ok", background=BackgroundTask(fail))


async def until_open() -> None:
    events.append("waits")
    await gate.wait()
    gate.clear()
    events.append("went on")


@app.get("/gated")
async def gated() -> Any:
    return PlainTextResponse("ok", background=BackgroundTask(until_open))


@app.get("/open")
async def open_gate() -> None:
    gate.set()


async def sleep(seconds: float) -> None:
    events.append("sleeps")
    try:
        await asyncio.sleep(seconds)
        log.info("The background task has ended")
    except asyncio.CancelledError:
        log.info("The background task was cancelled")
        raise


@app.get("/sleeping")
async def sleeping(seconds: float) -> Any:
    return PlainTextResponse("ok", background=BackgroundTask(sleep, seconds))


# ---- Starlette's responses ------------------------------------------------------------


@app.get("/starlette/{kind}")
async def starlette_response(kind: str, request: Request) -> Any:
    background = starlette.background.BackgroundTask(waiting, f"starlette {kind}")
    module = starlette.responses
    if kind == "stream":
        return module.StreamingResponse(endless_or("abc"), background=background)
    if kind == "file":
        return module.FileResponse(HERE, background=background)
    if kind == "json":
        return module.JSONResponse({"a": 1}, 201, {"x-a": "b"}, background=background)
    if kind == "redirect":
        return module.RedirectResponse("/elsewhere")
    if kind == "tuple":
        return module.PlainTextResponse("a"), 203, {"x-a": "c"}
    if kind == "cookies":
        response = module.HTMLResponse("<p>")
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response
    if kind == "failing":

        async def fail() -> None:
            raise RuntimeError("in Starlette's background")

        return module.Response(b"ok", background=starlette.background.BackgroundTask(fail))
    if kind == "broken":
        return module.StreamingResponse(broken())
    return module.Response(status_code=204)


async def endless_or(text: str) -> AsyncIterator[str]:
    for letter in text:
        yield letter


@app.get("/misfits/{before}")
async def misfits(before: int) -> AsyncIterator[int]:
    for number in range(before):
        yield number
    yield "no number"  # type: ignore[misc]


async def broken() -> AsyncIterator[str]:
    yield "a"
    raise RuntimeError("broken stream")


@app.get("/endless/{kind}")
async def endless(kind: str) -> Any:
    if kind == "starlette":
        return starlette.responses.StreamingResponse(forever(kind))
    if kind == "sync":
        return StreamingResponse(forever_sync(kind))
    if kind == "sse":
        return EventSourceResponse(forever(kind))
    if kind == "jsonl":
        return stream_of(forever(kind))
    return StreamingResponse(forever(kind), background=BackgroundTask(waiting, f"{kind} after"))


async def forever(kind: str) -> AsyncIterator[str]:
    try:
        yield "first"
        events.append(f"{kind} began")
        await asyncio.Event().wait()
    finally:
        events.append(f"{kind} closed")


def forever_sync(kind: str) -> Iterator[str]:
    try:
        yield "first"
        events.append(f"{kind} began")
        while True:
            time.sleep(0.05)
            yield ""
    finally:
        events.append(f"{kind} closed")


# ---- events and lines -----------------------------------------------------------------


@app.get("/sse")
async def sse(request: Request) -> Any:
    async def numbers() -> AsyncIterator[Any]:
        start = int(last_event_id(request) or 0)
        for number in range(start + 1, start + 3):
            yield ServerSentEvent(data={"n": number}, id=str(number), event="number")
        yield {"plain": "é"}
        yield ": raw\n\n"

    return EventSourceResponse(numbers())


@app.get("/pinged")
async def pinged() -> Any:
    async def slow() -> AsyncIterator[str]:
        yield "data: half"
        await asyncio.sleep(0.2)
        yield " and half\n\n"
        await asyncio.sleep(0.2)
        yield "data: end\n\n"

    return EventSourceResponse(slow(), ping=0.02)


@app.get("/lines")
async def lines(background: str = "") -> Any:
    def items() -> Iterator[Any]:
        yield {"a": 1}
        yield "é"
        yield None

    return stream_of(items(), background=BackgroundTask(waiting, "lines") if background else None)


@app.get("/large")
async def large() -> Any:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(400):
            events.append(str(number))
            yield b"x" * 65536

    return StreamingResponse(pieces())
