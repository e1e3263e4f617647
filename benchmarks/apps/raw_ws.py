"""The smallest ASGI callables that echo on WebSockets, and that send to all of them in a loop."""

from raw import Receive, Scope, Send

READY = {"type": "websocket.send", "text": "ready"}
members: set[Send] = set()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if (await receive())["type"] != "websocket.connect":
        return
    await send({"type": "websocket.accept"})
    await PLACES[scope["path"]](receive, send)


async def echo(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def room(receive: Receive, send: Send) -> None:
    members.add(send)
    await send(READY)
    while (await receive())["type"] == "websocket.receive":
        pass
    members.discard(send)


async def publish(receive: Receive, send: Send) -> None:
    await send(READY)
    while (message := await receive())["type"] == "websocket.receive":
        for member in list(members):
            await member({"type": "websocket.send", "text": message["text"]})


PLACES = {"/echo": echo, "/room": room, "/publish": publish}
