"""What the chaos run's workers serve. Some handlers keep their worker from working, and some end it."""

from __future__ import annotations

import asyncio
import ctypes
import functools
import hashlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NoReturn

from chaos_content import PIECES, content, digest, echo, piece

from covet import CovetPy, Request, Response, StreamingResponse

app = CovetPy(enable_io_uring=os.environ.get("WIRE_BACKEND") != "epoll")
RECORDS = Path(os.environ["CHAOS_RECORDS"])


@functools.cache
def record_file() -> int:
    """This process's list of what it has carried out."""
    return os.open(RECORDS / str(os.getpid()), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def carry_out(identity: str) -> None:
    """Does what must not be done twice."""
    os.write(record_file(), f"{identity}\n".encode())


# ---- small answers ---------------------------------------------------------------


@app.get("/echo/{number}")
async def read_echo(number: int, q: str) -> dict[str, object]:
    return echo(number, q)


@app.get("/wait/{number}")
async def wait(number: int, q: str, ms: int = 0) -> dict[str, object]:
    await asyncio.sleep(ms / 1000)
    return echo(number, q)


@app.get("/thread/{number}")
def thread(number: int, q: str, ms: int = 0) -> dict[str, object]:
    time.sleep(ms / 1000)
    return echo(number, q)


# ---- what must happen once ---------------------------------------------------------


@app.route("/once/{identity}", methods=["POST", "PATCH"])
async def once(request: Request, identity: str, before: int = 0, after: int = 0) -> dict[str, str]:
    body = await request.body()
    if before:
        await asyncio.sleep(before / 1000)
    carry_out(identity)
    if after:
        await asyncio.sleep(after / 1000)
    return {"identity": identity, "digest": digest(body)}


@app.post("/once-thread/{identity}")
def once_in_a_thread(identity: str) -> dict[str, str]:
    carry_out(identity)
    return {"identity": identity, "digest": digest(b"")}


@app.get("/once/{identity}", repeat=False)
async def once_though_safe(identity: str, after: int = 0) -> dict[str, str]:
    carry_out(identity)
    await asyncio.sleep(after / 1000)
    return {"identity": identity, "digest": digest(b"")}


# ---- much data -----------------------------------------------------------------------


@app.post("/digest")
async def read_all(request: Request) -> dict[str, Any]:
    total, sha = 0, hashlib.sha256()
    async for chunk in request.stream():
        total += len(chunk)
        sha.update(chunk)
    return {"bytes": total, "digest": sha.hexdigest()}


@app.get("/bytes/{seed}/{size}")
async def many_bytes(seed: int, size: int) -> Response:
    return Response(content(seed, size))


@app.get("/stream/{seed}/{size}")
async def stream(seed: int, size: int, ms: int = 0) -> StreamingResponse:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(PIECES):
            yield piece(seed, number, size)
            if ms:
                await asyncio.sleep(ms / 1000)

    return StreamingResponse(pieces(), media_type="application/octet-stream")


# ---- trouble -------------------------------------------------------------------------


@app.route("/block", methods=["GET", "POST"])
async def block(ms: int) -> dict[str, int]:
    """Keeps the event loop from everything else."""
    time.sleep(ms / 1000)
    return {"ms": ms}


def leave() -> NoReturn:
    os._exit(7)


def fault() -> None:
    ctypes.string_at(0)


def abort() -> NoReturn:
    os.abort()


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


ENDS: dict[str, Callable[[], None]] = {"exit": leave, "segfault": fault, "abort": abort, "kill": terminate}


@app.route("/end/{how}", methods=["GET", "POST"])
async def end(how: str) -> None:
    """Ends this process in the middle of everything."""
    ENDS[how]()


@app.get("/end-once/{how}", repeat=False)
async def end_once(how: str) -> None:
    ENDS[how]()


@app.get("/stream-end/{how}/{seed}/{size}")
async def stream_end(how: str, seed: int, size: int) -> StreamingResponse:
    """Ends this process in the middle of a stream."""

    async def pieces() -> AsyncIterator[bytes]:
        yield piece(seed, 0, size)
        await asyncio.sleep(0.05)
        ENDS[how]()

    return StreamingResponse(pieces(), media_type="application/octet-stream")
