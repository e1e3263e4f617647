"""WebSocket sessions with ASGI applications, in memory (ASGI WebSocket 2.4)."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Any, Literal, Self

from covet.exceptions import WebSocketDisconnect
from covet.testing.asgi import AsgiApp, Message, Scope
from covet.testing.http_library import httpx
from covet.testing.portal import Portal

Mode = Literal["text", "binary"]

NOTICE_SECONDS = 0.2
"""How long an application may take to look at a disconnect before it is cancelled."""
FINISH_SECONDS = 10.0
"""How long it may take to finish after it has seen the disconnect."""

INTERNAL = 1011
"""The code that a connection is closed with when an exception ends its handler."""


class WebSocketDenialResponse(httpx.Response, WebSocketDisconnect):  # type: ignore[misc]  # both can be pickled
    """The application answered the opening request with an HTTP response, which this is, instead of accepting it."""

    code = 1000
    reason = ""


class AsyncWebSocketTestSession:
    """A WebSocket connection to an application, from the client's side; `async with` opens and closes it.

    Args:
        app: the application.
        scope: the opening request's scope.

    Attributes:
        scope: the opening request's scope.
        accepted_subprotocol: the subprotocol that the application chose.
        extra_headers: header fields that it accepted with.
    """

    def __init__(self, app: AsgiApp, scope: Scope) -> None:
        self._app = app
        self.scope = scope
        self.accepted_subprotocol: str | None = None
        self.extra_headers: list[tuple[bytes, bytes]] | None = None
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message | None] = asyncio.Queue()
        self._failure: BaseException | None = None
        self._ended = self._given_up = False
        self._told_end = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="covet-test-websocket")
        try:
            await self.send({"type": "websocket.connect"})
            message = await self.receive()
            await self._raise_on_close(message)
        except BaseException:
            await self._end()
            raise
        self.accepted_subprotocol = message.get("subprotocol")
        self.extra_headers = message.get("headers")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
        await self._end()
        if self._failure is not None and error is None:
            raise self._failure

    async def send(self, message: Message) -> None:
        """Has the application receive an ASGI event."""
        self._to_app.put_nowait(message)

    async def send_text(self, data: str) -> None:
        """Sends a text message."""
        await self.send({"type": "websocket.receive", "text": data})

    async def send_bytes(self, data: bytes) -> None:
        """Sends a binary message."""
        await self.send({"type": "websocket.receive", "bytes": data})

    async def send_json(self, data: Any, mode: Mode = "text") -> None:
        """Sends a value as JSON, in a text or a binary message."""
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        await (self.send_text(text) if mode == "text" else self.send_bytes(text.encode()))

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Closes the connection from the client's side."""
        await self.send({"type": "websocket.disconnect", "code": code, "reason": reason})

    async def receive(self) -> Message:
        """The next ASGI event that the application sends.

        Raises:
            WebSocketDisconnect: the application has ended without a close; the code is 1006.
            BaseException: what the application raised.
        """
        message = await self._from_app.get()
        if message is not None:
            return message
        self._from_app.put_nowait(None)
        if self._failure is not None:
            raise self._failure
        raise WebSocketDisconnect(1006, "the application ended without closing the connection")

    async def receive_text(self) -> str:
        """The next message's text. Raises WebSocketDisconnect if the application closes, and what `receive` raises."""
        text: str = (await self._message("text"))["text"]
        return text

    async def receive_bytes(self) -> bytes:
        """The next message's bytes. Raises WebSocketDisconnect if the application closes, and what `receive` raises."""
        data: bytes = (await self._message("bytes"))["bytes"]
        return data

    async def receive_json(self, mode: Mode = "text") -> Any:
        """The next message's value. Raises WebSocketDisconnect if the application closes, and what `receive` raises."""
        return json.loads(await (self.receive_text() if mode == "text" else self.receive_bytes()))

    async def _message(self, kind: str) -> Message:
        message = await self.receive()
        await self._raise_on_close(message)
        assert message.get(kind) is not None, f"the application sent {message!r}, which has no {kind}"
        return message

    async def _raise_on_close(self, message: Message) -> None:
        if message["type"] == "websocket.close":
            if message.get("code") == INTERNAL:  # what the application raises, which says more, follows at once
                await asyncio.wait([self._task], timeout=NOTICE_SECONDS)
                if self._failure is not None:
                    raise self._failure
            raise WebSocketDisconnect(message.get("code", 1000), message.get("reason", ""))
        if message["type"] != "websocket.http.response.start":
            return
        status, headers, body = message["status"], list(message.get("headers", ())), b""
        while True:
            message = await self.receive()
            assert message["type"] == "websocket.http.response.body", (
                f"the application sent {message['type']} in a denial"
            )
            body += message.get("body", b"")
            if not message.get("more_body", False):
                raise WebSocketDenialResponse(status_code=status, headers=headers, content=body)

    # ---- the application -------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self._app(self.scope, self._receive_for_app, self._from_app.put)
        except asyncio.CancelledError as error:
            if not self._given_up:
                self._failure = error
        except BaseException as error:  # SystemExit, too, is for the test to see, not for the loop
            self._failure = error
        finally:
            self._ended = True
            self._from_app.put_nowait(None)

    async def _receive_for_app(self) -> Message:
        message = await self._to_app.get()
        if message["type"] == "websocket.disconnect":
            self._told_end.set()
        return message

    async def _end(self) -> None:
        """Lets an application that looks at its disconnect finish, and cancels any other."""
        if not self._ended:
            seeing = asyncio.ensure_future(self._told_end.wait())
            await asyncio.wait([self._task, seeing], timeout=NOTICE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if seeing.done():
                await asyncio.wait([self._task], timeout=FINISH_SECONDS)
            seeing.cancel()
        if not self._ended:
            self._given_up = True
            self._task.cancel()
        await asyncio.wait([self._task])


class WebSocketTestSession:
    """A WebSocket connection to an application, from the client's side; `with` opens and closes it.

    Args:
        app: the application.
        scope: the opening request's scope.
        portal_factory: gives the event loop that the application runs on.

    Attributes:
        scope: the opening request's scope.
        accepted_subprotocol: the subprotocol that the application chose.
        extra_headers: header fields that it accepted with.
    """

    def __init__(
        self, app: AsgiApp, scope: Scope, portal_factory: Callable[[], AbstractContextManager[Portal]]
    ) -> None:
        self.app = app
        self.scope = scope
        self.portal_factory = portal_factory
        self.accepted_subprotocol: str | None = None
        self.extra_headers: list[tuple[bytes, bytes]] | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._portal = stack.enter_context(self.portal_factory())
            self._session = AsyncWebSocketTestSession(self.app, self.scope)
            self._portal.call(self._session.__aenter__)
            self.accepted_subprotocol = self._session.accepted_subprotocol
            self.extra_headers = self._session.extra_headers
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            self._portal.call(self._session.__aexit__, kind, error, trace)

    def send(self, message: Message) -> None:
        """Has the application receive an ASGI event."""
        self._portal.call(self._session.send, message)

    def send_text(self, data: str) -> None:
        """Sends a text message."""
        self._portal.call(self._session.send_text, data)

    def send_bytes(self, data: bytes) -> None:
        """Sends a binary message."""
        self._portal.call(self._session.send_bytes, data)

    def send_json(self, data: Any, mode: Mode = "text") -> None:
        """Sends a value as JSON, in a text or a binary message."""
        self._portal.call(self._session.send_json, data, mode)

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Closes the connection from the client's side."""
        self._portal.call(self._session.close, code, reason)

    def receive(self) -> Message:
        """The next ASGI event that the application sends.

        Raises:
            WebSocketDisconnect: the application has ended without a close; the code is 1006.
            BaseException: what the application raised.
        """
        message: Message = self._portal.call(self._session.receive)
        return message

    def receive_text(self) -> str:
        """The next message's text. Raises WebSocketDisconnect if the application closes, and what `receive` raises."""
        text: str = self._portal.call(self._session.receive_text)
        return text

    def receive_bytes(self) -> bytes:
        """The next message's bytes. Raises WebSocketDisconnect if the application closes, and what `receive` raises."""
        data: bytes = self._portal.call(self._session.receive_bytes)
        return data

    def receive_json(self, mode: Mode = "text") -> Any:
        """The next message's value. Raises WebSocketDisconnect if the application closes, and what `receive` raises."""
        return self._portal.call(self._session.receive_json, mode)
