"""Connections and requests that an ASGI scope describes, in Starlette's shapes."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

from covet.datastructures import URL, Address, Headers, QueryParams, State
from covet.exceptions import ClientDisconnect, HTTPException
from covet.urls import IN_PATHS, no_matches, whole

if TYPE_CHECKING:
    from covet.core import Exchange
    from covet.uploads import FormData

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

EXCHANGE = "covet.exchange"
"""The member of a scope that has the exchange which it was made from."""
PUSHED_FIELDS = (b"accept", b"accept-encoding", b"accept-language", b"cache-control", b"user-agent")


class HTTPConnection(Mapping[str, Any]):
    """What requests and WebSockets have in common; as a mapping it is its scope.

    Args:
        scope: an ASGI scope of type "http" or "websocket".
        receive: the connection's; only requests and WebSockets use it.

    Attributes:
        scope: the scope; members of one's own can be set in it.
    """

    __slots__ = (
        "__dict__", "__weakref__", "_base_url", "_cookies", "_headers", "_query_params", "_state", "_url", "scope",
    )  # fmt: skip
    scope: Scope

    def __init__(self, scope: Scope, receive: Receive | None = None) -> None:
        if scope["type"] not in ("http", "websocket"):
            raise ValueError(f"a connection has a scope of type http or websocket, not {scope['type']!r}")
        self.scope = scope
        self._forget()

    def _forget(self) -> None:
        """Has everything read anew from the scope."""
        self._base_url: URL | None = None
        self._cookies: dict[str, str] | None = None
        self._headers: Headers | None = None
        self._query_params: QueryParams | None = None
        self._state: State | None = None
        self._url: URL | None = None

    def __getitem__(self, key: str) -> Any:
        return self.scope[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.scope)

    def __len__(self) -> int:
        return len(self.scope)

    # One connection equals no other one, whatever is in their scopes.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        return True

    @property
    def app(self) -> Any:
        """The application. Raises KeyError outside of one."""
        return self.scope["app"]

    @property
    def url(self) -> URL:
        """The whole address that was asked for."""
        if self._url is None:
            self._url = URL(scope=self.scope)
        return self._url

    @property
    def base_url(self) -> URL:
        """The address of the application, with a slash at its end."""
        if self._base_url is None:
            scope = self.scope
            root_path = scope.get("app_root_path", scope.get("root_path", ""))
            self._base_url = URL(scope={**scope, "path": root_path.rstrip("/") + "/", "query_string": b""})
        return self._base_url

    @property
    def root_path(self) -> str:
        """The path under which the application is published or mounted."""
        path: str = self.scope.get("root_path", "")
        return path

    @property
    def headers(self) -> Headers:
        """The header fields."""
        if self._headers is None:
            self._headers = Headers(scope=self.scope)
        return self._headers

    @property
    def query_params(self) -> QueryParams:
        """The parameters of the query, as text."""
        if self._query_params is None:
            self._query_params = QueryParams(self.scope["query_string"])
        return self._query_params

    @property
    def path_params(self) -> dict[str, Any]:
        """The parameters of the path, decoded; those with a converter have its type."""
        params: dict[str, Any] = self.scope.get("path_params", {})
        return params

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by name."""
        if self._cookies is None:
            self._cookies = {}
            for line in self.headers.getlist("cookie"):
                self._cookies.update(parse_cookies(line))
        return self._cookies

    @property
    def client(self) -> Address | None:
        """Host and port of the peer; None for a Unix socket."""
        client = self.scope.get("client")
        return None if client is None else Address(*client)

    @property
    def http_version(self) -> str:
        """The version of HTTP, such as "1.1"."""
        version: str = self.scope.get("http_version", "1.1")
        return version

    @property
    def session(self) -> dict[str, Any]:
        """What is kept for the client. Raises AssertionError without SessionMiddleware."""
        assert "session" in self.scope, "SessionMiddleware must be installed to access request.session"
        session = self.scope["session"]
        if hasattr(session, "mark_accessed"):
            session.mark_accessed()
        return session  # type: ignore[no-any-return]

    @property
    def auth(self) -> Any:
        """What the client may do. Raises AssertionError without a middleware that says it."""
        assert "auth" in self.scope, "AuthenticationMiddleware must be installed to access request.auth"
        return self.scope["auth"]

    @property
    def user(self) -> Any:
        """Who the client is. Raises AssertionError without a middleware that says it."""
        assert "user" in self.scope, "AuthenticationMiddleware must be installed to access request.user"
        return self.scope["user"]

    @property
    def state(self) -> State:
        """A place for attributes of this request; it begins with what the lifespan yielded."""
        if self._state is None:
            self._state = State(self.scope.setdefault("state", {}))
        return self._state

    def _own_application(self) -> Any:
        return self.scope.get("app")

    def url_for(self, name: str, /, **path_params: Any) -> URL:
        """The whole address of the route with a name, which may be of a mounted application: "mount:name".

        In a mounted application the names are those of the outermost one, as in Starlette; a name that is none of
        them is looked for in the application itself.

        Raises:
            NoMatchFound: there is no such route.
            RuntimeError: there is no application.
        """
        scope = self.scope
        provider = scope.get("router") or scope.get("app")
        if provider is None:
            raise RuntimeError("url_for finds routes only inside of an application")
        base = str(self.base_url)
        try:
            path = provider.url_path_for(name, **path_params)
        except no_matches():
            own = self._own_application()
            if own is None or provider in (own, getattr(own, "router", None)):
                raise
            path = own.url_path_for(name, **path_params)
            root_path = str(scope.get("root_path", ""))
            mounted_at = root_path.removeprefix(scope.get("app_root_path", root_path))
            base = base.rstrip("/") + quote(mounted_at, safe=IN_PATHS)
        return whole(path, base.rstrip("/"))


