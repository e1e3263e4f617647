"""Compresses response bodies with gzip, Brotli or Zstandard (RFC 9110, section 8.4)."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Protocol

from covet.asgi.head import ScopeHead
from covet.concurrency import run_in_threadpool
from covet.datastructures import MutableHeaders
from covet.middleware.base import AsgiApp, Layer, Receive, RequestResponseEndpoint, Scope, Send
from covet.middleware.heads import headers_of
from covet.requests import Request
from covet.responses import Response
from covet.streaming import StreamingResponse

DEFAULT_EXCLUDED_CONTENT_TYPES = (
    "application/grpc",
    "application/gzip",
    "application/x-gzip",
    "application/zip",
    "audio/*",
    "font/woff",
    "font/woff2",
    "image/avif",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "text/event-stream",
    "video/*",
)
"""Types that are compressed already, and streams of events."""


ALGORITHMS = ("zstd", "br", "gzip")
"""The best first."""


class Encoder(Protocol):
    """Compresses one body."""

    def piece(self, data: bytes) -> bytes:
        """Compresses data so that all that was given so far can be read."""

    def end(self, data: bytes) -> bytes:
        """Compresses the last data."""


class CompressionMiddleware(Layer):
    """Compresses the bodies of responses in the way that the client likes best.

    Streams are compressed piece by piece: what the application sends can be read at once.

    Args:
        app: the application inside.
        minimum_size: bodies at hand with fewer bytes are sent as they are.
        algorithms: "zstd", "br" and "gzip", the best first, for clients that like several equally; those whose
            package is not installed are left out if it is None.
        gzip_level: from 0 to 9.
        brotli_quality: from 0 to 11.
        zstd_level: from 1 to 22.
        thread_minimum_size: bodies, and pieces, of at least as many bytes are compressed in a thread.
        exclude_content_types: types that are not compressed; "audio/*" is all of audio.

    Raises:
        ValueError: there is no such algorithm.
        ModuleNotFoundError: an algorithm that is named needs a package that is not installed.
    """

    def __init__(
        self,
        app: AsgiApp,
        minimum_size: int = 500,
        *,
        algorithms: Sequence[str] | None = None,
        gzip_level: int = 6,
        brotli_quality: int = 4,
        zstd_level: int = 3,
        thread_minimum_size: int = 128 * 1024,
        exclude_content_types: Sequence[str] = DEFAULT_EXCLUDED_CONTENT_TYPES,
    ) -> None:
        from covet.middleware.encodings import encoders

        self.app = app
        self.minimum_size = minimum_size
        self.thread_minimum_size = thread_minimum_size
        self.exclude_content_types = frozenset(each.partition(";")[0].strip().lower() for each in exclude_content_types)
        self.levels = {"gzip": gzip_level, "br": brotli_quality, "zstd": zstd_level}
        self.algorithms = None if algorithms is None else tuple(algorithms)
        self._encoders: Mapping[str, Callable[[], Encoder]] = encoders(algorithms, self.levels)

    def for_engine(self) -> dict[str, Any] | None:
        return self._for_engine() if type(self) is CompressionMiddleware else None

    def _for_engine(self) -> dict[str, Any]:
        return {
            "kind": "compression",
            "minimum_size": self.minimum_size,
            "codings": [{"name": name, "level": self.levels[name]} for name in self.algorithms or ALGORITHMS],
            "exclude": sorted(self.exclude_content_types),
        }

    def _chosen(self, accepted: bytes | None) -> str | None:
        return None if accepted is None else preferred(accepted.decode("latin-1"), self._encoders)

    def _leaves_alone(self, status: int, headers: MutableHeaders) -> bool:
        if status == 206 or "content-encoding" in headers:
            return True
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        excluded = self.exclude_content_types
        return (
            media_type in excluded
            or media_type.partition("/")[0] + "/*" in excluded
            or (media_type.startswith("application/grpc+") and "application/grpc" in excluded)
        )

    # ---- right around the routes -------------------------------------------------

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Answers a request with what is inside, compressed."""
        encoding = self._chosen(request.exchange.header(b"accept-encoding"))
        response = await call_next(request)
        if self._leaves_alone(response.status_code, response.headers):
            return response
        if not isinstance(response, StreamingResponse) and "_iterator" not in response.__dict__:
            await self._compress_whole(response, encoding)
            return response
        response.headers.add_vary_header("Accept-Encoding")
        if encoding is not None:
            _mark(response.headers, encoding)
            del response.headers["content-length"]
            response.body_iterator = self._compressed(response.body_iterator, self._encoders[encoding]())
        return response

    async def _compress_whole(self, response: Response, encoding: str | None) -> None:
        if len(response.body) < self.minimum_size:
            return
        headers = response.headers
        headers.add_vary_header("Accept-Encoding")
        if encoding is not None:
            response.body = await self._work(self._encoders[encoding]().end, response.body)
            _mark(headers, encoding)
            if "content-length" in headers:
                headers["content-length"] = str(len(response.body))

    async def _compressed(self, pieces: AsyncIterable[Any], encoder: Encoder) -> AsyncIterator[bytes]:
        try:
            async for piece in pieces:
                data = piece.encode() if isinstance(piece, str) else bytes(piece)
                if data:
                    yield await self._work(encoder.piece, data)
            yield encoder.end(b"")
        finally:
            close = getattr(pieces, "aclose", None)
            if close is not None:
                await close()

    async def _work(self, function: Callable[[bytes], bytes], data: bytes) -> bytes:
        if len(data) >= self.thread_minimum_size:
            return await run_in_threadpool(function, data)
        return function(data)

    # ---- over ASGI -----------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one ASGI 3 connection; only HTTP is compressed."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        compressor = _Compressor(self, self._chosen(ScopeHead(scope).header(b"accept-encoding")), send)
        await self.app(scope, receive, compressor.take)


