"""One request of a WSGI application: a thread runs the application, the event loop does what it asks for."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple

from covet.core import BodyBroken, BodyTooLarge, Exchange, pack_head
from covet.interfaces.answers import ClientDisconnected, respond
from covet.requests import news_of

MAX_PENDING = 262144
"""Bytes that the application may be ahead of the client."""

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class _Respond(NamedTuple):
    status: int
    fields: bytes
    length: int
    body: bytes


class _Start(NamedTuple):
    status: int
    fields: bytes
    length: int


class _Failed(NamedTuple):
    error: BaseException


_FINISH, _END = object(), object()


class Cycle:
    """Joins the thread, which runs `run`, with the exchange's coroutine, `serve`.

    Args:
        x: the exchange; only `serve` touches it.
        loop: the event loop of `serve`.
    """

    def __init__(self, x: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        self._x = x
        self._loop = loop
        self._asked: deque[Any] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._gone = False
        self._room = threading.Condition()
        self._pending = 0
        self._status = 0
        self._fields = b""
        self._length = -1
        self._left = -1
        self._without_body = x.method == "HEAD"
        self._sent = False  # the head is on its way
        self._complete = False  # so is the body

    # ---- on the event loop --------------------------------------------------------

    async def serve(self) -> None:
        """Does what the thread asks for until it has ended. Raises what the application raised."""
        try:
            while True:
                while not self._asked:
                    self._waiting = self._loop.create_future()
                    await self._waiting
                request = self._asked.popleft()
                if request is _END:
                    return
                await self._do(request)
        finally:
            self._disconnect()

    async def _do(self, request: Any) -> None:
        x = self._x
        if isinstance(request, bytes):
            await self._send(request)
        elif isinstance(request, _Respond):
            respond(x, *request)
        elif isinstance(request, _Start):
            x.start(request.status, 0, request.fields, request.length)
        elif isinstance(request, Future):
            await self._read(request)
        elif request is _FINISH:
            if not x.done:
                x.finish()
        elif isinstance(request, _Failed):
            raise request.error

    async def _send(self, data: bytes) -> None:
        x, rest = self._x, memoryview(data)
        while rest and not self._gone:
            if x.done or x.lost:
                self._disconnect()
                break
            taken = x.send(rest)
            rest = rest[taken:]
            if rest:
                await news_of(x)
        with self._room:
            self._pending -= len(data)
            self._room.notify()

    async def _read(self, answer: "Future[bytes]") -> None:
        x = self._x
        try:
            while (piece := x.read()) is None:
                await news_of(x)
            answer.set_result(piece)
        except (BodyTooLarge, BodyBroken) as error:  # the engine has answered, or the client has gone
            answer.set_exception(ClientDisconnected(str(error)))
        except BaseException as error:
            answer.set_exception(ClientDisconnected("the request is over"))
            if not isinstance(error, RuntimeError):  # the response is complete: there is nothing to read any more
                raise

    def _disconnect(self) -> None:
        with self._room:
            self._gone = True
            self._room.notify()
        for request in self._asked:
            if isinstance(request, Future):
                request.set_exception(ClientDisconnected("the request is over"))

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    # ---- in the thread --------------------------------------------------------------

    def run(self, app: Callable[..., Any], environ: dict[str, Any]) -> None:
        """Calls the application and sends what it gives. Never raises."""
        try:
            if not self._gone:
                self._answer(app, environ)
        except Exception as error:
            self._ask(_Failed(error))
        except BaseException as error:
            # SystemExit and the like would end the server if the event loop met them.
            failure = RuntimeError(f"the application raised {type(error).__name__}")
            failure.__cause__ = error
            self._ask(_Failed(failure))
        self._ask(_END)

    def _answer(self, app: Callable[..., Any], environ: dict[str, Any]) -> None:
        result = app(environ, self._start_response)
        try:
            if type(result) in (list, tuple) and not self._sent:
                self._write_list(result)
            else:
                for data in result:
                    self._write(data)
            self._finish()
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def _start_response(
        self, status: str, headers: Sequence[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        if exc_info is not None:
            try:
                if self._sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # a cycle through the frame
        elif self._status:
            raise RuntimeError("start_response was called twice without exc_info")
        number = status[:3]
        if not (number.isdecimal() and status[3:4] in ("", " ")):
            raise ValueError(f"a status must be such as '200 OK', not {status!r}")
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self._fields, self._length = pack_head(fields)
        self._status = int(number)
        self._without_body = self._without_body or self._status in (204, 304)
        return self._write

    def _write_list(self, parts: Sequence[bytes]) -> None:
        """The whole body is at hand, so its length is known."""
        self._check_started()
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        self._check_bytes(body)
        if self._length >= 0 and self._length != len(body) and not self._without_body:
            raise RuntimeError(f"the response's body has {len(body)} bytes, its Content-Length says {self._length}")
        self._respond(body, wake=False)  # the end, which follows at once, wakes the loop

    def _write(self, data: bytes) -> None:
        """Sends a piece of the body; waits while the application is too far ahead of its client."""
        self._check_started()
        self._check_bytes(data)
        if self._gone:
            raise ClientDisconnected("the client has disconnected")
        if not data:
            return
        if not self._sent:
            if self._length == len(data):
                self._respond(data)
                return
            self._sent = True
            self._left = -1 if self._without_body else self._length
            self._ask(_Start(self._status, self._fields, self._length))
        if self._left >= 0:
            if len(data) > self._left:
                raise RuntimeError("the response's body has more bytes than its Content-Length says")
            self._left -= len(data)
        self._ask_to_send(data)

    def _finish(self) -> None:
        self._check_started()
        if not self._sent:
            if self._length > 0 and not self._without_body:
                raise RuntimeError(f"the response's body is empty, its Content-Length says {self._length}")
            self._respond(b"")
        elif self._left > 0:
            raise RuntimeError("the response's body has fewer bytes than its Content-Length says")
        elif not self._complete:
            self._ask(_FINISH)

    def _respond(self, body: bytes, *, wake: bool = True) -> None:
        self._sent = self._complete = True
        self._left = 0
        self._ask(_Respond(self._status, self._fields, self._length, body), wake=wake)

    def _check_started(self) -> None:
        if not self._status:
            raise RuntimeError("the WSGI application gave a body before it called start_response")

    @staticmethod
    def _check_bytes(data: object) -> None:
        if not isinstance(data, bytes):
            raise TypeError(f"the body of a WSGI response must be bytes, not {type(data).__name__}")

    def next_piece(self) -> bytes:
        """The next piece of the request's body, b"" at its end. Raises OSError if it breaks off."""
        answer: Future[bytes] = Future()
        with self._room:
            if self._gone:
                raise ClientDisconnected("the request is over")
            self._ask(answer)
        return answer.result()

    def _ask_to_send(self, data: bytes) -> None:
        with self._room:
            while self._pending >= MAX_PENDING and not self._gone:
                self._room.wait()
            if self._gone:
                raise ClientDisconnected("the client has disconnected")
            self._pending += len(data)
        self._ask(bytes(data))

    def _ask(self, request: Any, *, wake: bool = True) -> None:
        self._asked.append(request)
        if wake:
            with suppress(RuntimeError):  # the loop is closed: the server has ended
                self._loop.call_soon_threadsafe(self._wake)
