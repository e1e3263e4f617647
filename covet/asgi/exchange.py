"""An exchange over an ASGI server: what `covet.core.Exchange` is over the engine."""

import asyncio
import logging
import re
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes

from covet.core import BAD, BodyBroken, BodyTooLarge, pack_fields
from covet.responses import MEDIA_NUMBERS

logger = logging.getLogger("covet.error")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Callback = Callable[[], object]

INT = re.compile(r"-?[0-9]{1,18}", re.ASCII)
FLOAT = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
UNSENDABLE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
BOOLS = {
    **dict.fromkeys(("true", "1", "on", "yes", "t", "y"), True),
    **dict.fromkeys(("false", "0", "off", "no", "f", "n"), False),
}
MEDIA_TYPES = {number: value for value, number in MEDIA_NUMBERS.items()}
JSON = 1
NOT_SENT = (b"content-length", b"transfer-encoding", b"connection")
"""Fields that the exchange or the server decides."""

READ_AHEAD = 65536
"""Bytes of a request's body that are held before more is asked for."""
SEND_AHEAD = 262144
"""Bytes of a response that may wait for the server to take them."""

TOO_LARGE = b'{"detail":"Request body too large"}'
OVER = "the exchange is over"


class ResponseAborted(RuntimeError):
    """A response ended before it was complete; raised so that the server closes the connection."""


