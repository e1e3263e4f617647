"""An exchange over an ASGI server: what `covet.core.Exchange` is over the engine.

The handler runs in the task that the server calls the application in. Tasks of
their own are made only where something must happen beside it: to send a
stream, and to learn that a client goes away.
"""

import asyncio
import logging
import os
import re
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from covet.asgi.head import ScopeHead
from covet.asgi.texts import unpack_fields
from covet.connection import EXCHANGE
from covet.core import BodyBroken, BodyTooLarge, pack_fields
from covet.exceptions import is_http_exception
from covet.responses import MEDIA_NUMBERS

logger = logging.getLogger("covet.error")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Callback = Callable[[], object]

UNSENDABLE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
MEDIA_FIELDS = {number: (b"content-type", value) for value, number in MEDIA_NUMBERS.items()}
JSON = 1
NOT_SENT = (b"content-length", b"transfer-encoding", b"connection")
"""Fields that the exchange or the server decides."""

READ_AHEAD = 65536
"""Bytes of a request's body that are held before more is asked for."""
SEND_AHEAD = 262144
"""Bytes of a response that may wait for the server to take them."""

TOO_LARGE = b'{"detail":"Request body too large"}'
TOO_LATE = b'{"detail":"The handler did not answer in time"}'
OVER = "the exchange is over"


class ResponseAborted(RuntimeError):
    """A response ended before it was complete; raised so that the server closes the connection."""


