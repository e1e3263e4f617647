# mypy: disable-error-code="import-not-found, untyped-decorator"
# The peers are installed only where the suite runs.
from fastapi import FastAPI, WebSocket

app = FastAPI()
members: set[WebSocket] = set()


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


@app.websocket("/room")
async def room(websocket: WebSocket) -> None:
    await websocket.accept()
    members.add(websocket)
    await websocket.send_text("ready")
    try:
        async for _ in websocket.iter_text():
            pass
    finally:
        members.discard(websocket)


@app.websocket("/publish")
async def publish(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("ready")
    async for text in websocket.iter_text():
        for member in list(members):
            await member.send_text(text)
