"""Responses, in Starlette's shapes."""

from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Mapping,
    MutableMapping,
)
from datetime import datetime
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import quote

from covet.background import BackgroundTask, run_after
from covet.core import Exchange, pack_fields
from covet.datastructures import MutableHeaders, RawHeaders
from covet.deprecations import deprecated_class
from covet.encoders import encode

if TYPE_CHECKING:
    from covet.fileresponses import FileResponse as FileResponse
    from covet.sse import EventSourceResponse as EventSourceResponse
    from covet.streaming import StreamingResponse as StreamingResponse

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

Answer = Coroutine[Any, Any, None] | None
"""What sends a response: nothing more to do, or a coroutine to be driven."""

MEDIA_NUMBERS = {
    b"application/json": 1,
    b"text/plain; charset=utf-8": 2,
    b"text/html; charset=utf-8": 3,
    b"application/octet-stream": 4,
    b"text/event-stream; charset=utf-8": 5,
}
"""Content types that the engine knows by number (exchange.MediaType)."""


AS_ASGI = frozenset(("__call__", "stream_response", "listen_for_disconnect"))
"""Methods that say how a response is sent to an ASGI server: a class of a user's that has its own is sent by them."""

NO_LENGTH = (204, 304)
"""Statuses whose responses have no body, and name no length."""


