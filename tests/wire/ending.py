"""An application that is hard to stop."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator

from covet import CovetPy, Request, StreamingResponse

app = CovetPy(enable_io_uring=os.environ.get("WIRE_BACKEND") != "epoll")
begun: list[str] = []


@app.on_startup
async def start() -> None:
    if os.environ.get("ENDING") == "fail at start":
        raise RuntimeError("no database")


@app.on_shutdown
async def stop() -> None:
    print("BEGUN " + json.dumps(begun), flush=True)
    if os.environ.get("ENDING") == "hang at stop":
        await asyncio.sleep(3600)
    if os.environ.get("ENDING") == "fail at stop":
        raise RuntimeError("no database any more")


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/work/{name}")
async def work(name: str) -> dict[str, str]:
    begun.append(name)
    await asyncio.sleep(0.01)
    return {"name": name}


@app.post("/upload/{name}")
async def upload(request: Request, name: str) -> int:
    begun.append(name)
    return len(await request.body())


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick"
                await asyncio.sleep(0.01)
        finally:
            print("STREAM CLOSED", flush=True)

    return StreamingResponse(parts())


@app.get("/await")
async def wait_for_ever() -> None:
    print("HANGS", flush=True)
    await asyncio.get_running_loop().create_future()


@app.get("/stubborn")
async def refuse_to_be_cancelled() -> None:
    print("HANGS", flush=True)
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


@app.get("/thread")
def sleep_in_thread() -> None:
    print("HANGS", flush=True)
    time.sleep(3600)


@app.get("/to-thread")
async def sleep_in_executor() -> None:
    print("HANGS", flush=True)
    await asyncio.to_thread(time.sleep, 3600)


@app.get("/spin")
async def spin() -> None:
    print("HANGS", flush=True)
    while True:
        pass


@app.get("/block")
async def block() -> None:
    print("HANGS", flush=True)
    time.sleep(3600)


@app.get("/background")
async def background() -> str:
    print("HANGS", flush=True)
    app.state.task = asyncio.create_task(wait_for_ever())
    return "started"
