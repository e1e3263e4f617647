"""ASGI 3 applications: each request is one call of the application (asgi.readthedocs.io, HTTP 2.4)."""

import asyncio
import inspect
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from types import CoroutineType
from typing import Any

from covet.concurrency import run_in_threadpool
from covet.config import Settings
from covet.core import BodyBroken, BodyTooLarge, Exchange, pack_head
from covet.encoders import encode
from covet.interfaces import Calls
from covet.interfaces import Lifespan as LifespanProtocol
from covet.interfaces.answers import TOLD, ClientDisconnected, answer_cancellation, answer_error, plain_answer, respond

logger = logging.getLogger("covet.error")

Message = MutableMapping[str, Any]
AsgiApp = Callable[[Any, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Any]

# How far a response has come.
EXPECTED, HEAD_GIVEN, STREAMING, COMPLETE = range(4)

FILE_PIECE = 262144
"""Bytes of a file that are read and sent at a time."""


class AsgiApplication:
    """An ASGI 3 application: it gets every request.

    Args:
        app: the application.
        lifespan: auto, on or off.
        root_path: where the application is mounted.
    """

    interface = "asgi"
    figures = None
    topics = None

    def __init__(self, app: AsgiApp, lifespan: str = "auto", root_path: str = "") -> None:
        self._app = app
        self._lifespan = lifespan
        self._root_path = root_path
        self.settings = Settings()

    def engine(self) -> dict[str, Any]:
        return {"forward_unmatched": True, "forward_sockets": True, "routes": []}

    def drain(self) -> None:
        """Nothing is to be done: the interface knows no such thing."""

    def lifespan(self) -> LifespanProtocol:
        from covet.interfaces.asgi_lifespan import AsgiLifespan

        return AsgiLifespan(self._app, self._lifespan)

    def calls(self, settings: Settings, state: Mapping[str, Any]) -> Calls:
        return asgi_calls(self._app, self._root_path, state)


def asgi_calls(app: AsgiApp, root_path: str, state: Mapping[str, Any], front: str | None = None) -> Calls:
    """What answers the requests of an ASGI application.

    Args:
        app: the application.
        root_path: where it is mounted.
        state: what its lifespan gave.
        front: what is to be put before paths; `root_path` if it is None.
    """
    front = root_path if front is None else front
    return Calls([(_call_of(app, root_path, state, (front, front.encode())), 200, False)], encode, returned, _failed)


def _call_of(
    app: AsgiApp, root_path: str, state: Mapping[str, Any], front: tuple[str, bytes]
) -> Callable[[Exchange], Any]:
    template: dict[str, Any] = {"type": "http", "asgi": None, "root_path": root_path, "state": None, "extensions": None}
    before, raw_before = front

    def call(x: Exchange) -> Any:
        if x.websocket:
            from covet.interfaces.asgi_socket import run, socket_scope

            return run(app, x, socket_scope(x, root_path, state, front))
        scope = x.scope(template)
        # Applications write into a scope, so nothing in it is shared between requests.
        scope["asgi"] = {"version": "3.0", "spec_version": "2.4"}
        scope["state"] = dict(state)
        scope["extensions"] = {"http.response.pathsend": {}}
        if before:
            scope["path"], scope["raw_path"] = before + scope["path"], raw_before + scope["raw_path"]
        cycle = Cycle(x)
        result = app(scope, cycle.receive, cycle.send)
        # What is no plain coroutine cannot be driven by the runner itself.
        return result if type(result) is CoroutineType else _awaited(x, result)

    return call


async def _awaited(x: Exchange, result: Any) -> None:
    if not inspect.isawaitable(result):
        raise TypeError(f"the ASGI application returned {result!r} instead of something to await")
    await result


def returned(x: Exchange, result: Any) -> None:
    """What follows when the application returns before its response is complete."""
    if x.cancelled:
        x.abort()
    elif x.started:
        logger.error("ASGI application returned without completing its response to %s %s", x.method, x.path)
        x.abort()
    else:
        logger.error("ASGI application returned without starting a response to %s %s", x.method, x.path)
        plain_answer(x, 500)


def _failed(x: Exchange, error: BaseException) -> None:
    if isinstance(error, asyncio.CancelledError):
        answer_cancellation(x)
    else:
        answer_error(x, error, "ASGI")


class Cycle:
    """One request and its response: `receive` and `send` are what the application is given."""

    __slots__ = (
        "_broken",
        "_fields",
        "_first",
        "_left",
        "_length",
        "_phase",
        "_read_all",
        "_status",
        "_unread",
        "_waiters",
        "_x",
    )

    def __init__(self, x: Exchange) -> None:
        self._x = x
        self._phase = EXPECTED
        self._first = True
        self._read_all = False
        self._broken = False
        self._waiters: list[asyncio.Future[None]] = []

    # ---- the request ------------------------------------------------------------

    async def receive(self) -> Message:
        """The next piece of the request's body, then http.disconnect once the client has gone or is answered."""
        x = self._x
        if self._phase != COMPLETE and not x.done:
            if self._first:
                self._first = False
                whole = x.body_whole()
                if whole is not None:
                    self._read_all = True
                    return {"type": "http.request", "body": whole, "more_body": False}
                self._unread = x.content_length
            if not self._read_all:
                piece = await self._piece()
                if piece is not None:
                    self._unread -= len(piece)
                    self._read_all = not piece or self._unread == 0
                    return {"type": "http.request", "body": piece, "more_body": not self._read_all}
        while not (self._broken or self._phase == COMPLETE or x.done or x.cancelled):
            await self._news()
        if not x.done:
            x.state = TOLD
        return {"type": "http.disconnect"}

    async def _piece(self) -> bytes | None:
        """The next piece of the body, empty at its end; None if it has broken off."""
        x = self._x
        try:
            while self._phase != COMPLETE and not x.done:
                piece = x.read()
                if piece is not None:
                    return piece
                await self._news()
        except (BodyTooLarge, BodyBroken):
            pass  # the engine has answered with 413 or 400, or the client has gone
        self._read_all = self._broken = True
        return None

    # ---- the response -----------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Takes the response's messages in order.

        Raises:
            ClientDisconnected: an OSError: the client has gone.
            RuntimeError: a message is not the one that is expected, or the body is not as long as announced.
            ValueError: a header field or the status cannot be sent.
        """
        kind = message["type"]
        if self._phase == EXPECTED and kind == "http.response.start":
            self._status: int = message["status"]
            self._fields, self._length = pack_head(message.get("headers", ()))
            if message.get("trailers"):
                raise RuntimeError("http.response.start: trailers are not supported; scope['extensions'] says what is")
            self._phase = HEAD_GIVEN
        elif self._phase == HEAD_GIVEN and kind == "http.response.pathsend":
            await self._send_file(message["path"])
        elif kind != "http.response.body" or self._phase not in (HEAD_GIVEN, STREAMING):
            self._refuse(kind)
        elif self._phase == HEAD_GIVEN and not message.get("more_body", False):
            self._send_whole(message.get("body", b""))
        else:
            await self._send_piece(message.get("body", b""), message.get("more_body", False))

    def _refuse(self, kind: str) -> None:
        if self._phase == COMPLETE or self._x.done:
            if self._gone():
                raise ClientDisconnected("the client has disconnected")
            raise RuntimeError(f"unexpected ASGI message {kind!r} after the response is complete")
        expected = "http.response.start" if self._phase == EXPECTED else "http.response.body"
        raise RuntimeError(f"expected the ASGI message {expected!r}, not {kind!r}")

    def _gone(self) -> bool:
        x = self._x
        try:
            return x.lost
        except RuntimeError:  # the exchange is over and nobody has kept its request
            return False

    def _send_whole(self, body: Any) -> None:
        x, length = self._x, self._length
        if self._gone():
            raise ClientDisconnected("the client has disconnected")
        if length >= 0 and length != len(body) and x.method != "HEAD" and self._status not in (204, 304):
            raise RuntimeError(f"the response's body has {len(body)} bytes, its Content-Length says {length}")
        respond(x, self._status, self._fields, length, body)
        self._phase = COMPLETE
        if self._waiters:
            self._wake()

    async def _send_piece(self, body: Any, more: bool) -> None:
        x = self._x
        if self._phase == HEAD_GIVEN:
            x.start(self._status, 0, self._fields, self._length)
            self._phase = STREAMING
            self._left = self._length
            if x.method == "HEAD" or self._status in (204, 304):
                self._left = -1
        self._count(len(body), more)
        data = body
        while data:
            if x.done or x.lost:
                raise ClientDisconnected("the client has disconnected")
            taken = x.send(data)
            if taken == len(data):
                break
            data = memoryview(data)[taken:]
            await self._news()
        if not more:
            self._phase = COMPLETE
            if not x.done:
                x.finish()
            self._wake()

    async def _send_file(self, path: str) -> None:
        with await run_in_threadpool(open, path, "rb", buffering=0) as file:
            if self._length > FILE_PIECE and await self._taken_by_engine(file.fileno()):
                return
            piece = await run_in_threadpool(file.read, FILE_PIECE)
            if len(piece) == self._length:
                self._send_whole(piece)
                return
            while piece:
                await self._send_piece(piece, True)
                piece = await run_in_threadpool(file.read, FILE_PIECE)
        await self._send_piece(b"", False)

    async def _taken_by_engine(self, file: int) -> bool:
        """Hands a file of the announced length to the engine; whether it sends it."""
        x, length = self._x, self._length
        if x.method == "HEAD" or os.fstat(file).st_size != length or not hasattr(x, "send_file"):
            return False
        await self._send_piece(b"", True)
        while not x.send_file(file, 0, length):
            await self._news_of_present()
        while (taken := x.file_taken) is None:
            await self._news_of_present()
        if taken:
            self._left = 0
            await self._send_piece(b"", False)
        return taken

    async def _news_of_present(self) -> None:
        """Waits for news of a client that is there. Raises ClientDisconnected."""
        if self._x.done or self._x.lost:
            raise ClientDisconnected("the client has disconnected")
        await self._news()

    def _count(self, size: int, more: bool) -> None:
        """Sees to it that a body has the length that was announced: clients would wait, or misread what follows."""
        if self._left < 0:
            return
        if size > self._left or (size < self._left and not more):
            way = "more" if size > self._left else "fewer"
            raise RuntimeError(f"the response's body has {way} bytes than its Content-Length says")
        self._left -= size

    # ---- waiting ----------------------------------------------------------------

    async def _news(self) -> None:
        """Waits until something has changed: body bytes, room to send, disconnection, the response's end."""
        future = asyncio.get_running_loop().create_future()
        self._waiters.append(future)
        self._x.wait(self._wake)
        await future

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for future in waiters:
            if not future.done():
                future.set_result(None)
