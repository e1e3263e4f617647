"""The application that the tests over real sockets talk to."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator

from covet import CovetPy, PlainTextResponse, Request, Response, StreamingResponse

app = CovetPy(
    max_body_size=64 * 1024 * 1024,
    request_timeout=30,
    enable_io_uring=os.environ.get("WIRE_BACKEND") != "epoll",
)

app.get("/ping", constant=PlainTextResponse("pong"))
seen_disconnects: list[str] = []


@app.get("/")
async def root() -> dict[str, str]:
    return {"hello": "world"}


@app.get("/items/{item_id}")
async def read_item(item_id: int, q: str | None = None) -> dict[str, object]:
    return {"item_id": item_id, "q": q}


@app.get("/slow")
async def slow(ms: int = 50) -> dict[str, bool]:
    await asyncio.sleep(ms / 1000)
    return {"slow": True}


@app.get("/blocking")
def blocking() -> dict[str, bool]:
    return {"thread": True}


@app.get("/host")
async def host(request: Request) -> str:
    return request.url.hostname or ""


@app.get("/header")
async def header(request: Request) -> str:
    return request.headers.get("x-a", "")


@app.head("/head")
async def head() -> Response:
    return PlainTextResponse("body that is not sent")


@app.get("/slash/")
async def slash() -> None:
    return None


@app.get("/empty", status_code=204)
async def empty() -> Response:
    return Response(status_code=204)


@app.post("/echo")
async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/octet-stream")


@app.post("/digest")
async def digest(request: Request, pause_ms: int = 0) -> dict[str, object]:
    total, sha = 0, hashlib.sha256()
    async for chunk in request.stream():
        total += len(chunk)
        sha.update(chunk)
        if pause_ms:
            await asyncio.sleep(pause_ms / 1000)
    return {"bytes": total, "sha256": sha.hexdigest()}


@app.post("/ignore")
async def ignore() -> dict[str, bool]:
    return {"ignored": True}


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        for word in ("one ", "two ", "three "):
            yield word
            await asyncio.sleep(0.001)

    return StreamingResponse(parts(), media_type="text/plain")


@app.get("/bytes/{count}")
async def many_bytes(count: int) -> Response:
    return Response(bytes(i % 251 for i in range(251)) * (count // 251) + b"x" * (count % 251))


@app.get("/flow/{count}")
async def flow(count: int) -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"0123456789abcdef" * 1024

    return StreamingResponse(parts(), media_type="application/octet-stream")


@app.get("/forever")
async def forever() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick\n"
                await asyncio.sleep(0.05)
        finally:
            seen_disconnects.append("stream")

    return StreamingResponse(parts(), media_type="text/plain")


@app.get("/hang", cancel_on_disconnect=True)
async def hang() -> None:
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        seen_disconnects.append("hang")
        raise


@app.get("/disconnects")
async def disconnects() -> list[str]:
    return seen_disconnects


@app.get("/fail")
async def fail() -> None:
    raise RuntimeError("as the test asked")
