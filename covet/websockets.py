"""WebSockets, in Starlette's shape (RFC 6455)."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from covet.connection import HTTPConnection
from covet.core import BodyBroken
from covet.datastructures import Headers, QueryParams
from covet.exceptions import WebSocketDisconnect as WebSocketDisconnect
from covet.socketport import ABNORMAL, BINARY, TEXT, Closing, SocketPort

if TYPE_CHECKING:
    from covet.app import CovetPy
    from covet.core import Exchange
    from covet.requests import Context
    from covet.responses import Response
    from covet.socketport import EngineSocket

Message = MutableMapping[str, Any]
Mode = Literal["text", "binary"]

NO_TEXT, NO_BYTES = "text: the message is binary", "bytes: the message is text"

DENIAL = "websocket.http.response"
HANDSHAKE = ("websocket.accept", "websocket.close", f"{DENIAL}.start")


class WebSocketState(Enum):
    """How far one side of a WebSocket has come."""

    CONNECTING = 0
    CONNECTED = 1
    DISCONNECTED = 2
    RESPONSE = 3


class WebSocket(HTTPConnection):
    """One WebSocket connection, from the server's side.

    The engine answers pings, closing frames and what breaks the protocol by itself, and joins fragments: a handler
    sees messages.

    Args:
        scope: the ASGI scope, of type websocket; handlers are given a WebSocket that is made already.
        receive: gives the next event.
        send: takes an event.

    Attributes:
        client_state: how far the client has come.
        application_state: how far the handler has come.
    """

    __slots__ = ("_port", "application_state", "client_state")

    def __init__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        from covet.asgi.socket import AsgiSocket

        if scope["type"] != "websocket":
            raise ValueError(f"a WebSocket has a scope of type websocket, not {scope['type']!r}")
        super().__init__(scope)
        topics = getattr(scope.get("app"), "topics", None)
        self._begin(AsgiSocket(scope, receive, send, getattr(topics, "local", None)))

    @classmethod
    def over(cls, port: SocketPort, scope: MutableMapping[str, Any]) -> "WebSocket":
        """A WebSocket over a port, with a scope that is there already."""
        websocket = cls.__new__(cls)
        HTTPConnection.__init__(websocket, scope)
        websocket._begin(port)
        return websocket

    def _begin(self, port: SocketPort) -> None:
        self._port = port
        self.client_state = self.application_state = WebSocketState.CONNECTING

    @property
    def subprotocols(self) -> list[str]:
        """The subprotocols that the client offers, the one that it likes best first."""
        lines = self.headers.getlist("sec-websocket-protocol")
        return [name for line in lines for name in (part.strip() for part in line.split(",")) if name]

    # ---- ASGI messages --------------------------------------------------------------

    async def receive(self) -> Message:
        """The next ASGI event: websocket.connect, then websocket.receive, at last websocket.disconnect.

        Raises:
            RuntimeError: the disconnect was received before.
        """
        if self.client_state is WebSocketState.CONNECTING:
            await self._port.connect()
            self.client_state = WebSocketState.CONNECTED
            return {"type": "websocket.connect"}
        message = await self._next()
        if isinstance(message, Closing):
            return {"type": "websocket.disconnect", "code": message.code, "reason": message.reason}
        return {"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message}

    async def _next(self) -> str | bytes | Closing:
        if self.client_state is not WebSocketState.CONNECTED:
            raise RuntimeError('Cannot call "receive" once a disconnect message has been received.')
        message = await self._port.receive()
        if isinstance(message, Closing):
            self.client_state = WebSocketState.DISCONNECTED
        return message

    async def send(self, message: Message) -> None:
        """Takes an ASGI event.

        Raises:
            WebSocketDisconnect: the client has gone; the code is 1006.
            RuntimeError: the event is not one that is expected now.
        """
        kind: str = message["type"]
        if self.application_state is WebSocketState.CONNECTING:
            await self._shake_hands(kind, message)
        elif self.application_state is WebSocketState.CONNECTED:
            if kind == "websocket.send":
                text = message.get("text")
                await (self._send(BINARY, message["bytes"]) if text is None else self._send(TEXT, text))
            elif kind == "websocket.close":
                await self._close(message)
            else:
                raise RuntimeError(f'expected "websocket.send" or "websocket.close", not {kind!r}')
        elif self.application_state is WebSocketState.RESPONSE and kind == f"{DENIAL}.body":
            more = message.get("more_body", False)
            await self._port.deny_body(message.get("body", b""), more)
            if not more:
                self.application_state = WebSocketState.DISCONNECTED
        else:
            raise RuntimeError('Cannot call "send" once a close message has been sent.')

    async def _shake_hands(self, kind: str, message: Message) -> None:
        if kind == "websocket.accept":
            await self._port.accept(message.get("subprotocol"), message.get("headers") or ())
            self.application_state = WebSocketState.CONNECTED
        elif kind == "websocket.close":
            await self._close(message)
        elif kind == f"{DENIAL}.start":
            await self._port.deny(message["status"], message.get("headers") or ())
            self.application_state = WebSocketState.RESPONSE
        else:
            raise RuntimeError(f"expected one of {', '.join(HANDSHAKE)}, not {kind!r}")

    async def _close(self, message: Message) -> None:
        before, self.application_state = self.application_state, WebSocketState.DISCONNECTED
        try:
            await self._port.close(message.get("code", 1000), message.get("reason") or "")
        except ValueError:  # nothing was sent, so that the handler's error is yet to close the connection
            self.application_state = before
            raise

    async def _send(self, kind: int, data: Any) -> None:
        if self.application_state is not WebSocketState.CONNECTED:
            raise RuntimeError(
                'WebSocket is not connected. Need to call "accept" first.'
                if self.application_state is WebSocketState.CONNECTING
                else 'Cannot call "send" once a close message has been sent.'
            )
        try:
            await self._port.send(kind, data)
        except OSError:
            self.application_state = WebSocketState.DISCONNECTED
            raise WebSocketDisconnect(ABNORMAL) from None

    # ---- the handshake --------------------------------------------------------------

    async def accept(
        self,
        subprotocol: str | None = None,
        headers: Mapping[str, str] | Iterable[tuple[bytes, bytes]] | None = None,
    ) -> None:
        """Accepts the connection.

        Args:
            subprotocol: one of those that the client offers.
            headers: further header fields of the answer, which has status 101.

        Raises:
            RuntimeError: the connection was accepted or refused before.
        """
        if self.client_state is WebSocketState.CONNECTING:
            await self.receive()
        if isinstance(headers, Mapping):
            headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self.send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": list(headers or ())})

    async def send_denial_response(self, response: "Response") -> None:
        """Refuses the connection with an HTTP response. Raises RuntimeError if it was accepted, or closed."""
        if self.application_state is not WebSocketState.CONNECTING:
            raise RuntimeError("a denial response can only be sent before the connection is accepted")
        if DENIAL not in (self.scope.get("extensions") or {}):
            raise RuntimeError("The server doesn't support the Websocket Denial Response extension.")
        await response(self.scope, self.receive, self.send)

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Closes the connection; one that has not been accepted is refused with status 403.

        Args:
            code: the close code, from 1000 to 4999 (RFC 6455, section 7.4).
            reason: at most 123 bytes of UTF-8.

        Raises:
            RuntimeError: it was closed before.
            ValueError: the code or the reason cannot be sent.
        """
        if self.client_state is WebSocketState.DISCONNECTED and self.application_state is WebSocketState.CONNECTED:
            self.application_state = WebSocketState.DISCONNECTED  # the client was first; nothing is left to be said
            return
        await self.send({"type": "websocket.close", "code": code, "reason": reason or ""})

    # ---- messages -------------------------------------------------------------------

    async def _message(self) -> str | bytes:
        if self.application_state is not WebSocketState.CONNECTED:
            raise RuntimeError('WebSocket is not connected. Need to call "accept" first.')
        message = await self._next()
        if isinstance(message, Closing):
            raise WebSocketDisconnect(message.code, message.reason)
        return message

    async def receive_text(self) -> str:
        """The next message, which must be text.

        Raises:
            WebSocketDisconnect: no message follows; the code and the reason say why.
            KeyError: the message is binary.
            RuntimeError: the connection is not open.
        """
        message = await self._message()
        if isinstance(message, str):
            return message
        raise KeyError(NO_TEXT)

    async def receive_bytes(self) -> bytes:
        """The next message, which must be binary. Raises as `receive_text`."""
        message = await self._message()
        if isinstance(message, bytes):
            return message
        raise KeyError(NO_BYTES)

    async def receive_json(self, mode: Mode = "text") -> Any:
        """The value of the next message, which must be JSON.

        Args:
            mode: whether it must be text or binary.

        Raises:
            json.JSONDecodeError: it is not JSON; else as `receive_text`.
        """
        _check_mode(mode)
        return json.loads(await (self.receive_text() if mode == "text" else self.receive_bytes()))

    async def iter_text(self) -> AsyncIterator[str]:
        """The messages, which must be text, until the client disconnects."""
        try:
            while True:
                message = await self._message()
                if not isinstance(message, str):
                    raise KeyError(NO_TEXT)
                yield message
        except WebSocketDisconnect:
            pass

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """The messages, which must be binary, until the client disconnects."""
        try:
            while True:
                message = await self._message()
                if not isinstance(message, bytes):
                    raise KeyError(NO_BYTES)
                yield message
        except WebSocketDisconnect:
            pass

    async def iter_json(self) -> AsyncIterator[Any]:
        """The values of the messages, which must be text in JSON, until the client disconnects."""
        try:
            while True:
                yield await self.receive_json()
        except WebSocketDisconnect:
            pass

    async def send_text(self, data: str) -> None:
        """Sends a text message; waits as long as the client does not read what was sent before.

        Raises:
            WebSocketDisconnect: the client has gone; the code is 1006.
            RuntimeError: the connection is not open.
        """
        await self._send(TEXT, data)

    async def send_bytes(self, data: bytes | bytearray | memoryview) -> None:
        """Sends a binary message. Raises and waits as `send_text`."""
        await self._send(BINARY, data)

    async def send_json(self, data: Any, mode: Mode = "text") -> None:
        """Sends a value as JSON. Raises and waits as `send_text`.

        Args:
            data: anything that JSON can say.
            mode: whether the message is text or binary.
        """
        _check_mode(mode)
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        await (self._send(TEXT, text) if mode == "text" else self._send(BINARY, text.encode()))

    # ---- topics ---------------------------------------------------------------------

    def subscribe(self, topic: str) -> None:
        """Has the client sent what is published on a topic from now on: see `CovetPy.publish`.

        Raises:
            RuntimeError: the connection is not open.
            ValueError: the topic's name is empty or too long.
        """
        self._port.subscribe(topic)

    def unsubscribe(self, topic: str) -> None:
        """Has it sent no more. Raises as `subscribe`."""
        self._port.unsubscribe(topic)

    def __repr__(self) -> str:
        return f"<WebSocket {self.url}>"