class Response:
    """A response with a body that is at hand. It is an ASGI application too.

    Args:
        content: the body; text is sent as UTF-8.
        status_code: from 200 to 599.
        headers: header fields; they can be changed until the response is returned.
        media_type: the Content-Type; for text/* the charset is added.
        background: what is done after the response has been sent.
    """

    media_type: str | None = None
    charset: ClassVar[str] = "utf-8"
    status_code: int
    background: BackgroundTask | None
    body: bytes
    raw_headers: RawHeaders

    def __init__(
        self,
        content: Any = None,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        self.status_code = status_code
        if media_type is not None:
            self.media_type = media_type
        self.background = background
        self.body = self.render(content)
        self.init_headers(headers)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "answer" not in cls.__dict__ and not AS_ASGI.isdisjoint(cls.__dict__):
            cls.answer = _answer_as_asgi  # type: ignore[method-assign, assignment]

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Sets the header fields anew: these, and Content-Length and Content-Type unless they are among them."""
        raw: RawHeaders = []
        names: Collection[bytes] = ()
        if headers:
            raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
            names = [name for name, _ in raw]
        body = getattr(self, "body", None)
        if body is not None and self.status_code not in NO_LENGTH and b"content-length" not in names:
            raw.append((b"content-length", b"%d" % len(body)))
        if self.media_type is not None and b"content-type" not in names:
            raw.append((b"content-type", content_type_of(self.media_type, self.charset)))
        self.raw_headers = raw

    @property
    def body_iterator(self) -> AsyncIterable[Any]:
        """The body, piece by piece. A middleware may put another one in its place."""
        iterator: AsyncIterable[Any] | None = self.__dict__.get("_iterator")
        return _at_once(self.body) if iterator is None else iterator

    @body_iterator.setter
    def body_iterator(self, iterator: AsyncIterable[Any]) -> None:
        self.__dict__["_iterator"] = iterator

    def render(self, content: Any) -> bytes:
        """The body's bytes."""
        if content is None:
            return b""
        if isinstance(content, (bytes, memoryview, bytearray)):
            return bytes(content)
        if isinstance(content, str):
            return content.encode(self.charset)
        raise TypeError(f"the content of a {type(self).__name__} must be text or bytes, not {type(content).__name__}")

    @property
    def headers(self) -> MutableHeaders:
        """The header fields. The engine adds Date and Server, and sends the true Content-Length."""
        return MutableHeaders(raw=self.raw_headers)

    def set_cookie(
        self,
        key: str,
        value: str = "",
        max_age: int | None = None,
        expires: datetime | str | int | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: Literal["lax", "strict", "none"] | None = "lax",
        partitioned: bool = False,
    ) -> None:
        """Adds a cookie; max_age and a number in `expires` are seconds from now."""
        from http.cookies import SimpleCookie

        cookie: SimpleCookie = SimpleCookie()
        cookie[key] = value
        morsel = cookie[key]
        if max_age is not None:
            morsel["max-age"] = max_age
        if isinstance(expires, datetime):
            from email.utils import format_datetime

            morsel["expires"] = format_datetime(expires, usegmt=True)
        elif expires is not None:
            morsel["expires"] = expires
        if path is not None:
            morsel["path"] = path
        if domain is not None:
            morsel["domain"] = domain
        if secure:
            morsel["secure"] = True
        if httponly:
            morsel["httponly"] = True
        if samesite is not None:
            if samesite.lower() not in ("strict", "lax", "none"):
                raise ValueError("samesite must be 'strict', 'lax' or 'none'")
            morsel["samesite"] = samesite
        text = cookie.output(header="").strip() + ("; Partitioned" if partitioned else "")
        self.raw_headers.append((b"set-cookie", text.encode("latin-1")))

    def delete_cookie(
        self,
        key: str,
        path: str = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: Literal["lax", "strict", "none"] | None = "lax",
        partitioned: bool = False,
    ) -> None:
        """Tells the client to forget a cookie; path and domain must be those it was set with."""
        self.set_cookie(key, "", 0, 0, path, domain, secure, httponly, samesite, partitioned)

    def _head(self) -> tuple[int, bytes, int]:
        """The content type's number, the other fields packed, and the length they name (-1 if none)."""
        media, length, rest = 0, -1, []
        for name, value in self.raw_headers:
            if name == b"content-length" and value.isdigit():
                length = int(value)
            elif name == b"content-type" and not media and value in MEDIA_NUMBERS:
                media = MEDIA_NUMBERS[value]
            else:
                rest.append((name, value))
        return media, pack_fields(rest) if rest else b"", length

    def answer(self, x: Exchange) -> Answer:
        """Sends the response; a coroutine if that takes waiting."""
        media, fields, length = self._head()
        if length > len(self.body) and x.method == "HEAD":
            # The length of a body that the handler need not make.
            x.start(self.status_code, media, fields, length)
            x.finish()
        else:
            x.respond(self.status_code, media, fields, self.body)
        return None if self.background is None else run_after(x, self.background)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response to an ASGI server, then does the background work.

        Args:
            scope: of the request, or of the WebSocket handshake that the response refuses.
            receive: the server's.
            send: the server's.
        """
        kind = message_kind(scope)
        await send({"type": f"{kind}.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": f"{kind}.body", "body": self.body})
        if self.background is not None:
            await self.background()


@lru_cache(128)
def content_type_of(media_type: str, charset: str) -> bytes:
    """The Content-Type for a media type: text is in a charset."""
    if media_type.startswith("text/") and "charset=" not in media_type.lower():
        media_type += f"; charset={charset}"
    return media_type.encode("latin-1")


def message_kind(scope: Scope) -> str:
    """What the types of a response's messages begin with."""
    return "websocket.http.response" if scope["type"] == "websocket" else "http.response"


async def _answer_as_asgi(response: Response, x: Exchange) -> None:
    from covet.foreign import answer_with  # few need it

    await answer_with(response, x)


class JSONResponse(Response):
    """JSON: compact, in UTF-8; NaN and infinities become null."""

    media_type = "application/json"

    def __init__(
        self,
        content: Any,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        super().__init__(content, status_code, headers, media_type, background)

    def render(self, content: Any) -> bytes:
        return encode(content)


class ORJSONResponse(JSONResponse):
    """JSON by the orjson package, which also knows numpy's arrays; without it, as `JSONResponse` writes it."""

    def render(self, content: Any) -> bytes:
        deprecated_class("ORJSONResponse")
        return _orjson_encoder()(content)


@cache
def _orjson_encoder() -> Callable[[Any], bytes]:
    from importlib import import_module

    try:
        orjson = import_module("orjson")
    except ModuleNotFoundError:
        return encode
    return partial(orjson.dumps, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY)


class UJSONResponse(JSONResponse):
    """JSON, as `JSONResponse` writes it; the name is FastAPI's, and the ujson package is not needed."""

    def render(self, content: Any) -> bytes:
        deprecated_class("UJSONResponse")
        return encode(content)


class PlainTextResponse(Response):
    """Plain text."""

    media_type = "text/plain"


class HTMLResponse(Response):
    """HTML."""

    media_type = "text/html"


class RedirectResponse(Response):
    """Sends the client elsewhere.

    Args:
        url: where to; text or a URL.
        status_code: 307 keeps the method; 303 makes it GET.
        headers: further header fields.
        background: what is done after the response has been sent.
    """

    def __init__(
        self,
        url: Any,
        status_code: int = 307,
        headers: Mapping[str, str] | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        super().__init__(b"", status_code, headers, None, background)
        self.headers["location"] = quote(str(url), safe=":/%#?=@[]!$&'()*+,;")


async def _at_once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body


_PLACES = {"EventSourceResponse": "sse", "FileResponse": "fileresponses", "StreamingResponse": "streaming"}


def __getattr__(name: str) -> object:
    """Loads the classes that many applications never use when they are first asked for."""
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"covet.{place}"), name)
    globals()[name] = value
    return value
