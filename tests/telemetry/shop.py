"""One application, made with FastAPI or with CovetPy."""

from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from typing import Annotated, Any

from pydantic import BaseModel


class Item(BaseModel):
    """What is sold."""

    name: str
    price: float = 1.0


class Sold(Exception):
    """There is none left."""


class Odd(Exception):
    """Nobody answers it."""


def framework(package: str, *modules: str) -> Any:
    """A module of a framework."""
    return import_module(".".join([package, *modules]))


def make(package: str, telemetry: dict[str, Any] | None, **options: Any) -> Any:
    """The application."""
    f = framework(package)
    responses = framework(package, "responses")
    kind = f.FastAPI if package == "fastapi" else f.CovetPy
    app = kind(telemetry=telemetry, **options)

    async def user(token: str = "") -> str:
        if token == "bad":
            raise f.HTTPException(403, "not you")
        if token == "broken":
            raise Odd("no users")
        return token or "anybody"

    async def session() -> AsyncIterator[str]:
        yield "open"

    @app.get("/")
    async def root() -> dict[str, str]:
        return {"hello": "world"}

    @app.get("/items/{item_id}")
    async def read(item_id: int, who: Annotated[str, f.Depends(user)], q: str = "") -> dict[str, Any]:
        return {"item": item_id, "who": who, "q": q}

    @app.post("/items", status_code=201, response_model=Item)
    async def create(item: Item, open_: Annotated[str, f.Depends(session)]) -> Any:
        return item

    @app.get("/files/{rest:path}")
    def files(rest: str) -> str:
        return rest

    @app.get("/wrong", response_model=Item)
    def wrong() -> Any:
        return {"price": 1}

    @app.get("/sold")
    async def sold() -> None:
        raise Sold

    @app.get("/refused")
    async def refused() -> None:
        raise f.HTTPException(418, "teapot")

    @app.get("/odd")
    async def odd() -> None:
        raise Odd("nobody knows")

    @app.get("/odd-thread")
    def odd_thread() -> None:
        raise LookupError("nobody knows")

    @app.get("/unavailable")
    async def unavailable() -> Any:
        return responses.PlainTextResponse("later", status_code=503)

    @app.get("/stream")
    async def stream() -> Any:
        def pieces() -> Iterator[str]:
            yield "a"
            yield "b"

        return responses.StreamingResponse(pieces())

    @app.get("/lines")
    async def lines() -> AsyncIterator[dict[str, int]]:
        yield {"n": 1}
        yield {"n": 2}

    @app.get("/later")
    async def later(tasks: f.BackgroundTasks) -> str:
        tasks.add_task(note, "a")
        tasks.add_task(note_async, "b")
        return "soon"

    @app.get("/later-broken")
    async def later_broken(tasks: f.BackgroundTasks) -> str:
        tasks.add_task(refuse, f)
        return "soon"

    @app.exception_handler(Sold)
    async def on_sold(request: Any, error: Sold) -> Any:
        return responses.JSONResponse({"sold": True}, 410)

    _add_sockets(app, f)
    _add_parts(app, f, package, kind)
    return app


def note(text: str) -> None:
    """A background task."""


async def note_async(text: str) -> None:
    """Another one."""


def refuse(f: Any) -> None:
    """One that fails, with what would be an answer elsewhere."""
    raise f.HTTPException(400, "too late")


def _add_sockets(app: Any, f: Any) -> None:
    async def echo(websocket: Any, room: str, limit: int = 5) -> None:
        await websocket.accept()
        while True:
            text = await websocket.receive_text()
            if text == "broken":
                raise Odd("no echo")
            if text == "refused":
                raise f.WebSocketException(1008, "no")
            if text == "end":
                await websocket.close()
                return
            await websocket.send_text(f"{room} {text}")

    echo.__annotations__["websocket"] = f.WebSocket
    app.websocket("/ws/{room}")(echo)


def _add_parts(app: Any, f: Any, package: str, kind: Any) -> None:
    router = f.APIRouter(prefix="/v1")

    @router.get("/users/{name}")
    async def user(name: str) -> str:
        return name

    app.include_router(router)
    below = kind()

    @below.get("/things/{thing}")
    async def thing(thing: str) -> str:
        if thing == "odd":
            raise Odd("below")
        return thing

    @below.get("/numbers/{number}")
    async def number(number: int) -> int:
        return number

    app.mount("/below", below)

    async def plain(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    app.mount("/plain", plain)
