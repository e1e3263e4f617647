"""Responses whose body is a file: whole, in ranges, or not at all if the client has it."""

import os
import stat
from collections.abc import AsyncIterable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from covet.background import BackgroundTask
from covet.conditions import Range, http_date, not_modified, ranges_of
from covet.core import Exchange
from covet.datastructures import MutableHeaders
from covet.files import FileSlices, NotAtHand, Part, open_file, read_at_once
from covet.filestreams import FileStream
from covet.responses import Answer, PlainTextResponse, Receive, Response, Scope, Send
from covet.streaming import StreamingResponse, renamed

AT_ONCE = 64 * 1024
"""Bytes of a body that are read and sent in one step if the system has them in memory."""
OF_CONTENT = frozenset(
    (b"accept-ranges", b"content-disposition", b"content-encoding", b"content-length", b"content-range",
     b"content-type", b"last-modified")
)  # fmt: skip
"""Fields about a body, which a response without one had better not have."""


class FileResponse(StreamingResponse):
    """Sends a file.

    Large files are sent by the engine, which takes nothing of the worker's time. A client that has the file already
    (If-None-Match, If-Modified-Since) gets 304, one that asks for ranges of it gets them. Over an ASGI server the
    file is handed over by its path where the server can send it, else it is read in threads.

    Args:
        path: where the file is.
        status_code: from 200 to 599; ranges and 304 are only for 200.
        headers: header fields; a Last-Modified or ETag among them stands for the file's own.
        media_type: the Content-Type; None is what the file's name says.
        background: what is done after the response has been sent.
        filename: the name under which browsers offer to save it.
        stat_result: what `os.stat` says of the file, if it is known already.
        content_disposition_type: "attachment" or, to show it in the browser, "inline"; it counts with a filename.

    Raises:
        RuntimeError: when it is sent: there is no such file, or it is none.
    """

    chunk_size = 256 * 1024
    max_ranges = 100
    follow_symlink = True
    """Whether the path itself may be a symbolic link."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: BackgroundTask | None = None,
        filename: str | None = None,
        stat_result: os.stat_result | None = None,
        content_disposition_type: str = "attachment",
    ) -> None:
        self.path = path
        self.status_code = status_code
        self.media_type = media_type_of(filename or os.fspath(path)) if media_type is None else media_type
        self.background = background
        self.filename = filename
        self.stat_result = stat_result
        self.init_headers(headers)
        fields = self.headers
        fields.setdefault("accept-ranges", "bytes")
        if filename is not None:
            fields.setdefault("content-disposition", f"{content_disposition_type}; {_named(filename)}")
        if stat_result is not None:
            self.set_stat_headers(stat_result)

    def set_stat_headers(self, stat_result: os.stat_result) -> None:
        """Sets Content-Length, Last-Modified and ETag where they are not set."""
        _add_stat(self.headers, stat_result)

    @property
    def body_iterator(self) -> AsyncIterable[Any]:
        """The contents, piece by piece. A middleware may put another body in its place."""
        iterator: AsyncIterable[Any] | None = self.__dict__.get("_iterator")
        if iterator is None:
            file, found = self._opened()
            iterator = FileSlices(file, [(0, found.st_size)], self.chunk_size)
        return iterator

    @body_iterator.setter
    def body_iterator(self, iterator: AsyncIterable[Any]) -> None:
        self.__dict__["_iterator"] = iterator

    async def close(self) -> None:
        """Closes what a middleware has put in the place of the file."""
        if "_iterator" in self.__dict__:
            await super().close()

    # ---- sending --------------------------------------------------------------------

    def answer(self, x: Exchange) -> Answer:  # type: ignore[override]
        if "_iterator" in self.__dict__:
            return super().answer(x)
        return self.selected_for(x).answer(x)

    def selected_for(self, x: Exchange) -> Response:
        """The response to this very request: with the whole file, with parts of it, or none of it.

        Args:
            x: the request, whose method and fields decide.

        Raises:
            RuntimeError: there is no such file, or it is none.
            OSError: it cannot be opened.
        """
        file, found = self._opened()
        try:
            return self._selected(x, file, found)
        except BaseException:
            os.close(file)
            raise

    def _opened(self) -> tuple[int, os.stat_result]:
        try:
            file = open_file(self.path, follow_symlink=self.follow_symlink)
        except (FileNotFoundError, NotADirectoryError):
            raise RuntimeError(f"File at path {self.path} does not exist.") from None
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            os.close(file)
            raise RuntimeError(f"File at path {self.path} is not a file.")
        return file, found

    def _selected(self, x: Exchange, file: int, found: os.stat_result) -> Response:
        fields = MutableHeaders(raw=self.raw_headers[:])
        known = self.stat_result
        if known is not None and (known.st_size, known.st_mtime) != (found.st_size, found.st_mtime):
            for name in ("content-length", "last-modified", "etag"):
                del fields[name]
        _add_stat(fields, found)
        size = found.st_size
        fields["content-length"] = str(size)
        may_choose = self.status_code == 200 and x.method in ("GET", "HEAD")
        if may_choose and _is_known(x, fields):
            os.close(file)
            return self._made(Response(None, 304), [pair for pair in fields.raw if pair[0] not in OF_CONTENT])
        wanted = x.header(b"range") if may_choose else None
        if wanted is None or not _range_counts(x.header(b"if-range"), fields):
            return self._whole(x, file, fields, [(0, size)], self.status_code)
        try:
            ranges = ranges_of(wanted.decode("latin-1"), size, self.max_ranges)
        except ValueError as error:
            os.close(file)
            return PlainTextResponse(str(error), 400)
        except LookupError:
            os.close(file)
            return PlainTextResponse("", 416, {"content-range": f"bytes */{size}"})
        return self._ranged(x, file, fields, ranges, size)

    def _ranged(self, x: Exchange, file: int, fields: MutableHeaders, ranges: Sequence[Range], size: int) -> Response:
        if not ranges:
            return self._whole(x, file, fields, [(0, size)], 200)
        if len(ranges) == 1:
            start, end = ranges[0]
            fields["content-range"] = f"bytes {start}-{end - 1}/{size}"
            fields["content-length"] = str(end - start)
            return self._whole(x, file, fields, [(start, end)], 206)
        boundary = os.urandom(13).hex()
        parts = _multipart(ranges, boundary, size, fields["content-type"])
        fields["content-type"] = f"multipart/byteranges; boundary={boundary}"
        fields["content-length"] = str(sum(len(p) if isinstance(p, bytes) else p[1] - p[0] for p in parts))
        return self._whole(x, file, fields, parts, 206)

    def _whole(self, x: Exchange, file: int, fields: MutableHeaders, parts: Sequence[Part], status: int) -> Response:
        """The response with some parts, which closes the file."""
        response: Response
        if x.method == "HEAD":
            os.close(file)
            return self._made(Response(None, status), fields.raw)
        part = parts[0]
        if len(parts) == 1 and not isinstance(part, bytes) and part[1] - part[0] <= AT_ONCE:
            try:
                response = Response(read_at_once(file, part), status)
            except NotAtHand:
                pass
            else:
                os.close(file)
                return self._made(response, fields.raw)
        slices = FileSlices(file, parts, self.chunk_size)
        return self._made(FileStream(slices, None if status == 206 else self.path, status), fields.raw)

    def _made(self, response: Response, raw_headers: Any) -> Response:
        response.raw_headers = raw_headers
        response.background = self.background
        return response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response to an ASGI server, then does the background work.

        Raises:
            RuntimeError: there is no such file, or it is none.
        """
        from covet.asgi.exchange import AsgiExchange
        from covet.asgi.serving import answer_with, complete

        if scope["type"] == "websocket":
            send = renamed(send, "websocket.http.response")
        x = AsgiExchange(scope, receive, send)
        await complete(x, answer_with(x, self))


