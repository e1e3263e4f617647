"""An application in Starlette, to be asked by its own test client and by ours."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


async def seen(request: Request) -> Response:
    """What came, as the application sees it."""
    scope = request.scope
    names = ("type", "method", "scheme", "path", "raw_path", "root_path", "query_string", "client", "server")
    found: dict[str, Any] = {name: str(scope[name]) for name in names}
    headers = sorted((name.decode(), value.decode("latin-1")) for name, value in scope["headers"])
    return JSONResponse({**found, "headers": headers, "url": str(request.url), "body": (await request.body()).decode()})


async def pieces(request: Request) -> Response:
    return JSONResponse([piece.decode() async for piece in request.stream()])


async def stream(request: Request) -> Response:
    async def parts() -> AsyncIterator[str]:
        for number in range(3):
            yield f"part {number}\n"

    return StreamingResponse(parts())


async def broken_stream(request: Request) -> Response:
    async def parts() -> AsyncIterator[str]:
        yield "begun"
        raise KeyError("in the stream")

    return StreamingResponse(parts())


async def fails(request: Request) -> Response:
    raise KeyError("as the test asked")


async def cookies(request: Request) -> Response:
    response = JSONResponse(dict(request.cookies))
    response.set_cookie("flavour", request.query_params.get("flavour", "plain"))
    return response


async def redirect(request: Request) -> Response:
    return RedirectResponse("/seen?again=1", int(request.query_params.get("status", "307")))


async def state(request: Request) -> Response:
    return JSONResponse(dict(request.scope["state"]))


async def background(request: Request) -> Response:
    events: list[str] = request.app.state.events

    async def work() -> None:
        await asyncio.sleep(0.02)
        events.append("worked")

    return PlainTextResponse("answered", background=BackgroundTask(work))


def variable(request: Request) -> Response:
    return PlainTextResponse(VARIABLE.get())


async def latin(request: Request) -> Response:
    return Response(b"", headers={"x-latin": "caf\xe9"})


async def chat(socket: WebSocket) -> None:
    await socket.accept("second" if "second" in socket.scope["subprotocols"] else None, [(b"x-extra", b"yes")])
    await socket.send_json(
        {"headers": socket.headers.get("x-own"), "query": str(socket.query_params), "path": socket.url.path}
    )
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            socket.app.state.events.append((message["code"], message.get("reason")))
            return
        if message.get("text") == "close":
            await socket.close(3001, "asked to")
            return
        if message.get("text") == "fail":
            raise KeyError("in the socket")
        if message.get("text") is not None:
            await socket.send_text(f"got {message['text']}")
        else:
            await socket.send_bytes(b"got " + message["bytes"])


async def refusing(socket: WebSocket) -> None:
    await socket.close(3003, "not you")


async def denying(socket: WebSocket) -> None:
    await socket.send_denial_response(JSONResponse({"why": "not you"}, 403, {"x-why": "rules"}))


async def echo_json(socket: WebSocket) -> None:
    await socket.accept()
    mode = socket.query_params["mode"]
    await socket.send_json(await socket.receive_json(mode), mode)
    await socket.close()


async def chatty(socket: WebSocket) -> None:
    """Never looks at what comes."""
    await socket.accept()
    while True:
        await socket.send_text("tick")
        await asyncio.sleep(0.005)


def application() -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        app.state.events.append("up")
        yield {"resource": "open"}
        app.state.events.append("down")

    methods = ["GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS"]
    routes: list[Any] = [
        Route("/seen", seen, methods=methods),
        Route("/seen/{rest:path}", seen, methods=methods),
        Route("/pieces", pieces, methods=["POST"]),
        *(Route(f"/{each.__name__}", each, methods=methods) for each in (
            stream, broken_stream, fails, cookies, redirect, state, background, variable, latin
        )),
        *(WebSocketRoute(f"/{each.__name__}", each) for each in (chat, refusing, denying, echo_json, chatty)),
        Mount("/mounted", routes=[Route("/seen", seen)]),
    ]  # fmt: skip
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.events = []
    return app
