"""The application that answers the same under the engine and under any ASGI server."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from covet import CovetPy, HTTPException, PlainTextResponse, Query, Request, Response, StreamingResponse

events: list[str] = []


@asynccontextmanager
async def lifespan(app: CovetPy) -> AsyncIterator[dict[str, Any]]:
    yield {"database": "open"}


app = CovetPy(max_body_size=100_000, lifespan=lifespan, debug=False)
app.get("/constant", constant=PlainTextResponse("constant", headers={"x-kind": "constant"}))
app.get("/constant-empty", constant=Response(None, 204))
app.head("/constant", constant=PlainTextResponse("constant"))


class OutOfTea(Exception):
    pass


@app.exception_handler(OutOfTea)
async def out_of_tea(request: Request, error: OutOfTea) -> tuple[dict[str, str], int]:
    return {"tea": request.url.path}, 418


@app.get("/")
async def root() -> dict[str, str]:
    return {"hello": "wörld"}


@app.get("/items/{item_id}")
async def item(item_id: int, q: str | None = None, few: bool = False, ratio: float = 0.5) -> dict[str, Any]:
    return {"item_id": item_id, "q": q, "few": few, "ratio": ratio}


@app.get("/items/new")
async def new_item() -> str:
    return "literal"


@app.put("/items/{item_id}", status_code=202)
def put_item(item_id: int, request: Request) -> dict[str, Any]:
    return {"put": item_id, "params": request.path_params}


@app.get("/kinds/{value:int}")
async def an_int(value: int) -> list[Any]:
    return ["int", value]


@app.get("/kinds/{value:float}")
async def a_float(value: float) -> list[Any]:
    return ["float", value]


@app.get("/kinds/{value:uuid}")
async def a_uuid(value: UUID) -> list[Any]:
    return ["uuid", value]


@app.get("/kinds/{value}")
async def a_text(value: str) -> list[Any]:
    return ["str", value]


@app.get("/kinds/{value:path}")
async def a_path(value: str) -> list[Any]:
    return ["path", value]


@app.get("/from-{start}-to-{end}.json")
async def span(start: str, end: str) -> list[str]:
    return [start, end]


@app.get("/lists")
async def lists(tag: Annotated[list[str], Query()], day: date, limit: int = 3) -> list[Any]:
    return [tag, day, limit]


@app.get("/slash/")
async def slash() -> str:
    return "slash"


@app.get("/bytes")
async def some_bytes() -> bytes:
    return b"\0\1\2"


@app.get("/tuple")
async def a_tuple() -> tuple[dict[str, int], int, dict[str, str]]:
    return {"made": 1}, 201, {"location": "/items/1"}


@app.get("/cookies")
async def cookies(request: Request) -> Response:
    response = PlainTextResponse(f"{sorted(request.cookies.items())}")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2", httponly=True)
    return response


@app.get("/nothing", status_code=204)
async def nothing() -> dict[str, int]:
    return {"not": 1}


@app.get("/none")
async def none() -> None:
    return None


@app.get("/error/{status:int}")
async def error(status: int) -> None:
    raise HTTPException(status, headers={"x-why": "asked"})


@app.get("/tea")
async def tea() -> None:
    raise OutOfTea


@app.get("/fail")
async def fail() -> None:
    raise RuntimeError("as the test asked")


@app.get("/unsayable")
async def unsayable() -> dict[str, object]:
    return {"what": object()}


@app.head("/head")
async def head() -> Response:
    return PlainTextResponse("not sent")


@app.route("/any", methods=["GET", "POST", "PURGE"])
async def several(request: Request) -> str:
    return request.method


@app.post("/echo")
async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/octet-stream")


@app.post("/digest")
async def digest(request: Request) -> dict[str, Any]:
    total, sha = 0, hashlib.sha256()
    async for chunk in request.stream():
        total += len(chunk)
        sha.update(chunk)
    return {"bytes": total, "sha256": sha.hexdigest()}


@app.post("/json")
async def json_value(request: Request) -> Any:
    return {"got": await request.json()}


@app.post("/ignore")
def ignore() -> dict[str, bool]:
    return {"ignored": True}


@app.get("/seen")
async def seen(request: Request) -> list[Any]:
    url = request.url
    return [url.scheme, url.path, url.query, request.headers.get("x-a"), request.headers.getlist("x-b")]


@app.get("/state")
async def state(request: Request) -> str:
    return str(request.state.database)


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        for word in ("one ", "two ", "thrée "):
            yield word
            await asyncio.sleep(0.001)

    return StreamingResponse(parts(), 203, {"x-kind": "stream"}, media_type="text/plain")


@app.get("/threads")
def threads() -> StreamingResponse:
    def parts() -> Iterator[bytes]:
        for number in range(5):
            time.sleep(0.001)
            yield b"%d," % number

    return StreamingResponse(parts())


@app.get("/measured")
async def measured() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"12345"
        yield b"67890"

    return StreamingResponse(parts(), headers={"content-length": "10"}, media_type="text/plain")


@app.get("/large")
async def large() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b"0123456789abcdef" * 32768

    return StreamingResponse(parts(), media_type="application/octet-stream")


@app.get("/broken")
async def broken() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"a part"
        raise RuntimeError("as the test asked")

    return StreamingResponse(parts())


@app.get("/forever")
async def forever() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick\n"
                await asyncio.sleep(0.01)
        finally:
            events.append("stream closed")

    return StreamingResponse(parts(), media_type="text/plain")


@app.get("/hang", cancel_on_disconnect=True)
async def hang() -> None:
    events.append("hanging")
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        events.append("cancelled")
        raise


@app.get("/until-gone")
async def until_gone(request: Request) -> None:
    while not await request.is_disconnected():
        await asyncio.sleep(0.01)
    events.append("gone")


@app.get("/events")
async def what_happened() -> list[str]:
    return events