class _Compressor:
    """Compresses one response on its way to an ASGI server."""

    def __init__(self, middleware: CompressionMiddleware, encoding: str | None, send: Send) -> None:
        self._middleware = middleware
        self._encoding = encoding
        self._send = send
        self._head: Any = None  # waits for the body, which decides what it says
        self._encoder: Encoder | None = None
        self._through = False

    async def take(self, message: Any) -> None:
        """Takes a message of the application."""
        kind = message["type"]
        if kind == "http.response.start":
            self._through = self._middleware._leaves_alone(message["status"], headers_of(message))
            if not self._through:
                self._head = message
                return
        elif kind == "http.response.body" and not self._through:
            await self._take_body(message)
            return
        elif kind == "http.response.pathsend" and self._head is not None:
            await self._send_head()
        await self._send(message)

    async def _take_body(self, message: Any) -> None:
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._head is not None:
            self._through = not more and len(body) < self._middleware.minimum_size
            if not self._through:
                body = await self._begin(body, more)
            await self._send_head()
        elif self._encoder is not None:
            body = await self._encode(self._encoder, body, more)
        await self._send({**message, "body": body})

    async def _begin(self, body: bytes, more: bool) -> bytes:
        headers = MutableHeaders(raw=self._head["headers"])
        headers.add_vary_header("Accept-Encoding")
        if self._encoding is None:
            self._through = True
            return body
        self._encoder = self._middleware._encoders[self._encoding]()
        body = await self._encode(self._encoder, body, more)
        _mark(headers, self._encoding)
        if more or self._head.get("trailers"):
            del headers["content-length"]
        else:
            headers["content-length"] = str(len(body))
        return body

    async def _encode(self, encoder: Encoder, body: bytes, more: bool) -> bytes:
        return await self._middleware._work(encoder.piece if more else encoder.end, bytes(body))

    async def _send_head(self) -> None:
        head, self._head = self._head, None
        await self._send(head)


def _mark(headers: MutableHeaders, encoding: str) -> None:
    """Says how a body is compressed. A strong ETag becomes weak, as it stays the same for other bytes."""
    headers["content-encoding"] = encoding
    tag = headers.get("etag", "")
    if tag.startswith('"'):
        headers["etag"] = f"W/{tag}"


def preferred(accepted: str, offered: Mapping[str, Any]) -> str | None:
    """The encoding that a client likes best (RFC 9110, section 12.5.3), or None for the body as it is.

    Args:
        accepted: the value of Accept-Encoding.
        offered: the encodings that there are, the best first.
    """
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, _, parameters = part.partition(";")
        name = {"x-gzip": "gzip"}.get(name.strip(), name.strip())
        weights[name] = _weight(parameters)
    rest = weights.get("*", 0.0)
    best, most = None, 0.0
    for name in offered:
        weight = weights.get(name, rest)
        if weight > most:
            best, most = name, weight
    return best if most >= weights.get("identity", 0.0) else None


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