async def no_receive() -> NoReturn:
    """Stands where a request was made without `receive`. Raises RuntimeError."""
    raise RuntimeError("this request was made without a receive function, so it has no body")


async def no_send(message: Message) -> NoReturn:
    """Stands where a request was made without `send`. Raises RuntimeError."""
    raise RuntimeError("this request was made without a send function")


class Request(HTTPConnection):
    """One request.

    Args:
        scope: an ASGI scope of type "http".
        receive: gives the pieces of the body.
        send: takes the messages of a response.
    """

    __slots__ = ("_body", "_form", "_is_disconnected", "_json", "_receive", "_send", "_stream_consumed", "_unread")
    _body: bytes

    def __init__(self, scope: Scope, receive: Receive = no_receive, send: Send = no_send) -> None:
        super().__init__(scope)
        if scope["type"] != "http":
            raise ValueError(f"a request has a scope of type http, not {scope['type']!r}")
        self._receive: Any = receive
        self._send: Any = send
        self._form: FormData | None = None
        self._stream_consumed = False
        self._is_disconnected = False
        self._unread: list[Message] = []

    @property
    def method(self) -> str:
        """The method, in capitals."""
        method: str = self.scope["method"]
        return method

    @property
    def exchange(self) -> "Exchange":
        """The exchange of the application that the scope comes from. Raises RuntimeError outside of one."""
        x: Exchange | None = self.scope.get(EXCHANGE)
        if x is None:
            raise RuntimeError("this request was not made from the scope of a CovetPy application's request")
        return x

    @property
    def receive(self) -> Receive:
        """Gives the ASGI messages of the request."""
        receive: Receive = self._receive
        return receive

    # ---- the body -----------------------------------------------------------------

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
        while not self._stream_consumed:
            piece, more = await self._next_message()
            self._stream_consumed = not more
            if piece:
                yield piece

    async def _next_message(self) -> tuple[bytes, bool]:
        """A piece of the body, and whether more follows. Raises ClientDisconnect."""
        message = self._unread.pop(0) if self._unread else await self._receive()
        if message["type"] == "http.disconnect":
            self._is_disconnected = True
            raise ClientDisconnect("the request body ended before it was complete")
        return message.get("body", b""), message.get("more_body", False)

    async def body(self) -> bytes:
        """The whole body; it may be asked for again. Raises what `stream` raises."""
        if not hasattr(self, "_body"):
            self._body = b"".join([piece async for piece in self.stream()])
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
            self._json: Any = json.loads(await self.body())
        return self._json

    # ---- forms ----------------------------------------------------------------------

    def form(
        self, *, max_files: float = 1000, max_fields: float = 1000, max_part_size: int = 1024 * 1024
    ) -> "FormReading":
        """The form in the body: `await request.form()`, or `async with request.form() as form`, which closes its files.

        It is read once; a body that is no form is an empty one.

        Args:
            max_files: how many files there may be.
            max_fields: how many other fields there may be.
            max_part_size: how large a field that is no file may be, in bytes.

        Raises:
            HTTPException: 400, the form cannot be read or is over a limit.
            MultiPartException: the same, outside of an application.
        """
        return FormReading(self, {"max_files": max_files, "max_fields": max_fields, "max_part_size": max_part_size})

    async def close(self) -> None:
        """Closes the files of the form, if it was read."""
        if self._form is not None:
            await self._form.close()

    # ---- the connection ----------------------------------------------------------------

    async def is_disconnected(self) -> bool:
        """Whether the client has gone, as far as `receive` says at once."""
        if not self._is_disconnected:
            task = asyncio.ensure_future(self._receive())
            await asyncio.sleep(0)
            if not task.done():
                task.cancel()
            with suppress(asyncio.CancelledError):
                message = await task
                self._is_disconnected = message["type"] == "http.disconnect"
                self._unread.append(message)
        return self._is_disconnected

    async def send_push_promise(self, path: str) -> None:
        """Has the server push what is at a path, if it can."""
        if "http.response.push" in self.scope.get("extensions", {}):
            fields = [(name, value) for name, value in self.headers.raw if name in PUSHED_FIELDS]
            await self._send({"type": "http.response.push", "path": path, "headers": fields})

    async def send_early_hints(self, link: str, /, *additional_links: str) -> None:
        """Sends 103 Early Hints (RFC 8297) with values of the Link field, if the server can."""
        if "http.response.early_hint" in self.scope.get("extensions", {}):
            links = [each.encode("latin-1") for each in (link, *additional_links)]
            await self._send({"type": "http.response.early_hint", "links": links})

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.url}>"


class FormReading:
    """A form that is yet to be read: something to await, or to enter.

    Args:
        request: the request whose body it is.
        limits: as `Request.form` has them.
    """

    __slots__ = ("_limits", "_request")

    def __init__(self, request: Request, limits: Mapping[str, Any]) -> None:
        self._request = request
        self._limits = limits

    def __await__(self) -> Generator[Any, None, "FormData"]:
        return self._read().__await__()

    async def __aenter__(self) -> "FormData":
        return await self._read()

    async def __aexit__(self, *_: object) -> None:
        await self._request.close()

    async def _read(self) -> "FormData":
        request = self._request
        if request._form is None:
            from covet import formparsers  # its parser is loaded with the first form

            try:
                request._form = await formparsers.read(request.headers, request.stream(), self._limits)
            except formparsers.MultiPartException as error:
                if "app" in request.scope:
                    raise HTTPException(400, error.message) from None
                raise
        return request._form


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
