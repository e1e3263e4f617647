"""What FastAPI applications do: parameters, models, dependencies, lifespan, background tasks, WebSocket routes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import BackgroundTasks, Depends, FastAPI, Request, UploadFile, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

finished: list[str] = []


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    yield {"database": "open"}
    print("database closed", flush=True)


app = FastAPI(lifespan=lifespan)


class Item(BaseModel):
    name: str
    price: float = 1.0


async def database(request: Request) -> str:
    state: str = request.state.database
    return state


@app.get("/items/{item_id}")
async def item(item_id: int, database: Annotated[str, Depends(database)], q: str | None = None) -> Any:
    return {"item_id": item_id, "q": q, "database": database}


@app.get("/blocking")
def blocking(request: Request) -> Any:
    return {"url": str(request.url), "client": request.client.host if request.client else None}


@app.get("/process")
async def process() -> int:
    return os.getpid()


@app.post("/echo")
async def echo(item: Item) -> Item:
    return item


@app.post("/upload")
async def upload(file: UploadFile) -> Any:
    return {"name": file.filename, "size": len(await file.read())}


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        for number in range(3):
            yield f"{number}\n"

    return StreamingResponse(parts(), media_type="text/plain")


@app.get("/task")
async def task(background: BackgroundTasks) -> Any:
    background.add_task(finished.append, "task")
    return {"before": list(finished)}


@app.get("/finished")
async def list_finished() -> list[str]:
    return finished


@app.get("/error")
async def error() -> None:
    raise LookupError("nowhere")


@app.websocket("/ws")
async def websocket(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)