class AsgiExchange:
    """One request and its response, with the interface of `covet.core.Exchange`.

    What is sent is put into `messages`, and `outgoing` is set; `serve` in
    `covet.asgi.app` passes them on to the server.

    Args:
        scope: the request's scope.
        receive: the server's.
        max_body: the largest request body in bytes; 0 is no limit.
    """

    def __init__(self, scope: Mapping[str, Any], receive: Receive, max_body: int = 0) -> None:
        self.route = self.verdict = 0
        self.params: tuple[str, ...] = ()
        self.method: str = scope["method"]
        self.scheme: str = scope.get("scheme", "http")
        self.http_version: str = scope.get("http_version", "1.1")
        self.root_path: str = scope.get("root_path", "").rstrip("/")
        self.raw_path = raw_path_of(scope, self.root_path)
        self.path = unquote_to_bytes(self.raw_path).decode("utf-8", "replace")
        self.query_string: bytes = scope.get("query_string", b"")
        self.target = self.raw_path + (b"?" + self.query_string if self.query_string else b"")
        self._headers = [(bytes(name).lower(), bytes(value)) for name, value in scope.get("headers", ())]
        self.host = (self.header(b"host") or b"").decode("latin-1")
        self.client = _address(scope.get("client"))
        self.server = _address(scope.get("server"))
        length = self.header(b"content-length") or b""
        self.content_length = int(length) if length.isdigit() else -1
        self.state: Any = None
        self.lifespan_state: Mapping[str, Any] = {}
        self.gone = False  # the server does not take messages any more
        self.lost = self.started = self.done = self.aborted = False
        self.cause: BaseException | None = None
        self.messages: deque[Message] = deque()
        self.outgoing = asyncio.Event()
        self._receive = receive
        self._max_body = max_body
        self._reader: asyncio.Task[None] | None = None
        self._pieces: deque[bytes] = deque()
        self._room_to_read = asyncio.Event()
        self._held = self._received = 0
        self._body_ended = self._too_large = self._over = False
        self._waiter: Callback | None = None
        self._on_cancel: Callback | None = None
        self._news = False
        self._unsent = 0
        self._left = -1
        self._bodiless = False

    @property
    def num_params(self) -> int:
        return len(self.params)

    @property
    def cancelled(self) -> bool:
        return self.lost

    # ---- parameters -------------------------------------------------------------

    def path_str(self, index: int, /) -> str:
        return self.params[index]

    def path_int(self, index: int, /) -> Any:
        return _int(self.params[index])

    def path_float(self, index: int, /) -> Any:
        return _float(self.params[index])

    def query_str(self, name: str, default: Any, /) -> Any:
        return self._last(name, default, str)

    def query_int(self, name: str, default: Any, /) -> Any:
        return self._last(name, default, _int)

    def query_float(self, name: str, default: Any, /) -> Any:
        return self._last(name, default, _float)

    def query_bool(self, name: str, default: Any, /) -> Any:
        return self._last(name, default, lambda text: BOOLS.get(text.lower(), BAD) if text.isascii() else BAD)

    def _last(self, name: str, default: Any, convert: Callable[[str], Any]) -> Any:
        for key, value in reversed(self.query_items()):
            if key == name:
                return convert(value)
        return default

    def query_items(self) -> list[tuple[str, str]]:
        pairs = (pair.partition(b"=") for pair in self.query_string.split(b"&") if pair)
        return [(_form_text(name), _form_text(value)) for name, _, value in pairs]

    def header(self, name: bytes, /) -> bytes | None:
        return next((value for key, value in self._headers if key == name), None)

    def headers(self) -> list[tuple[bytes, bytes]]:
        return list(self._headers)

    # ---- the request's body -----------------------------------------------------

    def body_whole(self) -> bytes | None:
        if not self._body_ended or self._too_large or len(self._pieces) > 1:
            return None
        return self._pieces[0] if self._pieces else b""

    def read(self) -> bytes | None:
        if self._over:
            raise RuntimeError(f"{OVER}: its body cannot be read any more")
        self._news = False
        if self._pieces:
            piece = self._pieces.popleft()
            self._held -= len(piece)
            self._room_to_read.set()
            return piece
        if self._too_large:
            raise BodyTooLarge("the request body is larger than the server allows")
        if self._body_ended:
            return b""
        if self.lost:
            raise BodyBroken("the request body ended before it was complete")
        self._start_receiving()
        return None

    def watch(self) -> None:
        """Learns from now on when the client goes away, if that does not tell it to send a body."""
        if self.header(b"expect") is None:
            self._start_receiving()

    def _start_receiving(self) -> None:
        if self._reader is None and not self._over:
            self._reader = asyncio.create_task(self._receive_all(), name="covet-receive")

    async def _receive_all(self) -> None:
        try:
            while await self._receive_one():
                while self._held >= READ_AHEAD and not self._body_ended:
                    self._room_to_read.clear()
                    await self._room_to_read.wait()
        except Exception as error:
            if not isinstance(error, OSError):
                logger.exception("Exception in the ASGI server's receive")
            self.disconnect()

    async def _receive_one(self) -> bool:
        message = await self._receive()
        if message["type"] != "http.request":
            self.disconnect()
            return False
        if self._body_ended:
            return False  # it does not tell of disconnects
        piece = bytes(message.get("body", b""))
        self._received += len(piece)
        if 0 < self._max_body < self._received:
            self._too_large = self._body_ended = True
        else:
            if piece:
                self._pieces.append(piece)
                self._held += len(piece)
            self._body_ended = not message.get("more_body", False)
        self.tell()
        return not self._too_large

    # ---- news ---------------------------------------------------------------------

    def wait(self, callback: Callback | None, /) -> None:
        if self._over:
            raise RuntimeError(f"{OVER}: there will be no news of it")
        self._waiter = callback
        if callback is not None and (self._news or self.lost):
            self.tell()

    def tell(self) -> None:
        """There is news: calls whoever waits for it."""
        callback, self._waiter = self._waiter, None
        self._news = callback is None
        if callback is not None:
            callback()

    def on_cancel(self, callback: Callback | None, /) -> None:
        if self._over or self.done:
            return
        self._on_cancel = callback
        if callback is None:
            return
        self.watch()
        if self.lost:
            self._cancel()

    def _cancel(self) -> None:
        callback, self._on_cancel = self._on_cancel, None
        if callback is not None:
            callback()

    def disconnect(self) -> None:
        """The client has gone; of no interest once the response is complete."""
        if self.done or self.lost:
            return
        self.lost = True
        self._cancel()
        self.tell()

    # ---- the response ---------------------------------------------------------------

    def respond(self, status: int, media_type: int, fields: bytes, body: Any, /) -> bool:
        data = bytes(body)
        self._write_head(status, media_type, fields, len(data))
        if not self.done:
            self._end(b"" if self._bodiless else data)
        return True

    def start(self, status: int, media_type: int, fields: bytes, length: int, /) -> None:
        self._write_head(status, media_type, fields, length)

    def _write_head(self, status: int, media_type: int, fields: bytes, length: int) -> None:
        self._check_writable()
        if self.started:
            raise RuntimeError("the response has been started")
        if not 200 <= status <= 999:
            raise ValueError(f"the status of a response must be from 200 to 999, not {status}")
        self.started = True
        if self._too_large:
            # As with the engine, whatever the handler makes of it.
            self._put_head(413, JSON, pack_fields([(b"connection", b"close")]), len(TOO_LARGE))
            self._end(b"" if self._bodiless else TOO_LARGE)
            self.lost = True
            return
        self._put_head(status, media_type, fields, length)

    def _put_head(self, status: int, media_type: int, fields: bytes, length: int) -> None:
        no_content = status in (204, 304)
        self._bodiless = self.method == "HEAD" or no_content
        self._left = -1 if self._bodiless else length
        headers = [(b"content-type", MEDIA_TYPES[media_type])] if media_type else []
        if length >= 0 and not no_content:
            headers.append((b"content-length", b"%d" % length))
        for name, value in unpack_fields(fields):
            closes = name.lower() == b"connection" and value.lower() == b"close" and self.http_version.startswith("1")
            if (name.lower() not in NOT_SENT or closes) and not UNSENDABLE.search(value):
                headers.append((name, value))
        self._put({"type": "http.response.start", "status": status, "headers": headers})

    def send(self, data: Any, /) -> int:
        self._check_streaming()
        self._news = False
        if self._bodiless or self.lost:
            return len(data)
        taken = min(len(data), SEND_AHEAD - self._unsent)
        if taken <= 0:
            return 0
        piece = bytes(data[:taken])
        if self._left >= 0:
            piece = piece[: self._left]
            self._left -= len(piece)
        if piece:
            self._unsent += len(piece)
            self._put({"type": "http.response.body", "body": piece, "more_body": True})
        return taken

    def finish(self) -> None:
        self._check_streaming()
        if self._left > 0:
            self.abort()
        else:
            self._end(b"")

    def abort(self) -> None:
        if self.done:
            return
        self.done = self.aborted = True
        self.cause = sys.exc_info()[1]
        self._on_cancel = None
        self.outgoing.set()

    def _end(self, body: bytes) -> None:
        self.done = True
        self._on_cancel = None
        self._put({"type": "http.response.body", "body": body, "more_body": False})

    def _put(self, message: Message) -> None:
        self.messages.append(message)
        self.outgoing.set()

    def sent(self, message: Message) -> None:
        """The server has taken a message."""
        if message.get("more_body"):
            self._unsent -= len(message["body"])
            self.tell()

    def _check_writable(self) -> None:
        if self._over or self.done:
            raise RuntimeError("the response is complete: nothing more can be written")

    def _check_streaming(self) -> None:
        self._check_writable()
        if not self.started:
            raise RuntimeError("the response has not been started")

    def close(self) -> None:
        """Ends the exchange; its request can still be read, but for the body."""
        self._over = self.done = True
        if self._reader is not None:
            self._reader.cancel()
        self.state = self._on_cancel = None
        self.tell()  # whoever waits would wait for ever


