"""WebSockets: handlers, dependencies, iteration, topics."""

from typing import Annotated, Any, assert_type

from covet import APIRouter, CovetPy, Depends, Query, WebSocket, WebSocketDisconnect, WebSocketException, status
from covet.websockets import WebSocketState

app = CovetPy()
router = APIRouter(prefix="/v1")


async def room(websocket: WebSocket, name: Annotated[str, Query()] = "hall") -> str:
    if not name.isalpha():
        raise WebSocketException(status.WS_1008_POLICY_VIOLATION, "no such room")
    return f"{name} of {websocket.url.path}"


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol="v1", headers=[(b"x-a", b"b")])
    try:
        while True:
            assert_type(await websocket.receive_text(), str)
            assert_type(await websocket.receive_bytes(), bytes)
            assert_type(await websocket.receive_json(), Any)
            await websocket.send_json({"a": 1}, mode="text")
            await websocket.send_text("a")
            await websocket.send_bytes(b"a")
    except WebSocketDisconnect as gone:
        assert_type(gone.code, int)
    if websocket.client_state is WebSocketState.CONNECTED:
        await websocket.close(code=1000, reason="enough")


@router.websocket("/rooms/{number}")
async def rooms(websocket: WebSocket, number: int, room: Annotated[str, Depends(room)]) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        assert_type(text, str)
        app.publish(room, text)


app.include_router(router)
assert_type(echo.__name__, str)
