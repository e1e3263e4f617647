"""Requests of an exchange, as a handler sees them."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping, MutableMapping
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

import msgspec

from covet.connection import EXCHANGE, Message, Receive
from covet.connection import HTTPConnection as HTTPConnection
from covet.connection import Request as Request
from covet.connection import parse_cookies as parse_cookies
from covet.core import BodyBroken, BodyTooLarge, Exchange
from covet.datastructures import URL, Address, Headers, QueryParams, State
from covet.exceptions import ClientDisconnect, HTTPException
from covet.urls import netloc_of

if TYPE_CHECKING:
    from covet.app import CovetPy

Converters = Mapping[str, Callable[[str], Any]]

_decode = msgspec.json.Decoder().decode
DISCONNECT = {"type": "http.disconnect"}


class Context:
    """What requests have in common.

    Args:
        app: the application.
        param_names: the names in the routes' paths, by route number.
        state: what the lifespan yielded.
        root_path: the path under which a proxy publishes the application.

    Attributes:
        behind_layers: middleware takes the responses and sends them.
        id_field: the field in which the engine tells a request's identifier, if it gives some.
        converters: what makes values of the paths' parameters, by route number and name; none for text.
        own_state: the state of one request, which middleware sees too.
        traced: handlers tell OpenTelemetry of what they do.
        front: what a proxy has taken off the paths, as the server was told.
    """

    __slots__ = (
        "app", "behind_layers", "converters", "front", "id_field", "own_state", "param_names", "root_path", "state",
        "traced",
    )  # fmt: skip

    def __init__(
        self,
        app: "CovetPy",
        param_names: Mapping[int, tuple[str, ...]],
        state: Mapping[str, Any],
        root_path: str = "",
    ) -> None:
        self.app = app
        self.param_names = param_names
        self.state = state
        self.root_path = root_path
        self.id_field: bytes | None = None
        self.behind_layers = False
        self.converters: Mapping[int, Converters] = {}
        self.own_state: dict[str, Any] | None = None
        self.traced = False
        self.front = ""

    def front_of(self, x: Exchange) -> tuple[str, bytes]:
        """What stands before the path of an exchange in scopes and addresses, and before its raw path."""
        raw_root = x.raw_root
        return (self.root_path.rstrip("/"), raw_root) if raw_root else (self.front, self.front.encode())

    def new_state(self) -> dict[str, Any]:
        """Where the state of a request begins."""
        state = dict(self.state)
        if self.id_field is not None:
            from covet.middleware.requestid import request_id

            state["request_id"] = request_id.get()
        return state

    def request_of(self, x: Exchange) -> "EngineRequest":
        """The Request of an exchange; the same one each time while the exchange lasts."""
        request = x.state
        if request is None:
            request = x.state = EngineRequest(x, self)
        return request  # type: ignore[no-any-return]


class EngineRequest(Request):
    """The request of an exchange. Its fields are read from the engine's memory when they are asked for, and then kept.

    Once somebody has taken its scope, where others may have written, what differs there counts.

    Args:
        exchange: the exchange.
        context: what it has in common with other requests.
    """

    __slots__ = (
        "_body_given", "_body_left", "_context", "_exits", "_instead_of_receive", "_instead_of_send",
        "_path_params", "_scope", "_x",
    )  # fmt: skip

    def __init__(self, exchange: Exchange, context: Context) -> None:
        self._x = exchange
        self._context = context
        self._exits: AsyncExitStack | None = None
        self._body_left: int | None = None
        self._form = None
        self._scope: MutableMapping[str, Any] | None = None
        self._path_params: dict[str, Any] | None = None
        self._stream_consumed = self._body_given = False
        self._instead_of_receive: Receive | None = None
        self._instead_of_send: Any = None
        self._forget()
        if context.own_state is not None:
            self._state = State(context.own_state)

    @property
    def exchange(self) -> Exchange:
        """The exchange that the request is read from."""
        return self._x

    # ---- the scope ------------------------------------------------------------------

    @property
    def scope(self) -> MutableMapping[str, Any]:
        """The ASGI scope of the request; members of one's own can be set in it."""
        if self._scope is None:
            self._scope = self._make_scope()
        return self._scope

    @scope.setter
    def scope(self, scope: MutableMapping[str, Any]) -> None:
        self._scope = scope
        self._forget()

    def _make_scope(self) -> MutableMapping[str, Any]:
        x, context = self._x, self._context
        original: MutableMapping[str, Any] | None = getattr(x, "original_scope", None)
        if original is not None:
            original.setdefault("app", context.app)
            if context.app is not None:
                original.setdefault("router", context.app.router)
            original["state"] = self.state._state
            original["path_params"], original[EXCHANGE] = self.path_params, x
            self._tell_route(original)
            return original
        scope = x.scope({"type": "http", "root_path": context.root_path, "extensions": None, "asgi": None})
        scope["asgi"] = {"version": "3.0", "spec_version": "2.4"}
        scope["extensions"] = {}
        scope["app"], scope["router"], scope[EXCHANGE] = context.app, context.app.router, x
        scope["state"] = self.state._state
        scope["path_params"] = self.path_params
        if self._headers is not None:
            scope["headers"] = self._headers.raw
        front, raw_front = context.front_of(x)
        if front:
            scope["path"], scope["raw_path"] = front + scope["path"], raw_front + scope["raw_path"]
        self._tell_route(scope)
        return scope

    def _tell_route(self, scope: MutableMapping[str, Any]) -> None:
        if self._x.route:
            route = self._context.app.routes[self._x.route - 1]
            scope["route"], scope["endpoint"] = route, route.answered_by

    def changes_scope(self) -> bool:
        """Whether somebody has changed in the scope what the request asks for."""
        scope = self._scope
        if scope is None:
            return False
        x = self._x
        return bool(
            scope["path"] != self._context.front_of(x)[0] + x.path
            or scope["method"] != x.method
            or scope["query_string"] != x.query_string
            or scope["headers"] != x.headers()
        )

    def _differs(self, name: str, value: Any) -> bool:
        """Whether somebody has put something else into the scope than what was received."""
        return self._scope is not None and self._scope.get(name, value) != value

    @property
    def raw_front(self) -> bytes:
        """What stands before the raw path of the exchange in addresses."""
        return self._context.front_of(self._x)[1]

    # ---- for middleware ---------------------------------------------------------------

    @property
    def behind_layers(self) -> bool:
        """Whether middleware takes the response and sends it."""
        return self._context.behind_layers

    def exit_after(self, exits: AsyncExitStack) -> None:
        """Has exits taken after the response has been sent, or thrown away."""
        if self._exits is None:
            self._exits = exits
        else:
            self._exits.push_async_exit(exits)

    @property
    def exits(self) -> AsyncExitStack | None:
        """What is to be left after the response, if anything."""
        return self._exits

    def hand_on(self) -> None:
        """The request goes from a middleware to a handler, for which a body that was streamed is empty."""
        if self._stream_consumed and not hasattr(self, "_body"):
            self._body = b""
        if self._scope is not None:
            self._forget()

    # ---- the head -----------------------------------------------------------------------

    @property
    def app(self) -> "CovetPy":
        """The application that answers the request."""
        app = self._context.app
        if getattr(app, "is_router", False):
            app = self.scope.get("app", app)
        return app

    @property
    def root_path(self) -> str:
        """The path under which a proxy publishes the application."""
        return self._context.root_path

    @property
    def method(self) -> str:
        """The method, in capitals."""
        if self._scope is not None:
            return super().method
        return self._x.method

    @property
    def url(self) -> URL:
        """The whole address that was asked for, with the path under which a proxy publishes the application."""
        if self._url is None:
            x = self._x
            front, _ = self._context.front_of(x)
            query = x.query_string
            if self._differs("path", front + x.path) or self._differs("query_string", query):
                return super().url
            path = x.raw_path.decode("latin-1")
            self._url = URL(f"{self._origin()}{front}{path}{'?' + query.decode('latin-1') if query else ''}")
        return self._url

    @property
    def base_url(self) -> URL:
        """The address of the application, with a slash at its end."""
        context = self._context
        scope: Mapping[str, Any] | None = self._scope or getattr(self._x, "original_scope", None)
        root_path = context.root_path if scope is None else scope.get("app_root_path", context.root_path)
        return URL(f"{self._origin()}{root_path.rstrip('/')}/")

    def _own_application(self) -> Any:
        return self._context.app

    def _origin(self) -> str:
        x = self._x
        scheme = x.scheme if self._scope is None else self._scope.get("scheme", x.scheme)
        return f"{scheme}://{netloc_of(x, scheme)}"

    @property
    def headers(self) -> Headers:
        """The header fields."""
        if self._headers is None:
            self._headers = Headers(raw=self._x.headers()) if self._scope is None else Headers(scope=self._scope)
        return self._headers

    @property
    def query_params(self) -> QueryParams:
        """The parameters of the query, as text."""
        if self._query_params is None:
            if self._differs("query_string", self._x.query_string):
                return super().query_params
            self._query_params = QueryParams.of(self._x.query_items())
        return self._query_params

    @property
    def path_params(self) -> dict[str, Any]:
        """The parameters of the path, decoded; those with a converter have its type."""
        if self._scope is not None:
            return super().path_params
        if self._path_params is None:
            self._path_params = self._own_path_params()
        return self._path_params

    def _own_path_params(self) -> dict[str, Any]:
        x, context = self._x, self._context
        original: Mapping[str, Any] | None = getattr(x, "original_scope", None)
        params = {} if original is None else dict(original.get("path_params", {}))
        params.update((name, x.path_str(i)) for i, name in enumerate(context.param_names.get(x.route, ())))
        for name, convert in context.converters.get(x.route, {}).items():
            params[name] = convert(params[name])
        return params

    @property
    def client(self) -> Address | None:
        """Host and port of the peer; None for a Unix socket."""
        if self._scope is not None:
            return super().client
        client = self._x.client
        return None if client is None else Address(*client)

    @property
    def http_version(self) -> str:
        """The version of HTTP, such as "1.1"."""
        return self._x.http_version

    @property
    def state(self) -> State:
        """A place for attributes of this request; it begins with what the lifespan yielded."""
        if self._state is None:
            if self._scope is not None:
                return super().state
            self._state = State(self._context.new_state())
        return self._state

    # ---- the body -------------------------------------------------------------------------

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The body, piece by piece as it arrives.

        Raises:
            ClientDisconnect: the body ended early or was malformed.
            HTTPException: 413, the body is over `max_body_size`.
            RuntimeError: the body has been streamed before.
        """
        if hasattr(self, "_body"):
            if self._body:
                yield self._body
            return
        if self._stream_consumed:
            raise RuntimeError("the body has been read by an earlier stream()")
        self._stream_consumed = True
        if self._instead_of_receive is not None:
            more = True
            while more:
                piece, more = await self._next_message()
                yield piece
            return
        while chunk := await self._next():
            yield chunk

    def limit_body(self, size: int) -> None:
        """Lets the body have so many bytes at most. Raises HTTPException, 413, if its length says that it has more."""
        length = self._x.header(b"content-length")
        if length is not None and length.isdigit() and int(length) > size:
            raise HTTPException(413, "Request body too large")
        self._body_left = size

    def _count(self, piece: bytes) -> bytes:
        if self._body_left is not None:
            self._body_left -= len(piece)
            if self._body_left < 0:
                raise HTTPException(413, "Request body too large")
        return piece

    async def _next(self) -> bytes:
        x = self._x
        pull = getattr(x, "pull", None)
        if pull is not None:  # an ASGI server is asked for the body when the handler wants it
            await pull()
        try:
            while (chunk := x.read()) is None:
                await news_of(x)
        except BodyTooLarge:
            raise HTTPException(413, "Request body too large") from None
        except BodyBroken as error:
            failure = getattr(x, "receive_failure", None)
            if failure is not None:
                raise failure from None  # of middleware that looks at what is received
            raise ClientDisconnect(str(error)) from None
        return self._count(chunk)

    async def next_piece(self) -> tuple[bytes, bool]:
        """A piece of the body, or all of it if it is at hand, and whether more follows. Raises as `stream`."""
        if hasattr(self, "_body"):
            return self._body, False
        if self._instead_of_receive is not None:
            return await self._next_message()
        piece = await self._next()
        return piece, bool(piece)

    async def body(self) -> bytes:
        """The whole body; it may be asked for again. Raises what `stream` raises."""
        if not hasattr(self, "_body"):
            at_hand = not self._stream_consumed and self._instead_of_receive is None
            whole = self._x.body_whole() if at_hand else None
            self._body = b"".join([chunk async for chunk in self.stream()]) if whole is None else self._count(whole)
        return self._body

    async def json(self) -> Any:
        """The value of a JSON body; it may be asked for again.

        Raises:
            json.JSONDecodeError: the body is not JSON.
            UnicodeDecodeError: the body is not text.
        """
        if not hasattr(self, "_json"):
            body = await self.body()
            try:
                self._json: Any = _decode(body)
            except msgspec.DecodeError:
                # The standard library words the error as everybody knows it; it also takes NaN and UTF-16.
                self._json = json.loads(body)
        return self._json

    async def is_disconnected(self) -> bool:
        """Whether the client has gone."""
        watch = getattr(self._x, "watch", None)
        if watch is not None and watch():
            await asyncio.sleep(0)  # for what an ASGI server knows already
        return self._x.cancelled

    # ---- as ASGI ------------------------------------------------------------------------------

    @property
    def receive(self) -> Receive:
        """Gives the ASGI messages of the request: what is left of its body, then http.disconnect."""
        return self._give if self._instead_of_receive is None else self._instead_of_receive

    @property
    def _receive(self) -> Receive:
        return self.receive

    @_receive.setter
    def _receive(self, receive: Receive) -> None:
        self._instead_of_receive = receive
        self._stream_consumed, self._unread = False, []

    async def _give(self) -> Message:
        x = self._x
        if not self._body_given:
            self._stream_consumed = True
            try:
                piece, more = await self.next_piece()
            except ClientDisconnect:
                return dict(DISCONNECT)
            self._body_given = not more
            return {"type": "http.request", "body": piece, "more_body": more}
        while not (x.done or x.cancelled):
            watch = getattr(x, "watch", None)
            if watch is not None:  # an ASGI server tells only whoever asks
                watch()
            with suppress(RuntimeError):  # the exchange has ended
                await news_of(x)
        return dict(DISCONNECT)

    @property
    def _send(self) -> Any:
        if self._instead_of_send is None:
            from covet.interfaces.asgi import Cycle  # few send messages by themselves

            self._instead_of_send = Cycle(self._x).send
        return self._instead_of_send

    @_send.setter
    def _send(self, send: Any) -> None:
        self._instead_of_send = send


async def news_of(x: Exchange) -> None:
    """Waits until there is news of an exchange: body bytes, room to send, or cancellation."""
    if isinstance(x, Exchange):
        await x.news()
        return
    future = asyncio.get_running_loop().create_future()

    def came() -> None:
        if not future.done():
            future.set_result(None)

    x.wait(came)
    try:
        await future
    finally:
        if not x.done:
            x.wait(None)