# ---- what the file is -------------------------------------------------------------------


@lru_cache(512)
def media_type_of(name: str) -> str:
    """The media type that a file's name says."""
    from mimetypes import guess_type  # reads the system's table

    return guess_type(name)[0] or "application/octet-stream"


def _named(filename: str) -> str:
    quoted = quote(filename)
    return f'filename="{filename}"' if quoted == filename else f"filename*=utf-8''{quoted}"


def _add_stat(fields: MutableHeaders, found: os.stat_result) -> None:
    fields.setdefault("content-length", str(found.st_size))
    fields.setdefault("last-modified", http_date(found.st_mtime))
    fields.setdefault("etag", etag_of(found))


def etag_of(found: os.stat_result) -> str:
    """A file's ETag, which changes with its size and the time of its last change; Starlette's is the same."""
    return f'"{_md5(f"{found.st_mtime}-{found.st_size}".encode())}"'


def _md5(data: bytes) -> str:
    try:
        from _md5 import md5  # type: ignore[import-not-found]  # without the memory of OpenSSL
    except ImportError:
        from hashlib import md5
    digest: str = md5(data, usedforsecurity=False).hexdigest()
    return digest


def _is_known(x: Exchange, fields: MutableHeaders) -> bool:
    """Whether the client has the file as it is."""
    tags, since = x.header(b"if-none-match"), x.header(b"if-modified-since")
    if tags is None and since is None:
        return False
    return not_modified(
        None if tags is None else tags.decode("latin-1"),
        None if since is None else since.decode("latin-1"),
        fields["etag"],
        fields["last-modified"],
    )


def _range_counts(if_range: bytes | None, fields: MutableHeaders) -> bool:
    """Whether ranges are wanted of the file as it is now."""
    if if_range is None:
        return True
    value = if_range.decode("latin-1")
    return not value.startswith("W/") and value in (fields["last-modified"], fields["etag"])


def _multipart(ranges: Sequence[Range], boundary: str, size: int, content_type: str) -> list[Part]:
    """The parts of a multipart/byteranges body (RFC 9110, section 14.6)."""
    parts: list[Part] = []
    for start, end in ranges:
        head = f"--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: bytes {start}-{end - 1}/{size}\r\n\r\n"
        parts += [head.encode("latin-1"), (start, end), b"\r\n"]
    parts.append(f"--{boundary}--".encode("latin-1"))
    return parts
