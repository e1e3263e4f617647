"""What Starlette applications do: mounts, middleware, files, streams, bodies that are streamed in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

HERE = Path(__file__).parent
ended = asyncio.Event()


class Marking(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers["x-marked"] = "yes"
        return response


async def where(request: Request) -> Response:
    return JSONResponse({"path": request.url.path, "root": request.scope["root_path"]})


async def upload(request: Request) -> Response:
    count = 0
    async for piece in request.stream():
        count += len(piece)
    return PlainTextResponse(str(count))


async def source(request: Request) -> Response:
    return FileResponse(__file__)


async def download(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield bytes(100_000)

    return StreamingResponse(pieces())


async def endless(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"data: tick\n\n"
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    return StreamingResponse(pieces(), media_type="text/event-stream")


async def has_ended(request: Request) -> Response:
    await asyncio.wait_for(ended.wait(), 20)
    return PlainTextResponse("yes")


async def chat(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


app = Starlette(
    routes=[
        Mount("/mounted", routes=[Route("/where", where)]),
        Mount("/static", StaticFiles(directory=HERE)),
        Route("/upload", upload, methods=["POST"]),
        Route("/source", source),
        Route("/download", download),
        Route("/endless", endless),
        Route("/ended", has_ended),
        WebSocketRoute("/ws", chat),
    ],
    middleware=[Middleware(Marking), Middleware(GZipMiddleware, minimum_size=1 << 30)],
)
