import asyncio
import time

from covet import CovetPy, PlainTextResponse, Request, Response

app = CovetPy()
app.get("/ping", constant=PlainTextResponse("pong"))
MEGABYTE = b"x" * 1_000_000


@app.get("/items/{item_id}")
async def read_item(item_id: int, q: str | None = None) -> dict[str, object]:
    return {"item_id": item_id, "q": q}


@app.get("/sleep")
async def sleep() -> dict[str, object]:
    await asyncio.sleep(0.01)
    return {"item_id": 5, "q": "abc"}


@app.get("/block")
async def block() -> dict[str, object]:
    time.sleep(0.05)
    return {"item_id": 5, "q": "abc"}


@app.post("/upload")
async def upload(request: Request) -> dict[str, int]:
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
    return {"bytes": total}


@app.get("/download")
async def download() -> Response:
    return Response(MEGABYTE, media_type="application/octet-stream")
