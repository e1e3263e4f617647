"""The same applications under FastAPI and CovetPy: what handlers that yield, and background tasks, answer."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from types import SimpleNamespace
from typing import Annotated, Any

import fastapi
import fastapi.responses
import fastapi.sse
import httpx
import pydantic
import pytest

import covet
import covet.responses
import covet.sse

THEIRS = SimpleNamespace(app=fastapi.FastAPI, responses=fastapi.responses, sse=fastapi.sse, names=fastapi)
OURS = SimpleNamespace(app=covet.CovetPy, responses=covet.responses, sse=covet.sse, names=covet)


class Item(pydantic.BaseModel):
    name: str
    price: float = pydantic.Field(1.0, serialization_alias="Price")
    note: str | None = None


def application(m: Any, seen: list[str]) -> Any:
    """The application, with the names of one of the frameworks."""
    app = m.app()
    event_stream = m.sse.EventSourceResponse

    @app.get("/untyped")
    async def untyped() -> Any:
        yield {"a": [1, None, "é"], "b": Item(name="x")}
        yield "text"
        yield 5

    @app.get("/untyped-sync")
    def untyped_sync() -> Any:
        yield {"a": 1.5}
        yield None

    @app.get("/typed")
    async def typed() -> AsyncIterable[Item]:
        yield {"name": "é"}  # type: ignore[misc]
        yield Item(name="b", price=2)

    @app.get("/typed-sync", response_model_exclude_none=True)
    def typed_sync() -> Iterable[Item]:
        yield Item(name="c")

    @app.get("/iterator", status_code=202)
    async def iterator() -> AsyncIterator[int]:
        yield 1

    @app.get("/numbers-sync")
    def numbers_sync() -> Iterator[int]:
        yield 1
        yield 2

    @app.get("/events", response_class=event_stream)
    async def events() -> AsyncIterable[Item]:
        yield Item(name="a")
        yield Item(name="b", note="n")

    @app.get("/events-sync", response_class=event_stream)
    def events_sync() -> Iterable[Any]:
        yield {"a": 1}
        yield m.sse.ServerSentEvent(data={"b": 2}, id="1", event="e", retry=5, comment="c")
        yield m.sse.ServerSentEvent(raw_data="two\nlines")

    @app.post("/posted-events", response_class=event_stream)
    async def posted_events(item: Item) -> AsyncIterable[Item]:
        yield item

    @app.get("/wrapped", response_class=event_stream)
    async def wrapped() -> AsyncIterable[Any]:
        yield m.sse.ServerSentEvent(data=Item(name="a"))

    @app.get("/raw", response_class=m.responses.StreamingResponse)
    async def raw() -> Any:
        yield "a"
        yield b"b"

    @app.get("/raw-sync", response_class=m.responses.StreamingResponse)
    def raw_sync() -> Any:
        yield "a"

    @app.get("/with-response")
    async def with_response(response: m.names.Response) -> AsyncIterable[int]:
        response.headers["x-a"] = "b"
        response.set_cookie("c", "d")
        yield 1

    @app.get("/tasks")
    async def tasks(tasks: m.names.BackgroundTasks) -> Any:
        tasks.add_task(seen.append, "injected")
        return {"ok": True}

    async def dependency(tasks: m.names.BackgroundTasks) -> AsyncIterator[str]:
        tasks.add_task(seen.append, "of the dependency")
        yield "value"
        seen.append("left")

    @app.get("/tasks-of-dependencies")
    async def dependent(tasks: m.names.BackgroundTasks, value: Annotated[str, m.names.Depends(dependency)]) -> Any:
        tasks.add_task(seen.append, value)
        return m.responses.PlainTextResponse("ok")

    @app.get("/stream-tasks")
    async def stream_tasks(tasks: m.names.BackgroundTasks) -> AsyncIterable[int]:
        tasks.add_task(seen.append, "after the stream")
        yield 1
        seen.append("in the stream")

    @app.get("/urls/{number}", name="an url")
    async def urls(number: int, request: m.names.Request) -> Any:
        return [str(request.url_for("an url", number=number + 1)), str(request.url_for("untyped")), request.url.path]

    for name in ("HTMLResponse", "PlainTextResponse"):
        app.get(f"/class/{name}", response_class=getattr(m.responses, name))(lambda: "é")
    app.get("/class/JSONResponse", response_class=m.responses.JSONResponse)(lambda: {"é": Item(name="é")})
    app.get("/class/redirect", response_class=m.responses.RedirectResponse, status_code=303)(lambda: "/a b")
    return app


async def asked(app: Any, method: str, path: str) -> tuple[Any, ...]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        response = await client.request(method, path, json={"name": "p"} if method == "POST" else None)
    headers = {name: value for name, value in response.headers.items() if name not in ("date", "server")}
    return response.status_code, headers, response.content


PATHS = [
    *("/untyped", "/untyped-sync", "/typed", "/typed-sync", "/iterator", "/numbers-sync", "/events", "/events-sync"),
    *("/wrapped", "/raw", "/raw-sync", "/with-response", "/tasks", "/tasks-of-dependencies", "/stream-tasks"),
    *("/urls/5", "/class/HTMLResponse", "/class/PlainTextResponse", "/class/JSONResponse", "/class/redirect"),
]


@pytest.mark.parametrize(("method", "path"), [*(("GET", path) for path in PATHS), ("POST", "/posted-events")])
def test_the_same_application_answers_the_same(method: str, path: str) -> None:
    seen: tuple[list[str], list[str]] = ([], [])
    ours, theirs = (
        asyncio.run(asked(application(module, notes), method, path))
        for module, notes in ((OURS, seen[0]), (THEIRS, seen[1]))
    )
    assert ours == theirs
    assert seen[0] == seen[1]
    assert ours[0] < 400
