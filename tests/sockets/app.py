"""What the tests connect to."""

import asyncio
import os
from typing import Annotated, Any

from covet import CovetPy, Depends, HTTPException, Query, Response, WebSocket, WebSocketDisconnect, WebSocketException

app = CovetPy(ws_max_size=os.environ.get("TEST_MAX_SIZE", "16MB"))
ended: dict[str, Any] = {}
"""How connections ended, by the name that they gave."""


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    name = websocket.query_params.get("name", "")
    try:
        while (message := await websocket.receive())["type"] == "websocket.receive":
            kind = "text" if "text" in message else "bytes"
            await websocket.send({"type": "websocket.send", kind: message[kind]})
        ended[name] = {"code": message["code"], "reason": message["reason"]}
    finally:
        ended.setdefault(name, "no disconnect")


@app.get("/ended/{name}")
async def how(name: str) -> Any:
    for _ in range(200):
        if name in ended:
            return ended[name]
        await asyncio.sleep(0.05)
    return None


@app.get("/pid")
async def pid() -> Any:
    return {"pid": os.getpid()}


@app.websocket("/json")
async def as_json(websocket: WebSocket) -> None:
    await websocket.accept()
    async for value in websocket.iter_json():
        await websocket.send_json({"got": value})
        await websocket.send_json({"got": value}, mode="binary")


@app.websocket("/subprotocol")
async def subprotocol(websocket: WebSocket) -> None:
    offered = websocket.scope["subprotocols"]
    await websocket.accept(subprotocol=offered[-1] if offered else None, headers=[(b"x-own", b"yes")])
    await websocket.send_json(offered)


@app.websocket("/about/{item}")
async def about(websocket: WebSocket, item: int, q: str = "none", limit: Annotated[int, Query(le=10)] = 1) -> None:
    await websocket.accept()
    await websocket.send_json(
        {
            "item": item,
            "q": q,
            "limit": limit,
            "url": str(websocket.url),
            "path_params": websocket.path_params,
            "cookies": websocket.cookies,
            "header": websocket.headers.get("x-header"),
            "client": websocket.client.host if websocket.client else None,
            "type": websocket.scope["type"],
        }
    )


def token(websocket: WebSocket) -> str:
    if websocket.query_params.get("token") != "right":
        raise WebSocketException(1008, "wrong token")
    return "right"


@app.websocket("/guarded")
async def guarded(websocket: WebSocket, found: Annotated[str, Depends(token)]) -> None:
    await websocket.accept()
    await websocket.send_text(found)


@app.websocket("/close/{code}")
async def close(websocket: WebSocket, code: int) -> None:
    await websocket.accept()
    await websocket.close(code, "because")


@app.websocket("/refuse/{how}")
async def refuse(websocket: WebSocket, how: str) -> None:
    if how == "close":
        await websocket.close()
    elif how == "denial":
        await websocket.send_denial_response(Response("not you", 418, {"x-why": "tea"}, "text/plain"))
    elif how == "http":
        raise HTTPException(401, "who are you", {"www-authenticate": "Basic"})
    elif how == "error":
        raise LookupError("nowhere")
    elif how == "socket":
        raise WebSocketException(1008, "no")


@app.websocket("/fail/{how}")
async def fail(websocket: WebSocket, how: str) -> None:
    await websocket.accept()
    if how == "error":
        raise LookupError("nowhere")
    if how == "socket":
        raise WebSocketException(4001, "mine")
    if how == "http":
        raise HTTPException(400, "bad")
    if how == "kind":
        await websocket.receive_text()
    if how == "code":
        await websocket.close(5000)
    if how == "reason":
        await websocket.close(1000, "ä" * 62)


@app.websocket("/slow")
async def slow(websocket: WebSocket) -> None:
    """Takes nothing until it is told to by another connection, then counts."""
    await websocket.accept()
    await go.wait()
    size = count = 0
    try:
        while True:
            size += len(await websocket.receive_bytes())
            count += 1
    except WebSocketDisconnect:
        ended["slow"] = {"size": size, "count": count}


go = asyncio.Event()


@app.get("/go")
async def let_go() -> str:
    go.set()
    return "went"


sent = {"bytes": 0}


@app.websocket("/flood")
async def flood(websocket: WebSocket) -> None:
    """Sends as fast as the client reads."""
    await websocket.accept()
    sent["bytes"] = 0
    block = bytes(int(websocket.query_params["size"]))
    try:
        for _ in range(int(websocket.query_params["count"])):
            await websocket.send_bytes(block)
            sent["bytes"] += len(block)
        await websocket.send_text("end")
    except WebSocketDisconnect as error:
        ended["flood"] = {"code": error.code}


@app.get("/sent")
async def how_much() -> Any:
    return sent


@app.websocket("/both")
async def both(websocket: WebSocket) -> None:
    """Sends and receives at the same time, in two tasks."""
    await websocket.accept()

    async def talk() -> None:
        for number in range(100):
            await websocket.send_text(str(number))
            await asyncio.sleep(0)

    task = asyncio.create_task(talk())
    received = 0
    while received < 100:
        await websocket.receive_text()
        received += 1
    await task
    await websocket.send_text("done")


@app.websocket("/room/{name}")
async def room(websocket: WebSocket, name: str) -> None:
    await websocket.accept()
    websocket.subscribe(name)
    await websocket.send_json({"pid": os.getpid()})
    async for text in websocket.iter_text():
        if text == "leave":
            websocket.unsubscribe(name)
            await websocket.send_text("left")
        elif text.startswith("hang"):
            await asyncio.sleep(0.2)
            await websocket.send_text("x" * 400_000)
        else:
            app.publish(name, text)


@app.post("/thread/{name}")
def publish_in_a_thread(name: str) -> Any:
    app.publish(name, "from a thread")
    return {}


@app.post("/publish/{name}")
async def publish(name: str, size: int = 0, binary: bool = False) -> Any:
    app.publish(name, bytes(size) if binary else {"to": name} if not size else "x" * size)
    return {"pid": os.getpid()}
