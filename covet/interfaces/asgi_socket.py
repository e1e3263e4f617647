"""WebSockets of ASGI applications (ASGI WebSocket 2.4), with the denial response extension."""

import asyncio
import logging
from collections.abc import Mapping, MutableMapping
from typing import Any

from covet.core import Exchange
from covet.exceptions import RAISED
from covet.interfaces.answers import ClientDisconnected, came_from_disconnect, plain_answer
from covet.socketport import BINARY, TEXT, Closing, EngineSocket

logger = logging.getLogger("covet.error")

Message = MutableMapping[str, Any]

DENIAL = "websocket.http.response"
NORMAL, INTERNAL, RESTART = 1000, 1011, 1012

# How far a connection has come.
OPENING, OPEN, DENYING, OVER = range(4)


def socket_scope(x: Exchange, root_path: str, state: Mapping[str, Any], front: tuple[str, bytes]) -> dict[str, Any]:
    """The scope of a WebSocket.

    Args:
        x: its exchange.
        root_path: where the application is mounted.
        state: what the lifespan gave.
        front: what is to be put before its path, and before its raw one.
    """
    scope = x.scope({"type": "websocket", "asgi": None, "root_path": root_path, "state": None, "extensions": None})
    del scope["method"]
    scope["asgi"] = {"version": "3.0", "spec_version": "2.4"}
    scope["state"] = dict(state)
    scope["extensions"] = {DENIAL: {}}
    offers = [value.decode("latin-1") for name, value in scope["headers"] if name == b"sec-websocket-protocol"]
    scope["subprotocols"] = [name for name in (part.strip() for part in ",".join(offers).split(",")) if name]
    if front[0]:
        scope["path"], scope["raw_path"] = front[0] + scope["path"], front[1] + scope["raw_path"]
    return scope


async def run(app: Any, x: Exchange, scope: MutableMapping[str, Any]) -> None:
    """Runs an application for one WebSocket, and sees to it that the connection ends with it."""
    cycle = SocketCycle(x)
    try:
        await app(scope, cycle.receive, cycle.send)
    except asyncio.CancelledError:
        await cycle.end(RESTART, 503)
        raise
    except RAISED as error:
        if not (x.ended and (came_from_disconnect(error) or type(error).__name__ == "WebSocketDisconnect")):
            logger.error("Exception in ASGI application, serving the WebSocket %s", x.path, exc_info=error)
        await cycle.end(INTERNAL, 500)
        return
    if cycle.phase == OPENING and not x.cancelled:
        logger.error("ASGI application returned without accepting or closing the WebSocket %s", x.path)
    await cycle.end(NORMAL, 500)


class SocketCycle:
    """One WebSocket: `receive` and `send` are what the application is given."""

    __slots__ = ("_connected", "_port", "_told", "_x", "phase")

    def __init__(self, x: Exchange) -> None:
        self._x = x
        self._port = EngineSocket(x)
        self._connected = False
        self._told: Message | None = None
        self.phase = OPENING

    async def receive(self) -> Message:
        """websocket.connect, then each message, then websocket.disconnect, also when it is asked again."""
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        if self._told is not None or self._x.done:
            return self._told or {"type": "websocket.disconnect", "code": 1006, "reason": ""}
        message = await self._port.receive()
        if isinstance(message, Closing):
            self._told = {"type": "websocket.disconnect", "code": message.code, "reason": message.reason}
            return self._told
        return {"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message}

    async def send(self, message: Message) -> None:
        """Takes the application's messages in order.

        Raises:
            ClientDisconnected: an OSError: the client has gone.
            RuntimeError: a message is not the one that is expected.
            ValueError: a header field, the code or the reason cannot be sent.
        """
        kind = message["type"]
        if self.phase == OPEN and kind == "websocket.send":
            text = message.get("text")
            await (self._port.send(BINARY, message["bytes"]) if text is None else self._port.send(TEXT, text))
        elif self.phase == OPEN and kind == "websocket.close":
            if not self._x.ended:
                await self._port.close(message.get("code", NORMAL), message.get("reason") or "")
            self.phase = OVER
        elif self.phase == OPENING:
            await self._shake_hands(kind, message)
        elif self.phase == DENYING and kind == f"{DENIAL}.body":
            more = message.get("more_body", False)
            self.phase = DENYING if more else OVER
            await self._port.deny_body(message.get("body", b""), more)
        elif self.phase == OVER and self._x.ended:
            raise ClientDisconnected("the WebSocket's client has gone")
        else:
            raise RuntimeError(f"unexpected ASGI message {kind!r}, the WebSocket is {PHASES[self.phase]}")

    async def _shake_hands(self, kind: str, message: Message) -> None:
        if kind == "websocket.accept":
            await self._port.accept(message.get("subprotocol"), message.get("headers") or ())
            self.phase = OPEN
        elif kind == "websocket.close":
            self.phase = OVER
            await self._port.close(NORMAL, "")
        elif kind == f"{DENIAL}.start":
            self.phase = DENYING
            await self._port.deny(message["status"], message.get("headers") or ())
        else:
            raise RuntimeError(
                f"expected the ASGI message 'websocket.accept', 'websocket.close' or '{DENIAL}.start', not {kind!r}"
            )

    async def end(self, code: int, status: int) -> None:
        """What follows when the application has returned."""
        x = self._x
        if self.phase == OPENING and not x.started:
            plain_answer(x, status)
        elif self.phase == OPEN and not x.done:
            await self._port.close(code, "")
        elif self.phase == DENYING and not x.done:
            x.abort()
        self.phase = OVER


PHASES = ("to be accepted or refused", "open", "being refused", "closed")