class EngineWebSocket(WebSocket):
    """A WebSocket that the engine serves. Its scope is only made when somebody asks for it.

    Args:
        port: the server's side.
        context: what the requests of the application have in common.
    """

    __slots__ = ("_context", "_engine", "_path_params", "_scope", "_x")

    def __init__(self, port: "EngineSocket", context: "Context") -> None:
        self._engine = port
        self._x = port.head
        self._context = context
        self._scope: MutableMapping[str, Any] | None = None
        self._path_params: dict[str, Any] | None = None
        self._forget()
        self._begin(port)

    @property
    def scope(self) -> MutableMapping[str, Any]:
        """The ASGI scope; members of one's own can be set in it."""
        if self._scope is None:
            from covet.interfaces.asgi_socket import socket_scope

            x, context = self._x, self._context
            self._scope = scope = socket_scope(x, context.root_path, context.new_state(), context.front_of(x))
            scope["app"], scope["router"] = context.app, context.app.router
            scope["path_params"] = self.path_params
            if x.route:
                scope["route"] = route = context.app.routes[x.route - 1]
                scope["endpoint"] = route.answered_by
        return self._scope

    @scope.setter
    def scope(self, scope: MutableMapping[str, Any]) -> None:
        self._scope = scope
        self._forget()

    # What each message takes, without the port's coroutines in between.

    async def _message(self) -> str | bytes:
        open_ = WebSocketState.CONNECTED
        if self.application_state is not open_ or self.client_state is not open_:
            return await super()._message()
        x = self._x
        while (message := x.message()) is None:
            await x.news()
        if type(message) is int:
            self.client_state = WebSocketState.DISCONNECTED
            raise WebSocketDisconnect(message, x.close_reason)
        return message  # type: ignore[return-value]

    async def _send(self, kind: int, data: Any) -> None:
        if self.application_state is not WebSocketState.CONNECTED:
            await super()._send(kind, data)
            return
        try:
            if self._x.push(kind, data):
                return
        except BodyBroken:
            self.application_state = WebSocketState.DISCONNECTED
            raise WebSocketDisconnect(ABNORMAL) from None
        await self._engine.sent()

    @property
    def app(self) -> "CovetPy":
        """The application."""
        return self._context.app

    @property
    def headers(self) -> Headers:
        """The header fields of the opening request."""
        if self._headers is None and self._scope is None:
            self._headers = Headers(raw=self._x.headers())
        return super().headers

    @property
    def query_params(self) -> QueryParams:
        """The parameters of the query, as text."""
        if self._query_params is None and self._scope is None:
            self._query_params = QueryParams.of(self._x.query_items())
        return super().query_params

    @property
    def path_params(self) -> dict[str, Any]:
        """The parameters of the path, decoded; those with a converter have its type."""
        if self._path_params is None:
            self._path_params = params_of(self._x, self._context)
        return self._path_params


def params_of(x: "Exchange", context: "Context") -> dict[str, Any]:
    """The parameters of the path of an opening request."""
    params: dict[str, Any] = {name: x.path_str(i) for i, name in enumerate(context.param_names.get(x.route, ()))}
    for name, convert in context.converters.get(x.route, {}).items():
        params[name] = convert(params[name])
    return params


def _check_mode(mode: str) -> None:
    if mode not in ("text", "binary"):
        raise RuntimeError('The "mode" argument should be "text" or "binary".')
