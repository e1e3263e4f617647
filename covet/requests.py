"""The request, as a handler sees it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import msgspec

from covet.core import BodyBroken, BodyTooLarge, Exchange
from covet.datastructures import URL, Address, Headers, QueryParams, State
from covet.exceptions import ClientDisconnect, HTTPException

if TYPE_CHECKING:
    from covet.app import CovetPy

_decode = msgspec.json.Decoder().decode


class Context:
    """What requests have in common.

    Args:
        app: the application.
        param_names: the names in the routes' paths, by route number.
        state: what the lifespan yielded.
        root_path: the path under which a proxy publishes the application.
    """

    __slots__ = ("app", "behind_layers", "own_state", "param_names", "root_path", "state")

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
        self.behind_layers = False  # middleware takes the responses and sends them
        self.own_state: dict[str, Any] | None = None  # of one request, which middleware sees too

    def request_of(self, x: Exchange) -> "Request":
        """The Request of an exchange; the same one each time while the exchange lasts."""
        request = x.state
        if request is None:
            request = x.state = Request(x, self)
        return request  # type: ignore[no-any-return]


class Request:
    """One request. Its fields are read from the engine's memory when they are asked for, and then kept.

    Args:
        exchange: the exchange, or the scope of an ASGI application.
        context: what the requests have in common; with a scope, the `receive` of the application, if it reads the body.
        send: with a scope, the `send` of the application.
    """

    __slots__ = (
        "_body",
        "_context",
        "_cookies",
        "_exits",
        "_headers",
        "_json",
        "_query_params",
        "_receive",
        "_scope",
        "_state",
        "_stream_consumed",
        "_url",
        "_x",
    )

    def __init__(self, exchange: Any, context: Any = None, send: Any = None) -> None:
        if context is None or not isinstance(context, Context):
            exchange, context = _over_asgi(exchange, context, send)
        self._x: Exchange = exchange
        self._context: Context = context
        self._body: bytes | None = None
        self._cookies: dict[str, str] | None = None
        self._exits: AsyncExitStack | None = None
        self._headers: Headers | None = None
        self._query_params: QueryParams | None = None
        self._scope: MutableMapping[str, Any] | None = None
        self._state: State | None = None
        self._stream_consumed = False
        self._url: URL | None = None
        if context.own_state is not None:
            self._state = State(context.own_state)

    @property
    def exchange(self) -> Exchange:
        """The exchange that the request is read from."""
        return self._x

    @property
    def scope(self) -> MutableMapping[str, Any]:
        """The ASGI scope of the request; members of one's own can be set in it."""
        if self._scope is None:
            self._scope = self._make_scope()
        return self._scope

    def _make_scope(self) -> MutableMapping[str, Any]:
        x, context = self._x, self._context
        original: MutableMapping[str, Any] | None = getattr(x, "original_scope", None)
        if original is not None:
            original.setdefault("app", context.app)
            original["state"] = self.state._state
            original.setdefault("path_params", self.path_params)
            return original
        scope = x.scope({"type": "http", "root_path": context.root_path, "extensions": None, "asgi": None})
        scope["asgi"] = {"version": "3.0", "spec_version": "2.4"}
        scope["extensions"] = {}
        scope["app"] = context.app
        scope["state"] = self.state._state
        scope["path_params"] = self.path_params
        if context.root_path:
            scope["path"] = context.root_path + scope["path"]
            scope["raw_path"] = context.root_path.encode() + scope["raw_path"]
        if x.route:
            route = context.app.routes[x.route - 1]
            scope["route"], scope["endpoint"] = route, route.handler
        return scope

    def changes_scope(self) -> bool:
        """Whether somebody has changed in the scope what the request asks for."""
        scope = self._scope
        if scope is None:
            return False
        x, root_path = self._x, self._context.root_path
        return bool(
            scope["path"] != root_path + x.path
            or scope["method"] != x.method
            or scope["query_string"] != x.query_string
            or scope["headers"] != x.headers()
        )

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
        if self._stream_consumed and self._body is None:
            self._body = b""

    @property
    def app(self) -> "CovetPy":
        """The application that answers the request."""
        return self._context.app

    @property
    def root_path(self) -> str:
        """The path under which a proxy publishes the application."""
        return self._context.root_path

    @property
    def method(self) -> str:
        """The method, in capitals."""
        return self._x.method

    @property
    def url(self) -> URL:
        """The whole address that was asked for, with the path under which a proxy publishes the application."""
        if self._url is None:
            x = self._x
            query = x.query_string
            path = x.raw_path.decode("latin-1")
            self._url = URL(
                f"{self._origin()}{self._context.root_path}{path}{'?' + query.decode('latin-1') if query else ''}"
            )
        return self._url

    @property
    def base_url(self) -> URL:
        """The address of the application, with a slash at its end."""
        return URL(f"{self._origin()}{self._context.root_path}/")

    def url_for(self, name: str, /, **path_params: Any) -> URL:
        """The whole address of the application's route with a name. Raises NoMatchFound."""
        return URL(f"{self._origin()}{self._context.root_path}{self.app.url_path_for(name, **path_params)}")

    def _origin(self) -> str:
        x = self._x
        host = x.host
        if not host and x.server is not None:
            name, port = x.server
            host = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
        return f"{x.scheme}://{host}"

    @property
    def headers(self) -> Headers:
        """The header fields."""
        if self._headers is None:
            self._headers = Headers(raw=self._x.headers())
        return self._headers

    @property
    def query_params(self) -> QueryParams:
        """The parameters of the query, as text."""
        if self._query_params is None:
            self._query_params = QueryParams(self._x.query_items())
        return self._query_params

    @property
    def path_params(self) -> dict[str, str]:
        """The parameters of the path, decoded, as text."""
        names = self._context.param_names.get(self._x.route)
        if names is None:
            params: dict[str, str] = getattr(self._x, "original_scope", {}).get("path_params", {})
            return params
        return {name: self._x.path_str(i) for i, name in enumerate(names)}

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by name."""
        if self._cookies is None:
            self._cookies = {}
            for line in self.headers.getlist("cookie"):
                self._cookies.update(parse_cookies(line))
        return self._cookies

    @property
    def session(self) -> dict[str, Any]:
        """What is kept for the client. Raises AssertionError without SessionMiddleware."""
        session = self.scope.get("session")
        assert session is not None, "SessionMiddleware must be installed to access request.session"
        if hasattr(session, "mark_accessed"):
            session.mark_accessed()
        return session  # type: ignore[no-any-return]

    @property
    def client(self) -> Address | None:
        """Host and port of the peer; None for a Unix socket."""
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
            self._state = State(dict(self._context.state))
        return self._state

    async def stream(self) -> AsyncIterator[bytes]:
        """The body, piece by piece as it arrives.

        Raises:
            ClientDisconnect: the body ended early or was malformed.
            HTTPException: 413, the body is over `max_body_size`.
            RuntimeError: the body has been streamed before.
        """
        if self._body is not None:
            if self._body:
                yield self._body
            return
        if self._stream_consumed:
            raise RuntimeError("the body has been read by an earlier stream()")
        self._stream_consumed = True
        while chunk := await self._next():
            yield chunk

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
            raise ClientDisconnect(str(error)) from None
        return chunk

    async def next_piece(self) -> tuple[bytes, bool]:
        """A piece of the body, or all of it if it is at hand, and whether more follows. Raises as `stream`."""
        if self._body is not None:
            return self._body, False
        piece = await self._next()
        return piece, bool(piece)

    async def body(self) -> bytes:
        """The whole body; it may be asked for again. Raises what `stream` raises."""
        if self._body is None:
            whole = None if self._stream_consumed else self._x.body_whole()
            if whole is None:
                whole = b"".join([chunk async for chunk in self.stream()])
            self._body = whole
        return self._body

    async def text(self) -> str:
        """The body as UTF-8 text. Raises what `stream` raises, and UnicodeDecodeError."""
        return (await self.body()).decode()

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

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.url}>"


def _over_asgi(scope: Any, receive: Any, send: Any) -> tuple[Any, Context]:
    from covet.asgi.exchange import over_asgi

    x = over_asgi(scope, receive, send)
    context = Context(scope.get("app"), {}, x.lifespan_state, x.root_path)
    context.own_state = scope.setdefault("state", {})
    return x, context


async def news_of(x: Exchange) -> None:
    """Waits until there is news of an exchange: body bytes, room to send, or cancellation."""
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


def parse_cookies(line: str) -> dict[str, str]:
    """The cookies of one Cookie field, read as leniently as browsers do."""
    cookies = {}
    for chunk in line.split(";"):
        key, equals, value = chunk.partition("=")
        if not equals:
            key, value = "", chunk
        key, value = key.strip(), value.strip()
        if key or value:
            cookies[key] = _unquoted(value) if value.startswith('"') else value
    return cookies


def _unquoted(value: str) -> str:
    from http import cookies as http_cookies  # few clients quote: the module's memory is not spent before one does

    return http_cookies._unquote(value)
