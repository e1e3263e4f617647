"""An application whose handlers do what the tests tell them, and tell what happened to them."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator

from covet import CovetPy, PlainTextResponse, Request, Response, StreamingResponse
from covet.exceptions import ClientDisconnect

app = CovetPy(enable_io_uring=os.environ.get("WIRE_BACKEND") != "epoll", max_body_size="1MB")
app.get("/ping", constant=PlainTextResponse("pong"))

gates: dict[str, asyncio.Event] = {}
events: dict[str, list[str]] = {}
produced: dict[str, int] = {}


def gate(name: str) -> asyncio.Event:
    return gates.setdefault(name, asyncio.Event())


def note(name: str, event: str) -> None:
    events.setdefault(name, []).append(event)


@app.get("/open/{name}")
async def open_gate(name: str) -> None:
    gate(name).set()


@app.get("/events/{name}")
async def events_of(name: str) -> list[str]:
    return events.get(name, [])


@app.get("/produced/{name}")
async def produced_of(name: str) -> int:
    return produced.get(name, 0)


# ---- request bodies -------------------------------------------------------------


@app.post("/after/{name}")
async def read_after_gate(request: Request, name: str) -> dict[str, object]:
    """Takes the body when the gate opens."""
    note(name, "began")
    await gate(name).wait()
    total, sha = 0, hashlib.sha256()
    try:
        async for chunk in request.stream():
            total += len(chunk)
            sha.update(chunk)
            note(name, "chunk")
    except ClientDisconnect:
        note(name, "disconnect")
        raise
    return {"bytes": total, "sha256": sha.hexdigest()}


@app.post("/body/{name}")
async def read_body(request: Request, name: str) -> dict[str, object]:
    """Takes the body at once."""
    note(name, "began")
    try:
        body = await request.body()
    except Exception as error:
        note(name, type(error).__name__)
        raise
    note(name, "whole")
    return {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


@app.post("/unread/{name}")
async def leave_unread(name: str) -> dict[str, bool]:
    """Answers without a look at the body."""
    await gate(name).wait()
    return {"read": False}


@app.post("/first/{name}")
async def first_piece(request: Request, name: str) -> dict[str, bool]:
    """Takes one piece of the body and answers."""
    async for _ in request.stream():
        break
    return {"read": True}


@app.post("/twice")
async def twice(request: Request) -> list[int]:
    return [len(await request.body()), len(await request.body())]


@app.post("/mirror")
async def mirror(request: Request) -> StreamingResponse:
    """Sends the body back as it comes."""
    return StreamingResponse(request.stream(), media_type="application/octet-stream")


# ---- responses --------------------------------------------------------------------


def pattern(count: int) -> bytes:
    return (bytes(range(251)) * (count // 251 + 1))[:count]


@app.get("/whole/{count}")
async def whole(count: int) -> Response:
    return Response(pattern(count), media_type="application/octet-stream")


@app.get("/pieces/{count}")
async def in_pieces(count: int, size: int = 10_000, length: bool = False) -> StreamingResponse:
    data = pattern(count)

    async def parts() -> AsyncIterator[bytes]:
        for at in range(0, count, size):
            yield data[at : at + size]

    return StreamingResponse(parts(), headers={"content-length": str(count)} if length else None)


@app.get("/threaded/{count}")
def in_thread(count: int) -> StreamingResponse:
    def parts() -> Iterator[bytes]:
        yield from (b"x" * 1000 for _ in range(count))

    return StreamingResponse(parts())


@app.get("/counted/{name}/{count}")
async def counted(name: str, count: int, length: bool = False) -> StreamingResponse:
    """Gives pieces of 64 KiB and counts those that were asked for."""

    async def parts() -> AsyncIterator[bytes]:
        for n in range(count):
            produced[name] = n + 1
            yield pattern(65536)

    return StreamingResponse(parts(), headers={"content-length": str(count * 65536)} if length else None)


@app.get("/wrong/{length}")
async def wrong_length(length: int) -> StreamingResponse:
    """Says a length that the body of ten bytes does not have."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"0123456789"

    return StreamingResponse(parts(), headers={"content-length": str(length)})


@app.get("/breaks")
async def breaks(size: int = 5, length: bool = False) -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"x" * size
        raise RuntimeError("as the test asked")

    return StreamingResponse(parts(), headers={"content-length": str(size + 1)} if length else None)


@app.get("/breaks-sync")
def breaks_sync(size: int = 5) -> StreamingResponse:
    def parts() -> Iterator[bytes]:
        yield b"x" * size
        raise RuntimeError("as the test asked")

    return StreamingResponse(parts())


@app.route("/status/{code}", methods=["GET", "HEAD", "POST"])
async def status(code: int) -> Response:
    return Response(b"" if code in (204, 304) else b"text", code, {"x-code": str(code), "etag": '"a"'})


@app.route("/both", methods=["GET", "HEAD"])
async def both() -> Response:
    return PlainTextResponse("as for GET")


@app.route("/streamed-both", methods=["GET", "HEAD"])
async def streamed_both() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"as for GET"

    return StreamingResponse(parts())


@app.head("/large-head")
async def large_head() -> Response:
    return Response(headers={"content-length": "123456789"})


# ---- lifetimes ----------------------------------------------------------------------


@app.get("/wait/{name}")
async def wait(request: Request, name: str) -> dict[str, bool]:
    """Answers when the gate opens, with whether the client was seen to go."""
    note(name, "began")
    try:
        await gate(name).wait()
    except asyncio.CancelledError:
        note(name, "cancelled")
        raise
    gone = await request.is_disconnected()
    note(name, "gone" if gone else "there")
    return {"gone": gone}


@app.get("/wait-cancelled/{name}", cancel_on_disconnect=True)
async def wait_cancelled(request: Request, name: str) -> dict[str, bool]:
    return await wait(request, name)


@app.get("/watch/{name}")
async def watch(request: Request, name: str) -> None:
    """Looks until the client has gone."""
    note(name, "began")
    while not await request.is_disconnected():
        await asyncio.sleep(0.01)
    note(name, "gone")


@app.get("/ticks/{name}")
async def ticks(name: str, pause_ms: int = 10, size: int = 5) -> StreamingResponse:
    """Streams for ever."""

    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"t" * size
                await asyncio.sleep(pause_ms / 1000)
        finally:
            note(name, "closed")

    return StreamingResponse(parts())


@app.get("/quiet/{name}")
async def quiet(name: str) -> StreamingResponse:
    """Streams one piece, then waits."""

    async def parts() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await gate(name).wait()
            yield b"two"
        finally:
            note(name, "closed")

    return StreamingResponse(parts())
