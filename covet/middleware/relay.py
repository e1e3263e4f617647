"""Runs an ASGI application and hands its response on, unsent."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import suppress
from contextvars import Context, copy_context
from typing import Any, cast

from covet.asgi.exchange import AsgiExchange
from covet.asgi.request import AsgiContext
from covet.asgi.serving import answer_with, complete
from covet.concurrency import run_in_threadpool
from covet.core import Exchange
from covet.exceptions import ClientDisconnect, HTTPException
from covet.middleware.base import AsgiApp, DispatchFunction, Receive, Scope, Send
from covet.requests import Request, news_of
from covet.responses import Response, StreamingResponse

FILE_PIECE = 262144
"""Bytes of a file that are read and sent at a time."""

DISCONNECT = {"type": "http.disconnect"}
UNSET = object()


async def relay(app: AsgiApp, dispatch: DispatchFunction, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a request with what `dispatch` returns, whose `call_next` runs an ASGI application."""
    x = AsgiExchange(scope, receive, send)
    x.lifespan_state = scope.setdefault("state", {})
    x.shares_state = True
    request = AsgiContext(scope.get("app"), {}, {}).request_of(cast(Exchange, x))  # type: ignore[arg-type]
    inner = Inner(app, scope, request)

    async def answer() -> None:
        response: Any = await dispatch(request, inner.call_next)
        if not isinstance(response, Response):
            from covet.middleware.chain import checked

            response = checked(response)
        await answer_with(x, response)

    try:
        await complete(x, answer())
    except BaseException:
        await inner.cancel()
        raise
    await inner.end()


class Inner:
    """An ASGI application that runs in a task of its own for one request.

    Args:
        app: the application.
        scope: the request's scope.
        request: the request, as the middleware sees it; what it has read of the body is given to the application.
    """

    def __init__(self, app: AsgiApp, scope: Scope, request: Request) -> None:
        self._app = app
        self._scope = scope
        self._request = request
        self._task: asyncio.Task[None] | None = None
        self._sent = asyncio.Event()  # nobody waits for more of the response
        self._body_given = False

    async def call_next(self, request: Request) -> Response:
        """Starts the application and gives its response. Raises what it raises before that.

        Raises:
            RuntimeError: the application ended without a response.
        """
        context = copy_context()
        response = RelayedResponse(context)
        task = asyncio.get_running_loop().create_task(self._run(response), name="covet-inner", context=context)
        self._task = task
        try:
            await asyncio.wait({task, response.begun}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.cancel()
            raise
        adopt(context)
        if not response.begun.done():
            task.result()
            raise RuntimeError("No response returned.")
        return response

    async def _run(self, response: "RelayedResponse") -> None:
        async def send(message: Any) -> None:
            if not self._sent.is_set():
                await response.take(message, self._sent)

        try:
            await self._app(self._scope, self._receive, send)
        except Exception as error:
            response.error = error
            raise
        finally:
            response.close()

    async def _receive(self) -> Any:
        """The request's body, as far as the middleware has left it; then http.disconnect."""
        request, x = self._request, self._request.exchange
        if not self._body_given and not self._sent.is_set():
            request.hand_on()
            try:
                return self._message(await request.next_piece())
            except (ClientDisconnect, HTTPException):
                self._body_given = True
                return DISCONNECT
        while not (self._sent.is_set() or x.done or x.cancelled):
            cast(AsgiExchange, x).watch()
            with suppress(RuntimeError):  # the exchange has ended
                await news_of(x)
        return DISCONNECT

    def _message(self, piece: tuple[bytes, bool]) -> Any:
        self._body_given = not piece[1]
        return {"type": "http.request", "body": piece[0], "more_body": piece[1]}

    async def end(self) -> None:
        """The response has been sent: waits until the application has ended. Raises what it raises."""
        self._sent.set()
        if self._task is not None and not self._task.cancelled():
            try:
                await self._task
            except asyncio.CancelledError:
                await self.cancel()
                raise

    async def cancel(self) -> None:
        """Gives the application up."""
        self._sent.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            if not self._task.cancelled():
                self._task.exception()  # it is known to whoever gave it up


class RelayedResponse(StreamingResponse):
    """The response of an ASGI application, of which the next piece is taken when somebody asks for it.

    Args:
        context: the context that the application runs in.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._pieces: asyncio.Queue[Any] = asyncio.Queue(1)
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended = False
        self.error: Exception | None = None
        super().__init__(self._body())

    async def take(self, message: Mapping[str, Any], sent: asyncio.Event) -> None:
        """Takes a message of the application. Waits, after the last one, until the response has been sent."""
        kind = message["type"]
        if kind == "http.response.start":
            self.status_code = message["status"]
            self.raw_headers = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ())]
            if not self.begun.done():
                self.begun.set_result(None)
        elif kind in ("http.response.body", "http.response.pathsend"):
            if self._pieces.full():
                await _either(self._pieces.put(message), sent)
            else:
                self._pieces.put_nowait(message)
            if not message.get("more_body", False):
                await sent.wait()

    def close(self) -> None:
        """The application has ended: nothing more comes."""
        self._ended = True
        if self._pieces.empty():
            self._pieces.put_nowait(None)

    async def _body(self) -> AsyncIterator[Any]:
        more = True
        while more:
            message = None if self._ended and self._pieces.empty() else await self._pieces.get()
            if message is None:
                raise self.error or RuntimeError("the application ended without completing its response")
            if message["type"] == "http.response.pathsend":
                async for piece in _pieces_of(message["path"]):
                    yield piece
                break
            if message.get("body"):
                yield message["body"]
            more = message.get("more_body", False)
        adopt(self._context)


async def _either(work: Coroutine[Any, Any, None], event: asyncio.Event) -> None:
    """Waits for the work, or until an event makes it pointless."""
    first, second = asyncio.ensure_future(work), asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        first.cancel()
        second.cancel()


async def _pieces_of(path: str) -> AsyncIterator[bytes]:
    with await run_in_threadpool(open, path, "rb") as file:
        while piece := await run_in_threadpool(file.read, FILE_PIECE):
            yield piece


def adopt(context: Context) -> None:
    """Sets the context variables that were set in another task's context."""
    for variable, value in context.items():
        if variable.get(UNSET) is not value:
            variable.set(value)
