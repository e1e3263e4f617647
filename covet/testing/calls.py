"""One HTTP request of an ASGI application, and one lifespan, in memory on the running loop."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from covet.testing.asgi import AsgiApp, Message, Scope

NextPiece = Callable[[], Awaitable[tuple[bytes, bool]]]
"""Gives a piece of a request's body, and whether there may be more."""


class HttpCall:
    """Calls an application with a request; its response is taken piece by piece, and the application waits for that.

    Args:
        app: the application.
        scope: the request's scope.
        next_piece: gives the request's body.

    Attributes:
        status: the response's status, once there is a response; else 0.
        headers: its header fields.
        trailers: its trailer fields, if the response announced them; else None.
        debug: what the application sent by the extension http.response.debug.
        failure: what the application raised.
    """

    def __init__(self, app: AsgiApp, scope: Scope, next_piece: NextPiece) -> None:
        self._app, self._scope, self._next_piece = app, scope, next_piece
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.trailers: list[tuple[bytes, bytes]] | None = None
        self.debug: dict[str, Any] = {}
        self.failure: BaseException | None = None
        self._request_ended = False
        self._pieces: deque[tuple[bytes, bool, asyncio.Future[None]]] = deque()
        self._news = asyncio.Event()
        self._complete = asyncio.Event()
        self._body_ended = self._ended = self._given_up = False

    async def begin(self) -> None:
        """Calls the application and waits for the head of its response, or for its end."""
        self._task = asyncio.create_task(self._run(), name="covet-test-request")
        while not (self.status or self._ended):
            await self._changed()

    async def next_piece(self) -> bytes | None:
        """The next piece of the response's body; None once the application has ended."""
        while not self._pieces:
            if self._ended:
                return None
            await self._changed()
        data, last, taken = self._pieces.popleft()
        if last:
            self._complete.set()
        if not taken.done():
            taken.set_result(None)
        return data

    async def close(self, *, at_once: bool = False) -> None:
        """Waits for the application's end; cancels it if the response is not complete, or `at_once`."""
        if not self._ended and (at_once or not self._complete.is_set()):
            self._given_up = True
            self._task.cancel()
        await asyncio.wait([self._task])

    async def _changed(self) -> None:
        self._news.clear()
        await self._news.wait()

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        except asyncio.CancelledError as error:
            if not self._given_up:
                self.failure = error
        except BaseException as error:  # SystemExit, too, is for the test to see, not for the loop
            self.failure = error
        finally:
            self._ended = True
            self._news.set()

    async def _receive(self) -> Message:
        if self._request_ended:
            await self._complete.wait()
            return {"type": "http.disconnect"}
        piece, more = await self._next_piece()
        self._request_ended = not more
        return {"type": "http.request", "body": piece, "more_body": more}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            assert not self.status, "the application sent http.response.start twice"
            self.status, self.headers = message["status"], list(message.get("headers", ()))
            self.trailers = [] if message.get("trailers") else None
            self._news.set()
        elif kind == "http.response.body":
            await self._send_body(bytes(message.get("body", b"")), more=message.get("more_body", False))
        elif kind == "http.response.trailers":
            assert self.trailers is not None, "the application sent trailers that it had not announced"
            assert self._body_ended, "the application sent trailers before the end of the body"
            self.trailers.extend(message.get("headers", ()))
            if not message.get("more_trailers", False):
                self._complete.set()
        elif kind == "http.response.debug":
            self.debug = message["info"]

    async def _send_body(self, data: bytes, *, more: bool) -> None:
        assert self.status, "the application sent http.response.body before http.response.start"
        assert not self._body_ended, "the application sent http.response.body after the end of the body"
        self._body_ended = not more
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pieces.append((data, not more and self.trailers is None, taken))
        self._news.set()
        await taken


class LifespanFailed(RuntimeError):
    """The application said that its start-up or shutdown failed, without raising anything; the text is its own."""


class LifespanCall:
    """Calls an application with a lifespan, as a server does for as long as it runs.

    Args:
        app: the application.
        state: where the application puts what requests see as their state.
    """

    def __init__(self, app: AsgiApp, state: dict[str, Any]) -> None:
        self._app = app
        self._scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message | None] = asyncio.Queue()

    async def start(self) -> None:
        """Starts the application up. Raises what the application raises, and LifespanFailed."""
        self._task = asyncio.create_task(self._run(), name="covet-test-lifespan")
        await self._tell("startup")

    async def stop(self) -> None:
        """Shuts the application down. Raises what the application raises, and LifespanFailed."""
        if not self._task.done():
            await self._tell("shutdown")
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> BaseException | None:
        try:
            await self._app(self._scope, self._to_app.get, self._from_app.put)
        except asyncio.CancelledError:
            return None
        except BaseException as error:
            return error
        finally:
            self._from_app.put_nowait(None)
        return None

    async def _tell(self, event: str) -> None:
        self._to_app.put_nowait({"type": f"lifespan.{event}"})
        message = await self._from_app.get()
        if message is None:  # it has ended without a word, or raised
            await self._raise_failure()
        elif message["type"] == f"lifespan.{event}.failed":
            await self._from_app.get()
            await self._raise_failure()
            raise LifespanFailed(f"the application's {event} failed: {message.get('message') or 'it does not say why'}")

    async def _raise_failure(self) -> None:
        failure = await self._task
        if failure is not None:
            raise failure