class AsgiExchange(ScopeHead):
    """One request and its response, with the interface of `covet.core.Exchange`.

    Args:
        scope: the request's scope.
        receive: the server's.
        send: the server's.
        max_body: the largest request body in bytes; 0 is no limit.
    """

    websocket = False

    __slots__ = (
        "_bodiless", "_body_ended", "_held", "_late", "_left", "_max_body", "_news", "_on_cancel", "_outgoing",
        "_over", "_pieces", "_pulling", "_pump", "_reader", "_receive", "_received", "_room_to_read", "_send",
        "_timer", "_too_large", "_unsent", "_waiter", "_watch_due", "aborted", "cancelled", "cause", "done", "failure",
        "gone", "interrupted", "lifespan_state", "messages", "receive_failure", "shares_state", "started", "state",
    )  # fmt: skip

    def __init__(self, scope: Mapping[str, Any], receive: Receive, send: Send, max_body: int = 0) -> None:
        super().__init__(scope)
        self._receive, self._send = receive, send
        self.state: Any = None
        self.lifespan_state: Mapping[str, Any] = {}
        self.shares_state = False  # lifespan_state belongs to this request, and middleware sees it too
        self.cancelled = self.started = self.done = self.aborted = False
        self.interrupted = False  # the task was told of the client's going
        self.gone = False  # the server does not take messages any more
        self.cause: BaseException | None = None
        self.failure: BaseException | None = None
        self.receive_failure: Exception | None = None
        self._over = self._late = self._news = False
        self._waiter: Callback | None = None
        self._on_cancel: Callback | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._max_body = max_body
        self._reader: asyncio.Task[None] | None = None
        self._room_to_read: asyncio.Event | None = None
        self._pieces: deque[bytes] = deque()
        self._held = self._received = 0
        self._body_ended = self._too_large = self._pulling = self._watch_due = False
        self.messages: deque[Message] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._outgoing: asyncio.Event | None = None
        self._unsent, self._left = 0, -1
        self._bodiless = False

    @property
    def original_scope(self) -> Mapping[str, Any]:
        """The scope that the server gave."""
        return self._scope

    async def hand_over(self, app: Any, scope: Mapping[str, Any], told: Callable[[], object]) -> None:
        """Leaves the answer to another application. Raises what it raises.

        Args:
            app: the other application.
            scope: what it is called with.
            told: is called once it has written into the scope what it has found.
        """

        async def send(message: Message) -> None:
            if not self.started:
                told()  # before middleware outside of this has the answer
            self.started = True
            await self._send(message)

        await app(scope, self._receive, send)
        self.started = self.done = True

    def report(self, error: BaseException) -> None:
        """Keeps what the application raised unasked, for the server and what is between: the first counts."""
        if self.failure is None:
            self.failure = error

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
            if self._room_to_read is not None:
                self._room_to_read.set()
            return piece
        if self._too_large:
            raise BodyTooLarge("the request body is larger than the server allows")
        if self._body_ended:
            return b""
        if self.cancelled or self.receive_failure is not None:
            raise BodyBroken("the request body ended before it was complete")
        self._start_receiving()
        return None

    async def pull(self) -> None:
        """Waits until `read` has an answer, unless a task of its own receives."""
        if self._reader is not None or self._pulling or self._over:
            return
        self._pulling = True
        try:
            while not (self._pieces or self._body_ended or self.cancelled or self.receive_failure):
                await self._receive_one()
        except Exception as error:
            self._receive_failed(error)
        finally:
            self._pulling = False
            if self._watch_due:
                self._start_receiving()

    def watch(self) -> bool:
        """Learns from now on when the client goes away, if that does not tell it to send a body.

        Returns:
            Whether there is something to learn that was not looked for before.
        """
        if self._reader is not None or (not self._received and self.header(b"expect") is not None):
            return False
        self._start_receiving()
        return True

    def _start_receiving(self) -> None:
        if self._pulling:
            self._watch_due = True
        elif self._reader is None and not self._over:
            self._room_to_read = asyncio.Event()
            self._reader = asyncio.create_task(self._receive_all(self._room_to_read), name="covet-receive")

    async def _receive_all(self, room: asyncio.Event) -> None:
        try:
            while await self._receive_one():
                while self._held >= READ_AHEAD and not self._body_ended:
                    room.clear()
                    await room.wait()
        except Exception as error:
            self._receive_failed(error)

    def _receive_failed(self, error: Exception) -> None:
        if is_http_exception(error):
            self.receive_failure = error
            self.tell()
            return
        if not isinstance(error, OSError):
            logger.error("Exception in the ASGI server's receive", exc_info=error)
        self.disconnect()

    async def _receive_one(self) -> bool:
        """Takes the next event; whether there may be more."""
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
        if callback is not None and (self._news or self.cancelled):
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
        if self.cancelled:
            self._interrupt()

    def _interrupt(self) -> None:
        callback, self._on_cancel = self._on_cancel, None
        if callback is not None:
            self.interrupted = True
            callback()

    def disconnect(self) -> None:
        """The client has gone; of no interest once the response is complete."""
        if self.done or self.cancelled:
            return
        self.cancelled = True
        self._interrupt()
        self.tell()

    def limit(self, seconds: float) -> None:
        """Answers 504 if there is no response within a time, and takes none later."""
        self._timer = asyncio.get_running_loop().call_later(seconds, self._time_up)

    def _time_up(self) -> None:
        if self.started or self.done or self.cancelled:
            return
        self._put_whole(504, TOO_LATE)
        self._late = True
        self._start_pump()
        self.disconnect()

    # ---- the response ---------------------------------------------------------------

    def respond(self, status: int, media_type: int, fields: bytes, body: Any, /) -> bool:
        data = bytes(body)
        self._write_head(status, media_type, fields, len(data))
        if not self.done:
            self._end(b"" if self._bodiless else data)
        return True

    def start(self, status: int, media_type: int, fields: bytes, length: int, /) -> None:
        self._write_head(status, media_type, fields, length)
        if not self._bodiless:
            self._start_pump()

    def _write_head(self, status: int, media_type: int, fields: bytes, length: int) -> None:
        self._check_writable()
        if self.started:
            raise RuntimeError("the response has been started")
        if not 200 <= status <= 999:
            raise ValueError(f"the status of a response must be from 200 to 999, not {status}")
        self.started = True
        if self._too_large:
            # As with the engine, whatever the handler makes of it.
            self._put_whole(413, TOO_LARGE)
            self.done = self.cancelled = True
            self._on_cancel = None
        else:
            self._put_head(status, media_type, fields, length)

    def _put_whole(self, status: int, body: bytes) -> None:
        """An answer after which the connection is of no use."""
        self._put_head(status, JSON, pack_fields([(b"connection", b"close")]), len(body))
        self._put({"type": "http.response.body", "body": b"" if self._bodiless else body, "more_body": False})

    def _put_head(self, status: int, media_type: int, fields: bytes, length: int) -> None:
        no_content = status in (204, 304)
        self._bodiless = no_content or self.method == "HEAD"
        self._left = -1 if self._bodiless else length
        headers = [MEDIA_FIELDS[media_type]] if media_type else []
        if length >= 0 and not no_content:
            headers.append((b"content-length", b"%d" % length))
        if fields:
            headers.extend(field for field in unpack_fields(fields) if self._may_send(*field))
        self._put({"type": "http.response.start", "status": status, "headers": headers})

    def _may_send(self, name: bytes, value: bytes) -> bool:
        if UNSENDABLE.search(value):
            return False
        name = name.lower()
        closes = name == b"connection" and value.lower() == b"close" and self.http_version.startswith("1")
        return closes or name not in NOT_SENT

    def send(self, data: Any, /) -> int:
        self._check_streaming()
        self._news = False
        if self._bodiless or self.cancelled:
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
        if self._left > 0 and not self._late:
            self.abort()
        else:
            self._end(b"")

    def abort(self) -> None:
        if self.done:
            return
        self.done = self.aborted = True
        self.cause = sys.exc_info()[1]
        self._on_cancel = None
        if self._outgoing is not None:
            self._outgoing.set()

    def send_path(self, path: Any) -> bool:
        """Has the server send a file as the body of a response that was started; whether it can."""
        self._check_streaming()
        if self._bodiless or "http.response.pathsend" not in self._scope.get("extensions", ()):
            return False
        self.done = True
        self._on_cancel = None
        self._put({"type": "http.response.pathsend", "path": os.path.abspath(path)})
        return True

    def tell_debug(self, info: dict[str, Any]) -> None:
        """Tells a test client of what a response was made from, if it wants to know."""
        if "http.response.debug" in self._scope.get("extensions", ()):
            self._put({"type": "http.response.debug", "info": info})

    def leave(self) -> None:
        if not self.done:
            raise RuntimeError("the response is not complete: the exchange cannot be left")

    @property
    def lost(self) -> bool:
        return self.cancelled or self.gone

    def _end(self, body: bytes) -> None:
        self.done = True
        self._on_cancel = None
        self._put({"type": "http.response.body", "body": body, "more_body": False})

    def _check_writable(self) -> None:
        if self._over or self.done:
            raise RuntimeError("the response is complete: nothing more can be written")

    def _check_streaming(self) -> None:
        self._check_writable()
        if not self.started:
            raise RuntimeError("the response has not been started")

    # ---- to the server ------------------------------------------------------------------

    def _put(self, message: Message) -> None:
        if not self._late:
            self.messages.append(message)
        if self._outgoing is not None:
            self._outgoing.set()

    def _start_pump(self) -> None:
        """Sends from now on while the handler goes on."""
        if self._pump is None:
            self._outgoing = asyncio.Event()
            self._pump = asyncio.create_task(self._send_beside(self._outgoing), name="covet-send")

    async def _send_beside(self, outgoing: asyncio.Event) -> None:
        try:
            while True:
                await self._send_all()
                if self.done:
                    return
                outgoing.clear()
                await outgoing.wait()
        except BaseException:
            self.disconnect()  # nobody will make room for what waits
            raise

    async def _send_all(self) -> None:
        messages = self.messages
        while messages:
            message = messages.popleft()
            if not self.gone:
                try:
                    await self._send(message)
                except OSError:
                    self.gone = True
                    self.disconnect()
            if message.get("more_body"):
                self._unsent -= len(message["body"])
                self.tell()

    async def flush(self, *, beside: bool = False) -> None:
        """Waits until the server has taken everything. Raises what it raises.

        Args:
            beside: a caller that is cancelled meanwhile does not take back what is left to send.
        """
        if beside and self.messages:
            self._start_pump()
        if self._pump is not None:
            await asyncio.shield(self._pump)
        await self._send_all()

    def close(self) -> None:
        """Ends the exchange; its request can still be read, but for the body."""
        self._over = self.done = True
        for task in (self._timer, self._reader, self._pump):
            if task is not None:
                task.cancel()
        self.state = self._on_cancel = None
        if isinstance(self._scope, dict):
            self._scope.pop(EXCHANGE, None)  # each would keep the other
        self.tell()  # whoever waits would wait for ever
