"""A WebSocket over an ASGI server: what `covet.socketport.EngineSocket` is over the engine."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, cast

from covet.asgi.head import ScopeHead
from covet.core import Exchange
from covet.socketport import TEXT, Closing, RawFields
from covet.topics import Subscriptions

Message = MutableMapping[str, Any]

NO_STATUS = 1005
LEAST_CODE, MOST_CODE, MOST_REASON = 1000, 4999, 123


class AsgiSocket(ScopeHead):
    """One WebSocket of an ASGI server.

    Args:
        scope: the scope, of type websocket.
        receive: the server's.
        send: the server's.
        subscriptions: the topics of this process.
    """

    __slots__ = ("_pending", "_receive", "_send", "_subscriptions", "lifespan_state", "original_scope", "state")

    websocket = True

    def __init__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
        subscriptions: Subscriptions | None = None,
    ) -> None:
        super().__init__(scope)
        self.original_scope = scope
        self.state: Any = None
        self.lifespan_state: Mapping[str, Any] = {}
        self._receive = receive
        self._send = send
        self._subscriptions = subscriptions
        self._pending: Message | None = None

    def pass_to(self, app: Callable[..., Awaitable[None]]) -> Awaitable[None]:
        """Has another ASGI application see to the WebSocket."""
        return app(self.original_scope, self._receive, self._send)

    @property
    def head(self) -> Exchange:
        return cast(Exchange, self)

    async def connect(self) -> None:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._pending = message
        elif message["type"] != "websocket.connect":
            raise RuntimeError(f'expected the ASGI message "websocket.connect", not {message["type"]!r}')

    async def accept(self, subprotocol: str | None, fields: RawFields) -> None:
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": list(fields)})

    async def receive(self) -> str | bytes | Closing:
        message, self._pending = self._pending or await self._receive(), None
        if message["type"] == "websocket.disconnect":
            self.leave()
            return Closing(message.get("code") or NO_STATUS, message.get("reason") or "")
        text: str | None = message.get("text")
        if text is not None:
            return text
        data: bytes = message["bytes"]
        return data

    async def send(self, kind: int, data: Any) -> None:
        await self._send({"type": "websocket.send", "text" if kind == TEXT else "bytes": data})

    async def close(self, code: int, reason: str) -> None:
        if not LEAST_CODE <= code <= MOST_CODE:  # as the engine has it; servers differ
            raise ValueError(f"a close code is from {LEAST_CODE} to {MOST_CODE}, not {code!r}")
        if len(reason.encode()) > MOST_REASON:
            raise ValueError(f"the reason of a close has at most {MOST_REASON} bytes")
        self.leave()
        await self._send({"type": "websocket.close", "code": code, "reason": reason})

    async def deny(self, status: int, fields: RawFields) -> None:
        await self._send({"type": "websocket.http.response.start", "status": status, "headers": list(fields)})

    async def deny_body(self, body: bytes, more: bool) -> None:
        await self._send({"type": "websocket.http.response.body", "body": body, "more_body": more})

    async def refuse(self, status: int) -> None:
        """Answers with a status instead of accepting, where the server can do so."""
        if "websocket.http.response" in (self._scope.get("extensions") or {}):
            await self.deny(status, [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"0")])
            await self.deny_body(b"", False)
        else:
            await self.close(1000, "")

    async def hand_over(self, app: Callable[[Any, Any, Any], Awaitable[None]], scope: Mapping[str, Any]) -> None:
        """Lets another application serve the connection."""
        await app(scope, self._receive, self._send)

    def subscribe(self, topic: str) -> None:
        if self._subscriptions is None:
            raise RuntimeError("topics need a WebSocket of a CovetPy application's route")
        self._subscriptions.add(topic, self)

    def unsubscribe(self, topic: str) -> None:
        if self._subscriptions is not None:
            self._subscriptions.discard(topic, self)

    def leave(self) -> None:
        """Nothing that is published is wanted any more."""
        if self._subscriptions is not None:
            self._subscriptions.forget(self)
