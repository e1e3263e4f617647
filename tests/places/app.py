"""The application of these tests. Handlers meet the tests through files in the folder COVET_TEST_MARKS."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from covet import CovetPy, Request
from covet.responses import Response, StreamingResponse

app = CovetPy(max_body_size="100MB")
marks = Path(os.environ["COVET_TEST_MARKS"])
LARGE = 30_000_000
GREETING = os.environ.get("COVET_TEST_GREETING", "hello")


def first_time(name: str) -> bool:
    """Whether no worker has come here before; the test sees who did."""
    try:
        with open(marks / name, "x") as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        return False
    return True


@app.get("/pid")
async def pid() -> dict[str, Any]:
    return {"pid": os.getpid(), "greeting": GREETING}


@app.get("/figures")
async def figures() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "uptime": app.uptime,
        "connections": app.connection_count,
        "requests": app.request_count,
        "queued": app.queue_depth,
        "workers": app.worker_states,
    }


@app.get("/queue/{name}")
async def queue(name: str) -> int:
    first_time(name)
    while not (marks / f"{name}.go").exists():
        await asyncio.sleep(0.01)
    return app.queue_depth


@app.get("/once/{name}")
async def once(name: str) -> dict[str, int]:
    if first_time(name):
        await asyncio.sleep(3600)
    return {"pid": os.getpid()}


@app.get("/never-twice/{name}", repeat=False)
async def never_twice(name: str) -> dict[str, int]:
    return await once(name)


@app.post("/once/{name}")
async def post_once(name: str) -> dict[str, int]:
    return await once(name)


@app.post("/upload/{name}")
async def upload(request: Request, name: str) -> dict[str, int]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if first_time(name):
            await asyncio.sleep(3600)
    return {"size": size}


@app.get("/large/{name}")
async def large(name: str) -> Response:
    first_time(name)
    return Response(bytes(LARGE))


@app.get("/stream/{name}")
async def stream(name: str) -> StreamingResponse:
    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        if first_time(name):
            await asyncio.sleep(3600)
        yield b"second"

    return StreamingResponse(body())


@app.route("/block/{seconds}", methods=["GET", "POST"])
async def block(seconds: float) -> dict[str, int]:
    time.sleep(seconds)
    return {"pid": os.getpid()}


if GREETING != "hello":

    @app.get("/new")
    async def new() -> str:
        return GREETING
