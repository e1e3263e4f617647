"""What a WebSocket needs of its server, and how the engine gives it."""

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from covet.core import BodyBroken, Exchange, pack_fields, pack_head
from covet.interfaces.answers import ClientDisconnected, respond

TEXT, BINARY = 1, 2
"""The kinds of messages, as the engine numbers them (RFC 6455, section 5.6)."""

RawFields = Iterable[tuple[bytes, bytes]]

HANDSHAKE_FIELDS = frozenset(
    (b"connection", b"sec-websocket-accept", b"sec-websocket-extensions", b"sec-websocket-protocol", b"upgrade")
)
"""Fields of the handshake that the engine decides, or that the subprotocol says."""

ABNORMAL = 1006


class Closing(NamedTuple):
    """Why no message follows: the close code and the reason (RFC 6455, section 7.1)."""

    code: int
    reason: str


class SocketPort(Protocol):
    """The server's side of one WebSocket."""

    @property
    def head(self) -> Exchange:
        """The opening request."""

    async def connect(self) -> None:
        """Waits for the opening request."""

    async def accept(self, subprotocol: str | None, fields: RawFields) -> None:
        """Accepts the connection."""

    async def receive(self) -> str | bytes | Closing:
        """The next message, or why none follows."""

    async def send(self, kind: int, data: Any) -> None:
        """Sends a message, and waits as long as too much is unsent. Raises OSError if the client has gone."""

    async def close(self, code: int, reason: str) -> None:
        """Closes the connection; before it is accepted, refuses it with status 403."""

    async def deny(self, status: int, fields: RawFields) -> None:
        """Begins an HTTP response instead of accepting."""

    async def deny_body(self, body: bytes, more: bool) -> None:
        """Goes on with that response."""

    def subscribe(self, topic: str) -> None:
        """Has what is published on a topic sent to the client."""

    def unsubscribe(self, topic: str) -> None:
        """Has it sent no more."""


class EngineSocket:
    """A WebSocket that the engine serves.

    Args:
        x: its exchange.
    """

    __slots__ = ("_denial", "head")

    def __init__(self, x: Exchange) -> None:
        self.head = x
        self._denial: tuple[int, bytes, int] | None = None

    async def connect(self) -> None:
        """There is nothing to wait for."""

    async def accept(self, subprotocol: str | None, fields: RawFields) -> None:
        kept = [(name, value) for name, value in fields if name.lower() not in HANDSHAKE_FIELDS]
        if subprotocol is not None:
            kept.append((b"sec-websocket-protocol", subprotocol.encode("latin-1")))
        self.head.accept(pack_fields(kept))

    async def receive(self) -> str | bytes | Closing:
        x = self.head
        while (message := x.message()) is None:
            await x.news()
        return Closing(message, x.close_reason) if type(message) is int else message  # type: ignore[return-value]

    async def send(self, kind: int, data: Any) -> None:
        x = self.head
        try:
            if x.push(kind, data):
                return
        except BodyBroken:
            raise ClientDisconnected("the WebSocket's client has gone") from None
        await self.sent()

    async def sent(self) -> None:
        """Waits as long as something waits for room."""
        x = self.head
        while x.waiting and not x.ended:
            await x.news()

    async def close(self, code: int, reason: str) -> None:
        x = self.head
        if not x.started:
            x.respond(403, 0, b"", b"")
        elif not x.done:
            x.close(code, reason)

    async def deny(self, status: int, fields: RawFields) -> None:
        self._denial = (status, *pack_head(fields))

    async def deny_body(self, body: bytes, more: bool) -> None:
        x = self.head
        if self._denial is not None:
            status, fields, length = self._denial
            self._denial = None
            if not more:
                respond(x, status, fields, length, body)
                return
            x.start(status, 0, fields, length)
        rest = memoryview(body)
        while len(rest) and not x.lost:
            rest = rest[x.send(rest) :]
            if len(rest):
                await x.news()
        if not more:
            x.finish()

    def subscribe(self, topic: str) -> None:
        self.head.subscribe(topic)

    def unsubscribe(self, topic: str) -> None:
        self.head.unsubscribe(topic)
