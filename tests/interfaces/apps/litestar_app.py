"""What Litestar applications do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request, get, post
from litestar.datastructures import State
from litestar.response import Stream


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    app.state.opened = True
    yield
    print("litestar closed", flush=True)


@get("/hello/{name:str}")
async def hello(name: str, state: State, q: int = 0) -> dict[str, Any]:
    return {"name": name, "q": q, "opened": state.opened}


@post("/upload")
async def upload(request: Request[Any, Any, Any]) -> dict[str, int]:
    return {"size": len(await request.body())}


@get("/stream")
async def stream() -> Stream:
    async def parts() -> AsyncIterator[str]:
        for number in range(3):
            yield f"{number}\n"

    return Stream(parts())


@get("/error")
async def error() -> None:
    raise LookupError("nowhere")


app = Litestar([hello, upload, stream, error], lifespan=[lifespan], request_max_body_size=None)
