from covet import CovetPy, WebSocket

app = CovetPy()


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


@app.websocket("/room")
async def room(websocket: WebSocket) -> None:
    await websocket.accept()
    websocket.subscribe("room")
    await websocket.send_text("ready")
    async for _ in websocket.iter_text():
        pass


@app.websocket("/publish")
async def publish(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("ready")
    async for text in websocket.iter_text():
        app.publish("room", text)
