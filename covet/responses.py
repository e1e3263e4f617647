"""Responses, in Starlette's shapes."""

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from covet.concurrency import run_in_threadpool
from covet.core import Exchange, pack_fields
from covet.datastructures import MutableHeaders, RawHeaders
from covet.encoders import encode
from covet.requests import news_of

logger = logging.getLogger("covet.error")

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


class Response:
    """A response with a body that is at hand.

    Args:
        content: the body; text is sent as UTF-8.
        status_code: from 200 to 599.
        headers: header fields; they can be changed until the response is returned.
        media_type: the Content-Type; for text/* the charset is added.
    """

    media_type: str | None = None
    charset: ClassVar[str] = "utf-8"
    body: bytes

    def __init__(
        self,
        content: Any = None,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> None:
        self._begin(status_code, headers, media_type)
        self.body = self.render(content)

    def _begin(self, status_code: int, headers: Mapping[str, str] | None, media_type: str | None) -> None:
        self.status_code = status_code
        if media_type is not None:
            self.media_type = media_type
        self.raw_headers: RawHeaders = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()
        ]
        if self.media_type is not None and not any(name == b"content-type" for name, _ in self.raw_headers):
            self.raw_headers.append((b"content-type", self._content_type(self.media_type)))

    def _content_type(self, media_type: str) -> bytes:
        if media_type.startswith("text/") and "charset=" not in media_type.lower():
            media_type += f"; charset={self.charset}"
        return media_type.encode("latin-1")

    @property
    def body_iterator(self) -> AsyncIterator["Chunk"]:
        """The body, piece by piece. A middleware may put another one in its place."""
        iterator: AsyncIterator[Chunk] | None = self.__dict__.get("_iterator")
        return _at_once(self.body) if iterator is None else iterator

    @body_iterator.setter
    def body_iterator(self, iterator: "AsyncIterable[Chunk]") -> None:
        self.__dict__["_iterator"] = aiter(iterator)

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
        """The header fields. The engine adds Content-Length, Date and Server."""
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
        return None


class JSONResponse(Response):
    """JSON: compact, in UTF-8; NaN and infinities become null."""

    media_type = "application/json"

    def __init__(
        self,
        content: Any,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> None:
        super().__init__(content, status_code, headers, media_type)

    def render(self, content: Any) -> bytes:
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
    """

    def __init__(self, url: Any, status_code: int = 307, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(b"", status_code, headers)
        self.headers["location"] = quote(str(url), safe=":/%#?=@[]!$&'()*+,;")


Chunk = str | bytes | bytearray | memoryview
Chunks = AsyncIterable[Chunk] | Iterable[Chunk]


class StreamingResponse(Response):
    """Sends what an iterator gives, chunk by chunk.

    The next chunk is asked for when there is room for it. When the client goes
    away, the task is cancelled and the iterator closed.

    Args:
        content: an asynchronous iterable, or one that is iterated in a thread; text is sent as UTF-8.
        status_code: from 200 to 599.
        headers: header fields; a Content-Length must be the true one.
        media_type: the Content-Type; for text/* the charset is added.
    """

    def __init__(
        self,
        content: Chunks,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> None:
        self._begin(status_code, headers, media_type)
        self.body_iterator = content if isinstance(content, AsyncIterable) else _in_thread(iter(content))

    def answer(self, x: Exchange) -> Coroutine[Any, Any, None]:
        return self._send(x)

    async def _send(self, x: Exchange) -> None:
        try:
            media, fields, length = self._head()
            x.start(self.status_code, media, fields, length)
            if x.method != "HEAD":
                await self._send_chunks(x)
            if not x.done:
                x.finish()
        except asyncio.CancelledError:
            if not x.started:
                raise
            x.abort()
        except Exception:
            if not x.started:
                raise
            if not x.cancelled:
                logger.exception("Exception while streaming the answer to %s %s", x.method, x.path)
            x.abort()
        finally:
            close = getattr(self.body_iterator, "aclose", None)
            if close is not None:
                await close()

    async def _send_chunks(self, x: Exchange) -> None:
        task = asyncio.current_task()
        assert task is not None
        x.on_cancel(task.cancel)
        try:
            async for chunk in self.body_iterator:
                data = memoryview(chunk.encode(self.charset) if isinstance(chunk, str) else chunk).cast("B")
                while data:
                    if x.cancelled:
                        x.abort()
                        return
                    taken = x.send(data)
                    data = data[taken:]
                    if not taken:
                        await news_of(x)
        finally:
            if not x.done:
                x.on_cancel(None)


async def _at_once(body: bytes) -> AsyncIterator[Chunk]:
    if body:
        yield body


_END = object()


async def _in_thread(iterator: Iterator[Chunk]) -> AsyncIterator[Chunk]:
    """Iterates in the thread pool, so that the iterator may block."""
    try:
        while (chunk := await run_in_threadpool(next, iterator, _END)) is not _END:
            yield chunk  # type: ignore[misc]
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            await run_in_threadpool(close)