def raw_path_of(scope: Mapping[str, Any], root_path: str) -> bytes:
    """The path below `root_path`, percent-encoded.

    By the specification `path` begins with `root_path`; some servers leave it out, here or in `raw_path`.
    """
    path: str = scope["path"]
    raw = (scope.get("raw_path") or quote(path, safe="/:@!$&'()*+,;=~*").encode()).partition(b"?")[0]
    if not root_path or not (path == root_path or path.startswith(root_path + "/")):
        return raw
    below = path[len(root_path) :] or "/"
    for candidate in (raw[len(quote(root_path)) :], raw):
        if unquote(candidate.decode("latin-1")) == below:
            return candidate
    return quote(below).encode()


def unpack_fields(packed: bytes) -> list[tuple[bytes, bytes]]:
    """The header fields that `pack_fields` has packed."""
    fields, at = [], 0
    while at < len(packed):
        name = at + 4 + int.from_bytes(packed[at : at + 2], "little")
        value = name + int.from_bytes(packed[at + 2 : at + 4], "little")
        fields.append((packed[at + 4 : name], packed[name:value]))
        at = value
    return fields


def _address(pair: Any) -> tuple[str, int] | None:
    return (str(pair[0]), int(pair[1])) if pair and pair[1] is not None else None


def _form_text(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8", "replace")


def _int(text: str) -> Any:
    return int(text) if INT.fullmatch(text) else BAD


def _float(text: str) -> Any:
    return float(text) if FLOAT.fullmatch(text) and len(text) < 64 else BAD
